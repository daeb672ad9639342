"""The listing of a registry: versions, which of them are in use, and how good they were."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from eddy.app.inspect.anomaly_text import number
from eddy.models.registry.aliases import AliasChange
from eddy.models.registry.manifest import Manifest
from eddy.models.registry.registry import Registry
from eddy.schemas.errors import DamagedModel


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the listing; `problem` says what is wrong with a version that cannot be read."""

    name: str
    version: str
    aliases: list[str]
    created_at: datetime | None = None
    sha256: str = ""
    rows: int = 0
    settings: dict[str, object] = {}
    metrics: dict[str, float] = {}
    problem: str = ""

    @classmethod
    def of(cls, manifest: Manifest, aliases: list[str]) -> "Version":
        """Return the line of a manifest."""
        return cls(
            name=manifest.name,
            version=manifest.version,
            aliases=aliases,
            created_at=manifest.created_at,
            sha256=manifest.sha256,
            rows=manifest.training.rows,
            settings=manifest.training.settings,
            metrics=manifest.metrics,
        )


def versions(registry: Registry, names: Sequence[str]) -> list[Version]:
    """Return all versions of these models, newest first."""
    return [line for name in names for line in _versions(registry, name)]


def _versions(registry: Registry, name: str) -> list[Version]:
    aliases = registry.aliases(name)
    lines = []
    for number_ in reversed(registry.versions(name)):
        mine = sorted(alias for alias, version in aliases.items() if version == number_)
        try:
            lines.append(Version.of(registry.resolve(name, number_), mine))
        except DamagedModel as error:
            lines.append(Version(name=name, version=number_, aliases=mine, problem=str(error)))
    return lines


def overview(lines: Sequence[Version]) -> Table:
    """Return a line a version."""
    table = Table("model", "version", "in use as", "created", "rows", "sha256", "", box=None)
    for line in lines:
        created = f"{line.created_at:%Y-%m-%d %H:%M}" if line.created_at else "–"
        table.add_row(
            line.name,
            line.version,
            Text(", ".join(line.aliases), "bold green"),
            created,
            f"{line.rows:,}",
            line.sha256[:12],
            Text(line.problem, "red"),
        )
    return table


def changes(lines: Sequence[AliasChange]) -> Table:
    """Return the audit log of a model, a line a promotion, refusal or rollback."""
    table = Table("", "when (UTC)", "what", "alias", "from", "to", "who", "why", box=None)
    for line in lines:
        table.add_row(
            str(line.sequence),
            f"{line.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
            Text(line.action, "red" if line.action == "refused" else ""),
            line.alias,
            line.before or "–",
            line.after,
            Text(line.by),
            Text(line.reason, overflow="fold"),
        )
    return table


def details(lines: Sequence[Version], most: int = 5) -> RenderableType:
    """Return the metrics of a model's newest versions side by side."""
    shown = [line for line in lines if not line.problem][:most]
    table = Table("", *(f"version {line.version}" for line in shown), box=None)
    for title, read in (("setting", _settings), ("metric", _metrics)):
        for key in sorted({key for line in shown for key in read(line)}):
            cells = [read(line).get(key, "–") for line in shown]
            table.add_row(Text(f"{title} {key}", "dim"), *cells)
    return Group(overview(lines), Text(), table)


def _settings(line: Version) -> dict[str, str]:
    return {key: str(value) for key, value in line.settings.items()}


def _metrics(line: Version) -> dict[str, str]:
    return {key: number(value) for key, value in line.metrics.items()}
