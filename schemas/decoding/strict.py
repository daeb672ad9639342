"""The strict path: one record with msgspec, and the word on what is rejected and why.

What it decides where JSON leaves room:

* A name that comes twice: each value must fit, the last one counts.
* Numbers of known fields must be finite doubles; NaN and Infinity are no JSON.
* The whole record is UTF-8, also where it is skipped.
* Objects and arrays nest at most `MOST_NESTED` deep, however deep the caller's own stack is.
* Unknown fields are ignored once they are well formed.
* A malformed record is called malformed, also where a field before the fault does not fit.
* What looks like a card number is refused where the type says so, of records that fit otherwise.
"""

import re
from datetime import UTC
from typing import Any

import msgspec

from eddy.schemas.card_numbers import is_card_number
from eddy.schemas.columns import Program
from eddy.schemas.errors import RejectedRecord
from eddy.schemas.fields import FLOAT, OCCURRED_AT
from eddy.schemas.rejections import MAX_RECORD_BYTES

MOST_NESTED = 64

_OPENERS, _CLOSERS = b"[{", b"]}"
# a string may lack its end: so the pattern always matches, once, and takes linear time
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_NO_BRACKET = re.compile(rb"[^\[\]{}]+")


class StrictDecoder:
    """Decodes one record at a time into the typed struct.

    Parameters
    ----------
    event_type : type
        The struct; see `Program` for what it must have.
    """

    def __init__(self, event_type: type[msgspec.Struct]) -> None:
        fields = Program.of(event_type).fields
        # msgspec sees to floats; an int of 400 digits is one to Python, but no double
        self._ints = [f.name for f in fields if f.is_number and not f.takes & FLOAT]
        self._guarded = [(f.name, f.json_name) for f in fields if f.refuses_cards]
        self._decoder = msgspec.json.Decoder(event_type)
        self._syntax = msgspec.json.Decoder(msgspec.Raw)

    def decode(self, payload: bytes | None) -> Any:
        """Return the record as an event of the type, its `occurred_at` in UTC.

        Raises
        ------
        RejectedRecord
            With the reason empty, too_large, malformed_json, schema_violation or card_number.
        """
        if not payload:
            raise RejectedRecord("empty", "the record has no value")
        if len(payload) > MAX_RECORD_BYTES:
            raise RejectedRecord(
                "too_large", f"{len(payload)} bytes; the limit is {MAX_RECORD_BYTES}"
            )
        _check_utf8(payload)
        _check_nesting(payload)
        try:
            event = self._decoder.decode(payload)
        except msgspec.ValidationError as error:
            self._check_syntax(payload)
            raise RejectedRecord("schema_violation", _violation(error)) from None
        except msgspec.DecodeError as error:
            raise RejectedRecord("malformed_json", _fault(error)) from None
        if self._ints:
            self._check_finite(event)
        self._check_cards(event)
        return _in_utc(event)

    def reread(self, payload: bytes) -> Any:
        """Return a record as `decode` would; only for one that was found valid before."""
        return _in_utc(self._decoder.decode(payload))

    def _check_syntax(self, payload: bytes) -> None:
        try:
            self._syntax.decode(payload)
        except msgspec.DecodeError as error:
            raise RejectedRecord("malformed_json", _fault(error)) from None

    def _check_finite(self, event: msgspec.Struct) -> None:
        for name in self._ints:
            try:
                float(getattr(event, name) or 0)
            except OverflowError:
                raise RejectedRecord("schema_violation", f"{name}: number out of range") from None

    def _check_cards(self, event: msgspec.Struct) -> None:
        for name, json_name in self._guarded:
            text = getattr(event, name)
            if isinstance(text, str) and is_card_number(text):
                raise RejectedRecord("card_number", f"{json_name}: looks like a card number")


def _check_utf8(payload: bytes) -> None:
    try:
        payload.decode()
    except UnicodeDecodeError as error:
        detail = f"invalid UTF-8 (byte {error.start})"
        raise RejectedRecord("malformed_json", detail) from None


def _check_nesting(payload: bytes) -> None:
    """Refuse what msgspec would refuse sooner or later, depending on the stack it is called on."""
    if payload.count(b"[") + payload.count(b"{") <= MOST_NESTED:
        return
    depth = 0
    for bracket in _NO_BRACKET.sub(b"", _STRING.sub(b"", payload)):
        depth += 1 if bracket in _OPENERS else -1
        if depth > MOST_NESTED:
            raise RejectedRecord("malformed_json", f"nested more than {MOST_NESTED} deep")


def _violation(error: msgspec.ValidationError) -> str:
    """Return msgspec's message as ``field: what is wrong``, without any of the record's content."""
    if error.__cause__ is not None:  # a rule of the struct's own, which words its message itself
        return str(error.__cause__)
    message, _, path = str(error).rpartition(" - at `$")
    if not message:
        message, path = path, ""
    field = path.rstrip("`").lstrip(".")
    if message.startswith("Object missing required field `"):
        missing = message.split("`")[1]
        return f"{field}.{missing}: required" if field else f"{missing}: required"
    if message.startswith(("Invalid enum value", "Invalid value")):  # these quote the record
        message = "not one of the allowed values"
    return f"{field or 'record'}: {_decapitalised(message).replace('`', '')}"


def _fault(error: msgspec.DecodeError) -> str:
    return _decapitalised(str(error).removeprefix("JSON is malformed: "))


def _decapitalised(message: str) -> str:
    return message[:1].lower() + message[1:]


def _in_utc(event: msgspec.Struct) -> msgspec.Struct:
    moment = getattr(event, OCCURRED_AT)
    if moment.tzinfo is UTC:
        return event
    if moment.tzinfo is None:
        raise RejectedRecord("schema_violation", f"{OCCURRED_AT}: expected an offset from UTC")
    try:
        return msgspec.structs.replace(event, **{OCCURRED_AT: moment.astimezone(UTC)})
    except OverflowError:
        detail = f"{OCCURRED_AT}: outside the years 1 to 9999 in UTC"
        raise RejectedRecord("schema_violation", detail) from None
