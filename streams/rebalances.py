"""Rebalances on their way from the membership's thread to the engine's event loop."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from eddy.streams.engine import Engine
from eddy.streams.fetchers import TopicPartition


class RebalanceListener:
    """Lets the engine act on a rebalance, which waits for it; see `eddy.streams.membership.Owner`.

    Parameters
    ----------
    engine : Engine
    loop : asyncio.AbstractEventLoop
        The engine's; every method is called on another thread.
    """

    def __init__(self, engine: Engine, loop: asyncio.AbstractEventLoop) -> None:
        self._engine, self._loop = engine, loop

    def assigned(self, partitions: Sequence[TopicPartition]) -> None:
        """Take over partitions."""
        self._wait_for(self._engine.assigned(partitions))

    def revoked(self, partitions: Sequence[TopicPartition]) -> None:
        """Finish what is open, then let go of partitions."""
        self._wait_for(self._engine.revoked(partitions))

    def lost(self, partitions: Sequence[TopicPartition]) -> None:
        """Let go of partitions that others may already own."""
        self._wait_for(self._engine.lost(partitions))

    def _wait_for(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()
