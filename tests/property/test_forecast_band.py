"""Whatever the volumes: bands in order and finite, and state that can be taken over anywhere."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from eddy.models.forecasting.calendar import SegmentLocation, moments
from eddy.models.forecasting.forecaster import Forecaster

PLACES = [SegmentLocation("America/New_York", "US"), SegmentLocation("Asia/Tokyo", "JP")]
VOLUMES = st.one_of(
    st.none(), st.just(0.0), st.floats(-1e6, 1e12), st.floats(0, 1e-9), st.floats(90, 110)
)


@settings(max_examples=20, deadline=None)
@given(
    rows=st.lists(st.tuples(VOLUMES, VOLUMES, VOLUMES), min_size=1, max_size=20),
    repeat=st.integers(1, 8),
    cut=st.integers(0, 100),
    start=st.integers(0, 20_000),
)
def test_bands_are_in_order_and_state_can_be_taken_over(rows, repeat, cut, start):
    one, other = Forecaster(2), Forecaster(2)
    for forecaster in (one, other):
        forecaster.grow(3, np.array([0, 1, 0]))
    for k, row in enumerate(rows * repeat):
        when = moments((start + k) * 7_200_000_000, PLACES)
        known = np.array([x is not None for x in row])
        y = np.array([np.nan if x is None else x for x in row])
        if k == cut:
            state = other.snapshot()
            other = Forecaster(2)
            other.restore(state)
        a, b = one.close(when, y, known=known), other.close(when, y, known=known)
        assert np.isfinite([a.band.lower, a.band.expected, a.band.upper, a.band.scale]).all()
        assert (a.band.lower >= 0).all()
        assert (a.band.lower <= a.band.upper).all()
        assert np.isfinite(a.deviation.score).all()
        assert not a.flagged[~known].any()
        np.testing.assert_array_equal(a.deviation.score, b.deviation.score)
        np.testing.assert_array_equal(a.band.upper, b.band.upper)
