import stat

import pytest

from eddy.sandbox.credentials import Credentials, write_private
from eddy.schemas.errors import MissingResource


def test_they_are_made_once(tmp_path):
    made = Credentials.kept_in(tmp_path)
    assert Credentials.kept_in(tmp_path) == made
    assert len(made.access_key_id) >= 16
    assert len(made.secret_access_key) >= 32
    assert made.secret_file.read_text() == made.secret_access_key


def test_every_folder_has_its_own(tmp_path):
    one, other = Credentials.kept_in(tmp_path / "a"), Credentials.kept_in(tmp_path / "b")
    assert one.access_key_id != other.access_key_id
    assert one.secret_access_key != other.secret_access_key


def test_only_their_owner_reads_them(tmp_path):
    Credentials.kept_in(tmp_path)
    files = list(tmp_path.iterdir())
    assert {file.name for file in files} == {"access-key-id", "secret-access-key"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_the_secret_is_not_shown(tmp_path):
    made = Credentials.kept_in(tmp_path)
    assert made.secret_access_key not in repr(made)


def test_a_private_file_is_private_even_where_it_was_not(tmp_path):
    file = tmp_path / "settings"
    file.write_text("old")
    file.chmod(0o644)
    write_private(file, "new")
    assert file.read_text() == "new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MissingResource, match="file/store"):
        Credentials.kept_in(tmp_path / "file" / "store")
