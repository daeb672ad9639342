"""The column of vectors: its width, what stands behind a row's own, both paths, its bounds."""

from typing import Annotated

import msgspec
import numpy as np
import pytest
from msgspec import Meta

from eddy.schemas.columns import Columns, Program
from eddy.schemas.decoding import Decoded, Decoder, StrictDecoder, buffers
from eddy.schemas.payments import Payment
from eddy.schemas.rides import Ride
from eddy.schemas.transactions import Transaction
from eddy.schemas.vectors import no_vectors, unpacked, widened
from tests.support.corpus import ride
from tests.support.decoding import check, event_type, is_plain, read, timed
from tests.support.transaction_records import spelled, transaction, without

Short = Annotated[list[float], Meta(max_length=3)]
NAN = np.nan


def decode(payloads: list[bytes], kind: type[msgspec.Struct] = Transaction) -> Decoded:
    _kept, addresses, lengths = buffers(payloads)
    return Decoder(kind, 0.0).decode(addresses, lengths, np.full(len(payloads), -1))


def test_the_program_names_the_vector_and_its_greatest_length():
    program = Program.of(Transaction)
    assert (program.vector, program.longest_vector) == ("vector", 64)
    assert program.numbers == ("amount",)
    assert program.keys == ("event_id", "card_token", "terminal_id")
    assert (Program.of(Ride).vector, Program.of(Payment).longest_vector) == (None, 0)


def test_the_longest_of_a_batch_gives_the_width_and_nan_stands_behind_the_others():
    vectors = [[1, 2.5], None, [-3e2], [], [4, 5, 6]]
    columns = decode([transaction(vector=vector) for vector in vectors]).columns
    np.testing.assert_array_equal(
        columns.vectors,
        [[1, 2.5, NAN], [NAN] * 3, [-300, NAN, NAN], [NAN] * 3, [4, 5, 6]],
    )
    assert columns.vectors.flags.c_contiguous


def test_where_all_are_equally_long_or_absent_rows_are_whole():
    columns = decode([transaction(vector=[1, 2]), without("vector"), transaction(vector=[3, 4])])
    np.testing.assert_array_equal(columns.columns.vectors, [[1, 2], [NAN, NAN], [3, 4]])


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (ride(), Ride),
        (without("vector"), Transaction),
        (transaction(vector=None), Transaction),
        (transaction(vector=[]), Transaction),
    ],
)
def test_where_no_record_has_one_there_is_no_width(payload, kind):
    decoded = decode([payload] * 3, kind)
    assert decoded.plain == 3
    assert decoded.columns.vectors.shape == (3, 0)


def test_no_records_have_no_vectors():
    assert decode([]).columns.vectors.shape == (0, 0)


def test_rejected_rows_leave_no_gap_and_give_no_width():
    broken = transaction(vector=[9.0] * 5, amount="x")
    given_up_late = json_with_vector_first([8.0] * 4)[:-1] + b',"amount":"x"}'
    decoded = decode([transaction(vector=[1, 2]), broken, given_up_late, transaction(vector=[3])])
    assert decoded.columns.valid.tolist() == [True, False, False, True]
    np.testing.assert_array_equal(decoded.columns.vectors[[0, 3]], [[1, 2], [3, NAN]])
    assert decoded.columns.vectors.shape == (4, 2)


def json_with_vector_first(vector: list[float]) -> bytes:
    rest = without("vector", "amount")
    return b'{"vector":%s,' % msgspec.json.encode(vector) + rest[1:]


def test_the_strict_path_fills_the_same_column_and_widens_it():
    odd = transaction(vector=[7, 8, 9], event_id="é")
    decoded = decode([transaction(vector=[1, 2]), odd, without("vector")])
    assert decoded.plain == 2
    np.testing.assert_array_equal(
        decoded.columns.vectors, [[1, 2, NAN], [7, 8, 9], [NAN, NAN, NAN]]
    )


def test_the_strict_path_alone_gives_the_width_it_needs():
    decoded = decode([transaction(vector=[1, 2], event_id="é"), without("vector")])
    np.testing.assert_array_equal(decoded.columns.vectors, [[1, 2], [NAN, NAN]])


def test_a_row_given_up_behind_its_vector_holds_what_the_strict_path_read():
    twice = json_with_vector_first([1.0, 2.0])[:-1] + b',"amount":1,"vector":[5]}'
    decoded = decode([twice, transaction(vector=[3, 4])])
    assert decoded.plain == 1
    np.testing.assert_array_equal(decoded.columns.vectors, [[5, NAN], [3, 4]])


