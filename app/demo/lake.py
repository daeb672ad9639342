"""The demo's lake: tables fed while it streams; in the end yesterday is compacted and asked."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from eddy.app.demo.lake_summary import LakeSummary
from eddy.app.lake import local
from eddy.app.lake.check import check
from eddy.app.lake.compaction import LakeCompaction, Request
from eddy.app.lake.rides import RidesJob
from eddy.app.settings import Settings
from eddy.app.settings.stack_file import StackDefaults
from eddy.lake.days import YESTERDAY, selected_days
from eddy.lake.query import ask, connect
from eddy.sandbox.processes import BackgroundProcess
from eddy.sandbox.stack import Stack

_ARRIVES_WITHIN_S = 120.0
_LOOK_AGAIN_S = 2.0
_QUESTION = """\
select domain, severity, count(*) as anomalies, round(max(score), 2) as highest_score,
       min(occurred_at) as first, max(occurred_at) as last
from (from anomalies_rides union all by name from anomalies_tpv
      union all by name from anomalies_transactions)
where occurred_at >= '{begin}' and occurred_at < '{end}' and op <> 'retract'
group by all order by all"""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class DemoLake:
    """The lake of one demo, on ports of its own.

    Parameters
    ----------
    settings : Settings
        The demo's.
    config : Path
        Where they are written down.
    env : mapping
        Of the processes that are started.
    """

    settings: Settings
    embedded: StackDefaults
    config: Path
    env: Mapping[str, str]
    say: Say

    def start(
        self, stack: Stack, prepared: Callable[[BackgroundProcess], BackgroundProcess]
    ) -> None:
        """Start the store and the sink; `prepared` has the last word on each process."""
        local.add(
            stack,
            self.settings,
            self.embedded,
            self.say,
            config=self.config,
            env=self.env,
            prepared=prepared,
        )

    def finish(self) -> LakeSummary:
        """Wait until all is in the tables, compact yesterday, judge it again, and ask."""
        now = datetime.now(UTC)
        day = selected_days(YESTERDAY, None, None, now)[0]
        self.say("waiting until the tables have everything")
        missing = self._await_rows()
        self.say(f"compacting {day}")
        done = LakeCompaction(self.settings, Request([day], reopened=False, sweeps=False)).run(now)
        self.say(f"judging the rides of {day} again")
        (job,) = RidesJob(self.settings).run([day])
        question = _QUESTION.format(begin=day.begin.isoformat(), end=day.end.isoformat())
        compared = job.summary.compared
        return LakeSummary(
            day=str(day),
            missing=missing,
            rows=sum(day_result.rows_after for day_result in done.days),
            files_before=sum(day_result.files_before for day_result in done.days),
            files_after=sum(day_result.files_after for day_result in done.days),
            clustered=job.summary.anomalies,
            coincide=compared.equal,
            differ=compared.different,
            question=question,
            answer=self._ask(question),
        )

    def _await_rows(self) -> int:
        """Return how many records are without a row when all have come, or time is over."""
        end = time.monotonic() + _ARRIVES_WITHIN_S
        while True:
            seen = check(self.settings, grace_s=0.0, patience_s=_LOOK_AGAIN_S)
            without = sum(table.missing + table.pending for table in seen.tables)
            if not without or time.monotonic() > end:
                return without
            time.sleep(_LOOK_AGAIN_S)

    def _ask(self, question: str) -> list[dict[str, str]]:
        with connect(self.settings.lake) as connection:
            answer = ask(connection, question, self.settings.lake)
        rows = answer.rows.to_pylist()
        return [{name: _text(value) for name, value in row.items()} for row in rows]


def _text(value: object) -> str:
    return f"{value:%Y-%m-%d %H:%M}" if isinstance(value, datetime) else str(value)
