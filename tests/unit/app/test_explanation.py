import msgspec
import pytest
from rich.console import Console

from eddy.app.inspect.explanation import AnomalyExplanation, bar, explain, render
from eddy.schemas.errors import MissingResource
from eddy.streams.reading import TopicRecord
from tests.unit.app.samples import anomaly


class Reader:
    """A topic reader over lists."""

    def __init__(self, **topics: list[bytes | None]) -> None:
        self.topics = {name.replace("_", "."): values for name, values in topics.items()}

    def ranges(self, topic):
        if topic not in self.topics:
            raise MissingResource(topic)
        return {0: (0, 0), 1: (0, len(self.topics[topic]))}

    def read(self, topic, start=None, stop=None):
        begin, end = (start or {}).get(1, 0), (stop or {}).get(1, 10**9)
        for offset, value in enumerate(self.topics[topic]):
            if begin <= offset < end:
                yield TopicRecord(topic, 1, offset, 0, None, value)


def reader(*found, **topics):
    return Reader(anomalies_rides=[msgspec.json.encode(one) for one in found], **topics)


def shown(explanation):
    console = Console(width=100)
    with console.capture() as capture:
        console.print(render(explanation))
    return capture.get()


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.5, "    │██  "), (-1.0, "████│    "), (0.0, "    │    "), (7.0, "    │████")],
)
def test_bars_are_signed_and_bounded(share, text):
    assert bar(share, 4) == text


def test_finds_the_anomaly_and_its_event():
    source = anomaly().source
    events = [b'{"n":%d}' % n for n in range(source.offset + 3)]
    found = explain(
        reader(anomaly(anomaly_id="other"), anomaly(), events_rides=events),
        ["anomalies.rides"],
        anomaly().anomaly_id,
    )
    assert found.anomaly == anomaly()
    assert bytes(found.event) == b'{"n":1234}'
    text = shown(found)
    for part in (
        "14.20",
        "2,100",
        "+12.90",
        "events.rides partition 1 offset 1234",
        "late",
        "0123456789abcdef",
        "abababababab",
        '"n": 1234',
    ):
        assert part in text, part


def test_an_event_id_finds_its_anomaly():
    found = explain(reader(anomaly(), events_rides=[]), ["anomalies.rides"], "7-123")
    assert found.anomaly == anomaly()
    assert "no longer keeps it" in found.event_missing


def test_the_last_word_on_an_anomaly_counts():
    found = explain(
        reader(anomaly(), anomaly(op="update", score=20.0)),
        ["anomalies.rides"],
        anomaly().anomaly_id,
    )
    assert (found.anomaly.op, found.updates) == ("update", 2)
    assert "no topic here" in found.event_missing


def test_an_id_inside_another_field_is_no_match():
    with pytest.raises(MissingResource, match="no anomaly 74 on anomalies.rides"):
        explain(reader(anomaly()), ["anomalies.rides"], "74")


def test_reasons_without_weight_are_no_division_by_zero():
    flat = [msgspec.structs.replace(reason, contribution=0.0) for reason in anomaly().reasons]
    assert "+0.00" in shown(AnomalyExplanation(anomaly=anomaly(reasons=flat)))
