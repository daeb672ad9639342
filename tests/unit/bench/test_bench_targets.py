from bench.results import ENGINE, PORTABLE, Result
from bench.targets import table, verdicts


def row(case, engine=ENGINE, **numbers):
    return Result(case=case, engine=engine, guarantee="exactly once", **numbers)


def by_name(results, ratios=None):
    return {verdict.what: verdict for verdict in verdicts(results, ratios or {})}


def test_bounds_hold_in_both_directions():
    found = by_name(
        [
            row("rides", events_per_s=900_000, cpu_us_per_event=1.7),
            row("rides", PORTABLE, events_per_s=200_000),
            row("latency", p50_ms=60, p99_ms=251),
            row("restart", restart_s=4.9),
        ]
    )
    assert {name: verdict.passed for name, verdict in found.items()} == {
        "speed": True,
        "cost": False,
        "portable reader": False,
        "latency, p50": True,
        "latency, p99": False,
        "restart after kill -9": True,
    }


def test_ratios_are_those_of_the_same_run():
    results = [
        row("rides", events_per_s=1_000_000),
        row("rides", "Bytewax", events_per_s=50_000),
        row("rides", "Flink SQL", events_per_s=600_000),
        row("growth", "Flink SQL", events_per_s=1),
    ]
    found = by_name(results, {"Bytewax": 12, "Flink SQL": 2, "not measured": 3})
    assert found["times Bytewax"].passed
    assert found["times Bytewax"].measured == "20.0 x"
    assert not found["times Flink SQL"].passed
    assert "times not measured" not in found


def test_without_the_engine_there_is_no_ratio():
    assert by_name([row("rides", "Bytewax", events_per_s=50_000)], {"Bytewax": 12}) == {}


def test_growth_is_held_against_the_smallest():
    results = [
        row("growth", setting="events=1000000", events_per_s=1000),
        row("growth", setting="events=10000000", events_per_s=790),
        row("growth", setting="partitions=1", events_per_s=1),
    ]
    (verdict,) = verdicts(results, {})
    assert verdict.measured == "-21%"
    assert not verdict.passed


def test_the_table_has_a_line_for_each():
    assert table(list(verdicts([row("latency", p50_ms=60)], {}))).row_count == 1
