"""The life of a model of transactions, a verb a function: prepare, train, evaluate.

The work is done in `eddy.training`; here it meets files, topics and the registry.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from math import isfinite
from pathlib import Path
from typing import Any

import msgspec

from eddy.app import wiring
from eddy.app.replay.offsets import offsets
from eddy.app.settings import Settings
from eddy.app.training import new_model
from eddy.app.training.history_in_use import as_the_stream, stream_history
from eddy.app.training.new_model import NewModel
from eddy.app.training.trained_model import (
    TrainedModel,
    TrainingProgress,
    TrainingSource,
    training_of,
)
from eddy.app.training.training_rows import OnRead
from eddy.datasets.history.transactions import labelled_records
from eddy.models.detectors.fraud.parameters import FraudParameters
from eddy.models.detectors.fraud.scorer import Scorer
from eddy.models.domains.transactions.domain import DOMAIN
from eddy.models.labels import Labels
from eddy.models.registry.manifest import Manifest
from eddy.schemas import decisions
from eddy.schemas.errors import ConfigError, MissingResource
from eddy.schemas.labels import Label
from eddy.schemas.topics import LABELS
from eddy.streams.reading import TopicReader, TopicRecord
from eddy.training.transactions import evaluation, preparation
from eddy.training.transactions.data_quality import PROFILE_FILE, profile_file
from eddy.training.transactions.joining import Joining
from eddy.training.transactions.labels import label_lines
from eddy.training.transactions.model_card import MODEL_CARD_FILE, model_card
from eddy.training.transactions.preparation import Prepared
from eddy.training.transactions.settings import Parameters, Preparation, convert, read_parameters
from eddy.training.transactions.table import TrainingTable, with_silence_as_genuine
from eddy.training.transactions.table_files import read_table, write_table
from eddy.training.transactions.train import Trained, train

PARAMETERS_FILE = Path("params.yaml")


def parameters(path: Path | None, overrides: Sequence[str] = ()) -> Parameters:
    """Return the parameters of a file, changed by ``section.key=value`` pairs.

    Parameters
    ----------
    path : Path, optional
        By default ``params.yaml`` where there is one, else the defaults.
    overrides : sequence of str
        The value is YAML: a number, a text, a list.

    Raises
    ------
    ConfigError
        Naming the file, or the flag, and the key.
    MissingResource
        The file cannot be read.
    """
    file = path or (PARAMETERS_FILE if PARAMETERS_FILE.exists() else None)
    of_file = Parameters() if file is None else read_parameters(file)
    content = msgspec.to_builtins(of_file)
    for pair in overrides:
        _override(content, pair)
    return convert(content, f"--set {' '.join(overrides)}") if overrides else of_file


def parameters_of(options: Mapping[str, Any]) -> Parameters:
    """Return the parameters of a command's options: ``params``, the file, and dotted names."""
    pairs = [f"{name}={value}" for name, value in options.items() if name != "params"]
    return parameters(options.get("params"), pairs)


