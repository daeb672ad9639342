"""The decoder: batches of records into columns and rejections."""

import ctypes
import json
import math
import threading

import numpy as np
import pytest

from eddy.schemas.decoding import Decoded, Decoder, buffers
from eddy.schemas.errors import RejectedRecord
from eddy.schemas.rides import Ride
from tests.support.corpus import FUTURE, HARMLESS, POISON, RIDE, ride
from tests.support.decoding import Payment, payment

SECOND = 1_709_296_496
"""When `RIDE` occurred."""


def decode(payloads: list[bytes | None], times_ms: int = -1, max_skew_s: float = 300.0) -> Decoded:
    _kept, addresses, lengths = buffers(payloads)
    times = np.full(len(payloads), times_ms)
    return Decoder(Ride, max_skew_s).decode(addresses, lengths, times)


def test_a_mixed_batch_keeps_rows_and_reasons():
    payloads = [ride(), None, ride(vendor_id="é"), b"{", ride(distance_km="x"), b"", ride(fare=3)]
    decoded = decode(payloads)
    assert decoded.columns.valid.tolist() == [True, False, True, False, False, False, True]
    assert [(row, why.reason) for row, why in decoded.rejected] == [
        (1, "empty"), (3, "malformed_json"), (4, "schema_violation"), (5, "empty"),
    ]  # fmt: skip
    assert decoded.plain == 2
    assert decoded.columns.values[[0, 2, 6], 2].tolist() == [18.4, 18.4, 3.0]
    assert decoded.columns.occurred_at[[0, 2, 6]].tolist() == [SECOND * 1_000_000] * 3


def test_the_whole_corpus_in_one_batch():
    entries = [(p, None) for _, p in HARMLESS] + [(p, reason) for _, p, reason in POISON]
    entries = entries[::2] + entries[1::2]
    decoded = decode([payload for payload, _ in entries])
    reasons = {row: why.reason for row, why in decoded.rejected}
    assert [reasons.get(row) for row in range(len(entries))] == [reason for _, reason in entries]
    assert decoded.columns.valid.tolist() == [reason is None for _, reason in entries]
    assert decoded.plain > 25


def test_ordinary_records_take_the_fast_path():
    rng = np.random.default_rng(1)
    payloads = []
    for k in range(2_000):
        made = RIDE | {
            "event_id": f"ride-{k:09d}",
            "distance_km": rng.integers(1, 10_000) / 100 * 1.609,
            "duration_s": float(rng.integers(1, 9_000)),
            "fare": rng.integers(300, 9_000) / 100,
            "total": rng.integers(300, 9_000) / 100,
        }
        separators = (",", ":") if k % 2 else None
        payloads.append(json.dumps(made, separators=separators).encode())
    assert decode(payloads).plain >= 1_990


def test_slow_rows_hold_the_same_as_fast_ones():
    fast = decode([ride(fare=None, distance_km=0.1)])
    slow = decode([ride(fare=None, distance_km=0.1)[:-1] + b',"x":[]}'])
    assert (fast.plain, slow.plain) == (1, 0)
    assert fast.columns.values.tobytes() == slow.columns.values.tobytes()
    assert fast.columns.occurred_at.tobytes() == slow.columns.occurred_at.tobytes()


def test_a_row_given_up_half_way_leaves_nothing_behind():
    # everything is read before the nested field is met
    payload = payment(count=7, rate=3)[:-1] + b',"limit":9,"count":null,"rate":1,"vector":[]}'
    _kept, addresses, lengths = buffers([payload])
    decoded = Decoder(Payment, 0.0).decode(addresses, lengths, [-1])
    assert decoded.plain == 0
    np.testing.assert_array_equal(decoded.columns.values, [[5.5, np.nan, 9.0, 1.0]])


def test_optional_fields_that_are_unset_are_nan_on_both_paths():
    for extra in (b"", b',"vector":[]'):
        _kept, addresses, lengths = buffers([payment()[:-1] + extra + b"}"])
        decoded = Decoder(Payment, 0.0).decode(addresses, lengths, [-1])
        np.testing.assert_array_equal(decoded.columns.values, [[5.5, np.nan, 2.5, np.nan]])
        assert decoded.columns.keys[0, 2] == 0


