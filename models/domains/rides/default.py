"""The model of rides in use while the registry holds none."""

from hashlib import sha256

from eddy.models.artefact import encode_parameters
from eddy.models.domains.rides.parameters import DbscanParameters
from eddy.models.judge import Model
from eddy.schemas.anomalies import ModelRef

# `eddy train rides` on the 62,495 real green-taxi rides of January 2022, without labels.
DEFAULT_PARAMETERS = DbscanParameters(
    center=(1.5140663773143124, 2.504375675127179),
    transform=((2.7355633853137764, -1.550667278886445), (-1.550667278886445, 2.7461957612173893)),
    eps=1.807054177585738,
    min_samples=50,
)


def default_model() -> Model:
    """Return the model in use while the registry holds none."""
    digest = sha256(encode_parameters(DEFAULT_PARAMETERS)).hexdigest()
    return Model(ModelRef("rides", "default", digest), DEFAULT_PARAMETERS)
