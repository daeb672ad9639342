"""Where months of payments come from: files through DuckDB; Athena is in `payment_athena`."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from eddy.datasets.history.payments.query import (
    Naming,
    WindowGrid,
    fingerprint,
    literal,
    positional,
    quoted,
    sql,
)
from eddy.models.windows.clock import WindowClock
from eddy.schemas.errors import ConfigError, MissingResource, Unavailable
from eddy.schemas.installation import pip_install

_READERS = {
    ".parquet": "read_parquet([{files}], union_by_name = true)",
    ".pq": "read_parquet([{files}], union_by_name = true)",
    ".csv": "read_csv([{files}], union_by_name = true)",
    ".jsonl": "read_json([{files}], format = 'newline_delimited', union_by_name = true)",
    ".ndjson": "read_json([{files}], format = 'newline_delimited', union_by_name = true)",
}
_PACKED = (".gz", ".zst")
_TIMES = ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS")
_ZONED = "TIMESTAMP WITH TIME ZONE"


class PaymentHistory(Protocol):
    """A source of payments of the past."""

    @property
    def name(self) -> str:
        """What is read, for people."""
        ...

    @property
    def fingerprint(self) -> str:
        """What tells the question from others: another one may have another answer."""
        ...

    def interval_totals(self, begin_us: int, end_us: int) -> Any:
        """Return what merchants turned over in the windows from `begin_us` to before `end_us`.

        Returns
        -------
        pyarrow.Table
            See `eddy.datasets.history.payments.query.WindowGrid.fold`.

        Raises
        ------
        Unavailable
            Trying again may help.
        ConfigError, MissingResource
            It will not.
        """
        ...


class DuckDbHistory:
    """Payments in Parquet, CSV or JSON-lines files, here or on S3.

    Parameters
    ----------
    files : sequence of str
        Paths and globs, all of one kind; ``s3://`` too, with the credentials of the environment.
    clock : WindowClock
    naming : Naming
        Of the columns; those that can be done without may be absent.
    """

    def __init__(self, files: Sequence[str], clock: WindowClock, naming: Naming) -> None:
        if not files:
            raise ConfigError("no files given")
        self._files, self._clock, self._naming = list(files), clock, naming
        self._source = _reader(self._files)

    @property
    def name(self) -> str:
        """See `PaymentHistory`."""
        return ", ".join(self._files)

    @property
    def fingerprint(self) -> str:
        """See `PaymentHistory`; files that grew are not noticed."""
        names = [name if "://" in name else Path(name).absolute() for name in self._files]
        text = sql("duckdb", _blank(self._naming))
        return fingerprint(*names, self._naming, text, self._clock.length_us, self._clock.zone)

    def interval_totals(self, begin_us: int, end_us: int) -> Any:
        """See `PaymentHistory`."""
        grid = WindowGrid(self._clock, begin_us, end_us)
        with _Session(self._files) as session:
            kinds = session.columns(self._source)
            text = sql("duckdb", self._expressions(kinds))
            given = self._naming.parameters() | {
                "begin_us": begin_us,
                "end_us": end_us,
                "piece_us": grid.piece_us,
            }
            return grid.fold(session.table(*positional(text, given)))

    def _expressions(self, kinds: dict[str, str]) -> dict[str, str]:
        expressions = self._naming.expressions(kinds)
        time = self._naming.columns.get("occurred_at", "occurred_at")
        kind = kinds.get(time, _ZONED)
        if kind in _TIMES:
            bound = "make_timestamp(:{}_us)"
        elif kind in {_ZONED, "VARCHAR"}:
            bound = "CAST(make_timestamp(:{}_us) AS TIMESTAMPTZ)"
        else:
            raise ConfigError(f"column {time}: {kind} is no time")
        if kind == "VARCHAR":
            expressions["occurred_at"] = f"CAST({quoted(time)} AS TIMESTAMPTZ)"
        bounds = {name: bound.format(name) for name in ("begin", "end")}
        return expressions | bounds | {"source": self._source}


class _Session:
    """One connection to DuckDB, which keeps nothing, and what its errors mean."""

    def __init__(self, files: list[str]) -> None:
        duckdb = _duckdb()
        self._errors = duckdb
        self._is_remote = any("://" in name for name in files)
        self._connection = duckdb.connect()

    def __enter__(self) -> "_Session":
        try:
            # times without an offset are UTC, as everywhere
            self._connection.execute("SET TimeZone = 'UTC'")
            if self._is_remote:
                self._connection.execute(_secret(os.environ))
        except self._errors.Error as error:
            self._connection.close()
            raise self._translated(error) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def columns(self, source: str) -> dict[str, str]:
        """Return the type of each column."""
        # the statement is made of validated names only
        description = self.table(f"DESCRIBE SELECT * FROM {source}", [])  # noqa: S608
        rows = (description["column_name"].to_pylist(), description["column_type"].to_pylist())
        return dict(zip(*rows, strict=True))

    def table(self, text: str, parameters: list[object]) -> Any:
        """Run a query; return a pyarrow.Table."""
        try:
            return self._connection.sql(text, params=parameters).to_arrow_table()
        except self._errors.Error as error:
            raise self._translated(error) from error

    def _translated(self, error: Exception) -> Exception:
        text = str(error)
        message = text.splitlines()[0]
        if "extension" in text and "httpfs" in text:
            return MissingResource(
                "reading s3:// needs DuckDB's extension httpfs, which is fetched once from the "
                f"network: run `INSTALL httpfs` in duckdb where there is one; {message}"
            )
        if self._is_remote and isinstance(
            error, (self._errors.HTTPException, self._errors.IOException)
        ):
            is_refused = any(code in text for code in ("403", "404", "400"))
            return (MissingResource if is_refused else Unavailable)(message)
        if isinstance(error, self._errors.IOException):
            return MissingResource(message)
        return ConfigError(message)


def _duckdb() -> Any:
    try:
        import duckdb  # noqa: PLC0415 # a stream does without them
        import pyarrow  # noqa: F401, PLC0415
    except ImportError as error:
        raise ConfigError(f"reading history needs duckdb: {pip_install('history')}") from error
    return duckdb


def _secret(environment: Any) -> str:
    """Return the statement that makes DuckDB use the credentials of the environment."""
    known = {
        "KEY_ID": "AWS_ACCESS_KEY_ID",
        "SECRET": "AWS_SECRET_ACCESS_KEY",
        "SESSION_TOKEN": "AWS_SESSION_TOKEN",
        "REGION": "AWS_REGION",
    }
    given = {key: environment[name] for key, name in known.items() if environment.get(name)}
    if "REGION" not in given and environment.get("AWS_DEFAULT_REGION"):
        given["REGION"] = environment["AWS_DEFAULT_REGION"]
    parts = ["TYPE s3", *(f"{key} {literal(value)}" for key, value in given.items())]
    return f"CREATE SECRET ({', '.join(parts)})"


def _reader(files: list[str]) -> str:
    kinds = {_suffix(name) for name in files}
    if len(kinds) != 1 or not kinds <= set(_READERS):
        raise ConfigError(
            f"files of one kind, {', '.join(_READERS)}, not {', '.join(sorted(map(str, kinds)))}"
        )
    return _READERS[kinds.pop()].format(files=", ".join(map(literal, files)))


def _suffix(name: str) -> str:
    path = Path(name.lower())
    return Path(path.stem).suffix if path.suffix in _PACKED else path.suffix


def _blank(naming: Naming) -> dict[str, str]:
    return naming.expressions() | {"source": "", "begin": "", "end": ""}
