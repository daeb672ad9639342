"""Finding versions in MLflow, and their manifests: what was made here, and nothing else.

A version made here has two tags: one to be searched by, and its manifest.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from eddy.models.registry.manifest import Manifest
from eddy.models.registry.mlflow.client import INVALID, answering, code
from eddy.models.registry.names import LATEST, is_alias, is_name, is_version
from eddy.schemas.errors import ConfigError, DamagedModel, Unavailable, UnknownModel

MADE_HERE = {"eddy.format": "1"}

_MANIFEST = "eddy.manifest"
_MAX_MANIFEST_BYTES = 60_000  # what every database of MLflow's takes for a tag of a version
_OURS = "tags.`eddy.format` = '1'"
_PAGE = 1000


def models_in(client: Any) -> list[str]:
    """Return the names of the models that have versions made here, sorted."""
    models = _all_pages(lambda token: client.search_registered_models(page_token=token))
    return sorted(model.name for model in models if is_name(model.name) and _is_ours(model))


def versions_of(client: Any, name: str) -> list[str]:
    """Return the versions of a model, oldest first."""
    versions = _all_pages(
        lambda token: client.search_model_versions(_of(name), _PAGE, page_token=token)
    )
    return sorted((str(version.version) for version in versions), key=int)


def find(client: Any, name: str, which: str) -> Any:
    """Return MLflow's version that `which`, a version, an alias or "latest", means.

    Raises
    ------
    UnknownModel
        There is none.
    """
    if is_version(which):
        return client.get_model_version(name, which)
    if which == LATEST:
        return _newest(client, name)
    if not is_alias(which):
        raise UnknownModel(f"model {name!r} has no {which!r}")
    try:
        with answering(client.tracking_uri):
            return client.get_model_version_by_alias(name, which)
    except Unavailable as error:
        if code(error) != INVALID:  # that is how MLflow says there is no such alias
            raise
        raise UnknownModel(f"model {name!r} has no {which!r}") from error


def tags_of(manifest: Manifest) -> dict[str, str]:
    """Return the tags of the version that `manifest` describes.

    Raises
    ------
    ConfigError
        They do not fit into MLflow's database.
    """
    plain = msgspec.to_builtins(manifest)
    del plain["version"]  # MLflow counts
    written = msgspec.json.encode(plain)
    if len(written) > _MAX_MANIFEST_BYTES:
        raise ConfigError(
            f"settings, metrics and files of {manifest.name!r}: {len(written):,} bytes to say "
            f"about them, MLflow takes {_MAX_MANIFEST_BYTES:,}"
        )
    return {**MADE_HERE, _MANIFEST: written.decode()}


def manifest_of(version: Any, name: str) -> Manifest:
    """Return the manifest of a version of model `name`.

    Raises
    ------
    DamagedModel
        It has none, or another's.
    """
    number = str(version.version)
    where = f"{_MANIFEST} of {name} {number}"
    text = version.tags.get(_MANIFEST)
    if text is None:
        raise DamagedModel(f"{where}: there is none; the version was not registered by eddy")
    try:
        plain = msgspec.json.decode(text, type=dict[str, Any])
        manifest = msgspec.convert({**plain, "version": number}, Manifest)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise DamagedModel(f"{where}: {error}") from error
    if manifest.name != name:
        raise DamagedModel(f"{where} belongs to {manifest.name!r}")
    return manifest


def _newest(client: Any, name: str) -> Any:
    versions = client.search_model_versions(_of(name), 1, ["version_number DESC"])
    if not versions:
        raise UnknownModel(f"model {name!r} has no versions")
    return versions[0]


def _is_ours(model: Any) -> bool:
    """Whether it was made here, or its newest version was; one without versions is none yet."""
    newest = model.latest_versions
    return bool(newest) and any(
        MADE_HERE.items() <= holder.tags.items() for holder in (model, *newest)
    )


def _of(name: str) -> str:
    return f"name = '{name}' and {_OURS}"


def _all_pages(search: Callable[[str | None], Any]) -> list[Any]:
    page = search(None)
    entries = list(page)
    while page.token:
        page = search(page.token)
        entries += page
    return entries
