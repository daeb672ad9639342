"""The files of a version: what they may be called, how large they may be, whether they are whole.

``model.json`` holds the parameters and identifies the version. Further files, such as
``model.skops``, stand beside it; where the parameters need them they name their SHA-256
themselves, so that the digest of ``model.json`` stands for all that a model judges with.
"""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec

from eddy.models.artefact import PARAMETERS_FILE, File, decode_parameters
from eddy.models.registry.manifest import MAX_FILES, Manifest
from eddy.models.registry.names import is_file_name
from eddy.schemas.errors import ConfigError, DamagedModel, ModelRefused

MANIFEST_FILE = "manifest.json"
MAX_MANIFEST_BYTES = 1024 * 1024

_OURS = (PARAMETERS_FILE, MANIFEST_FILE)


def all_files(
    name: str, artefact: bytes, files: Mapping[str, bytes], limit_bytes: int
) -> dict[str, bytes]:
    """Return the files of a version that is to be registered, ``model.json`` among them.

    Raises
    ------
    ConfigError
        A name cannot be used, there are too many of them, or together they are larger than
        `limit_bytes`.
    """
    for file in files:
        # a file system may take Model.json and model.json for one
        if not is_file_name(file) or file.lower() in _OURS:
            raise ConfigError(
                f"file name {file!r}: letters, digits, -, _ and ., beginning with a letter or "
                f"digit, at most 64; {' and '.join(_OURS)} are the registry's own"
            )
    if len(files) >= MAX_FILES or len({file.lower() for file in files}) < len(files):
        raise ConfigError(f"the files of {name!r}: at most {MAX_FILES}, each with its own name")
    if len(artefact) + sum(map(len, files.values())) > limit_bytes:
        raise ConfigError(f"the artefact of {name!r} is larger than {limit_bytes} bytes")
    return {PARAMETERS_FILE: artefact, **files}


def check_size(files: Mapping[str, File], limit_bytes: int, where: str) -> None:
    """Raise DamagedModel where the files of a manifest are together larger than allowed."""
    if sum(file.size_bytes for file in files.values()) > limit_bytes:
        raise DamagedModel(f"the files of {where} are larger than {limit_bytes} bytes")


def read_manifest(content: bytes, name: str, version: str, where: str) -> Manifest:
    """Return the manifest of a version.

    Raises
    ------
    DamagedModel
        It is none, or another version's; `where` says where it was read.
    """
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DamagedModel(f"{where}: {error}") from error
    if (manifest.name, manifest.version) != (name, version):
        raise DamagedModel(f"{where} belongs to {manifest.name!r} version {manifest.version}")
    return manifest


def eddy_version() -> str:
    """Return the version of this package, for manifests."""
    try:
        return version("eddy-stream")
    except PackageNotFoundError:
        return "unknown"


def opened(files: Mapping[str, bytes], parameters_type: type[Any]) -> Any:
    """Return what judges: the parameters in verified files, opened where they need opening.

    Parameters
    ----------
    files : mapping of str to bytes
        All files of the version.
    parameters_type : type
        Of ``model.json``. Where its values have a method ``opened(files)``, that gets the further
        files and what it returns is the model.

    Raises
    ------
    ModelRefused
        The parameters are not of this type, or do not open.
    """
    parameters = decode_parameters(files[PARAMETERS_FILE], parameters_type)
    if not hasattr(parameters, "opened"):
        return parameters
    further = {name: content for name, content in files.items() if name != PARAMETERS_FILE}
    try:
        return parameters.opened(further)
    except ModelRefused:
        raise
    # a file from elsewhere can make its reader fail in any way; the last good model goes on
    except Exception as error:
        raise ModelRefused(
            f"a {parameters_type.__name__} does not open: {type(error).__name__}: {error}"
        ) from error
