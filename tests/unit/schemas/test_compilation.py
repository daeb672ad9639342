import os
import subprocess
import sys

KERNEL = """
from typing import NamedTuple
import numpy as np
from eddy.schemas.compilation import compile_and_keep

class Rows(NamedTuple):
    values: np.ndarray

@compile_and_keep
def total(rows):
    result = 0.0
    for i in range(len(rows.values)):
        result += rows.values[i]
    return result

print(total(Rows(np.arange(4.0))), sum(total.stats.cache_hits.values()))
"""


def run(module):
    process = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys; sys.path.insert(0, {str(module.parent)!r}); import kernel",
        ],
        capture_output=True,
        text=True,
        check=False,
        env={k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"},
    )
    assert process.returncode == 0, process.stderr
    return process.stdout.split()


def test_machine_code_is_kept_until_a_type_in_its_index_has_another_name(tmp_path):
    module = tmp_path / "kernel.py"
    module.write_text(KERNEL)
    assert run(module) == ["6.0", "0"]
    assert run(module) == ["6.0", "1"]
    module.write_text(KERNEL.replace("Rows", "Batch"))
    assert run(module) == ["6.0", "0"]
    assert run(module) == ["6.0", "1"]


def test_machine_code_that_cannot_be_read_is_compiled_anew(tmp_path):
    module = tmp_path / "kernel.py"
    module.write_text(KERNEL)
    run(module)
    for file in (tmp_path / "__pycache__").glob("*.nbc"):
        file.write_bytes(file.read_bytes()[:100])
    assert run(module) == ["6.0", "0"]
    assert run(module) == ["6.0", "1"]
