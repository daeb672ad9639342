"""Hostile records, each with the reason it must be rejected for, and odd ones that are events.

All speak of rides. Decoders, readers and the chaos tests are fed with the same list.
"""

import json
from typing import Any

from eddy.schemas.rejections import MAX_RECORD_BYTES

RIDE: dict[str, Any] = {
    "event_id": "ride-000000001",
    "occurred_at": "2024-03-01T12:34:56Z",
    "ride_id": "r000000001",
    "vendor_id": "green",
    "pickup_zone": 74,
    "dropoff_zone": 168,
    "distance_km": 5.9532999999999996,
    "duration_s": 930.0,
    "fare": 18.4,
    "currency": "USD",
    "passengers": 1,
}
"""An ordinary ride, all fields there."""


def ride(**fields: Any) -> bytes:
    """Return `RIDE` with other values as JSON, written like most producers write it."""
    return json.dumps({**RIDE, **fields}, separators=(",", ":"), ensure_ascii=False).encode()


def without(*names: str) -> bytes:
    """Return `RIDE` without some fields."""
    kept = {name: value for name, value in RIDE.items() if name not in names}
    return json.dumps(kept, separators=(",", ":")).encode()


def spelled(name: str, text: str | bytes) -> bytes:
    """Return `RIDE` with the value of one field written exactly like this."""
    text = text.encode() if isinstance(text, str) else text
    return ride(**{name: "@@@"}).replace(b'"@@@"', text)


def extended(text: str | bytes) -> bytes:
    """Return `RIDE` with more text behind its last field."""
    text = text.encode() if isinstance(text, str) else text
    return ride()[:-1] + text + b"}"


def _numbers() -> list[tuple[str, bytes, str]]:
    malformed = (
        "01 -01 00 1. .5 +1 1e 1e+ 1.e3 --1 1.5.5 0x10 1_000 1,5 NaN nan Infinity -Infinity -"
    )
    violated = {
        "a bool": "true", "null": "null", "a string": '"5.9"', "an empty string": '""',
        "an array": "[5.9]", "an object": '{"km":5.9}', "beyond a double": "1e400",
        "minus beyond a double": "-1e400", "400 digits": "9" * 400, "too far": "1000000.1",
        "too far by the last bit": "1000000.0000000002", "too near": "-1000001",
    }  # fmt: skip
    return [
        *((f"distance {text}", spelled("distance_km", text), "malformed_json")
          for text in malformed.split()),
        *((f"distance {name}", spelled("distance_km", text), "schema_violation")
          for name, text in violated.items()),
        ("passengers below 0", spelled("passengers", "-1"), "schema_violation"),
        ("passengers above 1000", spelled("passengers", "1000.5"), "schema_violation"),
    ]  # fmt: skip


def _times() -> list[tuple[str, bytes, str]]:
    wrong = (
        "", "now", "2024-03-01", "2024-03-01T12:34:56", "2024-03-01T12:34Z", "2024-02-30T00:00:00Z",
        "2023-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2024-00-01T00:00:00Z",
        "2024-13-01T00:00:00Z", "2024-04-31T00:00:00Z", "2024-03-00T00:00:00Z",
        "2024-03-01T24:00:00Z", "2024-03-01T12:60:00Z", "2024-03-01T12:34:60Z",
        "0000-01-01T00:00:00Z", "12024-03-01T12:34:56Z", "2024-3-1T12:34:56Z",
        "2024-03-01T12:34:56.Z", "2024-03-01T12:34:56,5Z", "2024-03-01T12:34:56+24:00",
        "2024-03-01T12:34:56+0", "2024-03-01T12:34:56Z ", " 2024-03-01T12:34:56Z",
        "2024/03/01T12:34:56Z", "2024-03-01T12-34-56Z", "2024-03-01T12:34:5:Z",
        "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "9999-12-31T23:59:59.9999999Z",
    )  # fmt: skip
    return [
        *((f"time {text!r}", ride(occurred_at=text), "schema_violation") for text in wrong),
        ("time in seconds", ride(occurred_at=1709296496), "schema_violation"),
        ("time null", ride(occurred_at=None), "schema_violation"),
    ]


