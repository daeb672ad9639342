"""A run as a Markdown page: the machine, the results, the targets."""

from collections.abc import Iterable, Iterator, Sequence

from bench.results import COLUMNS, Result
from bench.targets import TargetResult


def markdown(
    machine: Iterable[tuple[str, str]],
    results: Sequence[Result],
    verdicts: Sequence[TargetResult],
    skipped: Sequence[str],
) -> str:
    """Return the page.

    Parameters
    ----------
    machine : iterable of (str, str)
        What and how much.
    results, verdicts : sequences
    skipped : sequence of str
        One line for everything that did not run, with the reason.
    """
    parts = [
        ["## Machine", "", *_table(("what", "value"), machine)],
        ["## Results", "", *_table(COLUMNS, (result.cells() for result in results))],
        ["## Targets", "", *_table(("what", "target", "measured", "verdict"), _rows(verdicts))],
    ]
    if skipped:
        parts.append(["## Not measured", "", *(f"* {line}" for line in skipped)])
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _rows(verdicts: Sequence[TargetResult]) -> Iterator[tuple[str, ...]]:
    for verdict in verdicts:
        mark = "pass" if verdict.passed else "**fail**"
        yield verdict.what, verdict.target, verdict.measured, mark


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield _row(head)
    yield _row(["---"] * len(head))
    for row in rows:
        yield _row(row)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
