"""The question that every source of payment history is asked, whatever it is and calls its columns.

The SQL adds payments up by pieces of time that windows consist of; `WindowGrid` then adds pieces
up to windows, so that there is one definition of a window, `eddy.models.windows.clock`.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.datasets.history.files import arrow
from eddy.models.windows.clock import WindowClock
from eddy.schemas.errors import ConfigError

COLUMNS = (
    "merchant_id",
    "occurred_at",
    "amount",
    "kind",
    "status",
    "count",
    "segment",
    "country",
)
VALUES = ("sale", "refund", "approved")
# What stands for a column that a table lacks: all are approved sales, one each, of nobody's trade.
_ABSENT = {
    "kind": ":sale",
    "status": ":approved",
    "count": "1",
    "segment": "NULL",
    "country": "NULL",
}
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_ -]{0,127}")
_MARKER = re.compile(r"(?<!:):([a-z_]+)")
_COMMENT = re.compile(r"^--.*\n", re.MULTILINE)
_MONEY_DIGITS = 6  # sums of floats in another order differ further on


@dataclass(frozen=True, slots=True)
class Naming:
    """What a table calls things.

    Attributes
    ----------
    columns : mapping of str to str
        The table's name of each of `COLUMNS` that has another one there; "" where it has none.
    values : mapping of str to str
        What the table writes for `VALUES`, where it is not that; case does not matter.

    Raises
    ------
    ConfigError
        A name is not known or is no identifier, or a column cannot be done without.
    """

    columns: Mapping[str, str]
    values: Mapping[str, str]

    def __post_init__(self) -> None:
        _refuse_unknown("column", self.columns, COLUMNS)
        _refuse_unknown("value", self.values, VALUES)
        for name, column in self.columns.items():
            if column:
                quoted(column)
            elif name not in _ABSENT:
                raise ConfigError(f"--column {name}=: there is no history without it")

    def expressions(self, present: Collection[str] | None = None) -> dict[str, str]:
        """Return the SQL of each of `COLUMNS`; of those not present too, where that is known."""
        return {name: self._expression(name, present) for name in COLUMNS}

    def parameters(self) -> dict[str, str]:
        """Return the values as the SQL compares them."""
        return {name: self.values.get(name, name).lower() for name in VALUES}

    def _expression(self, name: str, present: Collection[str] | None) -> str:
        column = self.columns.get(name, name)
        is_optional = name not in self.columns and name in _ABSENT
        if not column or (present is not None and is_optional and column not in present):
            return _ABSENT[name]
        return quoted(column)


@dataclass(frozen=True, slots=True)
class WindowGrid:
    """The windows of a piece of history, and the pieces of time they consist of.

    Attributes
    ----------
    clock : WindowClock
    begin_us, end_us : int
        Where windows begin; microseconds since 1970, UTC.
    """

    clock: WindowClock
    begin_us: int
    end_us: int

    @property
    def piece_us(self) -> int:
        """The longest time that divides all windows: a whole one, unless clocks are set."""
        first, last = self.clock.index_of([self.begin_us, self.end_us])
        starts = self.clock.start_us(np.arange(first, last + 1))
        return int(np.gcd.reduce(starts - self.begin_us)) or self.clock.length_us

    def fold(self, pieces: Any) -> Any:
        """Add pieces up to windows.

        Parameters
        ----------
        pieces : pyarrow.Table
            Columns merchant_id, piece, net, payments, segment, country; as the SQL selects them.

        Returns
        -------
        pyarrow.Table
            Columns merchant_id, window_start (UTC), net, payments, segment, country; one row for
            each merchant and window with a payment, in the order of windows, then merchants.
        """
        places, merchants = _coded(pieces["merchant_id"])
        instants = self.begin_us + pieces["piece"].to_numpy().astype(np.int64) * self.piece_us
        windows = self.clock.index_of(instants)
        # numbers instead of texts: a month of many merchants has tens of millions of rows
        cells = windows * len(merchants) + places
        order = np.argsort(cells, kind="stable")
        first = np.flatnonzero(np.diff(cells[order], prepend=-1))
        del cells
        net = _reduced(np.add, pieces["net"].to_numpy(), order, first)
        pa, at = arrow(), order[first]
        columns = [
            _texts(places[at], merchants),
            pa.array(self.clock.start_us(windows[at]), pa.int64()),
            pa.array(np.round(net, _MONEY_DIGITS)),
            pa.array(_reduced(np.add, pieces["payments"].to_numpy(), order, first)),
        ]
        for name in ("segment", "country"):
            codes, known = _coded(pieces[name])
            columns.append(_texts(_reduced(np.maximum, codes, order, first), known))
        return pa.table(columns, names=schema().names).cast(schema())


def _coded(column: Any) -> tuple[NDArray[np.int64], list[str]]:
    """Return a column of texts as places in a sorted list of them; -1 where there is none."""
    pa = arrow()
    column = column.cast(schema().field("merchant_id").type).unify_dictionaries().combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks else pa.array([], column.type)
    texts = column.dictionary.to_pylist()
    rank = np.full(len(texts) + 1, -1)
    rank[np.argsort(np.array(texts, object), kind="stable")] = np.arange(len(texts))
    return rank[column.indices.fill_null(-1).to_numpy()], sorted(texts)


def _texts(codes: NDArray[np.int64], texts: list[str]) -> Any:
    """Return the column that `_coded` took apart."""
    pa = arrow()
    indices = pa.array(codes.astype(np.int32), mask=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(texts, pa.string()))


def _reduced(
    function: np.ufunc, column: NDArray[Any], order: NDArray[np.int64], first: NDArray[np.int64]
) -> NDArray[Any]:
    """Return the column's cells taken together, group by group, the groups beginning at `first`."""
    return function.reduceat(column[order], first) if len(first) else column[:0]


def schema() -> Any:
    """Return the columns of interval totals, as `pyarrow.Schema`."""
    pa = arrow()
    text = pa.dictionary(pa.int32(), pa.string())
    return pa.schema(
        [
            ("merchant_id", text),
            ("window_start", pa.timestamp("us", "UTC")),
            ("net", pa.float64()),
            ("payments", pa.int64()),
            ("segment", text),
            ("country", text),
        ]
    )


def sql(dialect: str, expressions: Mapping[str, str]) -> str:
    """Return the SQL of a dialect, "duckdb" or "athena", with its names filled in."""
    text = (
        files("eddy.datasets.history.payments")
        .joinpath("sql", f"payments_{dialect}.sql")
        .read_text("utf-8")
    )
    return _COMMENT.sub("", text).format(**expressions)


def quoted(name: str) -> str:
    """Return an identifier in quotes; ConfigError where it is none."""
    if not _IDENTIFIER.fullmatch(name):
        raise ConfigError(f"{name!r}: not the name of a column or a table")
    return f'"{name}"'


def literal(text: str) -> str:
    """Return a text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def positional(text: str, parameters: Mapping[str, object]) -> tuple[str, list[object]]:
    """Return SQL with a question mark for each ``:name``, and the values in their order."""
    order = _MARKER.findall(text)
    return _MARKER.sub("?", text), [parameters[name] for name in order]


def fingerprint(*parts: object) -> str:
    """Return what tells one question from another: a SHA-256."""
    return sha256("\n".join(map(str, parts)).encode()).hexdigest()


def _refuse_unknown(what: str, given: Mapping[str, str], known: tuple[str, ...]) -> None:
    for name in given:
        if name not in known:
            raise ConfigError(f"--{what} {name}=...: there are {', '.join(known)}")
