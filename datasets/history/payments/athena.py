"""Payments in Athena: one query a month, its result read as the CSV that Athena leaves on S3.

The pages of GetQueryResults hold a thousand rows each, a month of many merchants millions. Calls
that are throttled, or get no answer, are tried again by the AWS client, with backoff; a query that
failed is not, unless Athena itself says that it may be.
"""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from eddy.datasets.history.files import arrow
from eddy.datasets.history.payments.query import (
    Naming,
    WindowGrid,
    fingerprint,
    literal,
    positional,
    quoted,
    schema,
    sql,
)
from eddy.models.windows.clock import SECOND_US, WindowClock
from eddy.schemas.errors import ConfigError, EddyError, MissingResource, Unavailable
from eddy.schemas.installation import pip_install

_TIMES = {
    "timestamp": ("{}", "CAST(from_unixtime(:{}_s) AS timestamp)"),
    "text": ("from_iso8601_timestamp({})", "from_unixtime(:{}_s)"),
}
_LOCATION = re.compile(r"s3://([^/]+)/(.+)")
_TRANSIENT = frozenset(
    {
        "InternalError",
        "InternalServerException",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_CALL_ATTEMPTS = 6


@dataclass(frozen=True, slots=True)
class AthenaTable:
    """Where payments are, and how they are asked for.

    Attributes
    ----------
    database, table : str
    output : str
        Where Athena leaves results: ``s3://bucket/folder/``.
    work_group, region : str, optional
        As configured for the AWS client, where not given.
    times : {"timestamp", "text"}
        What the column of times holds: timestamps, those without a zone being UTC, or RFC 3339.
    poll_s : float
        How often a running query is looked at.

    Raises
    ------
    ConfigError
        A name is no identifier, or the output no place on S3.
    """

    database: str
    table: str
    output: str
    work_group: str | None = None
    region: str | None = None
    times: str = "timestamp"
    poll_s: float = 1.0

    def __post_init__(self) -> None:
        quoted(self.database)
        quoted(self.table)
        if self.times not in _TIMES:
            raise ConfigError(f"--times {self.times}: there are {', '.join(_TIMES)}")
        if not _LOCATION.match(self.output):
            raise ConfigError(f"--output {self.output}: written like s3://bucket/folder/")


class AthenaHistory:
    """Payments in a table of Athena; see `eddy.datasets.history.payments.sources.PaymentHistory`.

    Parameters
    ----------
    table : AthenaTable
    clock : WindowClock
    naming : Naming
        Of all columns: a table that has no country, say, is named with ``country=``.
    """

    def __init__(self, table: AthenaTable, clock: WindowClock, naming: Naming) -> None:
        self._table, self._clock, self._naming = table, clock, naming
        self._sql = sql("athena", _expressions(table, naming))

    @property
    def name(self) -> str:
        """What is read, for people."""
        return f"athena {self._table.database}.{self._table.table}"

    @property
    def fingerprint(self) -> str:
        """What tells the question from others."""
        windows = (self._clock.length_us, self._clock.zone)
        return fingerprint(self._sql, self._table.region, self._naming.values, *windows)

    def interval_totals(self, begin_us: int, end_us: int) -> Any:
        """Return what merchants turned over in windows; see `PaymentHistory`.

        Raises
        ------
        Unavailable
            AWS does not answer, or says that trying again may help.
        ConfigError
            The query failed: a name is wrong, or a type.
        MissingResource
            Access is denied, or there are no credentials.
        """
        grid = WindowGrid(self._clock, begin_us, end_us)
        text, given = positional(self._sql, self._parameters(grid))
        return grid.fold(self._run(text, [str(value) for value in given]))

    def _parameters(self, grid: WindowGrid) -> dict[str, object]:
        values = {name: literal(value) for name, value in self._naming.parameters().items()}
        return values | {
            "begin_s": grid.begin_us // SECOND_US,
            "end_s": grid.end_us // SECOND_US,
            "piece_s": grid.piece_us // SECOND_US,
        }

    def _run(self, text: str, parameters: list[str]) -> Any:
        pyathena = _pyathena()
        seen: list[Any] = []
        try:
            with self._connect(pyathena, seen.append) as connection:
                cursor = connection.cursor().execute(text, parameters, paramstyle="qmark")
                return _read(connection.s3_client, cursor.output_location)
        except EddyError:
            raise
        except Exception as error:
            raise _translated(error, seen[-1] if seen else None) from error

    def _connect(self, pyathena: Any, seen: Callable[[Any], None]) -> Any:
        from botocore.config import Config  # noqa: PLC0415 # comes with pyathena
        from pyathena.util import RetryConfig  # noqa: PLC0415

        table = self._table
        return pyathena.connect(
            s3_staging_dir=table.output,
            work_group=table.work_group,
            region_name=table.region,
            schema_name=table.database,
            poll_interval=table.poll_s,
            on_poll=seen,
            # tried again in one place only: by the AWS client
            retry_config=RetryConfig(attempt=1),
            config=Config(retries={"mode": "standard", "total_max_attempts": _CALL_ATTEMPTS}),
        )


def _read(s3: Any, location: str) -> Any:
    from pyarrow import csv  # noqa: PLC0415 # comes with the same extra as pyathena

    place = _LOCATION.fullmatch(location)
    if place is None:
        raise ConfigError(f"Athena left its result at {location!r}, which is no place on S3")
    body = s3.get_object(Bucket=place[1], Key=place[2])["Body"]
    kinds = {field.name: field.type for field in schema()} | {"piece": arrow().int64()}
    options = csv.ConvertOptions(
        column_types=kinds,
        strings_can_be_null=True,  # Athena quotes texts, so that an absent one differs from ""
        quoted_strings_can_be_null=False,
    )
    layout = csv.ParseOptions(newlines_in_values=True)
    return csv.read_csv(body, parse_options=layout, convert_options=options)


def _translated(error: Exception, execution: Any) -> EddyError:
    """Return an error of pyathena or the AWS client as one of Eddy's."""
    cause = error.__cause__ or error
    message = str(error) or type(error).__name__
    response = getattr(cause, "response", None)
    if response is not None:
        code = response.get("Error", {}).get("Code", "")
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in _TRANSIENT or status >= 500:
            return Unavailable(f"Athena: {message}")
        return (ConfigError if code == "InvalidRequestException" else MissingResource)(
            f"Athena: {message}"
        )
    if execution is not None and execution.state in {"FAILED", "CANCELLED"}:
        return (Unavailable if execution.retryable else ConfigError)(
            f"Athena could not run the query: {message}"
        )
    return _of_client(cause, message)


def _of_client(cause: BaseException, message: str) -> EddyError:
    from botocore import exceptions  # noqa: PLC0415 # comes with pyathena

    unanswered = (
        exceptions.HTTPClientError,
        exceptions.IncompleteReadError,
        exceptions.ResponseStreamingError,
        exceptions.ConnectionError,
        ConnectionError,
    )
    if isinstance(cause, unanswered):
        return Unavailable(f"Athena does not answer: {message}")
    if isinstance(cause, exceptions.NoCredentialsError):
        return MissingResource("Athena: no AWS credentials in the environment")
    return ConfigError(f"Athena: {message}")


def _pyathena() -> Any:
    try:
        import pyarrow  # noqa: F401, PLC0415 # a stream does without them
        import pyathena  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(f"reading Athena needs pyathena: {pip_install('history')}") from error
    # what goes wrong is told once, as our error
    logging.getLogger("pyathena").addHandler(logging.NullHandler())
    return pyathena


def _expressions(table: AthenaTable, naming: Naming) -> dict[str, str]:
    expressions = naming.expressions()
    instant, bound = _TIMES[table.times]
    expressions["occurred_at"] = instant.format(expressions["occurred_at"])
    bounds = {name: bound.format(name) for name in ("begin", "end")}
    return expressions | bounds | {"source": f"{quoted(table.database)}.{quoted(table.table)}"}
