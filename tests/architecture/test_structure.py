"""The structure of the tree: folders, links, names, and the picture in docs/architecture.md."""

import re
from itertools import product
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
ROOMS = (
    *("schemas", "models", "datasets", "training", "streams", "lake", "serving"),
    *("sandbox", "app", "deploy"),
)
PAGE = (ROOT / "docs/architecture.md").read_text()


@pytest.fixture(scope="module")
def imports() -> set[tuple[str, str]]:
    """Return which room imports which, as the code says."""
    graph = grimp.build_graph("eddy", "bench", cache_dir=None)
    pairs = {
        (room_of(module), room_of(imported))
        for module in graph.modules
        for imported in graph.find_modules_directly_imported_by(module)
    }
    rooms = {*ROOMS, "bench"}
    return {(room, other) for room, other in pairs if room != other and {room, other} <= rooms}


def room_of(module: str) -> str:
    package, _, rest = module.partition(".")
    return package if package == "bench" else rest.partition(".")[0]


def direct(pairs: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return the pairs that do not follow from others: the picture's arrows."""
    reached = set(pairs)
    for between, first, last in product({room for pair in pairs for room in pair}, repeat=3):
        if (first, between) in reached and (between, last) in reached:
            reached.add((first, last))
    return {
        (room, other)
        for room, other in pairs
        if not any((room, third) in reached and (third, other) in reached for third, _ in pairs)
    }


def test_the_picture_draws_the_imports_that_exist(imports):
    (picture,) = re.findall(r"```mermaid\n(flowchart TD.*?)```", PAGE, re.DOTALL)
    arrows = set(re.findall(r"^ *(\w+) --> (\w+)$", picture, re.MULTILINE))
    assert arrows == direct(imports)
    assert set(re.findall(r"^ *(\w+)\[", picture, re.MULTILINE)) == {*ROOMS, "bench"}


def test_the_page_describes_every_room():
    assert set(re.findall(r"^\| `(\w+)/` \|", PAGE, re.MULTILINE)) == {*ROOMS, "bench"}


def test_the_page_names_files_that_exist():
    """A path in backticks is one of the tree, or has a part that the reader fills in."""
    tops = "|".join((*ROOMS, "docs", "tests", "eddy"))
    paths = re.findall(rf"`((?:{tops})/[\w./<>-]*)`", PAGE)
    assert paths
    missing = [path for path in paths if "<" not in path and not (ROOT / path).exists()]
    assert not missing


def test_every_folder_with_code_is_a_package():
    missing = {
        str(path.parent.relative_to(ROOT))
        for room in (*ROOMS, "bench")
        for path in (ROOT / room).rglob("*.py")
        if not (path.parent / "__init__.py").exists()
    }
    assert not missing, "import-linter sees nothing of a folder without __init__.py"


def test_the_package_holds_one_link_a_room_and_nothing_else():
    links = {path.name: path.readlink() for path in (ROOT / "eddy").iterdir() if path.is_symlink()}
    assert links == {room: Path("..") / room for room in ROOMS}
    others = {path.name for path in (ROOT / "eddy").iterdir() if not path.is_symlink()}
    assert others - {"__pycache__"} == {"__init__.py", "__main__.py", "py.typed"}
