import pytest

from bench.samples import Sample, TooShortError, changes, percentile, rate


def sample(at_s, events, cpu_s=None, rss_mib=100.0):
    return Sample(at_s, events, at_s / 2 if cpu_s is None else cpu_s, rss_mib)


def test_the_rate_lies_between_the_warm_up_and_the_end():
    samples = [
        sample(0, 0),
        sample(1, 50),  # warming up
        sample(2, 100),
        sample(3, 300),
        sample(4, 500, rss_mib=120),
        sample(9, 600),  # the end: it waited, nobody knows for how long
    ]
    measured = rate(samples, warm_up=100, total=600)
    assert measured.events == 400
    assert measured.events_per_s == 200
    assert measured.cpu_us_per_event == pytest.approx(1.0 / 400 * 1e6)
    assert measured.rss_mib == 120


def test_it_does_not_matter_how_often_a_program_commits():
    often = [sample(t / 10, 10 * t) for t in range(101)]
    seldom = [sample(t / 10, 250 * (t // 25)) for t in range(101)]
    assert rate(often, 100, 5000).events_per_s == pytest.approx(100)
    assert rate(seldom, 100, 5000).events_per_s == pytest.approx(100)


def test_the_end_counts_where_there_is_nothing_else():
    assert rate([sample(1, 100), sample(2, 200)], 0, total=200).events == 100


@pytest.mark.parametrize("samples", [[], [sample(0, 0)], [sample(0, 10)], [sample(0, 10)] * 5])
def test_too_little_is_an_error_that_says_so(samples):
    with pytest.raises(TooShortError, match="looks after 5 events"):
        rate(samples, 5, 1000)


def test_changes_leave_out_repetitions_and_the_time_before_the_first_event():
    samples = [sample(0, 0), sample(1, 5), sample(2, 5), sample(3, 7)]
    assert [s.at_s for s in changes(samples)] == [1, 3]


def test_percentiles_were_really_measured():
    values = [float(n) for n in range(1, 101)]
    assert percentile(values, 50) == 50
    assert percentile(values, 99) == 99
    assert percentile([7.0], 99) == 7
