"""What every judge must do; each check takes a `JudgeCase`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from eddy.models.arrays import Floats, Ints
from eddy.models.checks.rows import batches, bounded, numbers, places, require, same, ways_to_cut
from eddy.models.judge import Events, Judge, Model
from eddy.schemas.anomalies import Anomaly

NOW = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class JudgeCase:
    """A judge and what to show it.

    Attributes
    ----------
    make : callable
        ``make(model)`` gives a fresh judge.
    model, other : Model
        Two models that judge differently.
    events : Events
        Enough to fill the judge's window in the first half.
    spread : float
        By what share the state may be larger in the second half: where the window is one of time,
        the number of events in it varies.
    """

    make: Callable[[Model], Judge]
    model: Model
    other: Model
    events: Events
    spread: float = 0.0

    def judge(self) -> Judge:
        """Return a fresh judge with `model`."""
        return self.make(self.model)


JudgeCheck = Callable[[JudgeCase], None]


@dataclass(frozen=True, slots=True)
class JudgeOutput:
    """All that a judge said of a run of events."""

    scores: Floats
    flagged: Ints
    anomalies: list[Anomaly]


def part(events: Events, start: int, stop: int) -> Events:
    """Return the events from `start` up to `stop`, as a partition would deliver them."""
    return Events(
        events.offsets[start:stop],
        events.occurred_at[start:stop],
        events.values[start:stop],
        events.keys[start:stop],
        lambda i: events.event(start + i),
        events.vectors[start:stop],
    )


def say(judge: Judge, events: Events, cuts: Sequence[int] = ()) -> JudgeOutput:
    """Judge events in batches that begin at `cuts`, and tell all that was said.

    Parameters
    ----------
    judge : Judge
    events : Events
    cuts : sequence of int
        Ascending; none means one batch.
    """
    scores, flagged, anomalies = [np.empty(0)], [np.empty(0, np.int64)], []
    for start, stop in batches(len(events), cuts):
        verdicts = judge.judge(part(events, start, stop))
        scores.append(verdicts.scores)
        flagged.append(verdicts.flagged + start)
        anomalies += verdicts.anomalies(range(len(verdicts.flagged)), NOW)
    return JudgeOutput(np.concatenate(scores), np.concatenate(flagged), anomalies)


def check_same_events_same_verdicts(case: JudgeCase) -> None:
    """Two judges of one making, given the same events, say the same."""
    _same_said(say(case.judge(), case.events), say(case.judge(), case.events), "a second run")


def check_judge_batches_do_not_matter(case: JudgeCase) -> None:
    """Events one by one, cut at random, and all at once are judged the same."""
    whole = say(case.judge(), case.events)
    for cuts in ways_to_cut(len(case.events)):
        _same_said(say(case.judge(), case.events, cuts), whole, f"{len(cuts)} cuts")


def check_judge_snapshot_round_trip(case: JudgeCase) -> None:
    """Whoever takes over a snapshot, taken anywhere, goes on with the same verdicts."""
    n = len(case.events)
    for at in places(n):
        first, second = case.judge(), case.judge()
        first.judge(part(case.events, 0, at))
        second.judge(part(case.events, n - 10, n))
        state = first.snapshot()
        second.restore(state)
        require(second.snapshot() == state, f"a snapshot at {at} differs after its restore")
        require(second.complete == first.complete, f"`complete` is lost in a snapshot at {at}")
        rest = part(case.events, at, n)
        _same_said(say(second, rest), say(first, rest), f"a snapshot at {at}")


def check_snapshot_of_another_kind_is_refused(case: JudgeCase) -> None:
    """Bytes that are no snapshot raise ValueError, and leave the judge as it was."""
    judge = case.judge()
    judge.judge(part(case.events, 0, len(case.events) // 2))
    state = judge.snapshot()
    for other in (b"", b"no snapshot", state[: len(state) // 2 + 1]):
        try:
            judge.restore(other)
        except ValueError:
            pass
        else:
            raise AssertionError(f"restore took {other[:20]!r} ({len(other)} bytes)")
        require(judge.snapshot() == state, "a refused snapshot changed the judge")


def check_judge_memory_is_bounded(case: JudgeCase) -> None:
    """Events of the second half make the state no larger."""
    judge, half = case.judge(), len(case.events) // 2

    def run(start: int, stop: int) -> int:
        judge.judge(part(case.events, start, stop))
        return len(judge.snapshot())

    bounded(run, half, len(case.events), case.spread)
    require(0 < judge.entities <= judge.history, f"{judge.entities} of {judge.history}")


def check_complete_needs_no_older_events(case: JudgeCase) -> None:
    """Whoever begins in the middle and says it is complete judges as if it had seen all.

    A judge may never say so; its state is then rebuilt from all that the log holds.
    """
    n = len(case.events)
    whole, late_comer = say(case.judge(), case.events), case.judge()
    start = at = n // 5
    while at < n and not late_comer.complete:
        late_comer.judge(part(case.events, at, at + 1))
        at += 1
    if at == n:
        return
    # `history` is an estimate, as late events take no place; a restart reads twice as many
    require(at - start <= 2 * late_comer.history, f"complete only after {at - start} events")
    rest = say(late_comer, part(case.events, at, n))
    same(rest.scores, whole.scores[at:], f"begun at {start}, complete at {at}")


def check_judge_scores_are_numbers(case: JudgeCase) -> None:
    """Scores are one a row, finite and not negative; NaN only while warming."""
    numbers(case.judge().judge(case.events).scores, len(case.events))


def check_flagged_are_above_one(case: JudgeCase) -> None:
    """Verdicts flag the rows whose score is above 1.0, and there are some."""
    verdicts = case.judge().judge(case.events)
    same(verdicts.flagged, np.flatnonzero(verdicts.scores > 1.0), "flagged")
    require(len(verdicts.flagged) > 0, "give events of which some are anomalies")


def check_judge_leaves_input_alone(case: JudgeCase) -> None:
    """Judging writes nothing into the columns it is given."""
    events = case.events
    columns = (events.offsets, events.occurred_at, events.values, events.keys, events.vectors)
    before = [column.copy() for column in columns]
    say(case.judge(), events)
    for column, copy in zip(columns, before, strict=True):
        same(column, copy, "a column, after judging")


def check_adopting_the_same_model_changes_nothing(case: JudgeCase) -> None:
    """Adopting the model in use, anywhere, keeps the verdicts."""
    whole = say(case.judge(), case.events)
    for at in places(len(case.events)):
        judge = case.judge()
        judge.judge(part(case.events, 0, at))
        judge.set_model(case.model)
        rest = say(judge, part(case.events, at, len(case.events)))
        same(rest.scores, whole.scores[at:], f"the same model adopted at {at}")


def check_adopting_another_model_keeps_the_window(case: JudgeCase) -> None:
    """Adopting another model keeps what was learned, and judges by the new one from then on."""
    n = len(case.events)
    for at in places(n):
        judge, fresh = case.judge(), case.make(case.other)
        judge.judge(part(case.events, 0, at))
        state = judge.snapshot()
        judge.set_model(case.other)
        require(judge.snapshot() == state, f"adopting at {at} changed what was learned")
        fresh.restore(state)
        rest = part(case.events, at, n)
        _same_said(say(judge, rest), say(fresh, rest), f"another model adopted at {at}")


JUDGE_CHECKS: tuple[JudgeCheck, ...] = (
    check_same_events_same_verdicts,
    check_judge_batches_do_not_matter,
    check_judge_snapshot_round_trip,
    check_snapshot_of_another_kind_is_refused,
    check_judge_memory_is_bounded,
    check_complete_needs_no_older_events,
    check_judge_scores_are_numbers,
    check_flagged_are_above_one,
    check_judge_leaves_input_alone,
    check_adopting_the_same_model_changes_nothing,
    check_adopting_another_model_keeps_the_window,
)


def _same_said(actual: JudgeOutput, expected: JudgeOutput, what: str) -> None:
    same(actual.scores, expected.scores, f"{what}, scores")
    same(actual.flagged, expected.flagged, f"{what}, flagged")
    require(actual.anomalies == expected.anomalies, f"{what}: the anomalies differ")
