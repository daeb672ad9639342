"""Structured logs: readable lines for people, JSON for machines; secrets never reach them."""

import logging
import sys

import structlog

from eddy.app.controls import plain
from eddy.app.settings import LogConfig

_SECRET = ("password", "secret", "token")


def _mask(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    for key in event:
        if any(word in key for word in _SECRET):
            event[key] = "********"
    return event


def _plain(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Write out control characters of events, so that none reaches a terminal."""
    return {key: plain(value) if isinstance(value, str) else value for key, value in event.items()}


def configure(config: LogConfig) -> None:
    """Send all logs, the libraries' too, to standard error in one format."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _mask,
    ]
    if config.format == "json":
        final: list[structlog.typing.Processor] = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ]
    else:
        final = [_plain, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(config.level)
    # Faust and its client tell every step of every rebalance of the control topic.
    for name in ("faust", "mode", "aiokafka", "kafka", "numba"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
