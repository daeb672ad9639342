"""The gate before promotion: a candidate must beat the champion on what neither has learned from.

Both score the newest days whose labels have had the delay to come. The candidate must be better by
more than the margin, at the lower end of a paired bootstrap interval over days as well, and must
not flag more cards a day than the budget has room for, on rows with a label or without. Where there
is no champion, a random scorer stands in.
"""

import numpy as np

from eddy.models.detectors.fraud.scorer import Scorer
from eddy.schemas.errors import ConfigError
from eddy.training.gate_decision import GateDecision
from eddy.training.transactions import fraud_metrics as metrics
from eddy.training.transactions import intervals
from eddy.training.transactions.evaluation import scored_rows, shuffled
from eddy.training.transactions.fraud_metrics import Figure, ScoredRows
from eddy.training.transactions.prequential import newest_window, rows_seen
from eddy.training.transactions.settings import GateSettings
from eddy.training.transactions.table import TrainingTable, whole_days
from eddy.training.transactions.train import text


def judge_candidate(
    table: TrainingTable,
    candidate: Scorer,
    champion: Scorer | None,
    settings: GateSettings | None = None,
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
    settings : GateSettings, optional
    learned_until_us : int, optional
        The end of the candidate's training rows, microseconds since 1970; where it is given, the
        window must begin after it.

    Raises
    ------
    ConfigError
        The rows were thinned out: nobody can tell how many cards a day would be flagged.
    """
    settings = settings or GateSettings()
    whole_days(table, "the gate")
    try:
        fold = newest_window(table, settings.window_days, settings.delay_days)
        window = f"{text(fold.test_start_us)} to {text(fold.test_stop_us)}"
        if learned_until_us is not None and learned_until_us > fold.test_start_us:
            return _refused(
                f"the candidate learned from rows up to {text(learned_until_us)}, and the newest "
                f"labelled {settings.window_days} days begin at {text(fold.test_start_us)}: it "
                "takes newer labels, or a candidate trained with train.hold_out_days",
                window=window,
            )
        rows = rows_seen(table, fold, settings.known_days)
        if lacking := _too_little(rows, settings):
            numbers = {"frauds": float(rows.frauds.sum()), "rows": float(len(rows))}
            return _refused(lacking, numbers, window)
        ours = scored_rows(rows, fold, candidate)
    except ConfigError as error:  # nothing to judge on, or the table lacks a feature
        return _refused(str(error))
    if champion is None:
        random = shuffled([ours], settings.seed)[0]
        return _decided(ours, random, settings, window, "a random scorer")
    try:
        theirs = scored_rows(rows, fold, champion)
    except ConfigError as error:
        return _refused(f"the champion cannot judge these rows: {error}", window=window)
    return _decided(ours, theirs, settings, window, "the champion")


def _too_little(rows: TrainingTable, settings: GateSettings) -> str:
    """Return why nothing can be decided on the rows of the window; empty if it can."""
    days, frauds = f"the newest labelled {settings.window_days} days", int(rows.frauds.sum())
    if frauds < settings.least_frauds:
        return (
            f"{frauds} frauds in {days}: too few to decide on; gate.least_frauds is "
            f"{settings.least_frauds}"
        )
    labelled = float(rows.labelled.mean())
    if labelled < settings.least_labelled:
        return (
            f"{labelled:.1%} of the rows in {days} have a label: too few to decide on; "
            f"gate.least_labelled is {settings.least_labelled:g}. Where few report what is in "
            "order, labels.genuine_after_days takes silence for that"
        )
    return ""


def _decided(
    ours: ScoredRows, theirs: ScoredRows, settings: GateSettings, window: str, who: str
) -> GateDecision:
    figure = _figure(settings)
    drawn = intervals.differences(ours, theirs, figure, settings.resamples, settings.seed)
    low = float(np.quantile(drawn, 1 - settings.confidence)) if len(drawn) else float("-inf")
    candidate, champion = intervals.value([ours], figure), intervals.value([theirs], figure)
    flagged = intervals.value([ours], metrics.cards_flagged)
    budget = settings.cards_per_day * (1 + settings.budget_slack)
    numbers = {
        "rows": float(len(ours)),
        "rows_seen": float(len(ours.seen or ours)),
        "frauds": float(ours.is_fraud.sum()),
        "candidate": candidate,
        "champion": champion,
        "difference": candidate - champion,
        "difference_low": low,
        "margin": settings.margin,
        "cards_flagged_a_day": flagged,
        "champion_cards_flagged_a_day": intervals.value([theirs], metrics.cards_flagged),
        "budget": budget,
    }
    what = f"{settings.metric} {candidate:.4f} against {champion:.4f} of {who} on {window}"
    if flagged > budget:
        reason = f"it flags {flagged:.1f} cards a day, the budget has room for {budget:.1f}; {what}"
        return _refused(reason, numbers, window)
    if not min(candidate - champion, low) > settings.margin:
        reason = (
            f"{what}: at {settings.confidence:.0%} confidence it is better by {low:+.4f} only, and "
            f"must be by more than {settings.margin:g}"
        )
        return _refused(reason, numbers, window)
    reason = f"{what}: better by at least {low:.4f} at {settings.confidence:.0%} confidence"
    return GateDecision(accepted=True, reason=reason, numbers=numbers, window=window)


def _figure(settings: GateSettings) -> Figure:
    if settings.metric == "card_precision":
        return metrics.card_precision(round(settings.cards_per_day))
    return metrics.average_precision


def _refused(
    reason: str, numbers: dict[str, float] | None = None, window: str = ""
) -> GateDecision:
    return GateDecision(accepted=False, reason=reason, numbers=numbers or {}, window=window)
