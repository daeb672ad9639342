"""The store: objects under ``s3://BUCKET/``, read and written whole."""

import hashlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pyarrow.fs import FileSystem, FileType, S3FileSystem

from eddy.lake.config import LakeConfig
from eddy.lake.outages import named_outages
from eddy.schemas.errors import ConfigError


def filesystem(config: LakeConfig) -> FileSystem:
    """Return the store; credentials that are not given are found in the environment."""
    options: dict[str, Any] = {"region": config.region, "connect_timeout": 10}
    if config.access_key_id:
        options |= {
            "access_key": config.access_key_id,
            "secret_key": config.secret_access_key,
        }
    if config.endpoint:
        parts = urlsplit(config.endpoint)
        options |= {"endpoint_override": parts.netloc, "scheme": parts.scheme}
    return S3FileSystem(**options)


def object_path(url: str) -> str:
    """Return ``bucket/key`` of ``s3://bucket/key``; ConfigError where it is not one."""
    path = url.removeprefix("s3://").strip("/")
    if not url.startswith("s3://") or "/" not in path:
        raise ConfigError(f"{url}: wants the form s3://BUCKET/KEY")
    return path


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of the store whose objects belong together.

    Attributes
    ----------
    store : FileSystem
    path : str
        ``bucket/key``.
    """

    store: FileSystem
    path: str

    @property
    def url(self) -> str:
        """Its address."""
        return f"s3://{self.path}"

    def read(self, name: str) -> bytes | None:
        """Return an object, or None where there is none."""
        path = f"{self.path}/{name}"
        with named_outages(f"s3://{path}"):
            if self.store.get_file_info(path).type != FileType.File:
                return None
            with self.store.open_input_stream(path, compression=None) as stream:
                content: bytes = stream.read()
        return content

    def write(self, name: str, content: bytes) -> None:
        """Write an object; readers see it whole or not at all."""
        path = f"{self.path}/{name}"
        with (
            named_outages(f"s3://{path}"),
            self.store.open_output_stream(path, compression=None) as stream,
        ):
            stream.write(content)

    def delete(self, name: str) -> None:
        """Delete an object, where there is one."""
        path = f"{self.path}/{name}"
        with named_outages(f"s3://{path}"):
            if self.store.get_file_info(path).type == FileType.File:
                self.store.delete_file(path)


def digest(content: bytes) -> str:
    """Return the sha256 of an object's content."""
    return hashlib.sha256(content).hexdigest()
