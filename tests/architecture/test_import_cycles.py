"""No module imports itself through others: whoever reads one reads downwards."""

from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

import grimp
import pytest


def test_no_module_imports_itself_through_others() -> None:
    graph = grimp.build_graph("eddy", "bench", cache_dir=None)
    imports = {m: graph.find_modules_directly_imported_by(m) for m in graph.modules}
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        cycle = error.args[1][::-1]
        lines = [
            f"{importer}:{detail['line_number']} {detail['line_contents']}"
            for importer, imported in pairwise(cycle)
            for detail in graph.get_import_details(importer=importer, imported=imported)
        ]
        pytest.fail("a circle of imports:\n" + "\n".join(lines), pytrace=False)
