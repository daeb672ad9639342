"""The jar cache: whole or not there, downloaded once, safe for two at a time."""

import errno
import threading
import zipfile
from pathlib import Path

import pytest

from eddy.sandbox import jars
from eddy.sandbox.jars import (
    ICEBERG_SINK_JARS,
    KAFKA_JARS,
    OBJECT_STORE_JARS,
    Jar,
    ensure_jars,
    jar_directory,
    read_listing,
    read_pins,
)
from eddy.schemas.errors import ConfigError, MissingResource

COORDINATES = ["org.one:one:jar:1.0:compile", "org.two:two:jar:linux:2.0:runtime"]
CONTENT = {"one-1.0.jar": b"one", "two-2.0-linux.jar": b"two"}


class Repository:
    """Stands in for jgo: hands out `CONTENT`, counts, and fails as it is told."""

    def __init__(self) -> None:
        self.served: list[str] = []
        self.errors: list[Exception] = []
        self.content = dict(CONTENT)
        self.gate: threading.Event | None = None

    def fetch(self, jar: Jar, private: Path) -> Path:
        if self.gate:
            self.gate.wait(10)
        if self.errors:
            raise self.errors.pop(0)
        self.served.append(jar.filename)
        path = private / jar.filename
        path.write_bytes(self.content[jar.filename])
        return path


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Repository:
    repository = Repository()
    monkeypatch.setattr(jars, "_fetch", repository.fetch)
    monkeypatch.setenv("EDDY_CACHE", str(tmp_path / "cache"))
    return repository


@pytest.fixture
def listing(tmp_path: Path) -> Path:
    listing = tmp_path / "some-jars.txt"
    listing.write_text("# two jars\n" + "\n".join(COORDINATES) + "\n")
    return listing


def pin(listing: Path, content: dict[str, bytes] = CONTENT) -> None:
    from hashlib import sha256

    lines = [f"{sha256(data).hexdigest()}  {name}\n" for name, data in content.items()]
    listing.with_name("some-jars-sha256.txt").write_text("".join(lines))


@pytest.mark.parametrize("listed", [KAFKA_JARS, ICEBERG_SINK_JARS, OBJECT_STORE_JARS])
def test_every_jar_is_pinned_and_has_a_name_of_its_own(listed: Path) -> None:
    names = [jar.filename for jar in read_listing(listed)]
    assert len(set(names)) == len(names) >= 20
    assert set(read_pins(listed)) == set(names)
    assert all(len(digest) == 64 for digest in read_pins(listed).values())


def test_a_line_that_is_no_coordinate_is_named() -> None:
    with pytest.raises(ConfigError, match=r"org\.one:one"):
        Jar.parse("org.one:one:1.0")


def test_what_is_fetched_once_is_there(repository: Repository, listing: Path) -> None:
    heard: list[tuple[int, int]] = []
    pin(listing)
    paths = ensure_jars(lambda done, total: heard.append((done, total)), listing)
    assert [path.read_bytes() for path in paths] == [b"one", b"two"]
    assert heard[0] == (1, 2)
    assert heard[-1] == (2, 2)
    assert ensure_jars(None, listing) == paths
    assert sorted(repository.served) == sorted(CONTENT), "the second time downloads nothing"
    assert not list(jar_directory(listing).glob(".partial-*"))


def test_the_marker_can_be_kept_as_the_pins(repository: Repository, listing: Path) -> None:
    ensure_jars(None, listing)
    marker = jar_directory(listing) / "SHA256SUMS"
    listing.with_name("some-jars-sha256.txt").write_text(marker.read_text())
    marker.unlink()
    ensure_jars(None, listing)
    assert len(repository.served) == 2


def test_an_interrupted_download_is_taken_up(repository: Repository, listing: Path) -> None:
    pin(listing)
    ensure_jars(None, listing)
    folder = jar_directory(listing)
    (folder / "SHA256SUMS").unlink()
    (folder / "one-1.0.jar").write_bytes(b"on")  # half of it
    (folder / ".partial-old").mkdir()
    repository.served.clear()
    [one, _two] = ensure_jars(None, listing)
    assert one.read_bytes() == b"one"
    assert repository.served == ["one-1.0.jar"]
    assert not list(folder.glob(".partial-*"))


