"""Threads of the demo: ended together, and what ends one of them is not kept quiet."""

import threading
from collections.abc import Callable

_JOIN_S = 10.0


class Threads:
    """Runs each work in a thread of its own, until it is told to end.

    Parameters
    ----------
    works : callable
        Each must end soon after `ended` has turned true.
    """

    def __init__(self, *works: Callable[[], None]) -> None:
        self._end = threading.Event()
        self._failure: BaseException | None = None
        self._threads = [
            threading.Thread(target=self._guard, args=(work,), name=work.__name__, daemon=True)
            for work in works
        ]

    def start(self) -> None:
        """Start all of them."""
        for thread in self._threads:
            thread.start()

    def ended(self) -> bool:
        """Whether they are to end."""
        return self._end.is_set()

    def end(self) -> None:
        """Tell them to end, and wait for a while until they have."""
        self._end.set()
        for thread in self._threads:
            thread.join(_JOIN_S)

    def check(self) -> None:
        """Raise what ended one of them, where something did."""
        if self._failure is not None:
            raise self._failure

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # raised again by `check`
            self._failure = self._failure or error
