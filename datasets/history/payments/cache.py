"""The folder of months that were fetched: a Parquet file each, and a note of what it is.

A month is there when its note is: first the file is made to last, then the note. A file that is not
what its note says is fetched again.
"""

from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from eddy.datasets.history.files import arrow
from eddy.models.registry.durable import entries, locked, replace, writing
from eddy.models.windows.clock import WindowClock
from eddy.schemas.errors import ConfigError, MissingResource

FORMAT = 1
_BLOCK_BYTES = 1 << 20


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """A month in the cache: the content of its note.

    Attributes
    ----------
    month : str
        Such as "2026-01".
    source, fingerprint : str
        What was asked, for people and for machines.
    zone, interval_s
        What its windows are.
    begin_us, end_us : int
        From where to where; microseconds since 1970, UTC.
    is_over : bool
        Whether the month was over when it was fetched; else it is fetched again the next time.
    rows, merchants : int
    sha256 : str
        Of the file.
    """

    format: int = FORMAT
    month: str
    source: str
    fingerprint: str
    zone: str
    interval_s: int
    begin_us: int
    end_us: int
    is_over: bool
    rows: int
    merchants: int
    sha256: str


class PaymentCache:
    """Months of interval totals in a folder.

    Parameters
    ----------
    folder : Path
    clock : WindowClock, optional
        Of the windows to keep; not needed for reading.
    """

    def __init__(self, folder: Path, clock: WindowClock | None = None) -> None:
        self.folder, self._clock = folder, clock

    def find(self, month: str, fingerprint: str) -> Piece | None:
        """Return a month that is over, undamaged and the answer to the same question, if any."""
        piece = self._note(month)
        if piece is None or not piece.is_over or piece.fingerprint != fingerprint:
            return None
        return piece if self._digest(month) == piece.sha256 else None

    def keep(self, table: Any, *, month: str, **about: Any) -> Piece:
        """Write a month, whole or not at all, and return its note.

        Raises
        ------
        MissingResource
            The folder cannot be written to.
        """
        assert self._clock is not None, "a cache to write to has a clock"
        sink = arrow().BufferOutputStream()
        arrow("parquet").write_table(table, sink, compression="zstd")
        content = sink.getvalue()
        piece = Piece(
            month=month,
            zone=self._clock.zone,
            interval_s=self._clock.length_us // 1_000_000,
            rows=table.num_rows,
            merchants=len(table["merchant_id"].unique()),
            sha256=sha256(content).hexdigest(),
            **about,
        )
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            with locked(self.folder / ".lock"):
                self._path(month, "json").unlink(missing_ok=True)
                replace(self._path(month, "parquet"), content)
                note = msgspec.json.format(msgspec.json.encode(piece))
                replace(self._path(month, "json"), note)
        return piece

    def pieces(self) -> list[Piece]:
        """Return what is there, in the order of time, without gaps.

        Raises
        ------
        MissingResource
            Nothing is there.
        ConfigError
            The pieces do not fit one another.
        """
        names = sorted(n.removesuffix(".json") for n in entries(self.folder) if n.endswith(".json"))
        pieces = [piece for piece in map(self._note, names) if piece is not None]
        if not pieces:
            raise MissingResource(f"{self.folder} holds no history; see `eddy tpv history`")
        for before, after in pairwise(pieces):
            self._match(before, after)
        return pieces

    def read(self, piece: Piece) -> Any:
        """Return a month's totals, a pyarrow.Table; ConfigError where its file was altered."""
        if self._digest(piece.month) != piece.sha256:
            path = self._path(piece.month, "parquet")
            raise ConfigError(f"{path}: not what was fetched; run `eddy tpv history` again")
        return arrow("parquet").read_table(self._path(piece.month, "parquet"))

    def _match(self, before: Piece, after: Piece) -> None:
        if (before.zone, before.interval_s) != (after.zone, after.interval_s):
            raise ConfigError(
                f"{self.folder}: {before.month} and {after.month} are of other intervals; "
                "fetch them again, or into another folder"
            )
        if before.end_us != after.begin_us:
            raise ConfigError(
                f"{self.folder}: history is missing between {before.month} and {after.month}; "
                "fetch what is between, or delete what is before"
            )

    def _note(self, month: str) -> Piece | None:
        try:
            piece = msgspec.json.decode(self._path(month, "json").read_bytes(), type=Piece)
        except (OSError, msgspec.MsgspecError):
            return None  # absent, torn or somebody else's: as good as not fetched
        return piece if (piece.format, piece.month) == (FORMAT, month) else None

    def _digest(self, month: str) -> str:
        digest = sha256()
        try:
            with self._path(month, "parquet").open("rb") as file:
                while block := file.read(_BLOCK_BYTES):
                    digest.update(block)
        except OSError:
            return ""
        return digest.hexdigest()

    def _path(self, month: str, ending: str) -> Path:
        return self.folder / f"{month}.{ending}"
