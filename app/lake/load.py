"""Files of events into the lake's history."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from eddy.app import wiring
from eddy.app.domains.row import DomainRow
from eddy.app.settings import Settings
from eddy.datasets.history.files import arrow, is_lines
from eddy.lake import tables
from eddy.lake.catalog import load, open_catalog
from eddy.lake.loading import EventRows, FileLoad, earlier
from eddy.lake.outages import named_outages
from eddy.models.domain import Domain
from eddy.models.judge import Events, Identity, Judge, Model
from eddy.schemas.card_numbers import redacted
from eddy.schemas.decoding import Decoder, buffers
from eddy.schemas.errors import MissingResource, RejectedRecord
from eddy.schemas.scored import VERDICTS
from eddy.schemas.scored_records import verdicts

OnProgress = Callable[[int], None]
"""Called with how many more records were read."""

_SHOWN = 20


class Rejected(msgspec.Struct, frozen=True):
    """A record of a file that is no event."""

    row: int
    reason: str
    detail: str


class LoadResult(msgspec.Struct):
    """What became of a file.

    Attributes
    ----------
    present_as : str, optional
        The name under which its content had been loaded before: nothing was added then.
    records, rows, rejected : int
        Read, added to the table, no events.
    reasons : dict of str to int
        Why records were rejected.
    first_rejected : list of Rejected
        A few of them.
    """

    file: str
    table: str
    present_as: str | None = None
    records: int = 0
    rows: int = 0
    rejected: int = 0
    reasons: dict[str, int] = {}
    first_rejected: list[Rejected] = []


class HistoryLoad:
    """Loads files into a domain's table of history.

    Parameters
    ----------
    settings : Settings
    row : DomainRow
        Whose events.
    zone : str
        Of times that carry no offset.
    judge : bool
        Whether the domain's judge says score and verdict, as ``eddy replay FILE`` does.

    Raises
    ------
    ConfigError
        There is no way to read files of this domain.
    MissingResource
        There is no such table.
    Unavailable
        The lake does not answer.
    """

    def __init__(self, settings: Settings, row: DomainRow, zone: str, *, judge: bool) -> None:
        self._read_files, domain = row.file_reader(), row.domain
        spec = tables.history(domain.name, domain.event_type)
        catalog = open_catalog(settings.lake)
        with named_outages(f"table {spec.name}"):
            self._table = load(catalog, settings.lake, spec)
        self._name = spec.name
        self._settings, self._domain, self._zone = settings, domain, zone
        self._judges = judge

    def file(
        self, path: Path, on_progress: OnProgress, rejects: Callable[[bytes], Any] | None
    ) -> LoadResult:
        """Load a file, unless its content is there.

        Parameters
        ----------
        path : Path
        on_progress : callable
        rejects : callable, optional
            Takes every rejected record as a line of JSON.

        Raises
        ------
        ConfigError
            The file is broken, or another one of its name was loaded; nothing of it is added.
        MissingResource
            There is no such file.
        Unavailable
            The lake does not answer; nothing of the file is added.
        """
        digest = _sha256(path)
        with named_outages(f"table {self._name}"):
            self._table.refresh()
        done = LoadResult(file=path.name, table=self._name)
        note = earlier(self._table, path.name, digest)
        if note is None:
            load = FileLoad(self._table, path.name, digest)
            reading = _Reading(self._domain, self._settings, done, rejects)
            judging = self._judging(path.name) if self._judges else _unjudged
            for chunk in self._read_files(path, zone=self._zone):
                load.add(judging(reading.read(chunk)))
                on_progress(len(chunk))
            note = load.commit()
        return done if note is None else LoadResult(done.file, self._name, present_as=note.file)

    def _judging(self, file: str) -> "_Judging":
        settings, domain = self._settings, self._domain
        model, policy = wiring.champion(settings, domain), wiring.policy(settings, domain)
        identity = Identity(file, 0, wiring.config_hash(settings, domain))
        return _Judging(domain.build_judge(policy, model, identity), model)


class _Reading:
    """Decodes the records of one file, in order, and accounts for each of them."""

    def __init__(
        self,
        domain: Domain,
        settings: Settings,
        done: LoadResult,
        rejects: Callable[[bytes], Any] | None,
    ) -> None:
        self._decoder = Decoder(domain.event_type, settings.engine.max_skew_s)
        self._decode_all = msgspec.json.Decoder(list[domain.event_type]).decode  # type: ignore[name-defined]  # a type of today
        self._done = done
        self._rejects = rejects

    def read(self, records: list[bytes]) -> tuple[Events, list[Any]]:
        """Return the valid events among the next records, as columns and as structs."""
        kept, addresses, lengths = buffers(records)
        decoded = self._decoder.decode(addresses, lengths, np.full(len(records), -1))
        del kept  # the addresses point into it
        columns, valid = decoded.columns, np.flatnonzero(decoded.columns.valid)
        events = self._decode_all(b"[" + b",".join(records[row] for row in valid) + b"]")
        first = self._done.records
        for row, why in decoded.rejected:
            self._reject(first + row, why, records[row])
        self._done.records += len(records)
        self._done.rows += len(valid)
        return Events(
            offsets=first + valid,
            occurred_at=columns.occurred_at[valid],
            values=columns.values[valid],
            keys=columns.keys[valid],
            event=lambda i: self._decoder.reread(records[valid[i]]),
            vectors=columns.vectors[valid],
        ), events

    def _reject(self, row: int, why: RejectedRecord, record: bytes) -> None:
        done, rejected = self._done, Rejected(row, why.reason, why.detail)
        done.rejected += 1
        done.reasons[why.reason] = done.reasons.get(why.reason, 0) + 1
        if len(done.first_rejected) < _SHOWN:
            done.first_rejected.append(rejected)
        if self._rejects is not None:
            kept = (redacted(record) or b"").decode(errors="replace")
            line = msgspec.structs.asdict(rejected) | {"record": kept}
            self._rejects(msgspec.json.encode(line) + b"\n")


class _Judging:
    """Lets a judge say of a file's events what it would say of a topic's."""

    def __init__(self, judge: Judge, model: Model) -> None:
        self._judge = judge
        self._model = model.ref

    def __call__(self, decoded: tuple[Events, list[Any]]) -> EventRows:
        events, structs = decoded
        result = self._judge.judge(events)
        names = [VERDICTS[which] for which in verdicts(result.scores, result.flagged).tolist()]
        return EventRows(
            events.offsets, events.occurred_at, structs, result.scores, names, self._model
        )


def _unjudged(decoded: tuple[Events, list[Any]]) -> EventRows:
    events, structs = decoded
    return EventRows(events.offsets, events.occurred_at, structs)


def rows_in(path: Path) -> int | None:
    """Return how many rows a file has, where it says so without being read."""
    if is_lines(path) or path.suffix.lower() == ".csv" or not path.is_file():
        return None
    with arrow("parquet").ParquetFile(path) as file:
        return int(file.metadata.num_rows)


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise MissingResource(f"cannot read {path}: {error.strerror}") from error
