"""The key and the secret of the embedded object store: random, made once, kept where it lives."""

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from eddy.schemas.errors import MissingResource


@dataclass(frozen=True)
class Credentials:
    """Who may use the store.

    Parameters
    ----------
    access_key_id : str
        No secret.
    secret_access_key : str
        Never printed.
    secret_file : Path
        Where the secret is kept; only its owner may read it.
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    secret_file: Path

    @classmethod
    def kept_in(cls, folder: Path) -> "Credentials":
        """Return those of a folder, after making them when there are none.

        Raises
        ------
        MissingResource
            When the folder cannot be written.
        """
        key, secret = folder / "access-key-id", folder / "secret-access-key"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _make(key, f"eddy{secrets.token_hex(8)}")
            _make(secret, secrets.token_urlsafe(30))
            return cls(key.read_text("ascii").strip(), secret.read_text("ascii").strip(), secret)
        except OSError as error:
            raise MissingResource(f"cannot write to {folder}: {error}") from error


def _make(path: Path, content: str) -> None:
    """Write a new file that only its owner may read; one that is there is left as it is.

    Linked into its place when it is whole, so that two at once take the same.
    """
    if path.exists():
        return
    partial = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    write_private(partial, content)
    try:
        path.hardlink_to(partial)
    except FileExistsError:
        pass
    finally:
        partial.unlink()


def write_private(path: Path, content: str) -> None:
    """Write a file that only its owner may read, from its first byte on."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(content)
