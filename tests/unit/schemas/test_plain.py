"""The fast path: what it must read, what it must leave alone, and that it reads nothing else."""

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest
from msgspec import Meta
from numba.core.caching import CompileResultCacheImpl

from eddy.schemas.columns import Columns, Program
from eddy.schemas.decoding import PlainDecoder, machine, plain
from eddy.schemas.keys import NO_KEY, hash_text
from eddy.schemas.rides import Ride
from tests.support.corpus import HARMLESS, POISON, RIDE, extended, ride, without
from tests.support.decoding import Payment, check, event_type, is_plain, payment, read, timed

NOT_PLAIN = {
    "unknown nested",
    "nested 64 deep",
    "many shallow arrays",
    "unknown many digits",
    "known name twice",
    "known name twice, escaped",
    "name escaped",
    "minus zero",
    "minus zero with a point",
    "minus zero as label",
    "at the bound, spelled out",
    "tiny",
    "subnormal",
    "40 digits",
    "20 digits",
    "halfway",
    "integer beyond 64 bits as label",
    "19 digits as label",
    "longest id in characters",
    "emoji",
    "escapes",
    "escaped zero byte",
    "time with nine decimals",
    "time with an offset",
    "time with minus zero offset",
    "time in small letters",
    "time with a space",
}


@pytest.mark.parametrize(
    "payload",
    [p for n, p in HARMLESS if n not in NOT_PLAIN],
    ids=[n for n, _ in HARMLESS if n not in NOT_PLAIN],
)
def test_plain_records_take_the_fast_path(payload):
    assert is_plain(payload)


def test_what_is_not_plain_is_named_rightly():
    assert set(dict(HARMLESS)) >= NOT_PLAIN
    assert not read([p for n, p in HARMLESS if n in NOT_PLAIN]).valid.any()


@pytest.mark.parametrize("payload", [p for _, p, _ in POISON], ids=[n for n, *_ in POISON])
def test_poison_is_left_to_the_strict_decoder(payload):
    assert not is_plain(payload)


def test_an_ordinary_ride():
    columns = read([ride()])
    assert columns.occurred_at[0] == 1_709_296_496_000_000
    assert columns.values[0].tolist() == [5.9532999999999996, 930.0, 18.4, 1.0]


def test_nulls_and_absent_options_are_nan():
    columns = read([ride(fare=None, passengers=None), without("fare", "passengers")])
    assert columns.valid.all()
    assert np.isnan(columns.values[:, 2:]).all()


def test_keys_are_hashed_like_texts():
    merchants = ["", *("m" * k + "~" for k in range(127)), "x y", "/'{}[]:,"]
    payloads = [payment(merchant=text, **{"terminal-id": text}) for text in merchants]
    columns = read(payloads, Payment)
    assert columns.valid.all()
    hashes = [hash_text(text) for text in merchants]
    assert columns.keys.tolist() == [[h, hash_text("approved"), h] for h in hashes]


def test_a_key_at_the_very_end_of_the_record():
    kind = event_type(k=Annotated[str, Meta(extra={"column": "key"})])
    for length in range(40):
        text = "abcdefghijklmnopqrstuvwxyz0123456789ABCD"[:length]
        columns = read([timed(f'"k":"{text}"')], kind)
        assert columns.valid[0]
        assert columns.keys[0, 0] == hash_text(text)


@pytest.mark.parametrize(
    ("fields", "values", "keys"),
    [
        ({}, [5.5, np.nan, 2.5, np.nan], ["m-1", "approved", None]),
        ({"count": None, "terminal": None}, [5.5, np.nan, 2.5, np.nan], ["m-1", "approved", None]),
        ({"count": 7, "terminal-id": "t"}, [5.5, 7, 2.5, np.nan], ["m-1", "approved", "t"]),
        (
            {"status": "declined", "kind": "refund"},
            [5.5, np.nan, 2.5, np.nan],
            ["m-1", "declined", None],
        ),
        ({"rate": 1, "limit": -1}, [5.5, np.nan, -1, 1], ["m-1", "approved", None]),
        (
            {"count": 2**53, "amount": 99.99999},
            [99.99999, 2.0**53, 2.5, np.nan],
            ["m-1", "approved", None],
        ),
    ],
)
def test_every_kind_of_field(fields, values, keys):
    columns = read([payment(**fields)], Payment)
    assert columns.valid[0]
    np.testing.assert_array_equal(columns.values[0], values)
    assert columns.keys[0].tolist() == [NO_KEY if k is None else hash_text(k) for k in keys]


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "sal"},
        {"kind": "sales"},
        {"kind": ""},
        {"kind": None},
        {"kind": 1},
        {"kind": "straße"},
        {"status": "sale"},
        {"status": None},
        {"amount": 0},
        {"amount": 100},
        {"amount": None},
        {"amount": "5"},
        {"count": -1},
        {"count": 1.0},
        {"count": 2**53 + 1},
        {"merchant": None},
        {"merchant": 5},
        {"merchant": "x" * 129},
        {"terminal-id": 5},
        {"limit": None},
        {"rate": None},
        {"vector": [1.0]},
        {"vector": None},
        {"vector": "x"},
        {"vector": 1},
        {"occurred_at": None},
        {"occurred_at": 1},
    ],
    ids=repr,
)
def test_values_that_do_not_fit_are_left_alone(fields):
    assert not is_plain(payment(**fields), Payment)


def test_a_type_with_rules_of_its_own_is_never_plain():
    class Ruled(Payment):
        def __post_init__(self):
            raise ValueError("never")

    assert not is_plain(payment(), Ruled)


