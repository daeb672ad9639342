"""``eddy serve``: predictions over HTTP."""

from typing import Annotated

from eddy.app.commands.options import FileOptions, option


def serve(
    *,
    source: FileOptions = FileOptions(),
    host: Annotated[str | None, option("Address to listen on.")] = None,
    port: Annotated[int | None, option("Port; 0 takes a free one.")] = None,
    models: Annotated[
        str | None,
        option("Models of the registry, with commas between; the first is the default."),
    ] = None,
) -> None:
    """Answer predictions over HTTP with the champion, until SIGTERM or Ctrl-C.

    A promotion or a rollback is taken up within seconds; a model that cannot be verified is not,
    and the last good one stays. Routes: /prediction, /predictions, /explain, /model_information,
    /live, /ready, /metrics, /openapi.json.

    Examples
    --------
    eddy serve --port 8080
    """
    from eddy.app import logs
    from eddy.app.detection import serving

    flags = {"serving.host": host, "serving.port": port, "serving.models": models}
    settings = source.load(flags)
    logs.configure(settings.log)
    serving.serve(settings)
