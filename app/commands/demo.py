"""``eddy demo``: everything at once, in the foreground."""

from pathlib import Path
from typing import Annotated

from eddy.app.commands.options import JsonFlag, option

INTERRUPTED = 130


def demo(
    *,
    duration: Annotated[
        float | None, option("Seconds of streaming; by default until Ctrl-C.", least=1)
    ] = None,
    rate: Annotated[float, option("Rides a second.", least=1)] = 2_000.0,
    port: Annotated[int, option("Of the Kafka broker.", least=1, most=65_535)] = 9092,
    seed: Annotated[int, option("Of what is simulated.", least=0)] = 7,
    lake: Annotated[
        bool, option("Also feed tables, and ask them about yesterday at the end.")
    ] = False,
    json: JsonFlag = False,
) -> int:
    """Start a real Kafka broker and a detector, stream three kinds of events through, and watch.

    Known anomalies, late, double and broken records are among the rides; what the detector finds
    is held against that truth. It keeps to .eddy/demo, emptied at every start. Ctrl-C or the
    end of --duration stops everything it started, and nothing else; the exit code is 130 then,
    or 0. Exit code 3 where something died on the way or nothing was judged. With --lake a sink
    writes all that is judged into tables on an S3 server of its own, rides are of yesterday, and
    at the end that day is compacted, judged again from the table, and asked for its anomalies.

    Examples
    --------
    eddy demo --duration 60
    """
    from rich.console import Console

    from eddy.app import output
    from eddy.app.demo.demonstration import Demonstration, Options
    from eddy.app.settings import StorageConfig

    options = Options(duration_s=duration, rate=rate, port=port, seed=seed, lake=lake)
    console = Console(stderr=json)  # with --json the page and the steps go to standard error
    summary = Demonstration(options, console, Path(StorageConfig().stack)).run()
    if json:
        output.json(summary)
    else:
        output.show(summary.table())
        if summary.lake is not None:
            output.show(summary.lake.shown())
    return INTERRUPTED if summary.interrupted else 0
