"""``eddy watch``: new data is trained on."""

import signal
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from eddy.app.commands.options import JsonFlag, KafkaOptions, TrainingOptions, option
from eddy.schemas.errors import ConfigError, GateRefused


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class PollOptions:
    """When files are looked for, and when they are trained on."""

    quiet: Annotated[float, option("Seconds for which files must have come to rest.", least=0)] = (
        60.0
    )
    every: Annotated[float, option("Seconds between two looks.", least=0.1)] = 10.0
    requests: Annotated[bool, option("Also when a retraining is asked for on `control`.")] = False
    refit_every: Annotated[
        float | None,
        option(
            "Train again on what is there, without news too, so long after the last training.",
            least=0.01,
            metavar="DAYS",
        ),
    ] = None
    cooldown_hours: Annotated[
        float,
        option(
            "Known content is trained on again for a request at most once in so many hours.",
            least=0,
        ),
    ] = 24.0


def watch(
    folder: Annotated[str, option("A folder, or s3://BUCKET/PREFIX.")],
    /,
    *,
    poll: PollOptions = PollOptions(),
    once: Annotated[bool, option("Look once files are at rest, and end.")] = False,
    notification: Annotated[
        Path | None,
        option(
            "End at once unless this event of the bucket, JSON (-: standard input), "
            "is about objects there; implies --once.",
            dash=True,
        ),
    ] = None,
    runs: Annotated[
        str | None, option("Record of runs, a path or s3://BUCKET/KEY.", metavar="FILE")
    ] = None,
    training: TrainingOptions = TrainingOptions(),
    source: KafkaOptions = KafkaOptions(),
    json: JsonFlag = False,
) -> None:
    """Train a challenger on transactions that arrive in a folder or a bucket; never promotes.

    All files that are there are one history, in the order of their names: transactions, labels
    (labels*.jsonl), or training tables. Content that a model was trained on is not trained on
    again, unless a request (--requests) or --refit-every asks for it. Every run is recorded,
    whatever it came to; content that fails three times is given up. Until SIGTERM or Ctrl-C.

    Examples
    --------
    eddy watch inbox --quiet 60
    """
    from eddy.app import logs, output
    from eddy.app.instance_lock import only_instance
    from eddy.app.retraining import notifications
    from eddy.app.retraining.watch import RetrainingWatch, WatchOptions

    settings = source.load()
    logs.configure(settings.log)
    parameters = training.parameters()
    if notification is not None and not notifications.concerns(folder, _objects(notification)):
        return
    options = WatchOptions(
        folder,
        runs,
        poll.quiet,
        poll.every,
        poll.requests,
        poll.refit_every,
        cooldown_s=poll.cooldown_hours * 3_600,
    )
    engine = settings.engine
    lock = replace(engine, group=f"{engine.group}.watch", instance_id="transactions")
    with only_instance(settings.model_copy(update={"engine": lock})):
        watching = RetrainingWatch(settings, options, parameters)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: watching.stop())
        if not once and notification is None:
            watching.run()
            return
        run = watching.until_quiet()
    if json:
        output.json(run)
    elif run is None:
        output.message("nothing new")
    if run is not None and run.outcome == "refused":
        raise GateRefused(f"not trained: {'; '.join(run.reasons)}")


def _objects(notification: Path) -> list[str]:
    import msgspec

    from eddy.app.retraining import notifications

    try:
        is_input = str(notification) == "-"
        content = sys.stdin.buffer.read() if is_input else notification.read_bytes()
        return notifications.created_objects(msgspec.json.decode(content))
    except OSError as error:
        raise ConfigError(f"--notification {notification}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise ConfigError(f"--notification {notification}: {error}") from error
