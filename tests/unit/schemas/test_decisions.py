"""Decision records: what is written is read again, and nothing else is."""

from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest

from eddy.schemas.anomalies import ModelRef
from eddy.schemas.decisions import MOST_ROWS, SCHEMA_VERSION, Decisions, decode, encode

COLUMNS = (
    "offsets", "occurred_at", "events", "cards", "features", "scores", "challenger_scores",
)  # fmt: skip


def decisions(n: int = 3, names: tuple[str, ...] = ("amount", "v1"), shadow: bool = True):
    rng = np.random.default_rng(n)
    features = rng.normal(size=(n, len(names)))
    if features.size:
        features[0, 0] = np.nan
    return Decisions(
        topic="events.transactions",
        partition=0,
        model=ModelRef("transactions", "7", "0" * 64, datetime(2024, 3, 1, tzinfo=UTC)),
        challenger=ModelRef("transactions", "8", "1" * 64) if shadow else None,
        names=list(names),
        offsets=np.arange(n) + 2**40,
        occurred_at=np.arange(n) - 1,
        events=np.full(n, 2**64 - 1, np.uint64),
        cards=rng.integers(0, 2**63, n).astype(np.uint64),
        features=features,
        scores=rng.random(n),
        challenger_scores=rng.random(n if shadow else 0),
    )


def changed(**fields: object) -> bytes:
    """Return a good record with some fields of the packed map changed; None takes one away."""
    packed = msgspec.msgpack.decode(encode(decisions())) | fields
    return msgspec.msgpack.encode({name: x for name, x in packed.items() if x is not None})


def with_column(name: str, content: bytes | None) -> bytes:
    columns = msgspec.msgpack.decode(encode(decisions()))["columns"] | {name: content}
    return changed(columns={name: x for name, x in columns.items() if x is not None})


@pytest.mark.parametrize("n", [0, 1, 3, MOST_ROWS])
@pytest.mark.parametrize("names", [(), ("amount",), ("amount", "is_night", "v1")])
@pytest.mark.parametrize("shadow", [True, False])
def test_what_was_written_is_read(n, names, shadow):
    given = decisions(n, names, shadow)
    found = decode(encode(given))
    assert len(found) == n
    for name in ("topic", "partition", "model", "challenger", "names"):
        assert getattr(found, name) == getattr(given, name)
    for name in COLUMNS:
        wanted, column = getattr(given, name), getattr(found, name)
        assert (column.dtype, column.shape) == (wanted.dtype, wanted.shape), name
        assert column.tobytes() == wanted.tobytes(), name


def test_features_need_not_be_contiguous():
    given = decisions(4)
    wide = np.asfortranarray(np.hstack([given.features, given.features]))
    found = decode(encode(msgspec.structs.replace(given, features=wide[:, 1:3])))
    assert found.features.tobytes() == np.ascontiguousarray(wide[:, 1:3]).tobytes()


def test_a_full_record_is_no_larger_than_promised():
    names = tuple(f"v{k}" for k in range(15))
    assert 300_000 < len(encode(decisions(MOST_ROWS, names))) < 340_000


def test_cut_short_anywhere_it_is_refused():
    record = encode(decisions())
    for k in range(len(record)):
        with pytest.raises(ValueError, match="decision record"):
            decode(record[:k])


@pytest.mark.parametrize(
    "record",
    [b"", b"\0", b"{}", b"null", b"\x80", b"\xc1", b"\x81\xa1\xff\x01", b"\x91" * 5_000,
     encode(decisions()) + b"\0", msgspec.json.encode({"schema_version": 1})],
    ids=lambda record: repr(record[:8]),
)  # fmt: skip
def test_something_else_is_refused(record):
    with pytest.raises(ValueError, match="not a decision record"):
        decode(record)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (changed(topic=None), "topic"),
        (changed(topic=5), "topic"),
        (changed(schema_version=None), "schema_version"),
        (changed(schema_version=0), "schema_version"),
        (changed(names=["amount"]), "features are not 3 rows of 1"),
        (changed(names=["amount", "v1", "v2"]), "features are not 3 rows of 3"),
        (changed(columns={}), "without cards, challenger_scores, events"),
        *((with_column(name, None), f"without {name}") for name in COLUMNS),
        *((with_column(name, b"1234567"), "cut short|not 0 rows") for name in COLUMNS[1:4]),
        (with_column("offsets", b"x" * 31), "cut short"),
        (with_column("offsets", b"x" * 32), "features are not 4 rows of 2"),
        (with_column("features", b"x" * 40), "features are not 3 rows"),
        (with_column("scores", b"x" * 16), r"3 rows with scores of shape \(2,\)"),
        (with_column("challenger_scores", b"x" * 8), "with challenger_scores of shape"),
        (with_column("events", b""), "with events of shape"),
        (with_column("cards", b"x" * 32), "with cards of shape"),
    ],
)
def test_what_does_not_fit_together_is_refused_with_its_reason(record, message):
    with pytest.raises(ValueError, match=message):
        decode(record)


def test_a_newer_schema_is_refused_as_such_whatever_it_holds():
    newer = {"schema_version": SCHEMA_VERSION + 1, "topics": ["new"]}
    with pytest.raises(ValueError, match="schema 2: newer than 1"):
        decode(msgspec.msgpack.encode(newer))
    with pytest.raises(ValueError, match="newer"):
        decode(changed(schema_version=SCHEMA_VERSION + 1))


def test_unknown_fields_and_columns_are_ignored():
    assert len(decode(changed(later=1))) == 3
    assert len(decode(with_column("later", b"x"))) == 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"names": ["amount"]},
        {"scores": np.zeros(2)},
        {"events": np.zeros(4, np.uint64)},
        {"features": np.zeros(6)},
        {"challenger_scores": np.zeros(1)},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_what_nobody_could_read_is_not_written(wrong):
    with pytest.raises(ValueError, match="a decision record of 3 rows"):
        encode(msgspec.structs.replace(decisions(), **wrong))
