"""The model card: what a model is, what it learned from, how good it is, and what it is not for."""

from collections.abc import Mapping, Sequence
from typing import Any

from eddy.training.transactions.evaluation import Evaluated
from eddy.training.transactions.intervals import ConfidenceInterval
from eddy.training.transactions.settings import TrainSettings
from eddy.training.transactions.train import Trained, text

MODEL_CARD_FILE = "model_card.md"

_LIMITS = """\
* It ranks what resembles the frauds of its training rows. A scheme nobody has reported is not
  among them.
* Terminal features count frauds a delay after they happened: a terminal compromised yesterday looks
  as it did before.
* Probabilities and boundary hold as long as frauds are about as frequent as on the calibration
  days; drift is watched, not corrected.
* Cards and terminals are known by hashes only; nothing else about a person is looked at. Whether
  groups of people are treated alike was not measured, because nothing is known of them here.
"""


def model_card(trained: Trained, settings: TrainSettings, evaluated: Evaluated | None) -> str:
    """Return a model's card as Markdown; the same model and figures give the same text."""
    parameters = trained.parameters
    parts = [
        "# Model of transactions",
        f"`{parameters.detector}`: says of each transaction how much it looks like a fraud. "
        "1.0 is the boundary; what is above is flagged.",
        "## What it learned from",
        _table(
            ("what", "value"),
            [
                ("rows", f"{trained.rows:,}"),
                ("frauds known in time", f"{trained.frauds:,}"),
                ("from", text(trained.first_us)),
                ("until before", text(trained.until_us)),
                ("SHA-256 of the rows", f"`{trained.data_sha256}`"),
                ("features", ", ".join(f"`{name}`" for name in parameters.features)),
            ],
        ),
        "## How",
        _table(("parameter", "value"), sorted(_flat(trained.settings(settings)).items())),
        _table(
            ("found on the calibration days", "value"),
            [
                ("boundary", f"{parameters.boundary:.6g}"),
                ("calibration", _calibration(trained)),
                ("days left before them for labels to come", _delay(trained, settings)),
            ],
        ),
        "## How good it is",
        _quality(evaluated),
        "## What it is not for",
        _LIMITS.rstrip(),
    ]
    return "\n\n".join(parts) + "\n"


def evaluation_card(evaluated: Evaluated) -> str:
    """Return an evaluation as Markdown."""
    return f"# Evaluation\n\n{_quality(evaluated)}\n"


def _quality(evaluated: Evaluated | None) -> str:
    if evaluated is None:
        return "Not measured: no known frauds came after the rows it learned from."
    rows = [
        (f"`{name}`", _interval(interval), _interval(evaluated.random[name]))
        for name, interval in evaluated.figures.items()
    ]
    windows = [
        (
            window.first[:10],
            window.stop[:10],
            f"{window.rows:,}",
            f"{window.frauds:,}",
            *_cells(window.figures),
        )
        for window in evaluated.windows
    ]
    shown = [
        f"Of {evaluated.what}. Means over {len(evaluated.windows)} test windows, with intervals "
        "over resampled days; random is a scorer that gives the same scores in random order.",
        _table(("figure", "value", "random"), rows),
        _table(
            ("from", "to before", "rows", "frauds", *(f"`{n}`" for n in evaluated.figures)),
            windows,
        ),
        *(f"Note: {note}." for note in evaluated.notes),
    ]
    return "\n\n".join(shown)


def _calibration(trained: Trained) -> str:
    calibration = trained.parameters.calibration
    if calibration is None:
        return "none"
    return f"Platt, slope {calibration.slope:.6g}, intercept {calibration.intercept:.6g}"


def _delay(trained: Trained, settings: TrainSettings) -> str:
    left = trained.calibration_delay_days
    if left == settings.delay_days:
        return f"{left:g}"
    return (
        f"{left:g}, not {settings.delay_days:g}: the table does not reach back far enough. "
        "Boundary and calibration may be too sure, because the days before were known better than "
        "they will be"
    )


def _cells(figures: Mapping[str, float]) -> list[str]:
    return [f"{value:.4g}" for value in figures.values()]


def _interval(interval: ConfidenceInterval) -> str:
    return f"{interval.value:.4g} ({interval.low:.4g} to {interval.high:.4g})"


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    out: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            out |= _flat(value, f"{prefix}{name}.")
        else:
            out[f"{prefix}{name}"] = "" if value is None else str(value)
    return out


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