@pytest.mark.parametrize(
    ("time_ms", "max_skew_s", "accepted"),
    [
        (SECOND * 1000, 0.0, True),
        (SECOND * 1000 - 1, 0.0, False),
        (SECOND * 1000 - 1, 0.001, True),
        ((SECOND - 300) * 1000, 300.0, True),
        ((SECOND - 300) * 1000 - 1, 300.0, False),
        (0, 300.0, False),
        (-1, 300.0, True),
        (-(2**63), 300.0, True),
        (2**63 - 1, 300.0, True),
    ],
)
def test_the_record_s_own_time_is_the_clock(time_ms, max_skew_s, accepted):
    for payload in (ride(), ride(vendor_id="é")):
        decoded = decode([payload], time_ms, max_skew_s)
        assert decoded.columns.valid.tolist() == [accepted]
        assert [why.reason for _, why in decoded.rejected] == ["future_timestamp"] * (not accepted)


def test_rejections_come_by_row_whatever_their_kind():
    _, future, reason = FUTURE
    decoded = decode([future, b"{", future, None, ride()], SECOND * 1000)
    assert [(row, why.reason) for row, why in decoded.rejected] == [
        (0, reason), (1, "malformed_json"), (2, reason), (3, "empty"),
    ]  # fmt: skip
    assert "9999" not in str(decoded.rejected[0][1])


@pytest.mark.parametrize("skew", [-1.0, math.nan, math.inf])
def test_a_skew_that_is_none_is_refused(skew):
    with pytest.raises(ValueError, match="max_skew_s"):
        Decoder(Ride, skew)


def test_no_records():
    decoded = decode([])
    assert (len(decoded.columns), decoded.rejected, decoded.plain) == (0, [], 0)


def test_arrays_of_unequal_length_are_refused():
    decoder = Decoder(Ride, 0.0)
    _kept, addresses, lengths = buffers([ride(), ride()])
    with pytest.raises(ValueError, match="shapes"):
        decoder.decode(addresses, lengths[:1], [0, 0])
    with pytest.raises(ValueError, match="shapes"):
        decoder.decode(addresses, lengths, [0])
    with pytest.raises(ValueError, match="shapes"):
        decoder.decode(addresses.reshape(2, 1), lengths.reshape(2, 1), np.zeros((2, 1)))


def test_arrays_may_be_strided_read_only_or_narrow():
    _kept, addresses, lengths = buffers([ride(fare=k) for k in range(6)])
    addresses.flags.writeable = False
    narrow = lengths.astype(np.int32)[::2]
    decoded = Decoder(Ride, 0.0).decode(addresses[::2], narrow, np.full(6, -1)[::2])
    assert decoded.columns.values[:, 2].tolist() == [0, 2, 4]


def test_buffers_hold_the_payloads():
    payloads = [b"abc", None, b"", b"de"]
    _kept, addresses, lengths = buffers(payloads)
    assert lengths.tolist() == [3, -1, 0, 2]
    found = [
        ctypes.string_at(int(start), length)
        for start, length in zip(addresses, lengths, strict=True)
        if length > 0
    ]
    assert found == [b"abc", b"de"]


def test_decode_one_has_no_clock():
    decoder = Decoder(Ride, 0.0)
    assert decoder.decode_one(FUTURE[1]).occurred_at.year == 9999
    with pytest.raises(RejectedRecord, match="empty"):
        decoder.decode_one(None)


def test_threads_may_share_a_decoder():
    decoder = Decoder(Ride, 0.0)
    orders = [json.dumps(dict(sorted(RIDE.items(), reverse=r))).encode() for r in (False, True)]
    results: list[Decoded] = []

    def work(payload: bytes) -> None:
        _kept, addresses, lengths = buffers([payload] * 500)
        results.extend(decoder.decode(addresses, lengths, np.full(500, -1)) for _ in range(20))

    threads = [threading.Thread(target=work, args=(payload,)) for payload in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 40
    assert all(result.plain == 500 for result in results)
    assert all((result.columns.values[:, 2] == 18.4).all() for result in results)


def test_preparing_changes_nothing_but_when_the_compiler_runs():
    decoder = Decoder(Ride, 0.0)
    decoder.prepare()
    _kept, addresses, lengths = buffers([ride()])
    assert decoder.decode(addresses, lengths, [-1]).plain == 1
