"""The registry as a folder: for one machine, a shared volume, and the tests.

::

    <root>/<name>/versions/<n>/manifest.json   what the version is, with the sha256 of its files
                               model.json      the artefact
                               ...             its further files, such as model.skops
    <root>/<name>/aliases.json                 which version is in use
    <root>/<name>/aliases.jsonl                every change of an alias, and every refusal
    <root>/<name>/staging/                     a version being written; never read

A crash loses at most the version or the change being written. Readers need no lock and no right
to write; writers of one model take turns.
"""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from eddy.models.registry import durable
from eddy.models.registry.alias_file import AliasFile
from eddy.models.registry.aliases import AliasChange
from eddy.models.registry.files import MANIFEST_FILE, MAX_MANIFEST_BYTES, read_manifest
from eddy.models.registry.manifest import Manifest
from eddy.models.registry.names import is_name, is_version
from eddy.models.registry.store import Proposal, StoredVersion, absence, number_of
from eddy.schemas.errors import DamagedModel


class FolderStore:
    """Versions and aliases below one folder.

    Writing raises MissingResource where the disk is full or may not be written, and Unavailable
    where another process does not let go of the lock.

    Parameters
    ----------
    root : Path
        Made when the first model is registered.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self) -> list[str]:
        """Return the names of the models that have versions, sorted."""
        names = durable.entries(self._root)
        return sorted(name for name in names if is_name(name) and self.versions(name))

    def versions(self, name: str) -> list[str]:
        """Return the versions of a model, oldest first; none where the name is not known."""
        return sorted(filter(is_version, durable.entries(self._versions(name))), key=int)

    def find(self, name: str, which: str) -> StoredVersion:
        """Return what `which`, a version, an alias or "latest", means."""
        number = number_of(self, name, which)
        folder = self._versions(name) / number
        if not durable.is_there(folder):
            raise absence(name, which, number)
        content = self.read_file(str(folder), MANIFEST_FILE, MAX_MANIFEST_BYTES)
        manifest = read_manifest(content, name, number, f"{folder}/{MANIFEST_FILE}")
        return StoredVersion(manifest, str(folder))

    def read_file(self, folder: str, file: str, limit_bytes: int) -> bytes:
        """Return a file of a version."""
        path = Path(folder) / file
        try:
            return durable.read_capped(path, limit_bytes)
        except FileNotFoundError as error:
            raise DamagedModel(f"{path} is missing") from error

    def add(self, manifest: Manifest, contents: Mapping[str, bytes]) -> str:
        """Keep a version for good; return the number it got."""
        with self._writing(manifest.name) as home:
            number = str(int((self.versions(manifest.name) or ["0"])[-1]) + 1)
            _publish(home, msgspec.structs.replace(manifest, version=number), contents)
        return number

    def aliases(self, name: str) -> dict[str, str]:
        """Return alias -> version."""
        return AliasFile(self._root / name).read().aliases

    def history(self, name: str) -> list[AliasChange]:
        """Return every change of an alias that took effect and every refusal, oldest first."""
        return AliasFile(self._root / name).history()

    def change(self, name: str, propose: Proposal) -> AliasChange | None:
        """Log a change and let it take effect; writers take turns."""
        with self._writing(name) as home:
            file = AliasFile(home)
            change = propose(file.read())
            if change is not None:
                file.apply(change)
            return change

    def _versions(self, name: str) -> Path:
        return self._root / name / "versions"

    @contextmanager
    def _writing(self, name: str) -> Iterator[Path]:
        home = self._root / name
        with durable.writing(home):
            durable.make_folder(home)
            with durable.locked(home / ".lock"):
                yield home


def _publish(home: Path, manifest: Manifest, contents: Mapping[str, bytes]) -> None:
    """Write the version aside, then make it appear whole; the caller holds the lock."""
    staging = home / "staging"
    if staging.exists():  # left by a writer that died: nobody else writes while we hold the lock
        shutil.rmtree(staging)
    durable.make_folder(staging)
    durable.make_folder(home / "versions")
    for file, content in contents.items():
        durable.write_new(staging / file, content)
    durable.write_new(staging / MANIFEST_FILE, msgspec.json.encode(manifest))
    durable.move_folder(staging, home / "versions" / manifest.version)
