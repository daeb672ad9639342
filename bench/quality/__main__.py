"""``python -m bench.quality``: the detectors on public data, beside a random scorer.

Prints a table with the targets and writes ``bench/quality.json``. A domain adds its sets by adding
its cases to `CASES`.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from bench.quality import fraud, rides, tpv, vectors
from bench.quality.rows import Case, Row, Target

_ROOT = Path(__file__).resolve().parents[2]
RESULTS = _ROOT / "bench" / "quality.json"
DATA = Path(os.environ.get("EDDY_DATA", _ROOT.parent / "shared" / "data"))

CASES: tuple[Case, ...] = (
    *rides.CASES,
    *tpv.CASES,
    *fraud.CASES,
    *vectors.CASES,
)


def measured(cases: Sequence[Case], folder: Path, console: Console) -> Iterator[Row]:
    """Yield the figures of the cases whose data are at hand; say which are not."""
    for case in cases:
        missing = [name for name in case.files if not (folder / name).exists()]
        if missing:
            console.print(f"{case.name}: skipped, {folder / missing[0]} is not there")
            continue
        yield from case.measure(folder)


def table(figures: Sequence[Row], targets: Sequence[Target]) -> Table:
    """Return the figures, each with its target where it has one."""
    display = Table(title="quality")
    for name in ("dataset", "detector", "metric"):
        display.add_column(name)
    for name in ("value", "random", "target"):
        display.add_column(name, justify="right")
    display.add_column("")
    bounds = {(t.dataset, t.detector, t.metric): t.above for t in targets}
    before = ""
    for row in figures:
        if before and row.detector != before:
            display.add_section()
        before = row.detector
        above = bounds.get((row.dataset, row.detector, row.metric))
        target, mark = "", ""
        if above is not None:
            target = f"> {above:g}"
            mark = "[green]pass[/]" if row.value > above else "[red]fail[/]"
        display.add_row(
            row.dataset,
            row.detector,
            row.metric,
            f"{row.value:.3f}",
            f"{row.random_value:.3f}",
            target,
            mark,
        )
    return display


def write(figures: Sequence[Row], path: Path) -> None:
    """Write the figures as a JSON list of objects, replacing what was there."""
    rounded = [
        msgspec.structs.replace(
            row, value=round(row.value, 4), random_value=round(row.random_value, 4)
        )
        for row in figures
    ]
    partial = path.with_suffix(".partial")
    partial.write_bytes(msgspec.json.format(msgspec.json.encode(rounded), indent=2) + b"\n")
    partial.replace(path)


def main(arguments: Sequence[str]) -> int:
    """Measure; return the exit code: 0 whether or not a target is met."""
    parser = argparse.ArgumentParser(prog="python -m bench.quality", description=__doc__)
    names = [case.name for case in CASES]
    parser.add_argument("--case", action="append", choices=names, help="only this; repeatable")
    parser.add_argument("--data", type=Path, default=DATA, help="the folder of data")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where to write the JSON")
    parser.add_argument(
        "--sensitivity", action="store_true", help="also print how settings change the figures"
    )
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 140)
    cases = [case for case in CASES if not options.case or case.name in options.case]
    figures = list(measured(cases, options.data, console))
    if figures:
        targets = [target for case in cases for target in case.targets]
        console.print(table(figures, targets))
        write(figures, options.results)
        console.print(f"written to {options.results}", highlight=False)
    if options.sensitivity:
        for case in cases:
            if case.sensitivity and all((options.data / name).exists() for name in case.files):
                case.sensitivity(options.data, console)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