@pytest.mark.parametrize("damage", [lambda jar: jar.unlink(), lambda jar: jar.write_bytes(b"")])
def test_a_jar_that_went_missing_is_fetched_again(
    repository: Repository, listing: Path, damage
) -> None:
    pin(listing)
    [one, _two] = ensure_jars(None, listing)
    damage(one)
    ensure_jars(None, listing)
    assert one.read_bytes() == b"one"


def test_a_jar_that_is_not_the_pinned_one_is_refused(repository: Repository, listing: Path) -> None:
    pin(listing)
    repository.content["one-1.0.jar"] = b"evil"
    with pytest.raises(MissingResource, match=r"one-1\.0\.jar .*not the file that is pinned"):
        ensure_jars(None, listing)
    assert not (jar_directory(listing) / "one-1.0.jar").exists()
    assert not (jar_directory(listing) / "SHA256SUMS").exists()


def test_a_full_disk_names_the_folder(repository: Repository, listing: Path) -> None:
    repository.errors = [OSError(errno.ENOSPC, "No space left on device")]
    with pytest.raises(MissingResource, match=r"cannot write.*some-jars.*No space left"):
        ensure_jars(None, listing)


def test_too_little_room_is_said_before_anything_is_fetched(
    repository: Repository, listing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jars, "_ROOM_BYTES", 2**60)
    with pytest.raises(MissingResource, match="MiB are needed"):
        ensure_jars(None, listing)
    assert repository.served == []


def test_two_at_once_download_once(repository: Repository, listing: Path) -> None:
    repository.gate = threading.Event()
    results: list[list[Path]] = []
    both = [
        threading.Thread(target=lambda: results.append(ensure_jars(None, listing)))
        for _ in range(2)
    ]
    for thread in both:
        thread.start()
    repository.gate.set()
    for thread in both:
        thread.join(20)
    assert results[0] == results[1]
    assert sorted(repository.served) == sorted(CONTENT)


def test_no_network_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from jgo.maven import PythonResolver

    tries: list[str] = []

    def unreachable(_self: PythonResolver, artifact) -> Path:
        tries.append(artifact.filename)
        raise ConnectionError("name resolution failed")

    monkeypatch.setattr(PythonResolver, "download", unreachable)
    monkeypatch.setattr(jars.time, "sleep", lambda seconds: None)
    with pytest.raises(MissingResource, match=r"cannot download one-1\.0\.jar.*HTTPS_PROXY"):
        jars._fetch(Jar("org.one", "one", "1.0"), tmp_path)
    assert len(tries) == 3


def test_the_cache_follows_its_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EDDY_CACHE", str(tmp_path / "mine"))
    assert jars.cache_directory() == tmp_path / "mine"
    monkeypatch.delenv("EDDY_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert jars.cache_directory() == tmp_path / "xdg" / "eddy"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert jars.cache_directory() == tmp_path / ".cache" / "eddy"


def test_another_listing_has_another_folder(listing: Path, tmp_path: Path) -> None:
    before = jar_directory(listing)
    listing.write_text(COORDINATES[0])
    assert jar_directory(listing) != before
    assert jar_directory(listing).name.startswith("some-jars-")


def test_jgo_is_asked_for_one_jar_and_nothing_it_depends_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from jgo.maven import PythonResolver

    asked: list[str] = []

    def download(_self: PythonResolver, artifact) -> Path:
        asked.append(artifact.filename)
        artifact.cached_path.parent.mkdir(parents=True)
        with zipfile.ZipFile(artifact.cached_path, "w"):
            return artifact.cached_path

    monkeypatch.setattr(PythonResolver, "download", download)
    path = jars._fetch(Jar("org.one", "one", "1.0", "linux"), tmp_path)
    assert asked == ["one-1.0-linux.jar"]
    assert path.is_relative_to(tmp_path)
