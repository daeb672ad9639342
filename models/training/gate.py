"""The gate before promotion: a candidate must beat the champion on what neither has learned from.

Both score the newest labelled window. The candidate must be better by more than the margin, at the
lower end of a paired bootstrap interval over days as well, and must not flag more cards a day than
the budget has room for. Where there is no champion, a random scorer stands in.
"""

import msgspec
import numpy as np

from models.detectors.fraud.scorer import Scorer
from models.training import fraud_metrics as metrics
from models.training import intervals
from models.training.evaluation import scored_rows, shuffled
from models.training.fraud_metrics import Figure, ScoredRows
from models.training.prequential import Fold, newest_window, rows_to_test
from models.training.settings import Gate
from models.training.table import TrainingTable
from models.training.transactions import text
from schemas.errors import ConfigError


class GateDecision(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate says.

    Attributes
    ----------
    accepted : bool
    reason : str
        Why, in a sentence.
    numbers : dict of str to float
        What it rests on.
    window : str
        The days both were judged on.
    """

    accepted: bool
    reason: str
    numbers: dict[str, float] = {}
    window: str = ""


def judge_candidate(
    table: TrainingTable,
    candidate: Scorer,
    champion: Scorer | None,
    settings: Gate | None = None,
    *,
    learned_until_us: int | None = None,
) -> GateDecision:
    """Say whether a candidate may become champion.

    Parameters
    ----------
    table : TrainingTable
        Its newest labelled days are what both are judged on.
    candidate : Scorer
    champion : Scorer, optional
        The model in use; None where there is none.
    settings : Gate, optional
    learned_until_us : int, optional
        The end of the candidate's training rows, microseconds since 1970; where it is given, the
        window must begin after it.
    """
    how = settings or Gate()
    try:
        fold = newest_window(table, how.window_days, how.delay_days)
        window = f"{text(fold.test_start_us)} to {text(fold.test_stop_us)}"
        if learned_until_us is not None and learned_until_us > fold.test_start_us:
            return _refused(
                f"the candidate learned from rows up to {text(learned_until_us)}, and the newest "
                f"labelled {how.window_days} days begin at {text(fold.test_start_us)}: it takes "
                "newer labels, or a candidate trained with train.hold_out_days",
                window=window,
            )
        rows = rows_to_test(table, fold, how.known_days)
        frauds = int(rows.frauds.sum())
        if frauds < how.least_frauds:
            return _refused(
                f"{frauds} frauds in the newest labelled {how.window_days} days: too few to "
                f"decide on; gate.least_frauds is {how.least_frauds}",
                {"frauds": float(frauds), "rows": float(len(rows))},
                window,
            )
        ours = scored_rows(rows, fold, candidate)
    except ConfigError as error:  # nothing to judge on, or the table lacks a feature
        return _refused(str(error))
    theirs, notes = _theirs(rows, fold, ours, champion, how)
    return _decided(ours, theirs, how, window, notes)


def _theirs(
    rows: TrainingTable, fold: Fold, ours: ScoredRows, champion: Scorer | None, how: Gate
) -> tuple[ScoredRows, str]:
    if champion is None:
        return shuffled([ours], how.seed)[0], "a random scorer"
    try:
        return scored_rows(rows, fold, champion), "the champion"
    except ConfigError as error:
        # it cannot judge these rows at all: whoever can is better
        return shuffled([ours], how.seed)[0], f"a random scorer ({error})"


def _decided(
    ours: ScoredRows, theirs: ScoredRows, how: Gate, window: str, who: str
) -> GateDecision:
    figure = _figure(how)
    drawn = intervals.differences(ours, theirs, figure, how.resamples, how.seed)
    low = float(np.quantile(drawn, 1 - how.confidence)) if len(drawn) else float("-inf")
    candidate, champion = intervals.value([ours], figure), intervals.value([theirs], figure)
    flagged = intervals.value([ours], metrics.cards_flagged)
    budget = how.cards_per_day * (1 + how.budget_slack)
    numbers = {
        "rows": float(len(ours)),
        "frauds": float(ours.is_fraud.sum()),
        "candidate": candidate,
        "champion": champion,
        "difference": candidate - champion,
        "difference_low": low,
        "margin": how.margin,
        "cards_flagged_a_day": flagged,
        "champion_cards_flagged_a_day": intervals.value([theirs], metrics.cards_flagged),
        "budget": budget,
    }
    what = f"{how.metric} {candidate:.4f} against {champion:.4f} of {who} on {window}"
    if flagged > budget:
        said = f"it flags {flagged:.1f} cards a day, the budget has room for {budget:.1f}; {what}"
        return _refused(said, numbers, window)
    if not min(candidate - champion, low) > how.margin:
        said = (
            f"{what}: at {how.confidence:.0%} confidence it is better by {low:+.4f} only, and "
            f"must be by more than {how.margin:g}"
        )
        return _refused(said, numbers, window)
    said = f"{what}: better by at least {low:.4f} at {how.confidence:.0%} confidence"
    return GateDecision(accepted=True, reason=said, numbers=numbers, window=window)


def _figure(how: Gate) -> Figure:
    if how.metric == "card_precision":
        return metrics.card_precision(round(how.cards_per_day))
    return metrics.average_precision


def _refused(
    reason: str, numbers: dict[str, float] | None = None, window: str = ""
) -> GateDecision:
    return GateDecision(accepted=False, reason=reason, numbers=numbers or {}, window=window)
