"""Every checkpoint store keeps the same promises."""

from datetime import UTC, datetime

import obstore
import pytest

from eddy.schemas.errors import ConfigError, Unavailable
from eddy.streams.checkpoints import KEPT, Checkpoints, open_store

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(params=["folder", "memory"])
def store(request, tmp_path):
    return open_store(str(tmp_path / "ckpt") if request.param == "folder" else "memory:///")


def write(checkpoints, offset, state=b"state", state_hash="c"):
    return checkpoints.write(
        "events.toy", 3, offset, state, state_hash=state_hash, model_version="1", now=NOW
    )


def test_the_newest_at_or_below_the_committed_offset_is_found(store):
    checkpoints = Checkpoints(store, "g")
    for offset in (10, 20, 30):
        assert write(checkpoints, offset, b"at %d" % offset) > 0
    for at_most, expected in ((30, b"at 30"), (29, b"at 20"), (10, b"at 10")):
        found, refused = checkpoints.newest("events.toy", 3, at_most, "c")
        assert found.state == expected
        assert refused == []
    assert checkpoints.newest("events.toy", 3, 9, "c") == (None, [])


def test_partitions_and_groups_do_not_meet(store):
    write(Checkpoints(store, "g"), 10)
    assert Checkpoints(store, "g").newest("events.toy", 2, 99, "c")[0] is None
    assert Checkpoints(store, "other").newest("events.toy", 3, 99, "c")[0] is None


def test_only_the_newest_few_are_kept(store):
    checkpoints = Checkpoints(store, "g")
    for offset in range(10, 100, 10):
        write(checkpoints, offset)
    names = [m["path"] for page in obstore.list(store) for m in page]
    assert len(names) == KEPT


def test_another_configuration_is_refused_and_an_older_fitting_one_found(store):
    checkpoints = Checkpoints(store, "g")
    write(checkpoints, 10, b"old")
    write(checkpoints, 20, b"new", state_hash="other")
    found, refused = checkpoints.newest("events.toy", 3, 99, "c")
    assert (found.state, refused) == (b"old", ["incompatible"])


@pytest.mark.parametrize("cut", [0, 1, 7, 8, 11, 50, -1])
def test_a_cut_one_is_refused_and_the_one_before_found(store, cut):
    checkpoints = Checkpoints(store, "g")
    write(checkpoints, 10, b"old")
    write(checkpoints, 20, b"new" * 1000)
    path = "g/events.toy/00003/00000000000000000020.ckpt"
    blob = bytes(obstore.get(store, path).bytes())
    obstore.put(store, path, blob[:cut])
    found, refused = checkpoints.newest("events.toy", 3, 99, "c")
    assert (found.state, refused) == (b"old", ["corrupt"])


def test_every_flipped_byte_is_noticed(store):
    checkpoints = Checkpoints(store, "g")
    write(checkpoints, 20, b"new" * 10)
    path = "g/events.toy/00003/00000000000000000020.ckpt"
    blob = bytes(obstore.get(store, path).bytes())
    for at in range(len(blob)):
        broken = bytearray(blob)
        broken[at] ^= 0x01
        obstore.put(store, path, bytes(broken))
        found, _ = checkpoints.newest("events.toy", 3, 99, "c")
        assert found is None or found.state == b"new" * 10


def test_a_folder_that_cannot_be_written_says_so(tmp_path):
    store = open_store(str(tmp_path / "ckpt"))
    (tmp_path / "ckpt" / "g").write_text("a file where a folder should be")
    with pytest.raises(Unavailable, match=r"events\.toy-3 not written"):
        write(Checkpoints(store, "g"), 10)


def test_an_unknown_store_is_named():
    with pytest.raises(ConfigError, match="checkpoints.url"):
        open_store("gopher://x")
