"""``python -m bench``: run the benchmarks, print a table, write ``bench/results.json``."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from bench import machine, report, results, targets
from bench.cases import (
    compaction,
    growth,
    latency,
    memory,
    restart,
    rides,
    scored,
    tpv,
    transactions,
)
from bench.peers.table import PEERS, selected
from bench.site import Site, open_site
from bench.usage import require_proc
from eddy.schemas.errors import ConfigError, EddyError

RESULTS = Path(__file__).with_name("results.json")
EVENTS = 3_000_000
_FEWEST = 100_000

CASES: dict[str, Callable[[Site, argparse.Namespace], None]] = {
    "rides": lambda site, options: rides.run(site, options.peers),
    "latency": lambda site, _: latency.run(site),
    "restart": lambda site, _: restart.run(site),
    "memory": lambda site, _: memory.run(site),
    "tpv": lambda site, options: tpv.run(site, options.events),
    "transactions": lambda site, options: transactions.run(
        site, options.events, labelled=options.bootstrap_servers is None
    ),
    "scored": lambda site, _: scored.run(site),
    "compaction": lambda site, options: compaction.run(site, options.long),
    "growth": lambda site, options: growth.run(site, options.long),
}


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options.

    Raises
    ------
    ConfigError
        When there is no such peer, or too few events were asked for.
    """
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--case", action="append", choices=list(CASES), help="only this; may be given again"
    )
    parser.add_argument("--events", type=int, default=EVENTS, help="rides in the main topic")
    parser.add_argument(
        "--peers", help=f"names, separated by commas, or '': {', '.join(p.name for p in PEERS)}"
    )
    parser.add_argument("--bootstrap-servers", help="a cluster to use; else a broker is started")
    parser.add_argument(
        "--long", action="store_true", help="growth and compaction up to ten million events"
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="where to write the JSON")
    parser.add_argument("--report", type=Path, help="also write a Markdown page")
    options = parser.parse_args(arguments)
    options.case = options.case or list(CASES)
    options.peers = selected(options.peers)
    if options.events < _FEWEST:
        raise ConfigError(f"--events: at least {_FEWEST:,}")
    return options


def main(arguments: Sequence[str]) -> int:
    """Run the cases; return the exit code: 0 where every one was measured."""
    console = Console(width=None if sys.stdout.isatty() else 160)
    try:
        options = parse(arguments)
        require_proc()
        described = list(machine.describe())
        with open_site(options.bootstrap_servers, console, options.events) as site:
            try:
                _run(site, options)
            finally:
                _conclude(site, options, described)
    except EddyError as error:
        console.print(f"[bold red]error:[/] {error}", highlight=False)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


def _run(site: Site, options: argparse.Namespace) -> None:
    for case in options.case:
        site.console.print(f"[bold]{case}[/]")
        CASES[case](site, options)


def _conclude(
    site: Site, options: argparse.Namespace, described: Sequence[tuple[str, str]]
) -> None:
    """Show and write whatever was measured, also after Ctrl-C."""
    if not site.results:
        return
    ratios = {peer.name: peer.target for peer in options.peers}
    verdicts = list(targets.verdicts(site.results, ratios))
    site.console.print(*(f"{what}: {value}\n" for what, value in described), sep="", end="")
    site.console.print(results.table(site.results))
    site.console.print(targets.table(verdicts))
    for line in site.skipped:
        site.console.print(f"not measured: {line}", highlight=False)
    results.write(site.results, options.results)
    if options.report:
        page = report.markdown(described, site.results, verdicts, site.skipped)
        options.report.write_text(page, encoding="utf-8")
    site.console.print(f"written to {options.results}", highlight=False)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)  # librdkafka's threads of closed clients may linger; nothing is left to do
