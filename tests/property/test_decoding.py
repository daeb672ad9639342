"""The fast path never accepts what the strict one rejects, and never reads anything differently."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eddy.schemas.rides import Ride
from eddy.schemas.transactions import Transaction
from tests.support.corpus import HARMLESS, POISON, RIDE
from tests.support.decoding import PAYMENT, Payment, check, event_type, timed
from tests.support.transaction_records import (
    TRANSACTION,
    TRANSACTION_ODD,
    TRANSACTION_PLAIN,
    TRANSACTION_POISON,
)

FULL_PAYMENT = {**PAYMENT, "status": "declined", "count": 3, "terminal-id": "t", "limit": 1.5}

spaces = st.text(" \t\r\n", max_size=3)
digits = st.text("0123456789", min_size=1, max_size=22)


# what lies exactly between two doubles, or right beside
halves = st.builds(
    "{}.{}".format, st.integers(2**52, 2**53), st.sampled_from(["5", "25", "4999", "5001"])
)
spelled_out = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "", "-", "+"]),
        digits | digits.map(lambda text: text.lstrip("0") or "0"),
        st.just("") | st.text("0123456789", max_size=12).map(lambda text: "." + text),
        st.just("")
        | st.builds(
            "".join,
            st.tuples(
                st.sampled_from("eE"),
                st.sampled_from(["", "-", "+"]),
                st.text("0123456789", max_size=4),
            ),
        ),
    ),
)
number_texts = st.one_of(
    st.floats().map(repr),
    st.integers(1, 99_999).map(lambda cents: repr(cents / 100 * 1.609)),
    st.integers().map(str),
    halves,
    spelled_out,
)
"""JSON numbers of all lengths and shapes, and what looks like one."""


@st.composite
def time_texts(draw: st.DrawFn) -> str:
    """Timestamps, of which some are none."""
    if draw(st.booleans()):
        moment = datetime(1, 1, 1, tzinfo=UTC) + timedelta(
            microseconds=draw(st.integers(0, 315_537_897_599_999_999))
        )
        return moment.isoformat().replace(
            "+00:00", draw(st.sampled_from(["Z", "+00:00", "-00:00"]))
        )
    parts = [draw(st.integers(0, limit)) for limit in (9999, 13, 32, 24, 60, 60)]
    text = "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}".format(*parts)
    fraction = draw(st.sampled_from(["", "."])) and "." + draw(st.text("0123456789", max_size=10))
    return (
        text
        + fraction
        + draw(st.sampled_from(["Z", "z", "", "+00:00", "+01:30", "-23:59", "+00", "+0000"]))
    )


def quoted(text: str, escape: str) -> str:
    """Write a string as JSON: ``ascii`` escapes what is not ASCII, ``all`` escapes everything."""
    if escape == "all":
        units = text.encode("utf-16-be", "surrogatepass")
        return (
            '"'
            + "".join(f"\\u{units[k]:02x}{units[k + 1]:02X}" for k in range(0, len(units), 2))
            + '"'
        )
    return json.dumps(text, ensure_ascii=escape == "ascii")


digit_groups = st.text("0123456789 -", min_size=10, max_size=30) | st.sampled_from(
    ["4111111111111111", "4111 1111 1111 1111", "3782-822463-10005", "4111111111111112"]
)
"""What looks like a card number, or nearly so."""

texts = st.one_of(
    digit_groups,
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40),
    st.text(max_size=12),
    st.sampled_from(
        ["", "sale", "refund", "x" * 64, "x" * 65, "x" * 128, "x" * 129, '"', "\\", "\0"]
    ),
)


@st.composite
def string_texts(draw: st.DrawFn) -> str:
    return quoted(draw(texts), draw(st.sampled_from(["ascii", "ascii", "none", "all"])))


scalars = st.one_of(
    number_texts,
    string_texts(),
    time_texts().map(json.dumps),
    st.sampled_from(["null", "true", "false", "nul", "NaN", "tru", "[]", "{}", '"', ""]),
)
nested = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: "[" + ",".join(parts) + "]"),
        st.lists(st.tuples(string_texts(), inner), max_size=3).map(
            lambda pairs: "{" + ",".join(f"{name}:{value}" for name, value in pairs) + "}"
        ),
    ),
    max_leaves=6,
)
unknown_names = st.one_of(
    texts,
    st.sampled_from(["total", "distance", "distance_km2", "occurred_a", "fare ", "", "a" * 70]),
)


def written(draw: st.DrawFn, pairs: list[tuple[str, str]]) -> bytes:
    """Write an object with white space wherever JSON has room for it, or only where most do."""
    style = draw(st.sampled_from(["compact", "python", "free"]))
    comma, colon = {"compact": (",", ":"), "python": (", ", ": ")}.get(style, ("", ""))
    if style != "free":
        text = comma.join(name + colon + value for name, value in pairs)
        return ("{" + text + "}").encode("utf-8", "surrogatepass")
    gap = lambda: draw(spaces)  # noqa: E731 - drawn anew each time
    parts = [f"{gap()}{name}{gap()}:{gap()}{value}{gap()}" for name, value in pairs]
    return (gap() + "{" + ",".join(parts) + "}" + gap()).encode("utf-8", "surrogatepass")


vector_texts = st.builds(
    "[{}]".format,
    st.builds(
        str.join,
        st.sampled_from([",", ", ", " ,\n"]),
        st.lists(number_texts, max_size=5)
        | st.lists(st.floats(-1e12, 1e12).map(repr), max_size=66)
        | st.lists(
            st.one_of(number_texts, st.sampled_from(["null", '"1"', "[1]", ""])), max_size=4
        ),
    ),
)
"""Lists of numbers, and some with more or something else in them."""


def fitting(name: str, base: dict[str, Any]) -> st.SearchStrategy[str]:
    """Values that a field takes, and some it just does not."""
    if name == "occurred_at":
        return time_texts().map(json.dumps)
    if isinstance(base[name], list):
        return st.one_of(vector_texts, st.just("null"))
    if isinstance(base[name], float):
        return st.one_of(number_texts, st.just("null"))
    return st.one_of(string_texts(), number_texts, st.just("null"))


@st.composite
def records(draw: st.DrawFn, base: dict[str, Any], hostile: bool) -> bytes:
    """Records near a good one: some values changed, fields gone, doubled, unknown, out of order."""
    pairs = [(name, json.dumps(value)) for name, value in base.items()]
    for k in draw(st.sets(st.integers(0, len(pairs) - 1), max_size=3)):
        name = pairs[k][0]
        pairs[k] = (name, draw(nested if hostile else fitting(name, base)))
    if hostile:
        gone = draw(st.sets(st.integers(0, len(pairs) - 1), max_size=1))
        pairs = [pair for k, pair in enumerate(pairs) if k not in gone]
        pairs += draw(st.lists(st.tuples(st.sampled_from(list(base)), scalars), max_size=1))
    pairs += draw(st.lists(st.tuples(unknown_names, nested if hostile else scalars), max_size=2))
    if draw(st.booleans()):
        pairs = draw(st.permutations(pairs))
    escape = st.sampled_from(["none"] * 7 + ["ascii", "all"]) if hostile else st.just("none")
    return written(draw, [(quoted(name, draw(escape)), value) for name, value in pairs])


@st.composite
def mutated(draw: st.DrawFn, base: dict[str, Any]) -> bytes:
    """A good record after a few changes to its bytes."""
    data = bytearray(draw(st.one_of(records(base, False), st.just(json.dumps(base).encode()))))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        until = min(at + draw(st.integers(0, 3)), len(data))
        chunk = draw(
            st.one_of(
                st.binary(max_size=3),
                st.text(' ,:"\\{}[]0123456789.eE-+nulltrue', max_size=4).map(str.encode),
            )
        )
        action = draw(st.sampled_from(["replace", "replace", "truncate", "repeat"]))
        if action == "truncate":
            del data[at:]
        elif action == "repeat":
            data[at:at] = data[at : at + draw(st.integers(1, 40))]
        else:
            data[at:until] = chunk
    return bytes(data)


BASES = [(RIDE, Ride), (FULL_PAYMENT, Payment), (TRANSACTION, Transaction)]
thorough = settings(max_examples=150, deadline=None, database=None)


@pytest.mark.parametrize(("base", "kind"), BASES)
@thorough
@given(data=st.data())
def test_near_good_records(base, kind, data):
    check(data.draw(st.lists(records(base, False), min_size=1, max_size=6)), kind)


@pytest.mark.parametrize(("base", "kind"), BASES)
@thorough
@given(data=st.data())
def test_hostile_records(base, kind, data):
    check(data.draw(st.lists(records(base, True), min_size=1, max_size=6)), kind)


@pytest.mark.parametrize(("base", "kind"), BASES)
@thorough
@given(data=st.data())
def test_mutated_records(base, kind, data):
    check(data.draw(st.lists(mutated(base), min_size=1, max_size=8)), kind)


@thorough
@given(numbers=st.lists(number_texts, min_size=1, max_size=20))
def test_numbers(numbers):
    check([timed(f'"x":{number}') for number in numbers], event_type(x=float))


@thorough
@given(times=st.lists(time_texts(), min_size=1, max_size=20))
def test_times(times):
    check([b'{"occurred_at":"%s"     }' % time.encode() for time in times], event_type())


@settings(max_examples=100, deadline=None, database=None)
@given(chunks=st.lists(st.binary(max_size=200), min_size=1, max_size=5))
def test_noise(chunks):
    check(chunks, Ride)


def test_the_corpus():
    assert check([p for _, p in HARMLESS] + [p for _, p, _ in POISON], Ride) > 25
    harmless = [p for _, p in TRANSACTION_PLAIN + TRANSACTION_ODD]
    poison = [p for _, p, _ in TRANSACTION_POISON]
    assert check(harmless + poison, Transaction) == len(TRANSACTION_PLAIN)


@thorough
@given(vectors=st.lists(vector_texts, min_size=1, max_size=10))
def test_vectors(vectors):
    bare = json.dumps({k: v for k, v in TRANSACTION.items() if k != "vector"}).encode()
    check([bare[:-1] + b',"vector":%s}' % one.encode() for one in vectors], Transaction)


plain_texts = st.text(
    st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"\\'), max_size=60
)
plain_numbers = st.one_of(
    st.integers(0, 10**6),
    st.floats(1e-3, 1e6),
    st.floats(-1e6, -1e-3),
    st.integers(1, 100_000).map(lambda cents: cents / 100),
    st.integers(1, 100_000).map(lambda cents: cents / 100 * 1.609),
)
plain_times = st.datetimes(
    datetime(1970, 1, 1),
    datetime(2100, 1, 1),
    timezones=st.just(UTC),
)


@settings(max_examples=200, deadline=None, database=None)
@given(data=st.data())
def test_what_ordinary_producers_write_takes_the_fast_path(data):
    ordinary = st.fixed_dictionaries(
        {
            "event_id": plain_texts.filter(bool),
            "occurred_at": plain_times.map(lambda m: m.isoformat().replace("+00:00", "Z")),
            "ride_id": plain_texts.filter(bool),
            "vendor_id": plain_texts | st.integers(-(10**9), 10**15) | st.none(),
            "pickup_zone": st.integers(0, 10**6) | st.none(),
            "dropoff_zone": st.integers(0, 10**6) | st.none(),
            "distance_km": plain_numbers,
            "duration_s": plain_numbers,
        },
        optional={
            "fare": plain_numbers | st.none(),
            "currency": st.sampled_from(["USD", "EUR"]) | st.none(),
            "passengers": st.integers(0, 9) | st.none(),
            "total": plain_numbers,
            "note": plain_texts,
            "is_shared": st.booleans() | st.none(),
        },
    )
    rides = data.draw(st.lists(ordinary, min_size=1, max_size=8))
    separators = data.draw(st.sampled_from([(",", ":"), None]))
    payloads = [json.dumps(ride, separators=separators).encode() for ride in rides]
    assert check(payloads, Ride) == len(payloads)


@settings(max_examples=100, deadline=None, database=None)
@given(data=st.data())
def test_ordinary_transactions_take_the_fast_path(data):
    names = plain_texts.filter(lambda text: any(c.isalpha() for c in text))
    ordinary = st.fixed_dictionaries(
        {
            "event_id": names,
            "occurred_at": plain_times.map(lambda m: m.isoformat().replace("+00:00", "Z")),
            "card_token": names,
            "terminal_id": names,
            "amount": plain_numbers,
        },
        optional={
            "merchant_id": names | st.none(),
            "currency": st.sampled_from(["USD", "EUR"]) | st.none(),
            "vector": st.lists(plain_numbers, max_size=64) | st.none(),
        },
    )
    made = data.draw(st.lists(ordinary, min_size=1, max_size=8))
    separators = data.draw(st.sampled_from([(",", ":"), None]))
    payloads = [json.dumps(one, separators=separators).encode() for one in made]
    assert check(payloads, Transaction) == len(payloads)
