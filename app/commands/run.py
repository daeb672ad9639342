"""``eddy run``: the detector."""

from typing import TYPE_CHECKING, Annotated

import typer

from eddy.app import logs, settings
from eddy.app.commands.options import Bootstrap, Config
from eddy.streams.metrics import Metrics
from eddy.streams.topics import check

if TYPE_CHECKING:
    from eddy.streams.wiring import Wiring


def run(
    config: Config = None,
    bootstrap_servers: Bootstrap = None,
    instance_id: Annotated[
        str | None,
        typer.Option(help="This process' stable name; by default the host's name."),
    ] = None,
    group: Annotated[str | None, typer.Option(help="Consumer group.")] = None,
    health_port: Annotated[
        int | None, typer.Option(help="Port of /live, /ready, /metrics; 0 takes a free one.")
    ] = None,
    reader: Annotated[str | None, typer.Option(help="auto, native or portable.")] = None,
) -> None:
    """Judge events until SIGTERM or Ctrl-C; scale by starting more, each with its instance id."""
    from eddy.app import wiring  # noqa: PLC0415 - brings numba and Faust, which --help can do without

    flags = {
        "kafka.bootstrap_servers": bootstrap_servers,
        "engine.instance_id": instance_id,
        "engine.group": group,
        "engine.reader": reader,
        "health.port": health_port,
    }
    chosen = settings.load(config, flags)
    logs.configure(chosen.log)
    metrics = Metrics()
    process = wiring.wire(chosen, metrics, reread=lambda: settings.load(config, flags))
    with wiring.only_instance(chosen):
        needed = [process.control_topic]
        for lane in process.lanes:
            names = lane.route.topics
            needed += [names.events, names.anomalies, names.rejections]
            if chosen.engine.publish_scored:
                needed.append(names.scored)
            needed += [name for name in (names.forecasts, names.decisions) if name is not None]
            if lane.domain.is_labelled:
                needed.append(process.labels_topic)
        check(chosen.kafka, needed)
        _run(process, metrics)


def _run(process: "Wiring", metrics: Metrics) -> None:
    from eddy.streams.process import run as run_process  # noqa: PLC0415 - faust takes a second to import

    run_process(process, metrics)
