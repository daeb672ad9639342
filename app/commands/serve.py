"""``eddy serve``: predictions over HTTP."""

from typing import Annotated

import typer

from eddy.app.commands.options import Config


def serve(
    config: Config = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one.")] = None,
    models: Annotated[
        str | None,
        typer.Option(help="Models of the registry, with commas between; the first is the default."),
    ] = None,
) -> None:
    """Answer predictions over HTTP with the champion, until SIGTERM or Ctrl-C.

    A promotion or a rollback is taken up within seconds; a model that cannot be verified is not,
    and the last good one stays. Routes: /prediction, /predictions, /explain, /model_information,
    /live, /ready, /metrics, /openapi.json.
    """
    from eddy.app import logs, settings  # noqa: PLC0415
    from eddy.app.detection import serving  # noqa: PLC0415 - keeps --help quick

    flags = {"serving.host": host, "serving.port": port, "serving.models": models}
    chosen = settings.load(config, flags)
    logs.configure(chosen.log)
    serving.serve(chosen)
