"""What a model of payment volumes holds."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from eddy.models.forecasting.network.weights import NetworkWeights


class BandParameters(msgspec.Struct, frozen=True):
    """What a model of the band holds.

    Attributes
    ----------
    coverage : float
        Share of intervals that are to end within the published band.
    false_alarm_rate : float
        Share of ordinary intervals that may score above 1.0.
    network : NetworkWeights, optional
        An LSTM across merchants; where its intervals are of another length it is left aside.
    uses : {"baseline", "network"}
        Whose forecasts count: those of a network beside the baseline are only measured.
    """

    coverage: Annotated[float, Meta(ge=0.5, lt=1)] = 0.95
    false_alarm_rate: Annotated[float, Meta(gt=0, le=0.05)] = 0.001
    network: NetworkWeights | None = None
    uses: Literal["baseline", "network"] = "baseline"

    def __post_init__(self) -> None:
        if self.uses == "network" and self.network is None:
            raise ValueError("uses: there is no network")
