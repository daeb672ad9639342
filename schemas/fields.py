"""One field of an event type, as the compiled decoder and the columns see it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from msgspec import inspect

OCCURRED_AT = "occurred_at"

# what a field takes, as bits; none at all leaves a record that carries it to the strict decoder
TIME, TEXT, CHOICE, KEY, INTEGER, FLOAT, NULL, VECTOR, NO_CARD = (1 << k for k in range(9))

NO_LIMIT = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Field:
    """A field's name and what may stand in it; all bounds are inclusive.

    Attributes
    ----------
    name, json_name : str
        The attribute of the struct, and how records spell it.
    required : bool
        Whether a record without it is no event.
    default : object
        What an absent field means; None where it is required.
    takes : int
        Bits: what the compiled decoder reads by itself.
    is_number, is_key, is_vector : bool
        Whether it becomes a column of numbers, of hashes, or the vectors.
    refuses_cards : bool
        Whether a text that looks like a card number is no event.
    low, high : float
        Bounds of a number, or of each number of a vector.
    shortest, longest : int
        Bounds of a text's length in characters, or of a vector's in numbers.
    choices : tuple of str
        The only texts allowed, where the type is a Literal.
    """

    name: str
    json_name: str
    required: bool
    default: Any = None
    takes: int = 0
    is_number: bool = False
    is_key: bool = False
    is_vector: bool = False
    refuses_cards: bool = False
    low: float = -math.inf
    high: float = math.inf
    shortest: int = 0
    longest: int = NO_LIMIT
    choices: tuple[str, ...] = ()

    @classmethod
    def of(cls, field: inspect.Field) -> "Field":
        """Describe a field of a struct; TypeError where it asks for what cannot be."""
        if not is_plain(field.encode_name):
            raise TypeError(f"{field.name}: {field.encode_name!r} is no plain ASCII name")
        base = cls(field.name, field.encode_name, field.required, _default(field))
        members, extra = _members(field.type)
        kinds = [member for member in members if not isinstance(member, inspect.NoneType)]
        described = _with_kind(base, kinds)
        if len(kinds) < len(members):
            described = _nullable(described)
        return _with_refusal(_with_key(described, kinds, extra), kinds, extra)


def is_plain(text: str) -> bool:
    """Whether JSON writes a text as it is: printable ASCII without quote and backslash."""
    return text.isascii() and text.isprintable() and not set(text) & {'"', "\\"}


def _default(field: inspect.Field) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return None if field.default is msgspec.NODEFAULT else field.default


def _members(kind: inspect.Type) -> tuple[list[inspect.Type], Mapping[str, Any]]:
    """Return the alternatives of a type, and the `extra` of its Meta, wherever it was written."""
    match kind:
        case inspect.Metadata(type=inner, extra=extra):
            members, more = _members(inner)
            return members, {**more, **(extra or {})}
        case inspect.UnionType(types=types):
            alternatives = [_members(member) for member in types]
            members = [member for members, _ in alternatives for member in members]
            return members, {name: x for _, extra in alternatives for name, x in extra.items()}
        case inspect.LiteralType(values=values) if None in values:
            rest = tuple(value for value in values if value is not None)
            return [inspect.LiteralType(values=rest), inspect.NoneType()], {}
    return [kind], {}


def _nullable(field: Field) -> Field:
    # a time that may be null is no time to go by
    takes = 0 if field.takes & TIME or not field.takes else field.takes | NULL
    return replace(field, takes=takes)


def _with_kind(  # noqa: PLR0911 - one for each kind
    field: Field, kinds: list[inspect.Type]
) -> Field:
    match kinds:
        case [inspect.DateTimeType(tz=True | None)] if field.name == OCCURRED_AT and field.required:
            return replace(field, takes=TIME)
        case [inspect.FloatType() as number]:
            return _with_bounds(replace(field, takes=FLOAT | INTEGER, is_number=True), number)
        case [inspect.IntType() as number]:
            return _with_bounds(replace(field, takes=INTEGER, is_number=True), number)
        case [inspect.StrType() as text]:
            return _with_lengths(replace(field, takes=TEXT), text)
        case [inspect.StrType() as text, inspect.IntType() as number]:
            return _with_bounds(_with_lengths(replace(field, takes=TEXT | INTEGER), text), number)
        case [inspect.LiteralType(values=values)] if all(isinstance(v, str) for v in values):
            # a choice that JSON must escape never looks plain, so the table can do without it
            plain = tuple(value for value in values if isinstance(value, str) and is_plain(value))
            return replace(field, takes=CHOICE, choices=plain)
        case [inspect.ListType(item_type=item, max_length=int()) as numbers]:
            return _with_components(field, numbers, _members(item)[0])
    return field


def _with_bounds(field: Field, number: inspect.IntType | inspect.FloatType) -> Field:
    low, high = -math.inf, math.inf
    if number.ge is not None:
        low = float(number.ge)
    if number.gt is not None:
        low = math.nextafter(number.gt, math.inf)
    if number.le is not None:
        high = float(number.le)
    if number.lt is not None:
        high = math.nextafter(number.lt, -math.inf)
    takes = field.takes if number.multiple_of is None else 0
    return replace(field, low=low, high=high, takes=takes)


def _with_components(field: Field, numbers: inspect.ListType, items: list[inspect.Type]) -> Field:
    match items:
        # absent must mean none, as it does in a row that holds no vector
        case [inspect.FloatType() as number] if not field.default:
            vector = _with_bounds(replace(field, takes=VECTOR, is_vector=True), number)
            longest = numbers.max_length or 0
            return replace(vector, shortest=numbers.min_length or 0, longest=longest)
    return field


def _with_lengths(field: Field, text: inspect.StrType) -> Field:
    longest = NO_LIMIT if text.max_length is None else text.max_length
    takes = field.takes if text.pattern is None else 0
    return replace(field, shortest=text.min_length or 0, longest=longest, takes=takes)


def _with_key(field: Field, kinds: list[inspect.Type], extra: Mapping[str, Any]) -> Field:
    if "column" not in extra:
        return field
    if extra["column"] != "key":
        raise TypeError(f"{field.name}: unknown column {extra['column']!r}; there is only 'key'")
    texts = (len(kinds) == 1 and isinstance(kinds[0], inspect.StrType)) or field.takes & CHOICE
    if not texts:
        raise TypeError(f"{field.name}: only a string can be a key")
    return replace(field, is_key=True, takes=field.takes | KEY if field.takes else 0)


def _with_refusal(field: Field, kinds: list[inspect.Type], extra: Mapping[str, Any]) -> Field:
    if "refuse" not in extra:
        return field
    if extra["refuse"] != "card_number":
        raise TypeError(f"{field.name}: cannot refuse {extra['refuse']!r}, only 'card_number'")
    if len(kinds) != 1 or not isinstance(kinds[0], inspect.StrType):
        raise TypeError(f"{field.name}: only a string can refuse card numbers")
    return replace(field, refuses_cards=True, takes=field.takes | NO_CARD if field.takes else 0)
