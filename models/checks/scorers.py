"""What every scorer of transactions must do; each check takes a scorer and complete rows."""

from collections.abc import Callable

import numpy as np

from eddy.models.arrays import Floats
from eddy.models.checks.rows import batches, numbers, require, same, ways_to_cut
from eddy.models.detectors.fraud.scorer import Scorer

ScorerCheck = Callable[[Scorer, Floats], None]


def check_batches_do_not_matter(scorer: Scorer, rows: Floats) -> None:
    """Rows one by one, cut at random, and all at once give the same scores, bit by bit."""
    whole, reasons = scorer.score(rows), scorer.contributions(rows)
    for cuts in ways_to_cut(len(rows)):
        parts = [rows[a:b] for a, b in batches(len(rows), cuts)]
        same(np.concatenate([scorer.score(part) for part in parts]), whole, f"{len(cuts)} cuts")
        cut = np.concatenate([scorer.contributions(part) for part in parts])
        same(cut, reasons, f"contributions of {len(cuts)} cuts")


def check_scores_are_numbers(scorer: Scorer, rows: Floats) -> None:
    """Scores are one a row, finite and not negative."""
    numbers(scorer.score(rows), len(rows))


def check_no_rows_no_scores(scorer: Scorer, rows: Floats) -> None:
    """No rows are scored and explained as well as many."""
    none = rows[:0]
    require(scorer.score(none).shape == (0,), "a score of no row")
    require(scorer.contributions(none).shape == none.shape, "contributions of no row")


def check_ranking_is_kept(scorer: Scorer, rows: Floats) -> None:
    """Neither the calibration nor the boundary changes an order: scores rise with raw outputs."""
    order = np.argsort(scorer.raw(rows), kind="stable")
    for measure in (scorer.score, scorer.probability):
        require(bool((np.diff(measure(rows)[order]) >= 0).all()), f"{measure.__name__} falls")


def check_missing_is_typical(scorer: Scorer, rows: Floats) -> None:
    """Take what is no finite number for typical."""
    typical = np.array(scorer.parameters.typical)
    for column in range(rows.shape[1]):
        for nothing in (np.nan, np.inf, -np.inf):
            missing, filled = rows[:8].copy(), rows[:8].copy()
            missing[:, column], filled[:, column] = nothing, typical[column]
            same(scorer.score(missing), scorer.score(filled), f"{nothing} in column {column}")


def check_contributions_sum(scorer: Scorer, rows: Floats) -> None:
    """Contributions sum to the score less the base score."""
    parts = scorer.contributions(rows)
    require(parts.shape == rows.shape, f"contributions of shape {parts.shape}")
    off = np.abs(parts.sum(axis=1) - (scorer.score(rows) - scorer.base_score))
    require(bool((off <= 1e-9).all()), f"contributions sum to {off.max()} beside the score")


def check_reasons_are_reasons(scorer: Scorer, rows: Floats) -> None:
    """Of high rows, the score falls on the average once the first reason is made typical."""
    scores = scorer.score(rows)
    high = rows[scores >= np.quantile(scores, 0.95)]
    first = np.argmax(scorer.contributions(high), axis=1)
    ablated = high.copy()
    ablated[np.arange(len(high)), first] = np.array(scorer.parameters.typical)[first]
    fall = scorer.score(high) - scorer.score(ablated)
    require(float(fall.mean()) > 0, f"the score rises by {-fall.mean()} without its first reason")


def check_input_is_left_alone(scorer: Scorer, rows: Floats) -> None:
    """Scoring writes nothing into the rows, in whatever order they lie in memory."""
    mine = rows.copy()
    whole = scorer.score(mine)
    scorer.contributions(mine)
    same(mine, rows, "the rows, after scoring")
    same(scorer.score(np.asfortranarray(rows)), whole, "rows by column")
    wide = np.repeat(rows, 2, axis=1)[:, ::2]
    same(scorer.score(wide), whole, "every other column of wider rows")


SCORER_CHECKS: tuple[ScorerCheck, ...] = (
    check_batches_do_not_matter,
    check_scores_are_numbers,
    check_no_rows_no_scores,
    check_ranking_is_kept,
    check_missing_is_typical,
    check_contributions_sum,
    check_reasons_are_reasons,
    check_input_is_left_alone,
)
