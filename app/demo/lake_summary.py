"""What the demo's lake ends with."""

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text


class LakeSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What became of yesterday.

    Attributes
    ----------
    missing : int
        Records whose row did not come; 0 unless something is broken.
    rows, files_before, files_after : int
        Of the day's tables, before and after compaction.
    clustered : int
        Anomalies that the daily job finds among the day's rides.
    coincide, differ : int
        Rides that the daily job judged as the stream had, to the last bit, and otherwise.
    question : str
        In SQL.
    answer : list of dict
        A row each.
    """

    day: str
    missing: int
    rows: int
    files_before: int
    files_after: int
    clustered: int
    coincide: int
    differ: int
    question: str
    answer: list[dict[str, str]]

    def shown(self) -> RenderableType:
        """Return it for people."""
        columns = list(self.answer[0]) if self.answer else ["nothing was found"]
        table = Table(*columns, title=f"anomalies of {self.day}, from compacted files")
        for row in self.answer:
            table.add_row(*row.values())
        facts = (
            f"{self.rows:,} rows of {self.day}: {self.files_before} files became "
            f"{self.files_after}; {self.missing} records without a row\n"
            f"judged again from the table: {self.clustered:,} anomalies; {self.coincide:,} scores "
            f"are the stream's to the last bit, {self.differ:,} are not"
        )
        return Group(Text(facts), Text(f"\n{self.question}\n", "dim"), table)
