"""``eddy replay``: the same judges over a file or a range of a topic, into a side namespace."""

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from eddy.app.commands.options import JsonFlag, KafkaOptions, option
from eddy.schemas.errors import ConfigError, Mismatch

if TYPE_CHECKING:
    from eddy.app.replay.replay import ReplaySummary


def replay(
    what: Annotated[str, option("A Parquet, CSV or JSONL file, or a topic.")],
    /,
    *,
    name: Annotated[
        str | None, option("Of the side namespace replay.<name>; by default from WHAT.")
    ] = None,
    domain: Annotated[str, option("Whose judges.")] = "rides",
    start: Annotated[
        str | None,
        option("First offset in every partition, or an RFC 3339 time.", "--from", metavar="FROM"),
    ] = None,
    stop: Annotated[
        str | None, option("Offset or time before which to stop.", "--to", metavar="TO")
    ] = None,
    fresh: Annotated[bool, option("Forget what an earlier replay of this name did.")] = False,
    compare: Annotated[
        bool,
        option("Compare with what was published live (topics only).", off="--no-compare"),
    ] = True,
    source: KafkaOptions = KafkaOptions(),
    json: JsonFlag = False,
) -> None:
    """Judge a file or a topic's range again; resumes where an interrupted replay of this name was.

    Every record is accounted for: judged, or rejected with a reason. Ends with exit code 6 where
    that is not so, or where a topic's replay differs from what was published live.

    Examples
    --------
    eddy replay events.rides --from 2026-07-01T00:00:00Z
    """
    from rich.console import Console

    from eddy.app import logs
    from eddy.app.domains import domain_row
    from eddy.app.replay.replay import Replay

    settings = source.load()
    logs.configure(replace(settings.log, level="WARNING"))
    side = name or re.sub(r"[^a-zA-Z0-9-]+", "-", Path(what).stem if _is_file(what) else what)
    if not re.fullmatch(r"[a-zA-Z0-9-]{1,80}", side):
        raise ConfigError(f"--name {side!r}: letters, digits and -, at most 80")
    job = Replay(settings, domain_row(domain), side, Console(stderr=True))
    if fresh:
        job.forget()
    if _is_file(what):
        if start or stop:
            raise ConfigError("--from and --to: for topics; a file is replayed whole")
        summary = job.file(Path(what))
    else:
        summary = job.topic(what, start, stop, compare=compare)
    _show(summary, json)
    if summary.problems:
        raise Mismatch("; ".join(summary.problems))


def _is_file(what: str) -> bool:
    looks_like_one = "/" in what or what.endswith((".parquet", ".csv", ".jsonl", ".json", ".gz"))
    if looks_like_one and not Path(what).is_file():
        raise ConfigError(f"{what}: no such file")
    return Path(what).is_file()


def _show(summary: "ReplaySummary", json: bool) -> None:
    from eddy.app import output

    if json:
        output.json_text(summary.encode())
    else:
        output.figures(f"replay {summary.name}", summary.rows())
