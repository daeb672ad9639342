"""``eddy run``: the detector."""

from typing import TYPE_CHECKING, Annotated

from eddy.app.commands.options import HealthPort, KafkaOptions, option

if TYPE_CHECKING:
    from eddy.streams.wiring import Wiring


def run(
    *,
    source: KafkaOptions = KafkaOptions(),
    instance_id: Annotated[
        str | None, option("This process' stable name; by default the host's name.")
    ] = None,
    group: Annotated[str | None, option("Consumer group.")] = None,
    health_port: HealthPort = None,
    reader: Annotated[str | None, option("auto, native or portable.")] = None,
) -> None:
    """Judge events until SIGTERM or Ctrl-C; scale by starting more, each with its instance id.

    Examples
    --------
    eddy run --instance-id detector-1
    """
    from eddy.app import logs, wiring
    from eddy.app.instance_lock import only_instance
    from eddy.app.settings import load
    from eddy.streams.metrics import Metrics
    from eddy.streams.process import run as run_process
    from eddy.streams.topics import check

    flags = {
        "engine.instance_id": instance_id,
        "engine.group": group,
        "engine.reader": reader,
        "health.port": health_port,
    }
    settings = source.load(flags)
    logs.configure(settings.log)
    metrics = Metrics()
    process = wiring.wire(
        settings, metrics, reread=lambda: load(source.config, source.flags(flags))
    )
    with only_instance(settings):
        check(settings.kafka, _topics(process))
        run_process(process, metrics)


def _topics(process: "Wiring") -> list[str]:
    """Return the topics that must be there."""
    names = [process.control_topic]
    for lane in process.lanes:
        topics = lane.route.topics
        names += [topics.events, topics.anomalies, topics.rejections]
        if process.config.publish_scored:
            names.append(topics.scored)
        names += [name for name in (topics.forecasts, topics.decisions) if name is not None]
        if lane.domain.is_labelled:
            names.append(process.labels_topic)
    return names
