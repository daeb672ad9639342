"""Topics, load, detector processes and the verdict on what came out: the stage of chaos tests."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from eddy.schemas.anomalies import Anomaly
from eddy.schemas.topics import domain_topics
from eddy.streams import topics as kafka_topics
from eddy.streams.connection import Connection
from eddy.streams.reading import TopicReader
from eddy.streams.sender import Sender
from tests.support.offsets import committed
from tests.support.toy import ToyPolicy, oracle, ticks

ROOT = Path(__file__).parents[2]


class Detector:
    """One running toy process."""

    def __init__(
        self, world: "World", instance: str, engine: dict[str, Any], **options: Any
    ) -> None:
        self.log = world.folder / f"{instance}.log"
        payload = {
            "bootstrap": world.bootstrap,
            "prefix": world.prefix,
            "instance": instance,
            "checkpoints": str(world.checkpoints),
            "policy": options.pop("policy", {}),
            "engine": {"checkpoint_interval_s": 1.0, "session_timeout_ms": 6_000, **engine},
            **options,
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.toy_process", json.dumps(payload)],
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def freeze(self) -> None:
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def stop(self, limit_s: float = 30.0) -> int:
        """End in good order; returns the exit code, and shows the log where that is not 0."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(limit_s)
        if code:
            print(self.log, self.said()[-6_000:], sep="\n")
        return code

    def wait(self, limit_s: float = 60.0) -> int:
        return self.process.wait(limit_s)

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def said(self) -> str:
        return self.log.read_text(errors="replace")


class World:
    """Topics of one's own with ticks on them, and the processes that judge them."""

    def __init__(self, bootstrap: str, folder: Path, partitions: int = 4) -> None:
        self.bootstrap, self.folder, self.partitions = bootstrap, folder, partitions
        self.prefix = f"toy-{uuid.uuid4().hex[:8]}"
        self.checkpoints = folder / "checkpoints"
        self.connection = Connection(bootstrap)
        self.topics = domain_topics("toy", self.prefix)
        self.sent: dict[int, list[bytes | None]] = {n: [] for n in range(partitions)}
        self.detectors: list[Detector] = []
        specs = kafka_topics.specs([self.topics], partitions, side_topics=False)
        specs.append(kafka_topics.TopicSpec(f"{self.prefix}.control", 1))
        kafka_topics.create(self.connection, specs)

    def __enter__(self) -> "World":
        return self

    def __exit__(self, *_: object) -> None:
        for detector in self.detectors:
            if detector.running:
                detector.kill()

    def send(self, count: int, poison: Callable[[int], bytes | None] | None = None) -> None:
        """Send `count` ticks to every partition; `poison` may give a bad record to send after."""
        sender = Sender(self.connection)
        for partition, sent in self.sent.items():
            for number, record in enumerate(ticks(len(sent), count)):
                for one in (record, poison(number) if poison else None):
                    if one is not None:
                        sender.send(self.topics.events, one, b"key", partition)
                        sent.append(one)
                if number % 500 == 0:
                    sender.poll()
        sender.flush()

    def start(
        self, instance: str = "one", engine: dict[str, Any] | None = None, **options: Any
    ) -> Detector:
        detector = Detector(self, instance, engine or {}, **options)
        self.detectors.append(detector)
        return detector

    def lag(self) -> int:
        """Records sent and not committed."""
        done = committed(self.bootstrap, self.prefix, self.topics.events, self.partitions)
        return sum(len(sent) - done[n] for n, sent in self.sent.items())

    def wait_for(self, condition: Callable[[], bool], what: str, limit_s: float = 60.0) -> None:
        end = time.monotonic() + limit_s
        while not condition():
            if time.monotonic() > end:
                logs = "\n".join(f"--- {d.log.name}\n{d.said()[-3000:]}" for d in self.detectors)
                raise AssertionError(f"{what}: not within {limit_s} s\n{logs}")
            time.sleep(0.05)

    def drain(self, limit_s: float = 120.0) -> None:
        self.wait_for(lambda: self.lag() == 0, "lag 0", limit_s)

    def progress_to(self, lag: int, limit_s: float = 60.0) -> None:
        self.wait_for(lambda: self.lag() <= lag, f"lag <= {lag}", limit_s)

    def anomalies(self, isolation: str = "read_committed") -> list[Anomaly]:
        reader = TopicReader(self.connection, isolation)
        decode = msgspec.json.Decoder(Anomaly).decode
        found = [decode(r.value or b"") for r in reader.read(self.topics.anomalies)]
        reader.close()
        return found

    def rejections(self) -> list[tuple[int, int, bytes | None, str]]:
        reader = TopicReader(self.connection)
        found = [
            (
                int(r.headers["partition"]),
                int(r.headers["offset"]),
                r.value,
                r.headers["reason"].decode(),
            )
            for r in reader.read(self.topics.rejections)
        ]
        reader.close()
        return found

    def verify(self, window: int = ToyPolicy().window, isolation: str = "read_committed") -> None:
        """Hold every anomaly and every rejection against the oracle: none lost, none doubled."""
        found = self.anomalies(isolation)
        got: dict[tuple[int, int], float] = {}
        for anomaly in found:
            place = (anomaly.source.partition, anomaly.source.offset)
            assert place not in got, f"{place} was published twice"
            got[place] = anomaly.score
        expected: dict[tuple[int, int], float] = {}
        bad: set[tuple[int, int]] = set()
        for partition, sent in self.sent.items():
            values, offsets = [], []
            for offset, record in enumerate(sent):
                value = _value(record)
                if value is None:
                    bad.add((partition, offset))
                else:
                    values.append(value)
                    offsets.append(offset)
            for row, score in oracle(values, window).items():
                expected[partition, offsets[row]] = score
        assert got == expected
        rejected = [(p, o) for p, o, _, _ in self.rejections()]
        assert sorted(rejected) == sorted(bad)
        for partition, offset, payload, _ in self.rejections():
            assert payload == self.sent[partition][offset]


def _value(record: bytes | None) -> float | None:
    try:
        value = json.loads(record or b"")["value"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return float(value) if isinstance(value, int | float) else None