def _texts() -> list[tuple[str, bytes, str]]:
    return [
        ("id empty", ride(event_id=""), "schema_violation"),
        ("id too long", ride(event_id="x" * 129), "schema_violation"),
        ("id too long in characters", ride(event_id="é" * 129), "schema_violation"),
        ("id a number", ride(event_id=1), "schema_violation"),
        ("id null", ride(event_id=None), "schema_violation"),
        ("label a float", ride(vendor_id=1.5), "schema_violation"),
        ("label an integral float", spelled("vendor_id", "1.0"), "schema_violation"),
        ("label with exponent", spelled("vendor_id", "1e2"), "schema_violation"),
        ("label a bool", ride(vendor_id=True), "schema_violation"),
        ("label too long", ride(pickup_zone="x" * 65), "schema_violation"),
        ("label an array", ride(dropoff_zone=["A"]), "schema_violation"),
        ("currency too long", ride(currency="x" * 9), "schema_violation"),
        ("currency a number", ride(currency=5), "schema_violation"),
        ("control character", spelled("event_id", b'"a\x01b"'), "malformed_json"),
        ("line feed in a string", spelled("event_id", b'"a\nb"'), "malformed_json"),
        ("no such escape", spelled("event_id", rb'"a\xb"'), "malformed_json"),
        ("short escape", spelled("event_id", rb'"a\u12"'), "malformed_json"),
        ("half a surrogate pair", spelled("event_id", rb'"\ud800"'), "malformed_json"),
        ("single quotes", spelled("event_id", b"'a'"), "malformed_json"),
        ("no UTF-8", spelled("event_id", b'"\xff"'), "malformed_json"),
        ("overlong UTF-8", spelled("event_id", b'"\xc0\x80"'), "malformed_json"),
        ("surrogate in UTF-8", spelled("event_id", b'"\xed\xa0\x80"'), "malformed_json"),
        ("no UTF-8 in an unknown field", extended(b',"note":"\xff"'), "malformed_json"),
        ("no UTF-8 in an unknown name", extended(b',"\xff":1'), "malformed_json"),
    ]


