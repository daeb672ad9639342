"""One typed door to numba, so that compiled functions keep their signatures for mypy.

Floating point stays strict (no fused or reordered operations): results are the same on every
machine, and equal to scikit-learn's.
"""

from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numba

from eddy.schemas.compilation import Function, compile_and_keep

# Without the reference-counting runtime (`_nrt`) nothing can be allocated, and passing a tuple of
# arrays to a function costs nothing; with it, that costs more than a row's work.
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}


def compiled(function: Function) -> Function:
    """Compile `function`, for use inside other compiled functions: nothing is kept on disk."""
    return cast("Function", numba.njit(**_OPTIONS)(function))


def inlined(function: Function) -> Function:
    """Compile `function` into each of its callers: for the small ones that every row meets."""
    return cast("Function", numba.njit(forceinline=True, **_OPTIONS)(function))


def compiled_and_kept(function: Function) -> Function:
    """Compile an entry function and keep the machine code on disk where there is a place for it."""
    return compile_and_keep(function, **_OPTIONS)


def fingerprint(*modules: ModuleType | str) -> int:
    """Return a hash of source files, given as modules or paths, that fits an int64.

    numba's disk cache compares the source of an entry function's own file only, and what the
    function closes over. An entry that closes over this number and returns it is compiled anew
    when any of the files changes.
    """
    paths = [__file__, *(m if isinstance(m, str) else str(m.__file__) for m in modules)]
    content = b"\0".join(Path(path).read_bytes() for path in paths)
    return int.from_bytes(sha256(content).digest()[:7], "little")
