"""Card numbers: what looks like one, what does not, and what is masked where."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eddy.schemas.card_numbers import is_card_number, redacted
from tests.support.transaction_records import AMEX, LONGEST, SHORTEST, VISA, transaction

NUMBERS = [VISA, AMEX, LONGEST, SHORTEST, "5555555555554444", "30569309025904", "0" * 16]


def completed(digits: str) -> str:
    """Add the digit with which Luhn's test passes, found by trying, and by the book's own rule."""
    for last in "0123456789":
        total = 0
        for place, digit in enumerate(reversed(digits + last)):
            value = int(digit) * (2 if place % 2 else 1)
            total += value // 10 + value % 10
        if total % 10 == 0:
            return digits + last
    raise AssertionError


card_numbers = st.text("0123456789", min_size=12, max_size=18).map(completed)
separators = st.text(" -\u00a0\u2011\u2009\t", max_size=3)


@st.composite
def spaced(draw: st.DrawFn) -> str:
    """Card numbers with spaces and dashes anywhere."""
    number = draw(card_numbers)
    return draw(separators) + "".join(digit + draw(separators) for digit in number)


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_made_for_tests_look_like_one(number):
    assert is_card_number(number)
    assert is_card_number(f" {number[:4]}-{number[4:8]} -  {number[8:]}- ")


@pytest.mark.parametrize(
    "text",
    [
        "", "4111111111111112", "411111111111111", VISA + "1", "0" * 12, "0" * 20, f"x{VISA}",
        f"{VISA}x", "4111.1111.1111.1111", "4111_1111_1111_1111", "- " * 20, "٤١١١١١١١١١١١١١١١",
        "²²²²²²²²²²²²²²", "card-0000000000000", "3f2a4b5c-1111-4111-8111-111111111111",
    ],
)  # fmt: skip
def test_others_do_not(text):
    assert not is_card_number(text)


@given(number=card_numbers)
def test_every_number_with_its_check_digit_is_one_and_with_no_other(number):
    wrong = [number[:-1] + last for last in "0123456789" if last != number[-1]]
    assert is_card_number(number)
    assert not any(map(is_card_number, wrong))


def masked(number: str) -> str:
    return "*" * (len(number) - 4) + number[-4:]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize(
    "around",
    [
        '{"card_token":"@"}', '{"card_token":"@', '{"pan":@}', "@", "pan=@", "@,12.5,2024-03-01",
        "%B@^DOE/JOHN^2512", ";@=25121010000?", "@\n", "\x00\x00\x00\x00\x01\x20@\x02", '"@"@"@"',
        '{"pan":@.0}', "Card.@", '"\\n@"', "\xff@", '{"a":"\\u00e9@"}', '{"a":"\\u0041@"}', "é@",
        "12 @ 34", "2024-03-01 @", "1-@",
    ],
)  # fmt: skip
def test_all_but_the_last_four_digits_are_masked(number, around):
    content = around.replace("@", number).encode("latin-1")
    wanted = around.replace("@", masked(number)).encode("latin-1")
    # by chance, digits beside it may belong to another number that passes
    found = redacted(content)
    assert found == wanted or (number.encode() not in found and b" " in content)


def test_digits_keep_their_spaces_and_dashes():
    assert redacted(b'"4111 1111-1111  1111"') == b'"**** ****-****  1111"'


def test_escaped_digits_are_masked_and_the_record_stays_json():
    payload = b'{"card_token":"%s"}' % b"".join(rb"\u%04x" % ord(c) for c in VISA)
    assert json.loads(redacted(payload)) == {"card_token": "************1111"}
    first = rb'{"card_token":"\u0034111-1111-1111-1111","b":"\u0041"}'
    assert redacted(first) == rb'{"card_token":"****-****-****-1111","b":"\u0041"}'


def test_utf_16_is_masked():
    for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
        found = redacted(transaction(card_token=VISA).decode().encode(encoding))
        assert json.loads(found.decode(encoding))["card_token"] == masked(VISA)


@pytest.mark.parametrize(
    "content",
    [
        None, b"", b"{", transaction(), transaction(card_token=VISA[:-1] + "2"), b"9" * 400,
        b'{"amount":5.4111111111111111}', b"[0.4111111111111111,-1.4222222222222]",
        b"4111,1111,1111,1111", b"4111:1111:1111:1111", b'"2024-03-01T12:34:56.789012Z"',
        rb'"\u0034\u0035"', transaction(event_id="é"), bytes(range(256)) * 4,
    ],
)  # fmt: skip
def test_all_else_stays_as_it_is(content):
    assert redacted(content) is content


@pytest.mark.parametrize("ensure_ascii", [True, False])
@settings(max_examples=150)
@given(text=spaced(), before=st.text(max_size=5), after=st.text(max_size=5))
def test_whatever_is_refused_is_masked(text, ensure_ascii, before, after):
    assert is_card_number(text)
    record = {"before": before, "card_token": text, "after": after}
    payload = json.dumps(record, ensure_ascii=ensure_ascii).encode("utf-8", "surrogatepass")
    found = redacted(payload)
    digits = [c for c in json.loads(found)["card_token"] if c in "0123456789*"]
    assert "".join(digits) == masked("".join(c for c in text if c.isdigit()))
    key = redacted(text.encode())
    assert sum(48 <= byte <= 57 for byte in key) == 4


@settings(max_examples=200)
@given(content=st.binary(max_size=80) | st.text("0123456789 -.x", max_size=60).map(str.encode))
def test_nothing_but_digits_changes_and_what_is_masked_stays_so(content):
    found = redacted(content)
    assert len(found) == len(content)
    changed = [(a, b) for a, b in zip(content, found, strict=True) if a != b]
    assert all(48 <= a <= 57 and b == ord("*") for a, b in changed)
    assert len(changed) == 0 or len(changed) >= 9


def test_hostile_content_takes_memory_and_time_in_proportion():
    for filler in (b"1 ", b"0", b"1" + b" " * 50, b"0" * 16 + b"-", b"\\u0030", "0\u2011".encode()):
        content = (filler * 65_536)[:65_536]
        assert len(redacted(content)) <= len(content)
