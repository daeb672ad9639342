"""``eddy learn``: a challenger learns from labels as they come."""

import signal
from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from eddy.app.commands.options import HealthPort, KafkaOptions, option


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class VersionOptions:
    """When a version of the learner is registered, and as what."""

    challenger: Annotated[
        bool,
        option(
            "Versions become the challenger, unless that is one somebody trained.",
            off="--no-challenger",
        ),
    ] = True
    register_every: Annotated[int, option("A version after so many labels,", least=1)] = 5_000
    register_seconds: Annotated[
        float, option("or after so many seconds, if there was a label.", least=0)
    ] = 3_600.0
    cards_per_day: Annotated[float, option("Cards a day that versions are to flag.", least=0.1)] = (
        100.0
    )


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class LabelOptions:
    """How long decisions wait for labels, and what is learned without one."""

    genuine_after_days: Annotated[
        float, option("What nobody spoke of for so long is genuine; 0: nothing is.", least=0)
    ] = 7.0
    silent_every: Annotated[int, option("One of so many such rows is learned.", least=1)] = 1
    keep_days: Annotated[float, option("How long decisions wait for their labels.", least=0.01)] = (
        14.0
    )
    most_rows: Annotated[int, option("Decisions kept at most.", least=1)] = 500_000


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class DriftOptions:
    """How drift is looked for, and whether it asks for a retraining."""

    drift_every: Annotated[
        int, option("Drift is looked for in one of so many decisions.", least=1)
    ] = 10
    request_retraining: Annotated[bool, option("Drift asks for a retraining on `control`.")] = False
    cooldown_hours: Annotated[
        float, option("At most one such request in so many hours.", least=0)
    ] = 24.0


def transactions(
    *,
    versions: VersionOptions = VersionOptions(),
    labels: LabelOptions = LabelOptions(),
    drift: DriftOptions = DriftOptions(),
    once: Annotated[bool, option("End when both topics were read to their end.")] = False,
    health_port: HealthPort = None,
    source: KafkaOptions = KafkaOptions(),
) -> None:
    """Learn from decisions and labels beside the stream, and notice drift; never promotes.

    Until SIGTERM or Ctrl-C; the figures are on /metrics. One is enough, and goes on where the
    last one ended.

    Examples
    --------
    eddy learn transactions --request-retraining
    """
    from eddy.app import logs
    from eddy.app.instance_lock import only_instance
    from eddy.app.learning.loop import LearningLoop, own_lock
    from eddy.app.learning.options import LearningOptions
    from eddy.training.online.drift import DriftSettings
    from eddy.training.online.learner import LearnerSettings
    from eddy.training.transactions.settings import Threshold

    settings = source.load({"health.port": health_port})
    logs.configure(settings.log)
    learner = LearnerSettings(
        drift=DriftSettings(every=drift.drift_every),
        threshold=Threshold(cards_per_day=versions.cards_per_day),
        genuine_after_days=labels.genuine_after_days or None,
        silent_every=labels.silent_every,
        keep_days=labels.keep_days,
        most_rows=labels.most_rows,
    )
    options = LearningOptions(
        learner=learner,
        challenger=versions.challenger,
        register_rows=versions.register_every,
        register_s=versions.register_seconds,
        requests_retraining=drift.request_retraining,
        cooldown_s=drift.cooldown_hours * 3_600,
        once=once,
    )
    with only_instance(own_lock(settings)):
        learning = LearningLoop(settings, options)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: learning.stop())
        learning.run()
