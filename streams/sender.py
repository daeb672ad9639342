"""An ordinary producer for what is not the engine's."""

import time
from typing import Any

import confluent_kafka as ck

from eddy.schemas.errors import MissingResource
from eddy.streams.connection import Connection


class Sender:
    """An idempotent producer for what is not the engine's: simulated events, commands, files."""

    def __init__(self, connection: Connection, **extra: Any) -> None:
        settings = connection.librdkafka(
            enable_idempotence=True,
            compression_type="lz4",
            linger_ms=5,
            queue_buffering_max_messages=500_000,
            **extra,
        )
        settings["log_level"] = 2
        self._producer = ck.Producer(settings)
        self._error: str | None = None

    def send(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = None,
        partition: int = -1,
        headers: list[tuple[str, str | bytes | None]] | None = None,
    ) -> None:
        """Queue a record; waits where the queue is full.

        Raises
        ------
        MissingResource
            Where this record is refused, such as one that is too large, or an earlier one was.
        """
        self._check()
        while True:
            try:
                self._producer.produce(
                    topic,
                    value=value,
                    key=key,
                    partition=partition,
                    headers=headers or [],
                    on_delivery=self._delivered,
                )
            except BufferError:
                self._producer.poll(0.1)
            except ck.KafkaException as error:
                raise MissingResource(f"not sent: {topic}: {error.args[0].str()}") from error
            else:
                return

    def poll(self) -> None:
        """Serve deliveries; every few hundred records."""
        self._producer.poll(0)

    def flush(self, timeout_s: float = 60.0) -> None:
        """Wait until all is delivered.

        Raises
        ------
        MissingResource
            Where it is not.
        """
        end = time.monotonic() + timeout_s
        while len(self._producer) and time.monotonic() < end:
            self._producer.flush(1.0)
            self._check()
        self._check()
        if len(self._producer):
            raise MissingResource(f"{len(self._producer)} records not delivered in {timeout_s} s")

    def _delivered(self, error: Any, message: Any) -> None:
        if error is not None and self._error is None:
            self._error = f"{message.topic()}: {error.str()}"

    def _check(self) -> None:
        if self._error is not None:
            raise MissingResource(f"not delivered: {self._error}")
