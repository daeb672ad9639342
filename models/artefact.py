"""The artefact: a model's parameters as bytes, nothing executable, the same bytes every time."""

import hashlib
from typing import Annotated, Any, TypeVar

import msgspec
import numpy as np
from msgspec import Meta

from eddy.schemas.errors import DamagedModel, EddyError, ModelRefused

PARAMETERS_FILE = "model.json"
MAX_ARTEFACT_BYTES = 64 * 1024 * 1024

P = TypeVar("P")


class File(msgspec.Struct, frozen=True):
    """One file of a version, as it was registered."""

    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    size_bytes: Annotated[int, Meta(ge=0)]

    @classmethod
    def of(cls, content: bytes) -> "File":
        """Describe a file with this content."""
        return cls(digest(content), len(content))

    def check(self, content: bytes, where: str) -> None:
        """Raise DamagedModel unless `content`, found at `where`, is this file's."""
        if len(content) != self.size_bytes or digest(content) != self.sha256:
            raise DamagedModel(f"{where} is not the file that was registered")


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise NotImplementedError(f"{type(value).__name__} has no plain form")


_encoder = msgspec.json.Encoder(order="deterministic", enc_hook=_plain)


def encode_parameters(parameters: Any) -> bytes:
    """Return the artefact of `parameters`; equal parameters give equal bytes.

    Numbers and arrays of numpy become plain ones.

    Raises
    ------
    ModelRefused
        The parameters do not survive the way there and back: they hold a NaN, an infinity or
        something JSON has no word for.
    """
    try:
        written = _encoder.encode(parameters)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise ModelRefused(f"{type(parameters).__name__} cannot be encoded: {error}") from error
    # what is kept is what a reader will hold: a 1 where the type says float is a 1.0
    return _encoder.encode(decode_parameters(written, type(parameters)))


def decode_parameters(artefact: bytes, parameters_type: type[P]) -> P:
    """Return the parameters in `artefact`, checked against `parameters_type`.

    Raises
    ------
    ModelRefused
        The bytes are not JSON, not of this type, or outside the limits the type sets.
    """
    try:
        return msgspec.json.decode(artefact, type=parameters_type)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ModelRefused(f"not a {parameters_type.__name__}: {error}") from error
    except EddyError as error:  # a check of the type's own, such as a matrix without an inverse
        raise ModelRefused(f"not a usable {parameters_type.__name__}: {error}") from error


def digest(content: bytes) -> str:
    """Return the SHA-256 of `content` in hexadecimal."""
    return hashlib.sha256(content).hexdigest()
