"""A day's results as JSON for other systems: files, and a manifest that says they are whole.

Delivery: the manifest is deleted first and written last. Who sees one sees the files it names,
with the sha256 it names; where they differ, a newer run is replacing them, and another look later
finds the newer manifest. A run that was killed leaves no manifest, and the next one puts it right.
"""

import gzip
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from eddy.lake.days import Day
from eddy.lake.rides.clustering import SCHEMA_VERSION, ClusteringSummary
from eddy.lake.store import Folder, digest
from eddy.schemas.anomalies import ModelRef
from eddy.schemas.clustered import Clustered

ANOMALIES, SUMMARY, MANIFEST = "anomalies.jsonl.gz", "summary.json", "manifest.json"

Outcome = Literal["written", "kept"]


class ManifestFile(msgspec.Struct, kw_only=True):
    """One file: its rows, and what it must hold to the byte."""

    name: str
    rows: int
    bytes: int
    sha256: str


class DayManifest(msgspec.Struct, kw_only=True):
    """What a whole day consists of; for the rest see `ClusteringSummary`."""

    schema_version: int
    day: str
    rides: int
    anomalies: int
    detector: str
    model: ModelRef
    config_hash: str
    files: list[ManifestFile]


def publish(folder: Folder, anomalies: Sequence[Clustered], summary: ClusteringSummary) -> Outcome:
    """Write a day's files, unless they are there and the same already.

    Raises
    ------
    Unavailable
        The store does not answer.
    """
    contents = {ANOMALIES: _lines(anomalies), SUMMARY: _pretty(summary)}
    manifest = _pretty(_manifest(contents, len(anomalies), summary))
    whole = {**contents, MANIFEST: manifest}
    if folder.read(MANIFEST) == manifest and all(
        folder.read(name) == content for name, content in contents.items()
    ):
        return "kept"
    folder.delete(MANIFEST)
    for name, content in whole.items():
        folder.write(name, content)
    return "written"


def read(folder: Folder) -> tuple[ClusteringSummary, list[Clustered]] | None:
    """Return what was published, or None where there is nothing whole.

    Raises
    ------
    Unavailable
        The store does not answer.
    """
    text = folder.read(MANIFEST)
    if text is None:
        return None
    manifest = msgspec.json.decode(text, type=DayManifest)
    contents = {file.name: folder.read(file.name) or b"" for file in manifest.files}
    if any(digest(contents[file.name]) != file.sha256 for file in manifest.files):
        return None
    lines = gzip.decompress(contents[ANOMALIES]).splitlines()
    anomalies = [msgspec.json.decode(line, type=Clustered) for line in lines]
    return msgspec.json.decode(contents[SUMMARY], type=ClusteringSummary), anomalies


def folder_of(folder: Folder, day: Day) -> Folder:
    """Return the folder of a day's rides."""
    return Folder(folder.store, f"{folder.path}/json/rides/dt={day}")


def _manifest(
    contents: dict[str, bytes], anomalies: int, summary: ClusteringSummary
) -> DayManifest:
    rows = {ANOMALIES: anomalies, SUMMARY: 1}
    return DayManifest(
        schema_version=SCHEMA_VERSION,
        day=summary.day,
        rides=summary.rides,
        anomalies=anomalies,
        detector=summary.detector,
        model=summary.model,
        config_hash=summary.config_hash,
        files=[
            ManifestFile(name=name, rows=rows[name], bytes=len(content), sha256=digest(content))
            for name, content in contents.items()
        ],
    )


def _lines(anomalies: Iterable[Clustered]) -> bytes:
    encode = msgspec.json.Encoder(order="deterministic").encode
    lines = b"".join(encode(anomaly) + b"\n" for anomaly in anomalies)
    return gzip.compress(lines, mtime=0)


def _pretty(value: msgspec.Struct) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
