"""What acceptance asks for, held against results: printed as pass or fail, never asserted."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table

from bench.results import ENGINE, PORTABLE, Result


@dataclass(frozen=True, slots=True)
class TargetResult:
    """One target and what was measured."""

    what: str
    target: str
    measured: str
    passed: bool


@dataclass(frozen=True, slots=True)
class Bound:
    """A bound on one number of one engine in one case."""

    what: str
    case: str
    engine: str
    value: Callable[[Result], float | None]
    bound: float
    at_least: bool
    unit: str

    def verdict(self, result: Result) -> TargetResult | None:
        """Hold a result against the bound; None where it does not have the number."""
        value = self.value(result)
        if value is None:
            return None
        passed = value >= self.bound if self.at_least else value <= self.bound
        sign = ">=" if self.at_least else "<="
        target = f"{sign} {self.bound:,g} {self.unit}"
        return TargetResult(self.what, target, f"{_number(value)} {self.unit}", passed)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:,.3g}"


BOUNDS = (
    Bound("speed", "rides", ENGINE, lambda r: r.events_per_s, 800_000, True, "events/s"),
    Bound("cost", "rides", ENGINE, lambda r: r.cpu_us_per_event, 1.6, False, "µs/event"),
    Bound(
        "portable reader", "rides", PORTABLE, lambda r: r.events_per_s, 250_000, True, "events/s"
    ),
    Bound("latency, p50", "latency", ENGINE, lambda r: r.p50_ms, 80, False, "ms"),
    Bound("latency, p99", "latency", ENGINE, lambda r: r.p99_ms, 250, False, "ms"),
    Bound(
        "scored events published",
        "scored",
        ENGINE,
        lambda r: r.events_per_s,
        200_000,
        True,
        "events/s",
    ),
    Bound(
        "compaction, speed",
        "compaction",
        ENGINE,
        lambda r: r.events_per_s,
        1_000_000 / 30,
        True,
        "rows/s",
    ),
    Bound("compaction, memory", "compaction", ENGINE, lambda r: r.rss_mib, 1_536, False, "MiB"),
    Bound("payments, speed", "tpv", ENGINE, lambda r: r.events_per_s, 400_000, True, "events/s"),
    Bound("payments, state", "tpv", ENGINE, lambda r: r.bytes_per_entity, 2_048, False, "B"),
    Bound(
        "transactions, speed",
        "transactions",
        ENGINE,
        lambda r: r.events_per_s,
        120_000,
        True,
        "events/s",
    ),
    Bound(
        "transactions, a card",
        "transactions",
        ENGINE,
        lambda r: r.bytes_per_entity,
        1_024,
        False,
        "B",
    ),
    Bound("restart after kill -9", "restart", ENGINE, lambda r: r.restart_s, 5, False, "s"),
)

GROWTH = 0.2
"""Events a second may differ by this share from 1e6 to 1e7 events."""


def verdicts(results: Sequence[Result], ratios: Mapping[str, float]) -> Iterator[TargetResult]:
    """Yield a verdict for every target these results can be held against.

    Parameters
    ----------
    results : sequence of Result
    ratios : mapping of str to float
        By peer: how many times as fast the engine should be.
    """
    for bound in BOUNDS:
        for result in results:
            if (result.case, result.engine) == (bound.case, bound.engine):
                verdict = bound.verdict(result)
                if verdict:
                    yield verdict
    yield from _ratios(results, ratios)
    yield from _growth(results)


def _ratios(results: Sequence[Result], ratios: Mapping[str, float]) -> Iterator[TargetResult]:
    speeds = {r.engine: r.events_per_s for r in results if r.case == "rides" and r.events_per_s}
    engine = speeds.get(ENGINE)
    if not engine:
        return
    for peer, target in ratios.items():
        if speed := speeds.get(peer):
            ratio = engine / speed
            yield TargetResult(
                f"times {peer}", f">= {target:g} x", f"{ratio:.1f} x", ratio >= target
            )


def _growth(results: Sequence[Result]) -> Iterator[TargetResult]:
    speeds = [
        (r.setting, r.events_per_s)
        for r in results
        if r.case == "growth" and r.setting.startswith("events=") and r.events_per_s
    ]
    if len(speeds) < 2:
        return
    base = speeds[0][1]
    for setting, speed in speeds[1:]:
        change = speed / base - 1
        what = f"{setting} against {speeds[0][0]}"
        yield TargetResult(what, f"+-{GROWTH:.0%}", f"{change:+.0%}", abs(change) <= GROWTH)


def table(rows: Sequence[TargetResult]) -> Table:
    """Return the verdicts as a table for the terminal."""
    shown = Table(title="targets")
    for column in ("what", "target", "measured", ""):
        shown.add_column(column)
    for row in rows:
        mark = "[green]pass[/]" if row.passed else "[red]fail[/]"
        shown.add_row(row.what, row.target, row.measured, mark)
    return shown
