"""``eddy watch``: new data is trained on."""

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from eddy.app.commands.options import Bootstrap, Config, Json
from eddy.schemas.errors import ConfigError, GateRefused


def watch(
    place: Annotated[
        str, typer.Argument(metavar="FOLDER", help="A folder, or s3://BUCKET/PREFIX.")
    ],
    quiet: Annotated[
        float, typer.Option(min=0, help="Seconds for which files must have come to rest.")
    ] = 60.0,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 10.0,
    requests: Annotated[
        bool, typer.Option("--requests", help="Also when a retraining is asked for on `control`.")
    ] = False,
    refit_every: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            metavar="DAYS",
            help="Train again on what is there, without news too, so long after the last training.",
        ),
    ] = None,
    cooldown_h: Annotated[
        float,
        typer.Option(
            "--cooldown-hours",
            min=0,
            help="Known content is trained on again for a request at most once in so many hours.",
        ),
    ] = 24.0,
    once: Annotated[
        bool, typer.Option("--once", help="Look once files are at rest, and end.")
    ] = False,
    notification: Annotated[
        Path | None,
        typer.Option(
            help="End at once unless this event of the bucket, JSON (-: standard input), "
            "is about objects there; implies --once."
        ),
    ] = None,
    runs: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Record of runs, a path or s3://BUCKET/KEY."),
    ] = None,
    params: Annotated[
        Path | None, typer.Option(help="Parameters; by default params.yaml where there is one.")
    ] = None,
    override: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a parameter.")
    ] = None,
    config: Config = None,
    bootstrap_servers: Bootstrap = None,
    json: Json = False,
) -> None:
    """Train a challenger on transactions that arrive in a folder or a bucket; never promotes.

    All files that are there are one history, in the order of their names: transactions, labels
    (labels*.jsonl), or training tables. Content that a model was trained on is not trained on
    again, unless a request (--requests) or --refit-every asks for it. Every run is recorded,
    whatever it came to; content that fails three times is given up. Until SIGTERM or Ctrl-C.
    """
    # Brings scikit-learn and pyarrow, which --help can do without.
    from dataclasses import replace  # noqa: PLC0415

    import msgspec  # noqa: PLC0415

    from eddy.app import logs, settings, wiring  # noqa: PLC0415
    from eddy.app.retraining import notifications  # noqa: PLC0415
    from eddy.app.retraining.watch import RetrainingWatch, WatchOptions  # noqa: PLC0415
    from eddy.app.training import transaction_models  # noqa: PLC0415

    chosen = settings.load(config, {"kafka.bootstrap_servers": bootstrap_servers})
    logs.configure(chosen.log)
    how = transaction_models.parameters(params, override or [])
    if notification is not None and not notifications.concerns(place, _objects(notification)):
        return
    options = WatchOptions(
        place, runs, quiet, every, requests, refit_every, cooldown_s=cooldown_h * 3_600
    )
    lock = replace(chosen.engine, group=f"{chosen.engine.group}.watch", instance_id="transactions")
    with wiring.only_instance(chosen.model_copy(update={"engine": lock})):
        watching = RetrainingWatch(chosen, options, how)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: watching.stop())
        if not once and notification is None:
            watching.run()
            return
        run = watching.until_quiet()
    if json:
        Console().print_json(msgspec.json.encode(run).decode())
    elif run is None:
        Console().print("nothing new")
    if run is not None and run.outcome == "refused":
        raise GateRefused(f"not trained: {'; '.join(run.reasons)}")


def _objects(notification: Path) -> list[str]:
    import msgspec  # noqa: PLC0415 - keeps --help quick

    from eddy.app.retraining import notifications  # noqa: PLC0415

    try:
        is_input = str(notification) == "-"
        content = sys.stdin.buffer.read() if is_input else notification.read_bytes()
        return notifications.created_objects(msgspec.json.decode(content))
    except OSError as error:
        raise ConfigError(f"--notification {notification}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise ConfigError(f"--notification {notification}: {error}") from error
