"""``eddy models``, ``promote`` and ``rollback``: which models there are, and which is in use."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from eddy.app.commands.options import JsonFlag, KafkaOptions, option
from eddy.schemas.errors import ConfigError

if TYPE_CHECKING:
    from eddy.app.promotion.champion import ChampionChange
    from eddy.app.settings import Settings
    from eddy.models.registry.registry import Registry

ModelName = Annotated[str, option("The model's name: its domain's.")]


def promote(
    name: ModelName,
    version: Annotated[str, option("A version, an alias, or latest.")],
    /,
    *,
    table: Annotated[
        Path | None,
        option("For a domain with a gate: the training table it decides on.", "--on"),
    ] = None,
    force: Annotated[str, option("Without the gate; logged.", metavar="REASON")] = "",
    params: Annotated[
        Path | None,
        option("YAML file of parameters; by default params.yaml where there is one."),
    ] = None,
    source: KafkaOptions = KafkaOptions(),
) -> None:
    """Make a version the champion; running detectors take it up without losing an event.

    A model of transactions must beat the champion on the newest labelled days of a table: else
    nothing changes, and the exit code is 7.

    Examples
    --------
    eddy promote rides latest
    """
    from eddy.app.output import message
    from eddy.app.promotion import promotion

    settings = source.load()
    options = {} if params is None else {"params": params}
    promoted = promotion.promote(settings, name, version, table=table, options=options, force=force)
    reason = f"; {promoted.decision.reason}" if promoted.decision else ""
    change = promoted.change
    message(f"{name} {change.version} is the champion{when_in_use(settings, change)}{reason}")


def rollback(
    name: ModelName,
    /,
    *,
    reason: Annotated[str, option("Why; goes into the log.", metavar="TEXT")] = "",
    source: KafkaOptions = KafkaOptions(),
) -> None:
    """Make the champion the one it replaced; said again, the one before that.

    Examples
    --------
    eddy rollback rides --reason "too many alarms at night"
    """
    from eddy.app.output import message
    from eddy.app.promotion import champion

    settings = source.load()
    change = champion.rollback(settings, name, reason=reason)
    message(f"{name} {change.version} is the champion again{when_in_use(settings, change)}")


def models(
    name: Annotated[
        str | None,
        option(
            "Also compare this model's settings and metrics; `compare`: champion and "
            "challenger of transactions, on the same live events."
        ),
    ] = None,
    /,
    *,
    history: Annotated[
        bool, option("The model's audit log: promotions, refusals, rollbacks.")
    ] = False,
    source: KafkaOptions = KafkaOptions(),
    json: JsonFlag = False,
) -> None:
    """List the registry: versions, which are in use, and how good they were.

    Examples
    --------
    eddy models rides --history
    """
    from eddy.app import output, wiring
    from eddy.app.promotion import model_listing

    settings = source.load()
    if name == "compare":
        _compare(settings, json)
        return
    registry = wiring.registry(settings)
    if history:
        _show_history(registry, name, json)
        return
    versions = model_listing.versions(registry, [name] if name else registry.names())
    if json:
        output.json(versions)
    elif not versions:
        subject = f"no model {name}" if name else "no models"
        output.message(f"{subject} in {settings.storage.registry}; `eddy train` makes one")
    else:
        listing = model_listing.details if name else model_listing.overview
        output.show(listing(versions))


def when_in_use(settings: "Settings", change: "ChampionChange") -> str:
    """Return when detectors take a change up, to end a sentence."""
    if change.announced:
        return "; running detectors were told"
    return f"; running detectors look every {settings.reload_interval_s:g} s"


def _compare(settings: "Settings", json: bool) -> None:
    from rich.console import Console

    from eddy.app import output, progress
    from eddy.app.promotion import shadowing

    with progress.spinner(Console(stderr=True)) as spinner:
        task = spinner.add_task("reading decisions", total=None)
        result = shadowing.compare(settings, lambda more: spinner.advance(task, more))
    if json:
        output.json(result)
    else:
        output.show(shadowing.shown(result))


def _show_history(registry: "Registry", name: str | None, json: bool) -> None:
    from eddy.app import output
    from eddy.app.promotion import model_listing

    if name is None:
        raise ConfigError("--history: of which model? eddy models NAME --history")
    changes = registry.history(name)
    if json:
        output.json(changes)
    elif changes:
        output.show(model_listing.changes(changes))
    else:
        output.message(f"nothing was ever promoted, refused or rolled back of {name}")
