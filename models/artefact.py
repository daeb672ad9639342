"""The artefact: a model's parameters as bytes, nothing executable, the same bytes every time."""

import hashlib
from typing import Any, TypeVar

import msgspec
import numpy as np

from eddy.schemas.errors import EddyError, ModelRefused

PARAMETERS_FILE = "model.json"
MAX_ARTEFACT_BYTES = 64 * 1024 * 1024

P = TypeVar("P")


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
