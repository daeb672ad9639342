"""Labels from files: a line that is none is named by its place, and never quoted."""

import pytest

from eddy.schemas.errors import ConfigError
from eddy.training.transactions.labels import label_lines

CARD = "4111111111111111"
GOOD = '{"event_id": "e", "verdict": "fraud", "labelled_at": "2026-03-02T00:00:00Z"}'


@pytest.mark.parametrize(
    "line",
    [
        f'{{"event_id": "e", "verdict": "{CARD}", "labelled_at": "2026-03-02T00:00:00Z"}}',
        f'{{"event_id": "e", "verdict": "fraud", "labelled_at": "{CARD}"}}',
        CARD,
        f"{CARD} no json",
    ],
)
def test_the_message_has_the_place_and_not_the_record(tmp_path, line):
    path = tmp_path / "labels.jsonl"
    path.write_text(f"{GOOD}\n{line}\n")
    with pytest.raises(ConfigError, match=r"labels\.jsonl, line 2: no label: \w+Error$") as raised:
        list(label_lines(path))
    assert CARD not in str(raised.value)
    assert raised.value.__suppress_context__  # nor does a traceback quote it
