"""``eddy tpv plot``: a merchant's volume against its forecast."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from eddy.app.commands.options import JsonFlag, KafkaOptions, option
from eddy.schemas.errors import ConfigError


def plot(
    merchant: Annotated[str, option("The merchant's id.")],
    /,
    *,
    out: Annotated[
        Path | None, option("A .png image or a .html page; by default MERCHANT.png.")
    ] = None,
    start: Annotated[
        str | None,
        option("RFC 3339 time; by default 14 days before the end.", "--from", metavar="FROM"),
    ] = None,
    stop: Annotated[
        str | None,
        option("RFC 3339 time; by default the last payment's.", "--to", metavar="TO"),
    ] = None,
    partition: Annotated[
        int | None, option("Read only this partition's payments; by default all.", least=0)
    ] = None,
    json: JsonFlag = False,
    source: KafkaOptions = KafkaOptions(),
) -> None:
    """Draw a merchant's intervals: actual, forecast and band, alarms, and what is to come.

    Times are event times; intervals are shown as a whole. With --json the series are printed, and
    drawn only where --out is given. Exit code 3 where there is no payment of the merchant.

    Examples
    --------
    eddy tpv plot m-17 --out m-17.html
    """
    from rich.console import Console

    from eddy.app import logs, output, progress
    from eddy.app.plot import drawing
    from eddy.app.plot.collecting import PlotQuery, collect
    from eddy.app.replay.offsets import moment

    path = out or (None if json else Path(file_name(merchant)))
    draw = None if path is None else drawing.drawer(path)
    query = PlotQuery(
        start=None if start is None else moment(start, "--from"),
        stop=None if stop is None else moment(stop, "--to"),
        partition=partition,
    )
    if query.start is not None and query.stop is not None and query.start >= query.stop:
        raise ConfigError(f"--from {start} is not before --to {stop}")
    settings = source.load()
    logs.configure(replace(settings.log, level="WARNING"))
    with progress.bar(Console(stderr=True)) as bar:
        task = bar.add_task("reading payments", total=None)
        series = collect(settings, merchant, query, lambda count: bar.advance(task, count))
    if draw is not None and path is not None:
        draw(series, path)
        output.message(f"drawn into {path}", aside=True)
    if json:
        output.json(series)


def file_name(merchant: str) -> str:
    """Return the name of a merchant's image, whatever its id holds.

    Examples
    --------
    >>> file_name("m-17"), file_name("../a b")
    ('m-17.png', 'a-b.png')
    """
    name = re.sub(r"[^\w.-]+", "-", merchant, flags=re.ASCII).strip(".-")
    return f"{name or 'merchant'}.png"
