"""Functions compiled by numba whose machine code is kept on disk, beside their source.

An entry function closes over a hash of the sources of all that it calls: numba compares the text
of the entry's own file only, and what the function closes over.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar, cast

import numba
from numba.core.caching import FunctionCache

Function = TypeVar("Function", bound=Callable[..., Any])


class ReplaceableCache(FunctionCache):  # type: ignore[misc]  # numba carries no types
    """A cache that counts what it cannot read as nothing.

    numba unpickles an index before it looks at the stamp of the sources. The index names the types
    of the arguments by their modules, so one that an earlier version of Eddy left behind cannot be
    read once a type has another name or place.
    """

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the code compiled for a signature; None where there is none to be read."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # a pickle of other classes fails in any way
            self.flush()
            return None


def compile_and_keep(function: Function, **options: Any) -> Function:
    """Compile an entry function and keep the machine code on disk where there is a place for it.

    A read-only container without a home directory has none; there the function is compiled at each
    start instead of failing on import.

    Parameters
    ----------
    function : callable
    **options
        Of ``numba.njit``.
    """
    dispatcher = numba.njit(**options)(function)
    with suppress(RuntimeError):  # numba: "no locator available"
        dispatcher._cache = ReplaceableCache(function)
    return cast("Function", dispatcher)
