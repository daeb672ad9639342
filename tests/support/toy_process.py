"""A detector process over the toy domain: ``python -m tests.support.toy_process JSON``."""

import logging
import sys

import msgspec
import structlog

from eddy.schemas.errors import EddyError
from eddy.schemas.topics import domain_topics
from eddy.streams.config import EngineConfig, Route
from eddy.streams.connection import Connection
from eddy.streams.lane import CircuitBreaker, Lane
from eddy.streams.metrics import Metrics
from eddy.streams.process import run
from eddy.streams.wiring import Wiring
from tests.support.toy import ToyPolicy, toy


class Options(msgspec.Struct):
    bootstrap: str
    prefix: str
    instance: str
    checkpoints: str
    policy: ToyPolicy
    engine: dict[str, object]
    config_hash: str = "toy-config"


def main() -> None:
    options = msgspec.json.decode(sys.argv[1], type=Options)
    config = EngineConfig(
        **{"group": options.prefix, "instance_id": options.instance, **options.engine}
    )
    domain = toy(options.policy)
    lane = Lane(
        domain,
        Route(domain_topics("toy", options.prefix)),
        options.policy,
        options.config_hash,
        domain.default_model(),
        lambda: None,
        CircuitBreaker(config.fuse_ratio, config.fuse_window),
    )
    wiring = Wiring(
        config=config,
        connection=Connection(options.bootstrap),
        lanes=[lane],
        checkpoints_url=options.checkpoints,
        control_topic=f"{options.prefix}.control",
    )
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        run(wiring, Metrics())
    except EddyError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