@pytest.mark.parametrize(
    "text",
    [
        "0.1", "-1.3598071336738", "59532999999999996e-16", "9007199254740993", "1e12",
        "123456789012.3456789", "1e-60", "2.2250738585072014e-308", "5e-324", "-0.0", "1e-400",
        "0.3000000000000000444089209850062616169452667236328125",
    ],
)  # fmt: skip
def test_numbers_are_read_like_everywhere_else(text):
    columns = decode([spelled("vector", f"[1,{text}]")]).columns
    assert columns.valid.tolist() == [float(text) <= 1e12]
    if columns.valid[0]:
        assert columns.vectors[0].tobytes() == np.array([1.0, float(text)]).tobytes()


def test_all_lengths_wherever_the_record_ends():
    kind = event_type(v=Annotated[list[float], Meta(max_length=40)] | None)
    payloads = [timed(f'"v":{list(range(k))}') for k in range(43)]
    assert check(payloads, kind) == 41
    columns = read(payloads, kind)
    np.testing.assert_array_equal(columns.vectors[40], np.arange(40))


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        (Annotated[list[float], Meta(min_length=2, max_length=3)], {"[1,2]", "[1,2,3]"}),
        (Short, {"[]", "[1]", "[1,2]", "[1,2,3]"}),
        (Short | None, {"[]", "[1]", "[1,2]", "[1,2,3]", "null"}),
        (Annotated[list[Annotated[float, Meta(gt=1)]], Meta(max_length=3)], {"[]"}),
        (Annotated[list[float], Meta(max_length=1)] | None, {"[]", "[1]", "null"}),
    ],
)
def test_what_the_type_allows_is_plain_and_all_else_is_not(kind, texts):
    tried = ["[]", "[1]", "[1,2]", "[1,2,3]", "[1,2,3,4]", "null", "1", '"1"', "{}", "[null]"]
    made = event_type(v=kind)
    payloads = [timed(f'"v":{text}') for text in tried]
    assert {text for text, p in zip(tried, payloads, strict=True) if is_plain(p, made)} == texts
    check(payloads, made)


@pytest.mark.parametrize(
    "kind",
    [
        list[float],
        Annotated[list[int], Meta(max_length=3)],
        Annotated[list[float | None], Meta(max_length=3)],
        Annotated[list[list[float]], Meta(max_length=3)],
        Short | float,
    ],
)
def test_other_lists_are_no_vectors(kind):
    program = Program.of(event_type(v=kind))
    assert (program.vector, program.fields[1].takes) == (None, 0)


def test_a_list_with_numbers_by_default_is_no_vector():
    made = msgspec.defstruct(
        "Made",
        [("occurred_at", event_type.__globals__["Moment"]),
         ("v", Short, msgspec.field(default_factory=lambda: [1.0]))],
    )  # fmt: skip
    assert Program.of(made).vector is None


def test_a_vector_of_multiples_is_left_to_the_strict_decoder_but_kept():
    halves = Annotated[list[Annotated[float, Meta(multiple_of=0.5)]], Meta(max_length=3)]
    made = event_type(v=halves)
    payloads = [timed('"v":[0.5,1]'), timed('"v":[0.3]')]
    assert check(payloads, made) == 0
    decoded = decode(payloads, made)
    assert decoded.columns.valid.tolist() == [True, False]
    assert decoded.columns.vectors[0].tolist() == [0.5, 1.0]


def test_a_vector_may_be_unset():
    made = event_type(v=Short | msgspec.UnsetType)
    assert Program.of(made).vector == "v"


def test_two_vectors_are_refused():
    with pytest.raises(TypeError, match="only one field can be a vector, not 2"):
        Program.of(event_type(v=Short, w=Short))


def test_filling_replaces_what_a_row_held():
    program = Program.of(Transaction)
    strict = StrictDecoder(Transaction)
    columns = Columns.blank(program, 2)
    columns.fill([0, 1], [strict.decode(transaction(vector=[1, 2, 3]))] * 2, program)
    columns.fill([1], [strict.decode(transaction(vector=[4]))], program)
    np.testing.assert_array_equal(columns.vectors, [[1, 2, 3], [4, NAN, NAN]])


def test_columns_made_without_vectors_have_none():
    columns = Columns(np.zeros(4, np.int64), np.empty((4, 0)), np.empty((4, 0), np.uint64),
                      np.ones(4, np.bool_))  # fmt: skip
    assert columns.vectors.shape == (4, 0)


def test_unpacking():
    packed = np.array([1.0, 2, 3, 4, 99])
    np.testing.assert_array_equal(
        unpacked(packed, np.array([2, 0, 2])), [[1, 2], [NAN] * 2, [3, 4]]
    )
    np.testing.assert_array_equal(unpacked(packed, np.array([1, 3])), [[1, NAN, NAN], [2, 3, 4]])
    assert unpacked(packed, np.zeros(3, np.int64)).shape == no_vectors(3).shape == (3, 0)
    assert unpacked(packed, np.empty(0, np.int64)).shape == (0, 0)
    np.testing.assert_array_equal(widened(np.ones((2, 1)), 2), [[1, NAN]] * 2)
