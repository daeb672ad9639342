from datetime import UTC, datetime
from uuid import uuid5

from hypothesis import given
from hypothesis import strategies as st

from eddy.schemas.anomalies import NAMESPACE, interval_id, point_id


@given(st.text("abc.-_0123456789é", max_size=30), st.integers(0, 10**6), st.integers(0, 2**63 - 1))
def test_ids_are_version_5_uuids(topic, partition, offset):
    name = f"rides/windowed_dbscan/{topic}/{partition}/{offset}"
    made = point_id("rides", "windowed_dbscan", topic, partition, offset)
    assert made == str(uuid5(NAMESPACE, name))


def test_intervals_have_ids_of_their_own():
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert interval_id("tpv", "band", "m1", at) == str(
        uuid5(NAMESPACE, "tpv/band/m1/2026-01-01T00:00:00+00:00")
    )