def _override(content: dict[str, Any], pair: str) -> None:
    import yaml  # noqa: PLC0415 # only training needs it

    key, equals, value = pair.partition("=")
    *sections, last = key.strip().split(".")
    for section in sections:
        content = content.get(section, {})
        if not isinstance(content, dict):
            raise ConfigError(f"--set {key}: {section} has no keys")
    if not equals or last not in content:
        raise ConfigError(f"--set {pair}: wants KEY=VALUE of a key there is, as in train.seed=3")
    try:
        content[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {key}: not YAML: {value}") from error


def prepare_files(
    settings: Settings,
    files: Sequence[Path],
    labels: Path | None,
    options: Preparation,
    out: Path,
    on_read: OnRead,
) -> Prepared:
    """Write the training table of files of transactions, in the order given."""
    options = as_the_stream(settings, options)
    known = Labels.of(label_lines(labels)) if labels else Labels.of(())
    chunks = chain.from_iterable(labelled_records(path, zone=options.zone) for path in files)
    return preparation.prepare(chunks, known, options, out, on_read)


def prepare_topic(
    settings: Settings,
    start: str | None,
    stop: str | None,
    labels_until_us: int | None,
    out: Path,
    on_read: OnRead,
) -> Prepared:
    """Write the training table of what was decided live, with the labels that came since.

    Raises
    ------
    MissingResource
        There are no decisions in this range.
    """
    reader = TopicReader(settings.kafka)
    try:
        labels = Labels.of(labels_of(reader))
        joining = Joining()
        topic = decisions_topic(settings)
        begin, end = offsets(reader, topic, start), offsets(reader, topic, stop)
        for record in reader.read(topic, begin, end):
            if record.value is not None:
                decided = decisions.decode(record.value)
                joining.add(decided)
                on_read(len(decided))
    finally:
        reader.close()
    table, repeated = joining.table(labels, labels_until_us)
    if not len(table):
        raise MissingResource(f"{topic} holds no decisions in this range; see `eddy run`")
    write_table(replace(table, history=stream_history(settings)), out)
    return Prepared(
        rows=len(table),
        frauds=int(table.frauds.sum()),
        labelled=int(table.labelled.sum()),
        repeated=repeated,
        left_out=labels.left_out,
    )


def decisions_topic(settings: Settings) -> str:
    """Return the topic of decision records under the configured prefix."""
    topic = wiring.topics(settings, DOMAIN).decisions
    assert topic is not None  # transactions are decided upon
    return topic


def labels_of(reader: TopicReader) -> Iterator[Label]:
    """Yield the labels of the topic, in the order they came; what is none is passed over."""
    decode = msgspec.json.Decoder(Label).decode
    for record in _in_order(reader.read(LABELS)):
        try:
            yield decode(record.value or b"")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue  # the stream has put it aside


def _in_order(records: Iterable[TopicRecord]) -> list[TopicRecord]:
    """Return records by the broker's time: partitions are read one beside the other."""
    return sorted(
        records, key=lambda record: (record.timestamp_ms, record.partition, record.offset)
    )


def table_of(path: Path, parameters: Parameters) -> TrainingTable:
    """Return a training table, its labels read as the parameters say."""
    return with_silence_as_genuine(read_table(path), parameters.labels.genuine_after_days)


def train_transactions(
    _settings: Settings,
    source: TrainingSource,
    options: Mapping[str, Any],
    progress: TrainingProgress,
) -> TrainedModel:
    """Learn from training tables, the files of a source; see `eddy.app.domains.row.Trainer`.

    Options are the parameters by their dotted names, ``train.seed``, and ``params``, their file.
    """
    if len(source.files) != 1:
        raise ConfigError("give the table that `eddy prepare transactions` wrote")
    parameters = parameters_of(options)
    table = table_of(source.files[0], parameters)
    progress.step("learning")
    model = train(table, parameters.train)
    files = {PROFILE_FILE: profile_file(table)}
    return trained_model(model, parameters, _held_out(table, model, parameters), files)


def train_model(
    settings: Settings,
    table: TrainingTable,
    parameters: Parameters,
    on_trained: Callable[[Trained], None] = lambda _: None,
) -> NewModel:
    """Train, register the model, and make it the challenger.

    Parameters
    ----------
    settings : Settings
    table : TrainingTable
    parameters : Parameters
    on_trained : callable
        Called with the model before it is registered.

    Raises
    ------
    ConfigError
        There are too few rows, or frauds, in the periods the parameters ask for.
    """
    model = train(table, parameters.train)
    evaluated = _held_out(table, model, parameters)
    on_trained(model)
    return register(settings, model, parameters, evaluated, {PROFILE_FILE: profile_file(table)})


def register(
    settings: Settings,
    model: Trained,
    parameters: Parameters,
    evaluated: evaluation.Evaluated | None,
    files: Mapping[str, bytes],
) -> NewModel:
    """Register a model with its card, and further files, and make it the challenger."""
    trained = trained_model(model, parameters, evaluated, files)
    return new_model.register(settings, DOMAIN.name, trained, as_challenger=True)


def trained_model(
    model: Trained,
    parameters: Parameters,
    evaluated: evaluation.Evaluated | None,
    files: Mapping[str, bytes],
) -> TrainedModel:
    """Return a model as it is registered: with its figures, its card and further files."""
    figures = evaluated.figures if evaluated else {}
    card = model_card(model, parameters.train, evaluated)
    return TrainedModel(
        parameters=model.parameters,
        training=training_of(model.settings(parameters.train), model.data_sha256, model.rows),
        metrics={name: figure.value for name, figure in figures.items() if isfinite(figure.value)},
        learned_from=f"{model.rows:,} transactions",
        measured_on="held out",
        files={**model.files, **files, MODEL_CARD_FILE: card.encode()},
    )


def _held_out(
    table: TrainingTable, model: Trained, parameters: Parameters
) -> evaluation.Evaluated | None:
    """Return how good a model is on the days it was not shown; None where none has a fraud."""
    if not parameters.train.hold_out_days:
        return None
    window = msgspec.structs.replace(
        parameters.evaluate, folds=1, test_days=parameters.train.hold_out_days, last_test_start=None
    )
    held_out = msgspec.structs.replace(parameters, evaluate=window)
    until = model.settings(parameters.train)["learned_until"]
    try:
        return evaluation.evaluate_model(
            table, model.scorer, held_out, "this model on the days held out", until
        )
    except ConfigError:  # nothing to measure on is no reason not to have the model
        return None


def evaluate_training(table: TrainingTable, parameters: Parameters) -> evaluation.Evaluated:
    """Return how good the way of training is, prequentially."""
    return evaluation.evaluate(table, parameters)


def evaluate_version(
    settings: Settings, table: TrainingTable, version: str, parameters: Parameters
) -> evaluation.Evaluated:
    """Return how good a registered model is, or one in a folder of a version's files."""
    scorer, until, title = _model(settings, version)
    return evaluation.evaluate_model(table, scorer, parameters, title, until)


def _model(settings: Settings, version: str) -> tuple[Scorer, str | None, str]:
    path = Path(version)
    if "/" in version or path.exists():
        return _model_in(path), None, f"the model in {version}"
    registry = wiring.registry(settings)
    manifest = registry.resolve(DOMAIN.name, version)
    scorer = registry.load(DOMAIN.name, manifest.version, FraudParameters).parameters
    return scorer, learned_until(manifest), f"{DOMAIN.name} {manifest.version}"


def _model_in(path: Path) -> Scorer:
    """Open ``model.json`` at a path, or in a folder, with the files beside it."""
    from eddy.models.artefact import PARAMETERS_FILE as MODEL  # noqa: PLC0415
    from eddy.models.artefact import decode_parameters  # noqa: PLC0415

    file = path / MODEL if path.is_dir() else path
    try:
        content = file.read_bytes()
        beside = {
            entry.name: entry.read_bytes()
            for entry in file.parent.iterdir()
            if entry.is_file() and entry.suffix == ".skops"
        }
    except OSError as error:
        raise MissingResource(f"--model {file}: {error.strerror}") from error
    return decode_parameters(content, FraudParameters).opened(beside)


def learned_until(manifest: Manifest) -> str | None:
    """Return the end of a version's training rows, where its manifest has it."""
    until = manifest.training.settings.get("learned_until")
    return until if isinstance(until, str) else None
