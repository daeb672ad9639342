"""``eddy prepare``, ``train`` and ``evaluate transactions``: a model's life before promotion."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from eddy.app import progress
from eddy.app.commands.options import Bootstrap, Config, Json
from eddy.schemas.errors import ConfigError, GateRefused, MissingResource

if TYPE_CHECKING:
    from collections.abc import Callable

    from eddy.app.training.new_model import NewModel
    from eddy.training.transactions.evaluation import Evaluated
    from eddy.training.transactions.preparation import Prepared

prepare = typer.Typer(help="Make the table a model learns from.", no_args_is_help=True)
evaluate = typer.Typer(help="Say how good a way of training is, or a model.", no_args_is_help=True)

TableFile = Annotated[
    Path, typer.Argument(metavar="TABLE", help="What `eddy prepare transactions` wrote.")
]
Params = Annotated[
    Path | None,
    typer.Option("--params", help="YAML file; by default params.yaml where there is one."),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Overrides a parameter: train.seed=3."),
]


@prepare.callback()
def _prepare_group() -> None:
    """Make the table a model learns from."""


@evaluate.callback()
def _evaluate_group() -> None:
    """Say how good a way of training is, or a model."""


@prepare.command("transactions")
def prepare_transactions(
    out: Annotated[Path, typer.Option("--out", help="Of the table: Parquet; replaced.")],
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]...", help="Parquet, CSV or JSONL; read in this order."),
    ] = None,
    topic: Annotated[
        bool,
        typer.Option("--topic", help="Take what was decided live, joined with the labels since."),
    ] = False,
    labels: Annotated[
        Path | None,
        typer.Option(help="JSONL of labels; without it those in columns is_fraud, labelled_at."),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option("--from", help="First offset in every partition, or an RFC 3339 time."),
    ] = None,
    stop: Annotated[
        str | None, typer.Option("--to", help="Offset or time before which to stop.")
    ] = None,
    labels_until: Annotated[
        str | None,
        typer.Option(help="An RFC 3339 time: labels that became known later are left out."),
    ] = None,
    params: Params = None,
    override: Set = None,
    config: Config = None,
    bootstrap_servers: Bootstrap = None,
    json: Json = False,
) -> None:
    """Describe every transaction by what was known when it happened, and put its label beside it.

    The features of files are those the stream would have had; those of topics are the ones it had.
    """
    from eddy.app import settings  # noqa: PLC0415
    from eddy.app.replay.offsets import moment  # noqa: PLC0415
    from eddy.app.training import transaction_models  # noqa: PLC0415 - keeps --help quick

    if bool(files) == topic:
        raise ConfigError("give files, or --topic to take what was decided live")
    if topic and labels:
        raise ConfigError("--labels: for files; --topic reads the topic of labels")
    if not topic and (start or stop or labels_until):
        raise ConfigError("--from, --to and --labels-until: for --topic; files are read whole")
    chosen = settings.load(config, {"kafka.bootstrap_servers": bootstrap_servers})
    with _progress("reading transactions") as told:
        if topic:
            until = labels_until and moment(labels_until, "--labels-until").timestamp()
            until_us = round(until * 1e6) if until else None
            done = transaction_models.prepare_topic(chosen, start, stop, until_us, out, told)
        else:
            how = transaction_models.parameters(params, override or ()).prepare
            done = transaction_models.prepare_files(chosen, files or [], labels, how, out, told)
    _show_prepared(done, out, json)


def train_transactions(
    table: TableFile,
    kind: Annotated[
        Literal["classifier", "isolation_forest"] | None,
        typer.Option(help="With labels, or without; by default as in the parameters."),
    ] = None,
    promote: Annotated[
        bool, typer.Option("--promote", help="Make it the champion where the gate lets it.")
    ] = False,
    params: Params = None,
    override: Set = None,
    config: Config = None,
    bootstrap_servers: Bootstrap = None,
    json: Json = False,
) -> None:
    """Train a model of transactions; the same table and parameters give the same model.

    The newest labelled days are kept from it, for the gate to judge on. The new version is the
    challenger. Where there is no champion yet it becomes that, if the gate lets it.
    """
    from eddy.app import settings  # noqa: PLC0415
    from eddy.app.promotion import champion, promotion  # noqa: PLC0415
    from eddy.app.training import transaction_models  # noqa: PLC0415 - keeps --help quick

    chosen = settings.load(config, {"kafka.bootstrap_servers": bootstrap_servers})
    pairs = [*(override or ()), *([f"train.kind={kind}"] if kind else [])]
    how = transaction_models.parameters(params, pairs)
    rows = transaction_models.table_of(table, how)
    with _progress("learning"):
        made = transaction_models.train_model(chosen, rows, how)
    _show_model(made, json)
    if not promote and champion.has_champion(chosen, made.name):
        _say(f"use it with `eddy promote {made.name} {made.version} --on {table}`", json)
        return
    try:
        done = promotion.promote(chosen, made.version, rows, how.gate)
    except (GateRefused, ConfigError) as error:
        if promote:
            raise
        _say(
            f"{made.name} {made.version} is the challenger, and there is no champion: {error}", json
        )
        return
    _say(f"{made.name} {made.version} is the champion{_why(done)}", json)


@evaluate.command("transactions")
def evaluate_transactions(
    table: TableFile,
    model: Annotated[
        str | None,
        typer.Option(help="champion, challenger, a version, or a model's file or folder."),
    ] = None,
    metrics: Annotated[
        Path | None, typer.Option(help="Where to write the figures, as JSON.")
    ] = None,
    card: Annotated[
        Path | None, typer.Option(help="Where to write them for people, as Markdown.")
    ] = None,
    params: Params = None,
    override: Set = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Say how good a model is on windows after its training; without --model the way of training.

    A way of training is evaluated prequentially: for each test window a model is trained on what
    came a delay before. Every figure stands beside a random scorer's.
    """
    import msgspec  # noqa: PLC0415 - keeps --help quick

    from eddy.app import settings  # noqa: PLC0415
    from eddy.app.training import transaction_models  # noqa: PLC0415
    from eddy.training.transactions.model_card import evaluation_card  # noqa: PLC0415

    how = transaction_models.parameters(params, override or ())
    rows = transaction_models.table_of(table, how)
    with _progress("evaluating"):
        if model is None:
            found = transaction_models.evaluate_training(rows, how)
        else:
            found = transaction_models.evaluate_version(settings.load(config), rows, model, how)
    written = msgspec.json.format(msgspec.json.encode(found), indent=2).decode()
    _write(metrics, f"{written}\n")
    _write(card, evaluation_card(found))
    if json:
        Console().print_json(written)
    else:
        _show_evaluated(found)


