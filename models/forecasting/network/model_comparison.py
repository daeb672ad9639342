"""The contest of baseline and network: one forecasts, the other is measured beside it.

A network is never needed: without one the baseline is the champion, and its errors are summed up
all the same.
"""

from dataclasses import dataclass
from typing import Literal

from eddy.models.arrays import Flags, Floats, Ints, Singles
from eddy.models.forecasting.network.correction import Baseline, Correction, Past, fits
from eddy.models.forecasting.network.errors import ErrorSums, ModelErrors
from eddy.models.forecasting.network.hidden import State
from eddy.models.forecasting.network.weights import NetworkWeights

Champion = Literal["baseline", "network"]


@dataclass(frozen=True, slots=True)
class Forecasts:
    """What is forecast of the next interval of k entities.

    Attributes
    ----------
    base : Baseline
    expected : dict of str to ndarray of float64, shape (k,)
        By model.
    champion : {"baseline", "network"}
    step : Past or None
        The network's, to be kept.
    """

    base: Baseline
    expected: dict[str, Floats]
    champion: Champion
    step: Past | None

    @property
    def counted(self) -> Floats:
        """The champion's forecast."""
        return self.expected[self.champion]


class ModelComparison:
    """Baseline and network over n entities in s segments.

    Parameters
    ----------
    segments, slots_per_day : int
    """

    def __init__(self, segments: int, slots_per_day: int) -> None:
        self._segments, self._slots_per_day = segments, slots_per_day
        self._network: Correction | None = None
        self._is_network_champion = False
        self._errors = ErrorSums(segments)
        self._count = 0

    def use(self, network: NetworkWeights | None, champion: Champion) -> bool:
        """Go on with another network, with none, or with the same in another part.

        Another one remembers nothing yet, and the errors of both models are counted anew.
        Return False where it does not fit: it is left aside.
        """
        is_fit = network is None or fits(network, self._slots_per_day)
        if network is None or not is_fit:
            self._network = None
        elif self._network is None or not self._network.is_of(network):
            self._network = Correction(network, self._segments, self._slots_per_day)
            self._network.grow(self._count)
            self._errors.clear()
        self._is_network_champion = self._network is not None and champion == "network"
        return is_fit

    @property
    def champion(self) -> Champion:
        """Whose forecasts count."""
        return "network" if self._is_network_champion else "baseline"

    @property
    def errors(self) -> dict[str, ModelErrors]:
        """Errors one interval ahead by model, over the same intervals."""
        names = ("baseline", "network") if self._network else ("baseline",)
        return {name: self._errors.of(name) for name in names}

    def grow(self, count: int) -> None:
        """Make room for `count` entities in all."""
        self._count = count
        if self._network:
            self._network.grow(count)

    def forget(self, slots: Ints) -> None:
        """Clear entities for others to take their place."""
        if self._network:
            self._network.forget(slots)

    def inputs(self, base: Baseline, slots: Ints) -> tuple[Singles, Singles]:
        """Return what the network is told; LookupError where there is none."""
        if self._network is None:
            raise LookupError("no network")
        return self._network.inputs(base, slots)

    def ahead(self, bases: list[Baseline], slots: Ints) -> list[Floats]:
        """Return the champion's forecasts of the next intervals, shape (k,) each."""
        if self._network and self._is_network_champion:
            return self._network.ahead(bases, slots)
        return [base.expected for base in bases]

    def bids(self, base: Baseline, slots: Ints) -> Forecasts:
        """Return what both say of the next interval; changes nothing."""
        if self._network is None:
            return Forecasts(base, {"baseline": base.expected}, "baseline", None)
        step, expected = self._network.next(base, slots)
        return Forecasts(
            base, {"baseline": base.expected, "network": expected}, self.champion, step
        )

    def close(
        self, bids: Forecasts, observed: Floats, known: Flags, flagged: Flags, slots: Ints
    ) -> None:
        """Measure the forecasts of a closed interval; the network learns what surprised.

        Measured is what was known and of which something could be expected, flagged or not.
        """
        base, rows = bids.base, known & (bids.base.level > 0)
        expected = {name: array[rows] for name, array in bids.expected.items()}
        self._errors.add(observed[rows], expected, base.segment[rows])
        if self._network and bids.step:
            self._network.keep(bids.step, base, observed, known & ~flagged, slots)

    def snapshot(self) -> State:
        """Return the state as named arrays, copied."""
        state = self._errors.snapshot()
        return state | self._network.snapshot() if self._network else state

    def restore(self, state: State, count: int) -> None:
        """Take over a snapshot of `count` entities.

        The network stays the one in use: what the state holds of another one is left aside.
        """
        self._count = count
        self._errors.restore(state)
        if self._network:
            self._network.restore(state, count)
