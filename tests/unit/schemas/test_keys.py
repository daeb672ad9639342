"""Key hashes: fixed for ever, spread well."""

import numpy as np

from eddy.schemas.keys import NO_KEY, hash_text


def test_known_values_never_change():
    assert hash_text("") == 0xC791E23DF2A90B68
    assert hash_text("green") == 0x31E9D14FF36B4C0E
    assert hash_text("merchant-0000001") == 0x21C0FF83105C4105
    assert hash_text("Kraków") == 0x14EEC82A6F7A324C


def test_sequential_keys_do_not_collide():
    hashes = {hash_text(f"card-{i:09d}") for i in range(100_000)}
    assert len(hashes) == 100_000
    assert NO_KEY not in hashes


def test_length_counts():
    assert len({hash_text("\0" * k) for k in range(40)}) == 40


def test_one_bit_of_the_key_changes_half_of_the_hash():
    flips = []
    for i in range(2_000):
        text = f"m{i:015d}"
        other = text[:7] + chr(ord(text[7]) ^ 1) + text[8:]
        flips.append((hash_text(text) ^ hash_text(other)).bit_count())
    assert 31 < np.mean(flips) < 33
    assert min(flips) > 8
