"""``eddy prepare`` and ``evaluate transactions``: before and after the training of a model."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from eddy.app.commands.options import (
    FileOptions,
    JsonFlag,
    KafkaOptions,
    TopicRange,
    TrainingOptions,
    option,
)
from eddy.schemas.errors import ConfigError, MissingResource

if TYPE_CHECKING:
    from collections.abc import Callable

    from eddy.training.transactions.evaluation import Evaluated
    from eddy.training.transactions.preparation import Prepared

TableFile = Annotated[Path, option("What `eddy prepare transactions` wrote.")]


def prepare_transactions(
    files: Annotated[
        list[Path] | None, option("Parquet, CSV or JSONL; read in this order.", metavar="FILE")
    ] = None,
    /,
    *,
    out: Annotated[Path, option("Of the table: Parquet; replaced.")],
    span: TopicRange = TopicRange(),
    labels: Annotated[
        Path | None,
        option("JSONL of labels; without it those in columns is_fraud, labelled_at."),
    ] = None,
    labels_until: Annotated[
        str | None,
        option("An RFC 3339 time: labels that became known later are left out."),
    ] = None,
    training: TrainingOptions = TrainingOptions(),
    source: KafkaOptions = KafkaOptions(),
    json: JsonFlag = False,
) -> None:
    """Describe every transaction by what was known when it happened, and put its label beside it.

    The features of files are those the stream would have had; those of topics are the ones it had.
    With --topic what was decided live is taken, joined with the labels since.

    Examples
    --------
    eddy prepare transactions transactions.parquet --labels labels.jsonl --out table.parquet
    """
    from eddy.app.replay.offsets import moment
    from eddy.app.training import transaction_models

    if labels_until and not span.topic:
        raise ConfigError("--from, --to and --labels-until: for --topic; files are read whole")
    span.require_for(bool(files), "files, or --topic to take what was decided live")
    if span.topic and labels:
        raise ConfigError("--labels: for files; --topic reads the topic of labels")
    settings = source.load()
    with _progress("reading transactions") as on_progress:
        if span.topic:
            until = labels_until and moment(labels_until, "--labels-until").timestamp()
            until_us = round(until * 1e6) if until else None
            result = transaction_models.prepare_topic(
                settings, span.start, span.stop, until_us, out, on_progress
            )
        else:
            result = transaction_models.prepare_files(
                settings, files or [], labels, training.parameters().prepare, out, on_progress
            )
    _show_prepared(result, out, json)


def evaluate_transactions(
    table: TableFile,
    /,
    *,
    model: Annotated[
        str | None, option("champion, challenger, a version, or a model's file or folder.")
    ] = None,
    metrics: Annotated[Path | None, option("Where to write the figures, as JSON.")] = None,
    card: Annotated[Path | None, option("Where to write them for people, as Markdown.")] = None,
    training: TrainingOptions = TrainingOptions(),
    source: FileOptions = FileOptions(),
    json: JsonFlag = False,
) -> None:
    """Say how good a model is on windows after its training; without --model the way of training.

    A way of training is evaluated prequentially: for each test window a model is trained on what
    came a delay before. Every figure stands beside a random scorer's.

    Examples
    --------
    eddy evaluate transactions table.parquet --model champion --card card.md
    """
    import msgspec

    from eddy.app import output
    from eddy.app.training import transaction_models
    from eddy.training.transactions.model_card import evaluation_card

    parameters = training.parameters()
    rows = transaction_models.table_of(table, parameters)
    with _progress("evaluating"):
        if model is None:
            result = transaction_models.evaluate_training(rows, parameters)
        else:
            result = transaction_models.evaluate_version(source.load(), rows, model, parameters)
    encoded = msgspec.json.encode(result)
    _write(metrics, msgspec.json.format(encoded, indent=2).decode() + "\n")
    _write(card, evaluation_card(result))
    if json:
        output.json_text(encoded)
    else:
        _show_evaluated(result)


def _write(path: Path | None, text: str) -> None:
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise MissingResource(f"cannot write {path}: {error.strerror}") from error


def _show_prepared(result: "Prepared", out: Path, json: bool) -> None:
    from eddy.app import output

    if json:
        output.json(result)
        return
    rows = [
        ("rows", f"{result.rows:,}"),
        ("with a label", f"{result.labelled:,}"),
        ("frauds", f"{result.frauds:,}"),
        ("left out", f"{result.rejected:,} records that are no events"),
    ]
    if result.repeated:
        rows.append(("", f"{result.repeated:,} decisions read before"))
    if result.left_out:
        rows.append(("", f"{result.left_out:,} labels that say nothing of an event"))
    rows += [(what, f"{count:,}") for what, count in result.tallies.items()]
    output.figures(str(out), rows)


def _show_evaluated(result: "Evaluated") -> None:
    from eddy.app import output

    rows = []
    for name, interval in result.figures.items():
        values = (interval.value, interval.low, interval.high, result.random[name].value)
        rows.append((name, *(f"{value:.4g}" for value in values)))
    columns = ("figure", "value", "from", "to", "random")
    output.table(columns, rows, title=result.what, numbers=columns[1:])
    for note in result.notes:
        output.message(f"note: {note}")


@contextmanager
def _progress(what: str) -> Iterator["Callable[[int], None]"]:
    from rich.console import Console

    from eddy.app import progress

    with progress.spinner(Console(stderr=True)) as spinner:
        task = spinner.add_task(what, total=None)
        yield lambda more: spinner.advance(task, more)
