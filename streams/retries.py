"""Patience: trying until the cluster answers, within a limit."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from eddy.schemas.errors import MissingResource, Unavailable

log = structlog.get_logger()

OUTAGE_LIMIT_S = 900.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 5.0


async def retry(attempt: Callable[[], Awaitable[None]]) -> None:
    """Try until the cluster answers.

    Raises
    ------
    MissingResource
        When it did not for `OUTAGE_LIMIT_S`.
    """
    begun, pause_s = time.monotonic(), _FIRST_PAUSE_S
    while True:
        try:
            return await attempt()
        except Unavailable as error:
            if time.monotonic() - begun > OUTAGE_LIMIT_S:
                raise MissingResource(
                    f"kafka: no answer for {OUTAGE_LIMIT_S:.0f} s: {error}"
                ) from error
            log.warning("waiting_for_kafka", why=str(error))
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
