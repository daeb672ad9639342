"""From bytes to events: a fast path for plain records, and a strict one that alone rejects."""

from eddy.schemas.decoding.decoder import Decoded, Decoder, buffers
from eddy.schemas.decoding.plain import PlainDecoder
from eddy.schemas.decoding.strict import StrictDecoder
from eddy.schemas.keys import hash_text

__all__ = ["Decoded", "Decoder", "PlainDecoder", "StrictDecoder", "buffers", "hash_text"]
