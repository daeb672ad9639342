"""What a model of rides holds."""

from typing import Annotated

import msgspec
from msgspec import Meta

from eddy.schemas.errors import ConfigError


class DbscanParameters(msgspec.Struct, frozen=True):
    """What training finds: a point is ``transform @ (features - center)``."""

    center: tuple[float, float]
    transform: tuple[tuple[float, float], tuple[float, float]]
    eps: Annotated[float, Meta(gt=0)]
    min_samples: Annotated[int, Meta(ge=2, le=1_000_000)]

    def __post_init__(self) -> None:
        (a, b), (c, d) = self.transform
        if not abs(a * d - b * c) > 0:
            raise ConfigError("transform: has no inverse; train on history that varies")
