"""What stands beside the files of a version: how it came about, and what its files are."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from eddy.models.artefact import PARAMETERS_FILE, File
from eddy.models.registry.names import is_file_name
from eddy.schemas.anomalies import ModelRef

MAX_FILES = 16


class Training(msgspec.Struct, frozen=True, kw_only=True):
    """How a model came about: enough to make it again.

    Attributes
    ----------
    trained_at : datetime
        When, in UTC.
    settings : dict
        The trainer's settings; plain values only.
    data_sha256 : str
        Identifies the training rows; empty where they were not kept.
    rows : int
        How many rows it learned from.
    """

    trained_at: Annotated[datetime, Meta(tz=True)]
    settings: dict[str, Any] = {}
    data_sha256: str = ""
    rows: int = 0


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What stands beside a version's files."""

    name: str
    version: str
    files: dict[str, File]
    created_at: Annotated[datetime, Meta(tz=True)]
    training: Training
    metrics: dict[str, float] = {}
    eddy_version: str = ""

    def __post_init__(self) -> None:
        if PARAMETERS_FILE not in self.files:
            raise ValueError(f"no {PARAMETERS_FILE} among the files")
        if len(self.files) > MAX_FILES or not all(map(is_file_name, self.files)):
            raise ValueError("files that no version has")

    @property
    def sha256(self) -> str:
        """Identify the content: that of ``model.json``, which names what else it needs by SHA-256.

        The same data and settings give the same one.
        """
        return self.files[PARAMETERS_FILE].sha256

    @property
    def ref(self) -> ModelRef:
        """Name this version in anomalies and metrics."""
        return ModelRef(
            name=self.name,
            version=self.version,
            sha256=self.sha256,
            trained_at=self.training.trained_at,
        )
