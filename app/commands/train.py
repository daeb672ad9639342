"""``eddy train``, ``promote``, ``rollback`` and ``models``: how models come and go."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from eddy.app import progress
from eddy.app.commands.options import Bootstrap, Config, Json
from eddy.schemas.errors import ConfigError

if TYPE_CHECKING:
    from eddy.app.promotion.champion import ChampionChange
    from eddy.app.settings import Settings
    from eddy.app.training.new_model import NewModel
    from eddy.models.registry.registry import Registry

train = typer.Typer(help="Train a model and put it into the registry.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The model's name: its domain's.")]


@train.callback()
def _group() -> None:
    """Train a model and put it into the registry."""


@train.command()
def rides(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]...", help="Parquet, CSV or JSONL; read in this order."),
    ] = None,
    topic: Annotated[
        bool, typer.Option("--topic", help="Learn from the event topic instead of files.")
    ] = False,
    start: Annotated[
        str | None,
        typer.Option("--from", help="First offset in every partition, or an RFC 3339 time."),
    ] = None,
    stop: Annotated[
        str | None, typer.Option("--to", help="Offset or time before which to stop.")
    ] = None,
    zone: Annotated[str, typer.Option(help="Of times in files that carry no offset.")] = "UTC",
    sensitivity: Annotated[
        float, typer.Option(help="0 to 1; 0.5 is the knee, more finds more.")
    ] = 0.5,
    min_samples: Annotated[
        int | None, typer.Option(min=2, help="Rides that make a neighbourhood dense.")
    ] = None,
    window: Annotated[
        int | None, typer.Option(help="Rides the detector keeps; by default as configured.")
    ] = None,
    promote: Annotated[
        bool, typer.Option("--promote", help="Make it the champion, whoever is it now.")
    ] = False,
    config: Config = None,
    bootstrap_servers: Bootstrap = None,
    json: Json = False,
) -> None:
    """Find scaling and radius for rides, without labels; the same rows give the same model.

    The new version is the champion at once where there is none yet, or with --promote; else it
    waits for `eddy promote rides VERSION`.
    """
    from eddy.app import settings, wiring  # noqa: PLC0415 - keeps --help quick
    from eddy.app.domains import domain  # noqa: PLC0415
    from eddy.app.training import new_model  # noqa: PLC0415
    from eddy.training.rides.train import RidesTraining  # noqa: PLC0415

    chosen = settings.load(config, {"kafka.bootstrap_servers": bootstrap_servers})
    if bool(files) == topic:
        raise ConfigError("give files, or --topic to learn from the event topic")
    if not topic and (start or stop):
        raise ConfigError("--from and --to: for --topic; files are read whole")
    policy = wiring.policy(chosen, domain("rides"))
    given: dict[str, Any] = {"sensitivity": sensitivity, "window": window or policy.window_rides}
    if min_samples is not None:
        given["min_samples"] = min_samples
    how = RidesTraining(**given)
    with progress.spinner(Console(stderr=True)) as shown:
        task = shown.add_task("reading rides", total=None)

        def told(more: int) -> None:
            shown.advance(task, more)

        if topic:
            rows = new_model.rows_of_topic(chosen, start, stop, told)
        else:
            rows = new_model.rows_of_files(chosen, files or [], zone, told)
        shown.update(task, description="learning from")
        made = new_model.train_rides(chosen, rows, how)
    _show(made, json, f"{made.rows:,} rides")
    _offer(chosen, made, promote, json)


@train.command()
def tpv(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]...", help="Parquet, CSV or JSONL of payments."),
    ] = None,
    topic: Annotated[
        bool, typer.Option("--topic", help="Learn from the event topic instead of files.")
    ] = False,
    history: Annotated[
        Path | None,
        typer.Option(help="Learn from the folder that `eddy tpv history` filled."),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option("--from", help="First offset in every partition, or an RFC 3339 time."),
    ] = None,
    stop: Annotated[
        str | None, typer.Option("--to", help="Offset or time before which to stop.")
    ] = None,
    zone: Annotated[
        str | None, typer.Option(help="Time zone of the intervals; by default as configured.")
    ] = None,
    interval: Annotated[
        int | None, typer.Option(help="Seconds an interval; by default as configured.")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    width: Annotated[int, typer.Option(min=1, max=256, help="Hidden units.")] = 16,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    coverage: Annotated[
        float, typer.Option(help="Share of intervals to end within the published band.")
    ] = 0.95,
    false_alarm_rate: Annotated[
        float, typer.Option(help="Share of ordinary intervals that may be alarmed about.")
    ] = 0.001,
    network: Annotated[
        bool, typer.Option(help="Train one; else only the band's settings are published.")
    ] = True,
    promote: Annotated[
        bool, typer.Option("--promote", help="Make it the champion, whoever is it now.")
    ] = False,
    config: Config = None,
    bootstrap_servers: Bootstrap = None,
    json: Json = False,
) -> None:
    """Train an LSTM across merchants that corrects the seasonal baseline's forecasts.

    It forecasts only where it was the better one on payments it did not learn from, else it runs
    beside the baseline. The same payments and seed give the same model.
    """
    from eddy.app import settings  # noqa: PLC0415 - keeps --help quick
    from eddy.app.training import new_model  # noqa: PLC0415
    from eddy.training.tpv.train import TpvTraining  # noqa: PLC0415

    chosen = settings.load(config, {"kafka.bootstrap_servers": bootstrap_servers})
    if bool(files) + topic + (history is not None) != 1:
        raise ConfigError("give files, or --topic to learn from the event topic, or --history")
    if not topic and (start or stop):
        raise ConfigError("--from and --to: for --topic; files are read whole")
    how = TpvTraining(
        network=network,
        epochs=epochs,
        width=width,
        seed=seed,
        coverage=coverage,
        false_alarm_rate=false_alarm_rate,
    )
    with progress.spinner(Console(stderr=True)) as shown:
        task = shown.add_task("reading payments", total=None)

        def told(more: int) -> None:
            shown.advance(task, more)

        def epoch(done: int, most: int) -> None:
            shown.update(task, description="epochs", completed=done, total=most)

        if history is not None:
            totals, rejected = new_model.totals_of_history(history, zone, interval), 0
            source = f"{totals.payments.sum():,} payments"
        else:
            if topic:
                rows = new_model.payments_of_topic(chosen, zone, interval, start, stop, told)
            else:
                rows = new_model.payments_of_files(chosen, files or [], zone, interval, told)
            totals, rejected = rows.totals(), rows.rejected
            source = f"{rows.added:,} payments"
        shown.update(task, description="learning from")
        made = new_model.train_tpv(chosen, totals, how, epoch, rejected)
    _show(made, json, source)
    _offer(chosen, made, promote, json)


def promote(
    name: Name,
    version: Annotated[str, typer.Argument(help="A version, an alias, or latest.")],
    table: Annotated[
        Path | None,
        typer.Option("--on", help="transactions: the training table whose newest days decide."),
    ] = None,
    force: Annotated[
        str, typer.Option(metavar="REASON", help="transactions: without the gate; logged.")
    ] = "",
    params: Annotated[
        Path | None,
        typer.Option("--params", help="YAML file; by default params.yaml where there is one."),
    ] = None,
    config: Config = None,
    bootstrap_servers: Bootstrap = None,
) -> None:
    """Make a version the champion; running detectors take it up without losing an event.

    A model of transactions must beat the champion on the newest labelled days of a table: else
    nothing changes, and the exit code is 7.
    """
    from eddy.app import settings  # noqa: PLC0415 - keeps --help quick
    from eddy.app.promotion import champion  # noqa: PLC0415

    chosen = settings.load(config, {"kafka.bootstrap_servers": bootstrap_servers})
    if name == "transactions":
        from eddy.app.promotion import promotion  # noqa: PLC0415
        from eddy.app.training import transaction_models  # noqa: PLC0415

        how = transaction_models.parameters(params)
        rows = transaction_models.table_of(table, how) if table else None
        done = promotion.promote(chosen, version, rows, how.gate, force)
        change, why = done.change, f"; {done.decision.reason}" if done.decision else ""
    elif table or force:
        raise ConfigError(f"--on and --force: for transactions; {name} has no gate")
    else:
        change, why = champion.promote(chosen, name, version), ""
    _say(f"{name} {change.version} is the champion{_when(chosen, change)}{why}")


def rollback(
    name: Name,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; goes into the log.")] = "",
    config: Config = None,
    bootstrap_servers: Bootstrap = None,
) -> None:
    """Make the champion the one it replaced; said again, the one before that."""
    from eddy.app import settings  # noqa: PLC0415 - keeps --help quick
    from eddy.app.promotion import champion  # noqa: PLC0415

    chosen = settings.load(config, {"kafka.bootstrap_servers": bootstrap_servers})
    change = champion.rollback(chosen, name, reason=reason)
    _say(f"{name} {change.version} is the champion again{_when(chosen, change)}")


def models(
    name: Annotated[
        str | None,
        typer.Argument(
            help="Also compare this model's settings and metrics; `compare`: champion and "
            "challenger of transactions, on the same live events."
        ),
    ] = None,
    history: Annotated[
        bool,
        typer.Option("--history", help="The model's audit log: promotions, refusals, rollbacks."),
    ] = False,
    config: Config = None,
    bootstrap_servers: Bootstrap = None,
    json: Json = False,
) -> None:
    """List the registry: versions, which are in use, and how good they were."""
    import msgspec  # noqa: PLC0415 - keeps --help quick

    from eddy.app import settings, wiring  # noqa: PLC0415
    from eddy.app.promotion import model_listing  # noqa: PLC0415

    chosen = settings.load(config, {"kafka.bootstrap_servers": bootstrap_servers})
    if name == "compare":
        _compare(chosen, json)
        return
    registry = wiring.registry(chosen)
    if history:
        _show_history(registry, name, json)
        return
    lines = model_listing.versions(registry, [name] if name else registry.names())
    console = Console()
    if json:
        console.print_json(msgspec.json.encode(lines).decode())
    elif not lines:
        what = f"no model {name}" if name else "no models"
        _say(f"{what} in {chosen.storage.registry}; `eddy train` makes one")
    else:
        show = model_listing.details if name else model_listing.overview
        console.print(show(lines))


def _compare(chosen: "Settings", json: bool) -> None:
    import msgspec  # noqa: PLC0415 - keeps --help quick

    from eddy.app.promotion import shadowing  # noqa: PLC0415

    with progress.spinner(Console(stderr=True)) as shown:
        task = shown.add_task("reading decisions", total=None)
        found = shadowing.compare(chosen, lambda more: shown.advance(task, more))
    if json:
        Console().print_json(msgspec.json.encode(found).decode())
    else:
        Console().print(shadowing.shown(found))


def _show_history(registry: "Registry", name: str | None, json: bool) -> None:
    import msgspec  # noqa: PLC0415 - keeps --help quick

    from eddy.app.promotion import model_listing  # noqa: PLC0415

    if name is None:
        raise ConfigError("--history: of which model? eddy models NAME --history")
    changes = registry.history(name)
    if json:
        Console().print_json(msgspec.json.encode(changes).decode())
    elif changes:
        Console().print(model_listing.changes(changes))
    else:
        _say(f"nothing was ever promoted, refused or rolled back of {name}")


def _offer(chosen: "Settings", made: "NewModel", promote: bool, json: bool) -> None:
    """Make a new version the champion where it is the first or was asked for; else say how."""
    from eddy.app.promotion import champion  # noqa: PLC0415 - keeps --help quick

    if promote or not champion.has_champion(chosen, made.name):
        change = champion.promote(chosen, made.name, made.version)
        _say(f"{made.name} {made.version} is the champion{_when(chosen, change)}", json)
    else:
        _say(f"use it with `eddy promote {made.name} {made.version}`", json)


def _show(made: "NewModel", json: bool, rows: str) -> None:
    import msgspec  # noqa: PLC0415 - keeps --help quick

    from eddy.app.inspect.anomaly_text import number  # noqa: PLC0415

    console = Console()
    if json:
        console.print_json(msgspec.json.encode(made).decode())
        return
    table = Table(title=f"{made.name} {made.version}", show_header=False)
    table.add_row("sha256", made.sha256[:12])
    table.add_row("learned from", rows)
    table.add_row("left out", f"{made.rejected:,} records that are no events")
    for key, value in made.metrics.items():
        table.add_row(key, number(value))
    console.print(table)


def _when(chosen: "Settings", change: "ChampionChange") -> str:
    if change.announced:
        return "; running detectors were told"
    return f"; running detectors look every {chosen.reload_interval_s:g} s"


def _say(text: str, aside: bool = False) -> None:
    Console(stderr=aside).print(text, highlight=False, markup=False, soft_wrap=True)
