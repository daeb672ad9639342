"""Feeding a topic and reading back what is said of it, side by side, for a while."""

import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from eddy.app.demo.threads import Threads
from eddy.app.settings import Settings
from eddy.streams.reading import TopicReader


class Feeding(ABC):
    """Sends and reads, each in a thread of its own, for as long as the ``with`` does."""

    def __init__(self, settings: Settings) -> None:
        self._reader = TopicReader(settings.kafka)
        self._fed = threading.Event()
        self._threads = Threads(self._send, self._read)

    def __enter__(self) -> Self:
        self._threads.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop_feeding()
        self._threads.end()
        self._reader.close()

    def stop_feeding(self) -> None:
        """Send no more; what was sent is still read back."""
        self._fed.set()

    def check(self) -> None:
        """Raise what ended one of the threads, where something did."""
        self._threads.check()

    @abstractmethod
    def _send(self) -> None:
        """Send until there is no more, or `_fed` is set."""

    @abstractmethod
    def _read(self) -> None:
        """Read back until the threads are to end."""