def _write(path: Path | None, text: str) -> None:
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise MissingResource(f"cannot write {path}: {error.strerror}") from error


def _show_prepared(done: "Prepared", out: Path, json: bool) -> None:
    import msgspec  # noqa: PLC0415 - keeps --help quick

    if json:
        Console().print_json(msgspec.json.encode(done).decode())
        return
    table = Table(title=str(out), show_header=False)
    table.add_row("rows", f"{done.rows:,}")
    table.add_row("with a label", f"{done.labelled:,}")
    table.add_row("frauds", f"{done.frauds:,}")
    table.add_row("left out", f"{done.rejected:,} records that are no events")
    if done.repeated:
        table.add_row("", f"{done.repeated:,} decisions read before")
    if done.left_out:
        table.add_row("", f"{done.left_out:,} labels that say nothing of an event")
    for what, count in done.tallies.items():
        table.add_row(what, f"{count:,}")
    Console().print(table)


def _show_model(made: "NewModel", json: bool) -> None:
    import msgspec  # noqa: PLC0415 - keeps --help quick

    if json:
        Console().print_json(msgspec.json.encode(made).decode())
        return
    table = Table(title=f"{made.name} {made.version}", show_header=False)
    table.add_row("sha256", made.sha256[:12])
    table.add_row("learned from", f"{made.rows:,} transactions")
    for name, value in made.metrics.items():
        table.add_row(f"{name}, held out", f"{value:.4g}")
    Console().print(table)


def _show_evaluated(found: "Evaluated") -> None:
    table = Table("figure", "value", "from", "to", "random", title=found.what)
    for name, interval in found.figures.items():
        cells = (interval.value, interval.low, interval.high, found.random[name].value)
        table.add_row(name, *(f"{cell:.4g}" for cell in cells))
    console = Console()
    console.print(table)
    for note in found.notes:
        _say(f"note: {note}")


def _why(done: object) -> str:
    decision = getattr(done, "decision", None)
    return f": {decision.reason}" if decision else ""


def _say(text: str, aside: bool = False) -> None:
    Console(stderr=aside).print(text, highlight=False, markup=False, soft_wrap=True)


@contextmanager
def _progress(what: str) -> Iterator["Callable[[int], None]"]:
    with progress.spinner(Console(stderr=True)) as shown:
        task = shown.add_task(what, total=None)
        yield lambda more: shown.advance(task, more)