def test_the_order_of_fields_may_change_from_record_to_record():
    draw = random.Random(11)
    names = [*RIDE, "total", "note"]
    payloads, expected = [], []
    for _ in range(3_000):
        draw.shuffle(names)
        gone = draw.sample(["fare", "currency", "passengers", "total", "note"], draw.randrange(4))
        values = {**RIDE, "total": 2.5, "note": "x", "fare": draw.randrange(100)}
        made = {name: values[name] for name in names if name not in gone}
        payloads.append(json.dumps(made).encode())
        expected.append(made.get("fare", np.nan))
    columns = read(payloads)
    assert columns.valid.all()
    np.testing.assert_array_equal(columns.values[:, 2], expected)


def test_names_longer_than_a_word_and_names_that_begin_alike():
    names = ["a", "ab", "abcdefg", "abcdefgh", "abcdefghi", "x" * 15, "x" * 16, "x" * 80]
    made = event_type(**dict.fromkeys(names, float))
    record = {"occurred_at": "2024-01-01T00:00:00Z", "abc": 9, "x" * 17: 9, "x" * 79: 9, "": 9}
    record |= {name: k for k, name in enumerate(names)}
    columns = read(
        [json.dumps(record).encode(), json.dumps(dict(reversed(record.items()))).encode()], made
    )
    assert columns.valid.all()
    assert columns.values.tolist() == [list(range(len(names)))] * 2


def test_every_byte_replaced_by_every_other():
    payload = ride(vendor_id=None, occurred_at="2024-02-29T23:59:59.25Z")
    changed = [
        payload[:k] + bytes([byte]) + payload[k + 1 :]
        for k in range(len(payload))
        for byte in range(256)
    ]
    assert check(changed) > len(payload)


def test_every_pair_of_bytes_swapped_every_byte_doubled_and_every_byte_removed():
    payload = json.dumps(RIDE).encode()
    swapped = [
        payload[:k] + payload[k : k + 2][::-1] + payload[k + 2 :] for k in range(len(payload))
    ]
    doubled = [payload[:k] + payload[k : k + 1] + payload[k:] for k in range(len(payload))]
    removed = [payload[:k] + payload[k + 1 :] for k in range(len(payload))]
    assert check(swapped + doubled + removed) > 0


@pytest.mark.parametrize("payload", [ride(), json.dumps(RIDE).encode(), extended(',"x":"y"')])
def test_no_prefix_is_plain(payload):
    assert not read([payload[:k] for k in range(len(payload))]).valid.any()


GUARDED = """
import ctypes, mmap
import numpy as np
from eddy.schemas.columns import Columns, Program
from eddy.schemas.decoding import PlainDecoder
from eddy.schemas.rides import Ride
from eddy.schemas.transactions import Transaction
from tests.support.corpus import HARMLESS, POISON, ride
from tests.support.transaction_records import TRANSACTION_ODD, TRANSACTION_PLAIN, TRANSACTION_POISON

page = mmap.PAGESIZE
room = 20 * page
area = mmap.mmap(-1, room + 2 * page)
base = ctypes.addressof(ctypes.c_char.from_buffer(area))
libc = ctypes.CDLL(None, use_errno=True)
for guard in (base, base + page + room):
    assert libc.mprotect(ctypes.c_void_p(guard), page, 0) == 0
programs = [Program.of(Ride), Program.of(Transaction)]
decoders = [PlainDecoder(program) for program in programs]

def decode(payload, at_end):
    start = base + page + (room - len(payload) if at_end else 0)
    ctypes.memmove(start, payload, len(payload))
    for program, decoder in zip(programs, decoders):
        columns = Columns.blank(program, 1)
        decoder.decode(np.array([start]), np.array([len(payload)]), columns)

payloads = [p for _, p in HARMLESS] + [p for _, p, _ in POISON] + [ride()[:k] for k in range(230)]
payloads += [p for _, p in TRANSACTION_PLAIN + TRANSACTION_ODD]
payloads += [p for _, p, _ in TRANSACTION_POISON]
payloads += [TRANSACTION_PLAIN[0][1][:k] for k in range(240)]
for payload in payloads:
    for at_end in (True, False):
        decode(payload, at_end)
print("all was read", flush=True)
ctypes.string_at(base + page + room, 1)  # the guards do bite
print("and the guard too", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="wants mprotect")
def test_nothing_outside_a_record_is_read():
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", GUARDED]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.stdout == "all was read\n", done.stderr
    assert done.returncode < 0


def test_records_too_large_are_not_looked_at():
    program = Program.of(Ride)
    columns = Columns.blank(program, 2)
    lengths = np.array([2**62, -5])
    assert PlainDecoder(program).decode(np.array([0, 0]), lengths, columns) == 0


def test_the_cache_knows_all_that_is_compiled_in():
    called = {module.__name__ for module in plain._CALLED}
    for module in plain._CALLED:
        source = Path(module.__file__).read_text()
        imports = [line for line in source.splitlines() if line.startswith("from eddy.schemas")]
        used = {line.split()[1] for line in imports}
        assert used <= called | {"eddy.schemas"}
    assert "eddy.schemas.decoding.records" in called


def test_where_nothing_can_be_kept_kernels_are_compiled_at_each_start(monkeypatch):
    monkeypatch.setattr(CompileResultCacheImpl, "_locator_classes", [])

    @machine.compiled_and_kept
    def double(x: int) -> int:
        return 2 * x

    assert double(4) == 8
