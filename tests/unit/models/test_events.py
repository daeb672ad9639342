"""Events as columns: vectors are optional, and parts keep theirs."""

import numpy as np

from eddy.models.checks.judges import part
from eddy.models.judge import Events


def events(**rest: np.ndarray) -> Events:
    return Events(
        offsets=np.arange(4),
        occurred_at=np.zeros(4, np.int64),
        values=np.zeros((4, 1)),
        keys=np.empty((4, 0), np.uint64),
        event=lambda i: i,
        **rest,
    )


def test_without_vectors_there_is_a_row_of_none_for_each_event():
    assert events().vectors.shape == (4, 0)
    assert part(events(), 1, 3).vectors.shape == (2, 0)


def test_a_part_has_the_vectors_of_its_rows():
    rows = part(events(vectors=np.arange(8.0).reshape(4, 2)), 1, 3)
    assert rows.vectors.tolist() == [[2.0, 3.0], [4.0, 5.0]]
    assert [rows.event(i) for i in range(len(rows))] == [1, 2]
