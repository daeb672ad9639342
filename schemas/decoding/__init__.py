"""From bytes to events: a fast path for plain records, and a strict one that alone rejects."""

from schemas.decoding.decoder import Decoded, Decoder, buffers
from schemas.decoding.plain import PlainDecoder
from schemas.decoding.strict import StrictDecoder
from schemas.keys import hash_text

__all__ = ["Decoded", "Decoder", "PlainDecoder", "StrictDecoder", "buffers", "hash_text"]
