"""``eddy lake watch``: the sink is looked after."""

import signal
from typing import Annotated

from eddy.app.commands.options import HealthPort, KafkaOptions, option


def watch(
    *,
    check_every: Annotated[float, option("Seconds between two checks; 0: none.", least=0)] = 900.0,
    since_hours: Annotated[float, option("How far back a check looks.", least=0)] = 24.0,
    grace: Annotated[float, option("Seconds that a record may be under way.", least=0)] = 120.0,
    health_port: HealthPort = None,
    source: KafkaOptions = KafkaOptions(),
) -> None:
    """Restart failed tasks of the sink, set bad records aside, and check the tables.

    Until SIGTERM or Ctrl-C; the figures are on /metrics. One is enough. A connector that is
    found stopped is resumed: pause one that is to stand still.

    Examples
    --------
    eddy lake watch --check-every 300
    """
    from eddy.app import logs
    from eddy.app.lake.watch import ConnectorWatch

    settings = source.load({"health.port": health_port})
    logs.configure(settings.log)
    watching = ConnectorWatch(
        settings, check_every_s=check_every, since_s=since_hours * 3600, grace_s=grace
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: watching.stop())
    watching.run()
