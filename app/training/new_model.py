"""A new model: the version that is registered of what a training found."""

import msgspec

from eddy.app import wiring
from eddy.app.operator import operator
from eddy.app.settings import Settings
from eddy.app.training.trained_model import TrainedModel
from eddy.models.artefact import encode_parameters
from eddy.models.registry.names import CHALLENGER


class NewModel(msgspec.Struct, frozen=True, kw_only=True):
    """A registered version.

    Attributes
    ----------
    rejected : int
        Records read that are no events, and so were left out.
    """

    name: str
    version: str
    sha256: str
    rows: int
    rejected: int
    metrics: dict[str, float]


def register(
    settings: Settings, name: str, model: TrainedModel, *, as_challenger: bool = False
) -> NewModel:
    """Register a model, and make it the challenger where that is asked for."""
    registry = wiring.registry(settings)
    version = registry.register(
        name,
        encode_parameters(model.parameters),
        training=model.training,
        metrics=dict(model.metrics),
        files=dict(model.files),
    )
    if as_challenger:
        registry.set_alias(name, CHALLENGER, version, by=operator())
    return NewModel(
        name=name,
        version=version,
        sha256=registry.resolve(name, version).sha256,
        rows=model.training.rows,
        rejected=model.rejected,
        metrics=dict(model.metrics),
    )
