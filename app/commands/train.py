"""``eddy train rides`` and ``train tpv``: a model is trained and put into the registry."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from eddy.app.commands.options import JsonFlag, KafkaOptions, TopicRange, option
from eddy.schemas.errors import ConfigError

if TYPE_CHECKING:
    from eddy.app.settings import Settings
    from eddy.app.training.new_model import NewModel

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
    from rich.console import Console

    from eddy.app import progress, wiring
    from eddy.app.domains import domain
    from eddy.app.training import new_model
    from eddy.training.rides.train import RidesTraining

    settings = source.load()
    span.require_for(bool(files), "files, or --topic to learn from the event topic")
    policy = wiring.policy(settings, domain("rides"))
    values: dict[str, Any] = {
        "sensitivity": sensitivity,
        "window": window or policy.window_rides,
    }
    if min_samples is not None:
        values["min_samples"] = min_samples
    parameters = RidesTraining(**values)
    with progress.spinner(Console(stderr=True)) as spinner:
        task = spinner.add_task("reading rides", total=None)

        def on_progress(more: int) -> None:
            spinner.advance(task, more)

        if span.topic:
            rows = new_model.rows_of_topic(settings, span.start, span.stop, on_progress)
        else:
            rows = new_model.rows_of_files(settings, files or [], zone, on_progress)
        spinner.update(task, description="learning from")
        model = new_model.train_rides(settings, rows, parameters)
    _show(model, json, f"{model.rows:,} rides")
    _offer(settings, model, promote, json)


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
    from rich.console import Console

    from eddy.app import progress
    from eddy.app.training import new_model
    from eddy.training.tpv.train import TpvTraining

    settings = source.load()
    sources = "files, or --topic to learn from the event topic, or --history"
    if files and history is not None:
        raise ConfigError(f"give {sources}")
    span.require_for(bool(files) or history is not None, sources)
    parameters = TpvTraining(**asdict(training))
    with progress.spinner(Console(stderr=True)) as spinner:
        task = spinner.add_task("reading payments", total=None)

        def on_progress(more: int) -> None:
            spinner.advance(task, more)

        def on_epoch(done: int, most: int) -> None:
            spinner.update(task, description="epochs", completed=done, total=most)

        if history is not None:
            totals, rejected = new_model.totals_of_history(history, zone, interval), 0
            learned_from = f"{totals.payments.sum():,} payments"
        else:
            if span.topic:
                rows = new_model.payments_of_topic(
                    settings, zone, interval, span.start, span.stop, on_progress
                )
            else:
                rows = new_model.payments_of_files(
                    settings, files or [], zone, interval, on_progress
                )
            totals, rejected = rows.totals(), rows.rejected
            learned_from = f"{rows.added:,} payments"
        spinner.update(task, description="learning from")
        model = new_model.train_tpv(settings, totals, parameters, on_epoch, rejected)
    _show(model, json, learned_from)
    _offer(settings, model, promote, json)


def _offer(settings: "Settings", model: "NewModel", promote: bool, json: bool) -> None:
    """Make a new version the champion where it is the first or was asked for; else say how."""
    from eddy.app.commands.models import when_in_use
    from eddy.app.output import message
    from eddy.app.promotion import champion

    name = f"{model.name} {model.version}"
    if promote or not champion.has_champion(settings, model.name):
        change = champion.promote(settings, model.name, model.version)
        message(f"{name} is the champion{when_in_use(settings, change)}", aside=json)
    else:
        message(f"use it with `eddy promote {name}`", aside=json)


def _show(model: "NewModel", json: bool, learned_from: str) -> None:
    from eddy.app import output
    from eddy.app.inspect.anomaly_text import number

    if json:
        output.json(model)
        return
    rows = [
        ("sha256", model.sha256[:12]),
        ("learned from", learned_from),
        ("left out", f"{model.rejected:,} records that are no events"),
        *((key, number(value)) for key, value in model.metrics.items()),
    ]
    output.figures(f"{model.name} {model.version}", rows)
