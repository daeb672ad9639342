"""Keys as columns: the 64-bit hash that stands for a text."""

# odd numbers without structure: fractional digits of the golden ratio and of pi
SEED = 0x9E3779B97F4A7C15
FACTOR = 0x243F6A8885A308D3
FINAL = 0x13198A2E03707344

NO_KEY = 0
"""What stands for null and for an absent field."""

_WORD = 2**64 - 1


def hash_text(text: str) -> int:
    """Return the hash of a text; the compiled decoder computes the same from a record's bytes.

    Folded multiplication over words of eight UTF-8 bytes, as in wyhash. Good for tables, not for
    secrets: whoever chooses keys with intent can make two collide. Changing it makes every
    checkpoint that holds hashes unreadable.

    Examples
    --------
    >>> hex(hash_text("green"))
    '0x31e9d14ff36b4c0e'
    """
    data = text.encode()
    state = SEED ^ len(data)
    for start in range(0, len(data), 8):
        state = _fold(state ^ int.from_bytes(data[start : start + 8], "little"))
    return _fold(state ^ FINAL)


def _fold(value: int) -> int:
    product = value * FACTOR
    return (product ^ product >> 64) & _WORD
