"""Model updates: new champions, challengers and policies on their way to the judges."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, cast

import structlog

from eddy.models.judge import Model, Reconfigurable, ShadowedJudge
from eddy.streams.lane import Lane
from eddy.streams.partition import Partition

log = structlog.get_logger()


class Update(Protocol):
    """What a lane's judges are to go on with."""

    @property
    def lane(self) -> Lane:
        """Whose judges these are."""
        ...

    @property
    def changes_state(self) -> bool:
        """Whether what judges learn from now on depends on it, where they know time."""
        ...

    def apply(self, partitions: Iterable[Partition]) -> None:
        """Hand it to the lane and to the judges of its partitions."""
        ...


@dataclass(frozen=True, slots=True)
class ChampionUpdate:
    """Another champion."""

    lane: Lane
    model: Model
    changes_state = True

    def apply(self, partitions: Iterable[Partition]) -> None:
        """See `Update`."""
        self.lane.model = self.model
        for partition in partitions:
            partition.judge.set_model(self.model)
        log.info("model_reloaded", model=self.model.ref.name, version=self.model.ref.version)


@dataclass(frozen=True, slots=True)
class ChallengerUpdate:
    """Another challenger, or none."""

    lane: Lane
    model: Model | None
    changes_state = False

    def apply(self, partitions: Iterable[Partition]) -> None:
        """See `Update`."""
        self.lane.challenger = self.model
        if self.lane.domain.has_shadow:
            for partition in partitions:
                cast("ShadowedJudge", partition.judge).set_challenger(self.model)
        log.info("challenger", version=None if self.model is None else self.model.ref.version)


@dataclass(frozen=True, slots=True)
class PolicyUpdate:
    """Another policy of the same fixed settings."""

    lane: Lane
    policy: Any
    config_hash: str
    changes_state = True

    def apply(self, partitions: Iterable[Partition]) -> None:
        """See `Update`."""
        self.lane.policy, self.lane.config_hash = self.policy, self.config_hash
        for partition in partitions:
            judge = cast("Reconfigurable", partition.judge)
            judge.update_policy(self.policy, self.lane.identity(partition.number))


async def poll_updates(lanes: Iterable[Lane]) -> AsyncIterator[Update]:
    """Yield what is new since the last time; looks for the next one after one was applied."""
    for lane in lanes:
        model = await asyncio.to_thread(lane.poll_model)
        if model is not None:
            yield ChampionUpdate(lane, model)
        challenger = await asyncio.to_thread(lane.poll_challenger)
        if challenger is not None:
            yield ChallengerUpdate(lane, *challenger)
        policy = await asyncio.to_thread(lane.poll_policy)
        if policy is not None:
            yield PolicyUpdate(lane, *policy)
