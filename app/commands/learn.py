"""``eddy learn``: a challenger learns from labels as they come."""

import signal
from typing import Annotated

import typer

from eddy.app.commands.options import Bootstrap, Config

learn = typer.Typer(help="Learn from labels as they come.", no_args_is_help=True)


@learn.callback()
def _group() -> None:
    """Learn from labels as they come."""


@learn.command()
def transactions(
    challenger: Annotated[
        bool,
        typer.Option(
            "--challenger/--no-challenger",
            help="Versions become the challenger, unless that is one somebody trained.",
        ),
    ] = True,
    register_every: Annotated[
        int, typer.Option(min=1, help="A version after so many labels,")
    ] = 5_000,
    register_seconds: Annotated[
        float, typer.Option(min=0, help="or after so many seconds, if there was a label.")
    ] = 3_600.0,
    genuine_after_days: Annotated[
        float,
        typer.Option(min=0, help="What nobody spoke of for so long is genuine; 0: nothing is."),
    ] = 7.0,
    silent_every: Annotated[
        int, typer.Option(min=1, help="One of so many such rows is learned.")
    ] = 1,
    keep_days: Annotated[
        float, typer.Option(min=0.01, help="How long decisions wait for their labels.")
    ] = 14.0,
    most_rows: Annotated[int, typer.Option(min=1, help="Decisions kept at most.")] = 500_000,
    cards_per_day: Annotated[
        float, typer.Option(min=0.1, help="Cards a day that versions are to flag.")
    ] = 100.0,
    drift_every: Annotated[
        int, typer.Option(min=1, help="Drift is looked for in one of so many decisions.")
    ] = 10,
    request_retraining: Annotated[
        bool,
        typer.Option("--request-retraining", help="Drift asks for a retraining on `control`."),
    ] = False,
    cooldown_h: Annotated[
        float,
        typer.Option("--cooldown-hours", min=0, help="At most one such request in so many hours."),
    ] = 24.0,
    once: Annotated[
        bool, typer.Option("--once", help="End when both topics were read to their end.")
    ] = False,
    health_port: Annotated[
        int | None, typer.Option(help="Port of /live, /ready, /metrics; 0 takes a free one.")
    ] = None,
    config: Config = None,
    bootstrap_servers: Bootstrap = None,
) -> None:
    """Learn from decisions and labels beside the stream, and notice drift; never promotes.

    Until SIGTERM or Ctrl-C; the figures are on /metrics. One is enough, and goes on where the
    last one ended.
    """
    # Brings river and the registry, which --help can do without.
    from eddy.app import logs, settings, wiring  # noqa: PLC0415
    from eddy.app.learning.learning import LearningLoop, own_lock  # noqa: PLC0415
    from eddy.app.learning.learning_options import LearningOptions  # noqa: PLC0415
    from eddy.training.online.drift import DriftSettings  # noqa: PLC0415
    from eddy.training.online.learner import LearnerSettings  # noqa: PLC0415
    from eddy.training.transactions.settings import Threshold  # noqa: PLC0415

    flags = {"kafka.bootstrap_servers": bootstrap_servers, "health.port": health_port}
    chosen = settings.load(config, flags)
    logs.configure(chosen.log)
    options = LearningOptions(
        learner=LearnerSettings(
            drift=DriftSettings(every=drift_every),
            threshold=Threshold(cards_per_day=cards_per_day),
            genuine_after_days=genuine_after_days or None,
            silent_every=silent_every,
            keep_days=keep_days,
            most_rows=most_rows,
        ),
        challenger=challenger,
        register_rows=register_every,
        register_s=register_seconds,
        requests_retraining=request_retraining,
        cooldown_s=cooldown_h * 3_600,
        once=once,
    )
    with wiring.only_instance(own_lock(chosen)):
        learning = LearningLoop(chosen, options)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: learning.stop())
        learning.run()
