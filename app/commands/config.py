"""``eddy config``: whether the settings are right, and what is in force."""

from typing import TYPE_CHECKING, Annotated, Any

from eddy.app.commands.options import FileOptions, JsonFlag, group, option

if TYPE_CHECKING:
    from eddy.app.settings import Settings

app = group(
    "config",
    "Check and show the settings: file, environment, defaults.",
    {"check": "eddy.app.commands.config:check", "show": "eddy.app.commands.config:show"},
)


def check(*, source: FileOptions = FileOptions()) -> None:
    """Check the file, the environment and the domains' policies; exit code 2 names the key.

    Examples
    --------
    eddy config check --config eddy.toml
    """
    from eddy.app import output, wiring

    settings = source.load()
    _policies(settings)
    names = [domain.name for domain in wiring.chosen_domains(settings)]
    output.message(f"the configuration is valid; domains: {', '.join(names)}")


def show(
    name: Annotated[str, option("Only settings whose dotted name begins with this.")] = "",
    /,
    *,
    source: FileOptions = FileOptions(),
    json: JsonFlag = False,
) -> None:
    """Show every setting in force, with the domains' policies; secrets are masked.

    Examples
    --------
    eddy config show kafka
    """
    from eddy.app import output, settings

    loaded = source.load()
    complete = loaded.model_copy(update={"domains": _policies(loaded)})
    values = {key: value for key, value in settings.flatten(complete) if key.startswith(name)}
    if json:
        output.json(values)
        return
    for key, value in values.items():
        output.message(f"{key} = {'(not set)' if value is None or value == '' else value}")


def _policies(settings: "Settings") -> dict[str, Any]:
    import msgspec

    from eddy.app import wiring

    return {
        domain.name: msgspec.to_builtins(wiring.policy(settings, domain))
        for domain in wiring.chosen_domains(settings)
    }
