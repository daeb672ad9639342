"""``eddy lake check``: whether every record is in its table."""

from typing import TYPE_CHECKING, Annotated

from eddy.app.commands.options import JsonFlag, KafkaOptions, option
from eddy.schemas.errors import Mismatch

if TYPE_CHECKING:
    from eddy.lake.sink.comparison import TableVerdict

_SELDOM = ("missing", "pending", "set_aside", "duplicates", "doubled", "extra")


def check(
    *,
    since_hours: Annotated[
        float | None, option("Only records that young; by default all.", least=0)
    ] = None,
    grace: Annotated[
        float | None,
        option(
            "Seconds that a record may be under way; by default 120, or a minute more than "
            "lake.commit_interval_s.",
            least=0,
        ),
    ] = None,
    compacted: Annotated[bool, option("After compaction: a duplicate is wrong, too.")] = False,
    source: KafkaOptions = KafkaOptions(),
    json: JsonFlag = False,
) -> None:
    """Hold the rows of every table against the records of its topic, by their ids.

    Missing is a record that the connector has behind it and that is in no row and not on the
    dead-letter topic; what the connector has not got to is pending. Duplicates are what compaction
    drops. Ends with exit code 6 where rows are missing or pending, where there are rows of records
    that were never committed, and with --compacted where there are duplicates.

    Examples
    --------
    eddy lake check --since-hours 24
    """
    from rich.console import Console

    from eddy.app import output
    from eddy.app.lake import check as comparing
    from eddy.app.progress import bar

    settings = source.load()
    with bar(Console(stderr=True)) as progress:
        task = progress.add_task("records", total=None)

        def on_progress(topic: str, done: int, total: int) -> None:
            progress.update(task, description=topic, completed=done, total=total)

        verdict = comparing.check(
            settings,
            grace_s=comparing.grace_of(settings) if grace is None else grace,
            since_s=None if since_hours is None else since_hours * 3600,
            is_compacted=compacted,
            progress=on_progress,
        )
    if json:
        output.json(verdict)
    for table in () if json else verdict.tables:
        output.message(_line(table))
    if problems := verdict.problems():
        raise Mismatch("; ".join(problems))


def _line(verdict: "TableVerdict") -> str:
    counts = {name: getattr(verdict, name) for name in _SELDOM}
    seldom = [f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items() if count]
    return ", ".join(
        [f"{verdict.table}: {verdict.records:,} records, {verdict.rows:,} rows", *seldom]
    )
