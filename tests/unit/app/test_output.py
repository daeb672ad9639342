"""What commands print: no control characters, and no table without data."""

import json

import msgspec
import pytest
from rich.console import Console

from eddy.app import output
from eddy.app.controls import escape_json, harmless, plain
from eddy.app.inspect.anomaly_text import line
from eddy.app.inspect.explanation import AnomalyExplanation, render
from eddy.schemas.anomalies import Entity
from tests.unit.app.samples import anomaly

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e"


def printed(*what, width=80):
    console = Console(width=width, force_terminal=False)
    with console.capture() as capture:
        for one in what:
            console.print(one)
    return capture.get()


def evil_anomaly():
    return anomaly(
        entity=Entity("zone", EVIL), event_id=EVIL, labels=[EVIL], anomaly_id=f"id{EVIL}"
    )


def has_controls(text):
    return plain(text) != text


def test_the_line_of_an_anomaly_holds_no_control_characters():
    text = printed(line(evil_anomaly()))
    assert not has_controls(text)
    assert "\\x1b]0;owned" in text


def test_the_explanation_of_an_anomaly_holds_none_either():
    event = msgspec.json.encode({"zone": EVIL, EVIL: 1})
    explanation = AnomalyExplanation(anomaly=evil_anomaly(), updates=1, event=msgspec.Raw(event))
    assert not has_controls(printed(render(explanation)))


def test_an_ordinary_text_stays_as_it_is():
    text = "Zürich – 12 °C\ttab\nline"
    assert plain(text) == text
    assert harmless(anomaly()) == anomaly()


def test_json_means_the_same_after_its_controls_are_escaped():
    value = {"zone": EVIL, EVIL: [EVIL]}
    escaped = escape_json(msgspec.json.encode(value))
    assert json.loads(escaped) == value
    assert not has_controls(escaped.decode())


@pytest.mark.parametrize("aside", [True, False])
def test_messages_hold_no_control_characters(capsys, aside):
    output.message(EVIL, aside=aside)
    output.error(EVIL)
    output.warning(EVIL)
    text = "".join(capsys.readouterr())
    assert not has_controls(text)


def table(capsys, monkeypatch, columns, rows, width=80, **options):
    monkeypatch.setenv("COLUMNS", str(width))
    output.table(columns, rows, **options)
    return capsys.readouterr().out


def test_a_table_that_fits_stands_in_columns(capsys, monkeypatch):
    text = table(capsys, monkeypatch, ("name", "count"), [("a", "1"), (EVIL, "2")], title="t")
    assert text.split()[:3] == ["t", "name", "count"]
    assert not has_controls(text)


def test_a_table_that_is_too_wide_shows_its_data_row_by_row(capsys, monkeypatch):
    columns = [f"a_long_column_name_{number}" for number in range(20)]
    rows = [[f"value-{row}-{number}" for number in range(20)] for row in range(2)]
    text = table(capsys, monkeypatch, columns, rows)
    for row in rows:
        for value in row:
            assert value in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_long_text_wraps(capsys, monkeypatch):
    text = table(capsys, monkeypatch, ("why",), [("word " * 60,)], width=60)
    assert text.count("word") == 60
    assert max(map(len, text.splitlines())) <= 60


def test_json_of_a_value_is_indented(capsys):
    output.json({"a": [1, 2]})
    text = capsys.readouterr().out
    assert json.loads(text) == {"a": [1, 2]}
    assert text.startswith('{\n  "a"')