def _structures() -> list[tuple[str, bytes, str]]:
    plain = ride()
    return [
        ("nothing", b"", "empty"),
        ("white space", b"   ", "malformed_json"),
        ("zero byte", b"\0", "malformed_json"),
        ("zero bytes", b"\0" * 246, "malformed_json"),
        ("noise", bytes(range(256)), "malformed_json"),
        ("a word", b"hello", "malformed_json"),
        ("null", b"null", "schema_violation"),
        ("an array of rides", b"[" + plain + b"]", "schema_violation"),
        ("a string", json.dumps(plain.decode()).encode(), "schema_violation"),
        ("an empty object", b"{}", "schema_violation"),
        ("a long empty object", b"{" + b" " * 60 + b"}", "schema_violation"),
        ("truncated by one", plain[:-1], "malformed_json"),
        ("truncated in the middle", plain[: len(plain) // 2], "malformed_json"),
        ("only the brace", b"{", "malformed_json"),
        ("two records", plain + plain, "malformed_json"),
        ("two records on lines", plain + b"\n" + plain, "malformed_json"),
        ("trailing zero byte", plain + b"\0", "malformed_json"),
        ("trailing word", plain + b" x", "malformed_json"),
        ("trailing comma", extended(","), "malformed_json"),
        ("leading comma", b"{," + plain[1:], "malformed_json"),
        ("two commas", extended(',,"x":1'), "malformed_json"),
        ("no comma", extended(' "x":1'), "malformed_json"),
        ("no colon", extended(',"x" 1'), "malformed_json"),
        ("no value", extended(',"x":'), "malformed_json"),
        ("no name", extended(",1"), "malformed_json"),
        ("name without quotes", extended(",x:1"), "malformed_json"),
        ("a comment", extended("/* why */"), "malformed_json"),
        ("vertical tab as space", b"\x0b" + plain, "malformed_json"),
        ("byte order mark", b"\xef\xbb\xbf" + plain, "malformed_json"),
        ("UTF-16", plain.decode().encode("utf-16"), "malformed_json"),
        ("an Avro envelope", b"\0\0\0\0\1" + plain, "malformed_json"),
        ("gzip", b"\x1f\x8b\x08\x00" + plain, "malformed_json"),
        ("unknown malformed number", extended(',"x":01'), "malformed_json"),
        ("unknown malformed word", extended(',"x":nul'), "malformed_json"),
        ("unknown word almost false", extended(',"x":falsy'), "malformed_json"),
        ("unknown word almost true", extended(',"x":truE'), "malformed_json"),
        ("unknown word and more", extended(',"x":nullx'), "malformed_json"),
        ("unknown malformed array", extended(',"x":[1,]'), "malformed_json"),
        ("unknown unclosed string", extended(',"x":"y'), "malformed_json"),
        ("unknown NaN", extended(',"x":NaN'), "malformed_json"),
        ("nested 65 deep", extended(',"x":' + "[" * 64 + "]" * 64), "malformed_json"),
        ("nested 30000 deep", extended(',"x":' + "[" * 30_000), "malformed_json"),
        ("a wrong value, then malformed", spelled("event_id", '5,"x":01'), "malformed_json"),
        ("one value wrong of two", extended(',"distance_km":"x"'), "schema_violation"),
        ("first value wrong of two", b'{"fare":"x",' + plain[1:], "schema_violation"),
        ("too large", extended(',"x":"' + "y" * MAX_RECORD_BYTES + '"'), "too_large"),
        ("too large by one", _padded(MAX_RECORD_BYTES + 1), "too_large"),
        *((f"without {name}", without(name), "schema_violation")
          for name in list(RIDE)[:8]),
        ("names in capitals", plain.upper(), "schema_violation"),
    ]  # fmt: skip


def _padded(size: int) -> bytes:
    return ride() + b" " * (size - len(ride()))


POISON: list[tuple[str, bytes, str]] = [*_structures(), *_texts(), *_times(), *_numbers()]
"""Name, bytes and the reason each must be rejected for; independent of any clock."""

FUTURE = ("from the future", ride(occurred_at="9999-12-31T23:59:59Z"), "future_timestamp")
"""Rejected by `eddy.schemas.decoding.Decoder` only, where the record's own time is known."""

HARMLESS: list[tuple[str, bytes]] = [
    ("ordinary", ride()),
    ("required fields only", without("fare", "currency", "passengers")),
    ("with spaces", json.dumps(RIDE).encode()),
    ("indented", json.dumps(RIDE, indent=2).encode()),
    ("all white space", b" \t\r\n" + ride().replace(b",", b"\n,\t ").replace(b":7", b" :\r\n7")),
    ("other order", json.dumps(dict(reversed(RIDE.items()))).encode()),
    ("unknown fields", extended(',"total":21.3,"note":"x","ok":true,"no":false,"nil":null')),
    ("unknown nested", extended(',"x":{"a":[1,{"b":"]}"}]},"y":[]')),
    ("nested 64 deep", extended(',"x":' + "[" * 63 + "]" * 63)),
    ("many shallow arrays", extended(',"x":[' + ",".join(["[]"] * 200) + "]")),
    ("brackets in a string", extended(',"x":"' + "[" * 200 + '"')),
    ("unknown beyond a double", extended(',"x":1e999')),
    ("unknown many digits", extended(',"x":' + "9" * 60)),
    ("unknown empty name", extended(',"":0')),
    ("known name twice", extended(',"distance_km":7.5')),
    ("known name twice, escaped", extended(r',"\u0064istance_km":7.5')),
    ("name escaped", ride().replace(b"distance_km", rb"d\u0069stance_km")),
    ("prefix of a known name", extended(',"distance":1,"distance_km_":2,"distance_k":3')),
    ("null zones", ride(vendor_id=None, pickup_zone=None, dropoff_zone=None)),
    ("null options", ride(fare=None, currency=None, passengers=None)),
    ("zero distance", ride(distance_km=0)),
    ("minus zero", spelled("distance_km", "-0")),
    ("minus zero with a point", spelled("distance_km", "-0.0")),
    ("negative duration", ride(duration_s=-3600)),
    ("a day", ride(duration_s=86_400)),
    ("refund", ride(fare=-18.4)),
    ("at the bound", ride(distance_km=1e6, duration_s=-1e8)),
    ("at the bound, spelled out", spelled("distance_km", "1000000.000000000000000000000000000")),
    ("with exponent", spelled("distance_km", "59532999999999996e-16")),
    ("with capital exponent", spelled("distance_km", "5.9533E+0")),
    ("tiny", spelled("distance_km", "1e-400")),
    ("subnormal", spelled("distance_km", "5e-324")),
    ("zero with exponent", spelled("distance_km", "0e5")),
    ("zero with a long exponent", spelled("distance_km", "0e4000")),
    ("40 digits", spelled("distance_km", "5.953299999999999600000000000000000000001")),
    ("20 digits", spelled("distance_km", "12345.678901234567890")),
    ("halfway", spelled("duration_s", "67108864.00000000745058059692382812500")),
    ("integer beyond 64 bits as label", ride(vendor_id=10**30)),
    ("19 digits as label", ride(vendor_id=9_223_372_036_854_775_807)),
    ("negative label", ride(vendor_id=-7)),
    ("minus zero as label", spelled("vendor_id", "-0")),
    ("empty label", ride(vendor_id="")),
    ("longest id", ride(event_id="x" * 128)),
    ("longest id in characters", ride(event_id="é" * 128)),
    ("emoji", ride(vendor_id="🚕")),
    ("escapes", spelled("vendor_id", r'"a\"\\\/\b\f\n\r\tA\ud83d\ude95"')),
    ("escaped zero byte", spelled("vendor_id", r'"\u0000"')),
    ("delete character", ride(vendor_id="\x7f")),
    ("time with decimals", ride(occurred_at="2024-03-01T12:34:56.789012Z")),
    ("time with one decimal", ride(occurred_at="2024-03-01T12:34:56.7+00:00")),
    ("time with nine decimals", ride(occurred_at="2024-03-01T12:34:56.789012345Z")),
    ("time with an offset", ride(occurred_at="2024-03-01T18:04:56+05:30")),
    ("time with minus zero offset", ride(occurred_at="2024-03-01T12:34:56-00:00")),
    ("time in small letters", ride(occurred_at="2024-03-01t12:34:56z")),
    ("time with a space", ride(occurred_at="2024-03-01 12:34:56Z")),
    ("leap day", ride(occurred_at="2024-02-29T23:59:59Z")),
    ("leap day of a century", ride(occurred_at="2000-02-29T00:00:00Z")),
    ("before 1970", ride(occurred_at="1969-12-31T23:59:59.999999Z")),
    ("first moment", ride(occurred_at="0001-01-01T00:00:00Z")),
    ("last moment", ride(occurred_at="9999-12-31T23:59:59.999999Z")),
    ("as large as allowed", _padded(MAX_RECORD_BYTES)),
]
"""Name and bytes of records that are odd and valid."""
