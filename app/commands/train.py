"""``eddy train``: a model is trained and put into the registry."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from eddy.app.commands.options import (
    JsonFlag,
    KafkaOptions,
    OptionValues,
    TopicRange,
    TrainingOptions,
    option,
    option_values,
)
from eddy.schemas.errors import ConfigError, GateRefused

if TYPE_CHECKING:
    from rich.progress import Progress

    from eddy.app.settings import Settings
    from eddy.app.training.new_model import NewModel
    from eddy.app.training.trained_model import TrainedModel, TrainingSource

PromoteFlag = Annotated[bool, option("Make it the champion, whoever is it now.")]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkOptions:
    """How the network of tpv is trained."""

    epochs: Annotated[int, option("At most so many.", least=1)] = 20
    width: Annotated[int, option("Hidden units.", least=1, most=256)] = 16
    seed: Annotated[int, option("Of everything that is drawn.", least=0)] = 0
    coverage: Annotated[float, option("Share of intervals to end within the published band.")] = (
        0.95
    )
    false_alarm_rate: Annotated[
        float, option("Share of ordinary intervals that may be alarmed about.")
    ] = 0.001
    network: Annotated[
        bool,
        option("Train one; else only the band's settings are published.", off="--no-network"),
    ] = True


def rides(
    files: Annotated[
        list[Path] | None, option("Parquet, CSV or JSONL; read in this order.", metavar="FILE")
    ] = None,
    /,
    *,
    span: TopicRange = TopicRange(),
    zone: Annotated[str, option("Of times in files that carry no offset.")] = "UTC",
    sensitivity: Annotated[float, option("0 to 1; 0.5 is the knee, more finds more.")] = 0.5,
    min_samples: Annotated[
        int | None, option("Rides that make a neighbourhood dense.", least=2)
    ] = None,
    window: Annotated[
        int | None, option("Rides the detector keeps; by default as configured.")
    ] = None,
    promote: PromoteFlag = False,
    source: KafkaOptions = KafkaOptions(),
    json: JsonFlag = False,
) -> None:
    """Find scaling and radius for rides, without labels; the same rows give the same model.

    The new version is the champion at once where there is none yet, or with --promote; else it
    waits for `eddy promote rides VERSION`.

    Examples
    --------
    eddy train rides rides-2026-06.parquet --zone America/New_York
    """
    values = {"sensitivity": sensitivity, "min_samples": min_samples, "window": window}
    train_model(source.load(), "rides", span.source(files, zone), values, promote, json)


def tpv(
    files: Annotated[
        list[Path] | None, option("Parquet, CSV or JSONL of payments.", metavar="FILE")
    ] = None,
    /,
    *,
    span: TopicRange = TopicRange(),
    history: Annotated[
        Path | None, option("Learn from the folder that `eddy tpv history` filled.")
    ] = None,
    zone: Annotated[
        str | None, option("Time zone of the intervals; by default as configured.")
    ] = None,
    interval: Annotated[
        int | None, option("Seconds an interval; by default as configured.")
    ] = None,
    training: NetworkOptions = NetworkOptions(),
    promote: PromoteFlag = False,
    source: KafkaOptions = KafkaOptions(),
    json: JsonFlag = False,
) -> None:
    """Train an LSTM across merchants that corrects the seasonal baseline's forecasts.

    It forecasts only where it was the better one on payments it did not learn from, else it runs
    beside the baseline. The same payments and seed give the same model.

    Examples
    --------
    eddy train tpv --history months
    """
    values = {"history": history, "interval": interval, **asdict(training)}
    train_model(source.load(), "tpv", span.source(files, zone), values, promote, json)


def transactions(
    table: Annotated[Path, option("What `eddy prepare transactions` wrote.")],
    /,
    *,
    kind: Annotated[
        Literal["classifier", "isolation_forest"] | None,
        option("With labels, or without; by default as in the parameters."),
    ] = None,
    promote: PromoteFlag = False,
    training: TrainingOptions = TrainingOptions(),
    source: KafkaOptions = KafkaOptions(),
    json: JsonFlag = False,
) -> None:
    """Train a model of transactions; the same table and parameters give the same model.

    The newest labelled days are kept from it, for the gate to judge on. The new version is the
    challenger. Where there is no champion yet, or with --promote, it becomes that if the gate
    lets it.

    Examples
    --------
    eddy train transactions table.parquet --set train.seed=3
    """
    from eddy.app.training.trained_model import TrainingSource

    values = {"params": training.params, **option_values(training.override), "train.kind": kind}
    train_model(source.load(), "transactions", TrainingSource([table]), values, promote, json)


def domain_command(name: str) -> Callable[..., None]:
    """Return the command that trains models of a domain of an installed package."""

    def train(
        files: Annotated[list[Path] | None, option("Read in this order.", metavar="FILE")] = None,
        /,
        *,
        span: TopicRange = TopicRange(),
        zone: Annotated[str | None, option("Of times in files that carry no offset.")] = None,
        override: OptionValues = None,
        promote: PromoteFlag = False,
        source: KafkaOptions = KafkaOptions(),
        json: JsonFlag = False,
    ) -> None:
        train_model(
            source.load(), name, span.source(files, zone), option_values(override), promote, json
        )

    train.__doc__ = f"""Train a model of {name}, a domain of an installed package.

    Examples
    --------
    eddy train {name} --topic
    """
    return train


def train_model(
    settings: "Settings",
    name: str,
    source: "TrainingSource",
    values: Mapping[str, Any],
    promote: bool,
    json: bool,
) -> None:
    """Train a model of a domain, register it, and make it the champion where it may be.

    Parameters
    ----------
    values : mapping
        Options of the training by name; those that are None are left out.
    """
    from rich.console import Console

    from eddy.app import progress
    from eddy.app.domains import domain_row
    from eddy.app.training import new_model

    row = domain_row(name)
    options = {name: value for name, value in values.items() if value is not None}
    with progress.spinner(Console(stderr=True)) as spinner:
        trained = row.trainer()(settings, source, options, SpinnerProgress(spinner))
        model = new_model.register(settings, name, trained, as_challenger=row.gate is not None)
    _show(model, trained, json)
    _offer(settings, model, source, options, promote, json)


class SpinnerProgress:
    """Shows how far a training is; see `eddy.app.training.new_model.TrainingProgress`."""

    def __init__(self, spinner: "Progress") -> None:
        self._spinner = spinner
        self._task = spinner.add_task("", total=None)

    def read(self, rows: int) -> None:
        """Show that so many more rows were read."""
        self._spinner.advance(self._task, rows)

    def step(self, name: str, completed: int | None = None, total: int | None = None) -> None:
        """Show what is being done now, and how much of it is done."""
        self._spinner.update(self._task, description=name, completed=completed, total=total)


def _offer(
    settings: "Settings",
    model: "NewModel",
    source: "TrainingSource",
    options: Mapping[str, Any],
    promote: bool,
    json: bool,
) -> None:
    """Make a new version the champion where it is the first or was asked for; else say how."""
    from eddy.app.commands.models import when_in_use
    from eddy.app.output import message
    from eddy.app.promotion import champion, promotion

    name = f"{model.name} {model.version}"
    table = source.files[0] if promotion.gate_of(model.name) and source.files else None
    if not promote and champion.has_champion(settings, model.name):
        evidence = f" --on {table}" if table else ""
        message(f"use it with `eddy promote {name}{evidence}`", aside=json)
        return
    try:
        promoted = promotion.promote(
            settings, model.name, model.version, table=table, options=options
        )
    except (GateRefused, ConfigError) as error:
        if promote or table is None:
            raise
        message(f"{name} is the challenger, and there is no champion: {error}", aside=json)
        return
    decision = promoted.decision
    reason = f": {decision.reason}" if decision else when_in_use(settings, promoted.change)
    message(f"{name} is the champion{reason}", aside=json)


def _show(model: "NewModel", trained: "TrainedModel", json: bool) -> None:
    from eddy.app import output
    from eddy.app.inspect.anomaly_text import number

    if json:
        output.json(model)
        return
    suffix = f", {trained.measured_on}" if trained.measured_on else ""
    rows = [
        ("sha256", model.sha256[:12]),
        ("learned from", trained.learned_from),
        ("left out", f"{model.rejected:,} records that are no events"),
        *((f"{key}{suffix}", number(value)) for key, value in model.metrics.items()),
    ]
    output.figures(f"{model.name} {model.version}", rows)
