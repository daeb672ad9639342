"""The life of a model of transactions, a verb a function: prepare, train, evaluate.

The work is done in `eddy.training`; here it meets files, topics and the registry.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from math import isfinite
from pathlib import Path
from typing import Any

import msgspec

from eddy.app import wiring
from eddy.app.domains import domain
from eddy.app.promotion import champion
from eddy.app.replay.offsets import offsets
from eddy.app.settings import Settings
from eddy.app.training.history_in_use import as_the_stream, stream_history
from eddy.app.training.new_model import NewModel
from eddy.datasets.history.transactions import labelled_records
from eddy.models.artefact import encode_parameters
from eddy.models.detectors.fraud.parameters import FraudParameters
from eddy.models.detectors.fraud.scorer import Scorer
from eddy.models.registry.manifest import Manifest, Training
from eddy.models.registry.names import CHALLENGER
from eddy.schemas import decisions
from eddy.schemas.errors import ConfigError, MissingResource
from eddy.schemas.labels import Label
from eddy.schemas.topics import LABELS
from eddy.streams.reading import TopicReader, TopicRecord
from eddy.training.transactions import evaluation, preparation
from eddy.training.transactions.data_quality import PROFILE_FILE, profile_file
from eddy.training.transactions.joining import Joining
from eddy.training.transactions.labels import Labels, label_lines
from eddy.training.transactions.model_card import MODEL_CARD_FILE, model_card
from eddy.training.transactions.preparation import Prepared
from eddy.training.transactions.settings import Parameters, Preparation, convert, read_parameters
from eddy.training.transactions.table import TrainingTable, with_silence_as_genuine
from eddy.training.transactions.table_files import read_table, write_table
from eddy.training.transactions.train import Trained, train

NAME = "transactions"
PARAMETERS_FILE = Path("params.yaml")

Told = Callable[[int], None]


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
    found = Parameters()
    chosen = path or (PARAMETERS_FILE if PARAMETERS_FILE.exists() else None)
    if chosen is not None:
        found = read_parameters(chosen)
    content = msgspec.to_builtins(found)
    for pair in overrides:
        _override(content, pair)
    return convert(content, f"--set {' '.join(overrides)}") if overrides else found


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
    how: Preparation,
    out: Path,
    told: Told,
) -> Prepared:
    """Write the training table of files of transactions, in the order given."""
    how = as_the_stream(settings, how)
    known = Labels.of(label_lines(labels)) if labels else Labels.of(())
    chunks = chain.from_iterable(labelled_records(path, zone=how.zone) for path in files)
    return preparation.prepare(chunks, known, how, out, told)


def prepare_topic(
    settings: Settings,
    start: str | None,
    stop: str | None,
    labels_until_us: int | None,
    out: Path,
    told: Told,
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
                told(len(decided))
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
    topic = wiring.topics(settings, domain(NAME)).decisions
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
    return sorted(records, key=lambda one: (one.timestamp_ms, one.partition, one.offset))


def table_of(path: Path, how: Parameters) -> TrainingTable:
    """Return a training table, its labels read as the parameters say."""
    return with_silence_as_genuine(read_table(path), how.labels.genuine_after_days)


def train_model(
    settings: Settings,
    table: TrainingTable,
    how: Parameters,
    trained: Callable[[Trained], None] = lambda _: None,
) -> NewModel:
    """Train, register what was trained, and make it the challenger.

    Parameters
    ----------
    settings : Settings
    table : TrainingTable
    how : Parameters
    trained : callable
        Told of the model before it is registered.

    Raises
    ------
    ConfigError
        There are too few rows, or frauds, in the periods the parameters ask for.
    """
    made = train(table, how.train)
    evaluated = _held_out(table, made, how)
    trained(made)
    return register(settings, made, how, evaluated, {PROFILE_FILE: profile_file(table)})


def register(
    settings: Settings,
    made: Trained,
    how: Parameters,
    evaluated: evaluation.Evaluated | None,
    files: Mapping[str, bytes],
) -> NewModel:
    """Register a model with its card, and further files, and make it the challenger."""
    registry = wiring.registry(settings)
    card = model_card(made, how.train, evaluated)
    figures = evaluated.figures if evaluated else {}
    metrics = {name: one.value for name, one in figures.items() if isfinite(one.value)}
    version = registry.register(
        NAME,
        encode_parameters(made.parameters),
        training=Training(
            trained_at=datetime.now(UTC),
            settings=made.settings(how.train),
            data_sha256=made.data_sha256,
            rows=made.rows,
        ),
        metrics=metrics,
        files={**made.files, **files, MODEL_CARD_FILE: card.encode()},
    )
    registry.set_alias(NAME, CHALLENGER, version, by=champion.who())
    return NewModel(
        name=NAME,
        version=version,
        sha256=registry.resolve(NAME, version).sha256,
        rows=made.rows,
        rejected=0,
        metrics=metrics,
    )


def _held_out(table: TrainingTable, made: Trained, how: Parameters) -> evaluation.Evaluated | None:
    """Return how good a model is on the days it was not shown; None where none has a fraud."""
    if not how.train.hold_out_days:
        return None
    one = msgspec.structs.replace(
        how.evaluate, folds=1, test_days=how.train.hold_out_days, last_test_start=None
    )
    held_out = msgspec.structs.replace(how, evaluate=one)
    learned_until = made.settings(how.train)["learned_until"]
    try:
        return evaluation.evaluate_model(
            table, made.scorer, held_out, "this model on the days held out", learned_until
        )
    except ConfigError:  # nothing to measure on is no reason not to have the model
        return None


def evaluate_training(table: TrainingTable, how: Parameters) -> evaluation.Evaluated:
    """Return how good the way of training is, prequentially."""
    return evaluation.evaluate(table, how)


def evaluate_version(
    settings: Settings, table: TrainingTable, which: str, how: Parameters
) -> evaluation.Evaluated:
    """Return how good a registered model is, or one in a folder of a version's files."""
    scorer, learned_until, what = _model(settings, which)
    return evaluation.evaluate_model(table, scorer, how, what, learned_until)


def _model(settings: Settings, which: str) -> tuple[Scorer, str | None, str]:
    path = Path(which)
    if "/" in which or path.exists():
        return _model_in(path), None, f"the model in {which}"
    registry = wiring.registry(settings)
    manifest = registry.resolve(NAME, which)
    scorer = registry.load(NAME, manifest.version, FraudParameters).parameters
    return scorer, learned_until(manifest), f"{NAME} {manifest.version}"


def _model_in(path: Path) -> Scorer:
    """Open ``model.json`` at a path, or in a folder, with the files beside it."""
    from eddy.models.artefact import PARAMETERS_FILE as MODEL  # noqa: PLC0415
    from eddy.models.artefact import decode_parameters  # noqa: PLC0415

    file = path / MODEL if path.is_dir() else path
    try:
        content = file.read_bytes()
        beside = {
            one.name: one.read_bytes()
            for one in file.parent.iterdir()
            if one.is_file() and one.suffix == ".skops"
        }
    except OSError as error:
        raise MissingResource(f"--model {file}: {error.strerror}") from error
    return decode_parameters(content, FraudParameters).opened(beside)


def learned_until(manifest: Manifest) -> str | None:
    """Return the end of a version's training rows, where its manifest has it."""
    found = manifest.training.settings.get("learned_until")
    return found if isinstance(found, str) else None
