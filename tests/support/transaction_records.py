"""Transactions as records: an ordinary one, odd ones that are events, hostile ones with reasons."""

import json
from typing import Any

TRANSACTION: dict[str, Any] = {
    "event_id": "tx-0000000001",
    "occurred_at": "2024-03-01T12:34:56.789012Z",
    "card_token": "card-00004711",
    "terminal_id": "terminal-000815",
    "amount": 57.16,
    "merchant_id": "m-17",
    "currency": "EUR",
    "vector": [-1.3598071336738, 0, 2.5363467379691, 1e-05, -338],
}
"""An ordinary transaction, all fields there."""

TEXTS = ("event_id", "card_token", "terminal_id", "merchant_id")
"""The fields in which no card number may stand."""

VISA, AMEX, LONGEST, SHORTEST = (
    "4111111111111111",
    "378282246310005",
    "6304000000000000000",
    "4222222222222",
)
"""Numbers made for tests: of 16, 15, 19 and 13 digits, and all pass Luhn's test."""


def transaction(**fields: Any) -> bytes:
    """Return `TRANSACTION` with other values as JSON."""
    return json.dumps({**TRANSACTION, **fields}, separators=(",", ":"), ensure_ascii=False).encode()


def without(*names: str) -> bytes:
    """Return `TRANSACTION` without some fields."""
    return json.dumps({k: v for k, v in TRANSACTION.items() if k not in names}).encode()


def spelled(name: str, text: str) -> bytes:
    """Return `TRANSACTION` with the value of one field written exactly like this."""
    return transaction(**{name: "@@@"}).replace(b'"@@@"', text.encode())


def _vectors() -> list[tuple[str, bytes, str]]:
    malformed = "[ [1 [1, [,1] [1,] [1,,2] [1;2] [1}] [01] [-] [+1] [.5] [1.] [1e] [NaN] [1]] ]"
    violated = {
        "too long": json.dumps([0.5] * 65), "null inside": "[1,null]", "text inside": '["1"]',
        "bool inside": "[true]", "nested": "[[1.0]]", "object inside": "[{}]",
        "above": "[1e12,1000000000001]", "below": "[-1.1e12]", "beyond a double": "[1,1e400]",
        "number": "1.5", "text": '"[1]"', "object": "{}", "bool": "true",
    }  # fmt: skip
    return [
        *((f"vector {text}", spelled("vector", text), "malformed_json")
          for text in malformed.split()),
        *((f"vector {name}", spelled("vector", text), "schema_violation")
          for name, text in violated.items()),
    ]  # fmt: skip


def _cards() -> list[tuple[str, bytes, str]]:
    written = {
        "16 digits": VISA, "15 digits": AMEX, "19 digits": LONGEST, "13 digits": SHORTEST,
        "spaces": "4111 1111 1111 1111", "dashes": "4111-1111-1111-1111",
        "spaces around": f"  {VISA} ", "dashes around": f"--{VISA}-",
        "many spaces": (" " * 6).join(VISA), "both": "3782 - 822463-10005", "zeros": "0" * 13,
        "no-break spaces": "4111\u00a01111\u00a01111\u00a01111",
        "no-break hyphens": "4111\u20111111\u20111111\u20111111",
    }  # fmt: skip
    return [
        *((f"card {name} as {field}", transaction(**{field: text}), "card_number")
          for name, text in written.items() for field in TEXTS),
        ("card escaped", spelled("card_token", r'"\u0034' + VISA[1:] + '"'), "card_number"),
        ("card all escaped", spelled("card_token", _escaped(VISA)), "card_number"),
        ("card and vector", transaction(card_token=VISA, vector=[0.25] * 64), "card_number"),
        ("card and no number", transaction(card_token=VISA, amount="x"), "schema_violation"),
        ("card as a number", spelled("card_token", VISA), "schema_violation"),
        ("card in what is no JSON", transaction(card_token=VISA)[:-1], "malformed_json"),
    ]  # fmt: skip


def _escaped(text: str) -> str:
    return '"' + "".join(rf"\u{ord(c):04x}" for c in text) + '"'


TRANSACTION_POISON: list[tuple[str, bytes, str]] = [
    *_vectors(),
    *_cards(),
    *((f"no {name}", without(name), "schema_violation") for name in list(TRANSACTION)[:5]),
    ("empty token", transaction(card_token=""), "schema_violation"),
    ("token too long", transaction(card_token="x" * 129), "schema_violation"),
    ("amount too far", transaction(amount=1.1e9), "schema_violation"),
    ("merchant a number", transaction(merchant_id=5), "schema_violation"),
]
"""Name, bytes and the reason each must be rejected for."""

TRANSACTION_PLAIN: list[tuple[str, bytes]] = [
    ("ordinary", transaction()),
    ("with spaces", json.dumps(TRANSACTION).encode()),
    ("indented", json.dumps(TRANSACTION, indent=2).encode()),
    ("required fields only", without("merchant_id", "currency", "vector")),
    ("no vector", without("vector")),
    ("vector null", transaction(vector=None)),
    ("vector empty", transaction(vector=[])),
    ("vector empty with space", spelled("vector", "[ \n]")),
    ("vector of one", transaction(vector=[0.1])),
    ("vector as long as allowed", transaction(vector=[k / 7 for k in range(64)])),
    ("vector at the bounds", transaction(vector=[1e12, -1e12, 0, 1e-60])),
    ("vector with much space", spelled("vector", "[ 1 ,\t2.5\n,\r-3e2 ]")),
    ("vector of 19 digits", spelled("vector", "[0.1234567890123456789,-9.007199254740993]")),
    ("vector first", json.dumps(dict(reversed(TRANSACTION.items()))).encode()),
    ("12 digits", transaction(card_token="411111111111")),
    ("20 digits", transaction(card_token=VISA + "0000")),
    ("digits and a letter", transaction(card_token=f"x{VISA}", event_id=f"{VISA}x")),
    ("digits and a point", transaction(card_token="4111.1111.1111.1111")),
    ("dashes only", transaction(card_token="-" * 20)),
    ("a card in what is not looked at", transaction(other=VISA)),
]  # fmt: skip
"""Name and bytes of events that take the fast path."""

TRANSACTION_ODD: list[tuple[str, bytes]] = [
    ("16 digits that fail the test", transaction(card_token="4111111111111112")),
    ("13 digits that fail the test", transaction(event_id="4222222222223")),
    ("groups that fail the test", transaction(terminal_id="4111-1111-1111-1112")),
    ("vector with minus zero", spelled("vector", "[1,-0.0]")),
    ("vector with a subnormal", spelled("vector", "[5e-324]")),
    ("vector of 20 digits", spelled("vector", "[12345.678901234567890]")),
    ("vector twice", transaction()[:-1] + b',"vector":[7]}'),
    ("vector twice, the last null", transaction()[:-1] + b',"vector":null}'),
    ("vector's name escaped", transaction().replace(b"vector", rb"v\u0065ctor")),
    ("arabic digits", transaction(card_token="٤١١١١١١١١١١١١١١١")),
    ("unknown list", transaction(other=[1, 2])),
]
"""Name and bytes of events that are left to the strict decoder."""
