"""``eddy demo``: everything at once, in the foreground."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from eddy.app.commands.options import Json

INTERRUPTED = 130


def demo(
    duration: Annotated[
        float | None,
        typer.Option(min=1, help="Seconds of streaming; by default until Ctrl-C."),
    ] = None,
    rate: Annotated[float, typer.Option(min=1, help="Rides a second.")] = 2_000.0,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Of the Kafka broker.")] = 9092,
    seed: Annotated[int, typer.Option(min=0, help="Of what is simulated.")] = 7,
    lake: Annotated[
        bool,
        typer.Option("--lake", help="Also feed tables, and ask them about yesterday at the end."),
    ] = False,
    json: Json = False,
) -> None:
    """Start a real Kafka broker and a detector, stream three kinds of events through, and watch.

    Known anomalies, late, double and broken records are among the rides; what the detector finds
    is held against that truth. It keeps to .eddy/demo, emptied at every start. Ctrl-C or the
    end of --duration stops everything it started, and nothing else; the exit code is 130 then,
    or 0. Exit code 3 where something died on the way or nothing was judged. With --lake a sink
    writes all that is judged into tables on an S3 server of its own, rides are of yesterday, and
    at the end that day is compacted, judged again from the table, and asked for its anomalies.
    """
    from eddy.app.demo.demonstration import Demonstration, Options  # noqa: PLC0415 - keeps --help quick
    from eddy.app.settings import StorageConfig  # noqa: PLC0415

    options = Options(duration_s=duration, rate=rate, port=port, seed=seed, lake=lake)
    # with --json the page and the steps go to standard error
    console = Console(stderr=json)
    summary = Demonstration(options, console, Path(StorageConfig().stack)).run()
    if json:
        import msgspec  # noqa: PLC0415

        Console().print_json(msgspec.json.encode(summary).decode())
    else:
        console.print(summary.table())
        if summary.lake is not None:
            console.print(summary.lake.shown())
    if summary.interrupted:
        raise typer.Exit(INTERRUPTED)
