"""Months of history: which they are, kept ones read no more, broken runs gone on with."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from eddy.datasets.history.payments.cache import PaymentCache
from eddy.datasets.history.payments.months import Patience, fetch, months
from eddy.datasets.history.payments.query import schema
from eddy.datasets.history.payments.totals import load_totals, monthly_totals
from eddy.models.windows.clock import WindowClock
from eddy.schemas.errors import ConfigError, MissingResource, Unavailable

HOUR_US = 3_600_000_000
CLOCK = WindowClock(2 * HOUR_US, "Europe/Berlin")


def us(*when):
    return round(datetime(*when, tzinfo=UTC).timestamp() * 1e6)


NOW = us(2026, 4, 10, 9, 30)


class Source:
    """A source that answers with one row a merchant and month, and fails as it is told."""

    name, fingerprint = "a source", "1" * 64

    def __init__(self, failures=()):
        self.failures, self.asked = list(failures), []

    def interval_totals(self, begin_us, end_us):
        self.asked.append((begin_us, end_us))
        if self.failures and (error := self.failures.pop(0)):
            raise error
        rows = [
            ("a", begin_us, 1.5, 2, "grocery", None),
            ("b", begin_us + 2 * HOUR_US, -3.0, 1, None, "DE"),
        ]
        columns = [pa.array(column) for column in zip(*rows, strict=True)]
        return pa.table(columns, names=schema().names).cast(schema())


def bring(source, folder, first="2026-01", last="2026-03", now_us=NOW, **options):
    calls, slept = [], []
    pieces = fetch(
        source,
        months(first, last, CLOCK, now_us),
        PaymentCache(folder, CLOCK),
        sleep=slept.append,
        on_progress=lambda month, outcome, number, why: calls.append((month.name, outcome, number)),
        **options,
    )
    return pieces, calls, slept


def test_months_are_those_of_the_local_calendar():
    pieces = months("2025-12", "2026-02", CLOCK, NOW)
    assert [m.name for m in pieces] == ["2025-12", "2026-01", "2026-02"]
    assert (pieces[0].begin_us, pieces[1].begin_us) == (us(2025, 11, 30, 23), us(2025, 12, 31, 23))
    assert [m.end_us for m in pieces[:-1]] == [m.begin_us for m in pieces[1:]]
    assert months("2026-03", "2026-03", CLOCK, NOW)[0].end_us == us(2026, 3, 31, 22)  # summer time


def test_a_running_month_ends_before_the_running_interval():
    running = months("2026-04", "2026-04", CLOCK, NOW)[0]
    assert (running.end_us, running.is_over) == (us(2026, 4, 10, 8), False)
    # what ended just now may not be in the table yet
    assert months("2026-04", "2026-04", CLOCK, us(2026, 4, 10, 10, 30))[0].end_us == running.end_us
    assert not months("2026-03", "2026-03", CLOCK, us(2026, 4, 1, 9))[0].is_over  # a day of grace


@pytest.mark.parametrize(
    ("first", "last"), [("2026-1x", "2026-02"), ("2026-13", "2026-14"), ("2026-02", "2026-01")]
)
def test_what_is_no_span_is_refused(first, last):
    with pytest.raises(ConfigError):
        months(first, last, CLOCK, NOW)


def test_a_month_to_come_is_refused():
    with pytest.raises(ConfigError, match="2026-05"):
        months("2026-03", "2026-05", CLOCK, NOW)


def test_the_second_run_reads_nothing(tmp_path):
    first, second = Source(), Source()
    before, calls, _ = bring(first, tmp_path)
    assert [outcome for _, outcome, _ in calls] == ["fetched"] * 3
    after, calls, _ = bring(second, tmp_path)
    assert (second.asked, [outcome for _, outcome, _ in calls]) == ([], ["kept"] * 3)
    assert before == after
    assert [piece.rows for piece in after] == [2, 2, 2]


def test_a_broken_run_goes_on_where_it_ended(tmp_path):
    with pytest.raises(ConfigError):
        bring(Source([None, ConfigError("no such column")]), tmp_path)
    source = Source()
    _, calls, _ = bring(source, tmp_path)
    assert [outcome for _, outcome, _ in calls] == ["kept", "fetched", "fetched"]
    assert len(source.asked) == 2


def test_what_may_pass_is_tried_again_a_bounded_number_of_times(tmp_path):
    patience = Patience(attempts=4, first_s=2.0, most_s=5.0)
    source = Source([Unavailable("throttled")] * 3)
    _, calls, slept = bring(source, tmp_path, last="2026-01", patience=patience)
    assert slept == [2.0, 4.0, 5.0]
    assert calls[-1] == ("2026-01", "fetched", 2)
    source = Source([Unavailable("throttled")] * 9)
    with pytest.raises(Unavailable):
        bring(source, tmp_path / "other", patience=patience)
    assert len(source.asked) == 4


def test_what_will_not_pass_is_not_tried_again(tmp_path):
    source = Source([MissingResource("access denied")])
    with pytest.raises(MissingResource):
        bring(source, tmp_path)
    assert len(source.asked) == 1


def test_a_running_month_is_fetched_each_time_and_then_kept(tmp_path):
    bring(Source(), tmp_path, "2026-03", "2026-04")
    source = Source()
    bring(source, tmp_path, "2026-03", "2026-04")
    assert len(source.asked) == 1
    for expected in (1, 0):
        source = Source()
        bring(source, tmp_path, "2026-03", "2026-04", now_us=us(2026, 5, 3))
        assert len(source.asked) == expected


def test_another_question_or_a_damaged_file_is_fetched_again(tmp_path):
    bring(Source(), tmp_path)
    path = tmp_path / "2026-02.parquet"
    path.write_bytes(path.read_bytes()[:-9])
    source = Source()
    bring(source, tmp_path)
    assert source.asked == [(us(2026, 1, 31, 23), us(2026, 2, 28, 23))]
    source = Source()
    source.fingerprint = "2" * 64
    bring(source, tmp_path)
    assert len(source.asked) == 3
    source = Source()
    source.fingerprint = "2" * 64
    bring(source, tmp_path, refresh=True)
    assert len(source.asked) == 3


def test_a_file_without_its_note_is_not_there(tmp_path):
    bring(Source(), tmp_path)
    (tmp_path / "2026-03.json").write_text("{")
    source = Source()
    bring(source, tmp_path)
    assert len(source.asked) == 1


def test_rows_become_a_table_with_zeros_and_what_is_missing(tmp_path):
    bring(Source(), tmp_path, "2026-01", "2026-03")
    totals = load_totals(tmp_path)
    assert totals.merchants == ["a", "b"]
    assert totals.segments == [("grocery", ""), ("", "DE")]
    # 31 + 28 + 31 days of 12 windows, of which one is an hour shorter
    assert len(totals) == 90 * 12
    march = np.searchsorted(totals.window_starts_us, us(2026, 2, 28, 23))
    np.testing.assert_array_equal(totals.net[:2], [[1.5, np.nan], [0.0, -3.0]])
    np.testing.assert_array_equal(totals.net[march : march + 2], [[1.5, 0.0], [0.0, -3.0]])
    assert np.isnan(totals.net[5]).all()  # nobody had a payment: the feed was down
    assert totals.payments.sum() == 9
    assert (totals.zone, totals.interval_s) == ("Europe/Berlin", 7200)


def test_months_one_by_one_say_the_same(tmp_path):
    bring(Source(), tmp_path)
    whole, parts = load_totals(tmp_path), list(monthly_totals(tmp_path))
    np.testing.assert_array_equal(np.concatenate([p.net for p in parts]), whole.net)
    assert [p.merchants for p in parts] == [whole.merchants] * 3


def test_a_folder_with_gaps_or_nothing_is_refused(tmp_path):
    with pytest.raises(MissingResource, match="tpv history"):
        load_totals(tmp_path)
    bring(Source(), tmp_path)
    (tmp_path / "2026-02.json").unlink()
    with pytest.raises(ConfigError, match="2026-01 and 2026-03"):
        load_totals(tmp_path)


def test_a_folder_with_other_intervals_is_refused(tmp_path):
    bring(Source(), tmp_path, "2026-01", "2026-01")
    cache = PaymentCache(tmp_path, WindowClock(HOUR_US, "Europe/Berlin"))
    hourly = months("2026-02", "2026-02", WindowClock(HOUR_US, "Europe/Berlin"), NOW)
    fetch(Source(), hourly, cache, sleep=print, on_progress=lambda *_: None)
    with pytest.raises(ConfigError, match="other intervals"):
        load_totals(tmp_path)


def test_a_folder_that_cannot_be_written_to_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MissingResource, match="file"):
        bring(Source(), tmp_path / "file" / "folder")
