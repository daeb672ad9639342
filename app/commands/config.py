"""``eddy config``: whether the settings are right, and what is in force."""

from typing import TYPE_CHECKING, Annotated, Any

from eddy.app.commands.options import FileOptions, JsonFlag, group, option

if TYPE_CHECKING:
    from eddy.app.settings import Settings

app = group(
    "config",
    "Check and show the settings: file, environment, defaults.",
    {
        "check": "eddy.app.commands.config:check",
        "show": "eddy.app.commands.config:show",
        "schema": "eddy.app.commands.config:schema",
    },
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
    describe: Annotated[
        bool, option("Also what each setting means, its range, default and source.")
    ] = False,
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
    descriptions = _descriptions(loaded) if describe else {}
    for key, value in values.items():
        if key in descriptions:
            output.message(descriptions[key])
        output.message(f"{key} = {'(not set)' if value is None or value == '' else value}")


def schema() -> None:
    """Print the JSON Schema of eddy.toml, for editors that check and complete it.

    Examples
    --------
    eddy config schema
    """
    from eddy.app import output
    from eddy.app.settings import reference

    output.json(reference.schema())


def _descriptions(settings: "Settings") -> dict[str, str]:
    """Return by key what is said above its value."""
    import textwrap

    from eddy.app.settings.reference import settings_of

    texts = {}
    for setting in settings_of(settings.domains):
        has_default = setting.default is not None and setting.default != ""
        default = f"; default {setting.default}" if has_default else ""
        lines = textwrap.wrap(setting.description, 96)
        facts = f"{setting.kind}{default}{settings.origin(setting.key)}"
        texts[setting.key] = "\n".join(["", *(f"# {line}" for line in [*lines, facts])])
    return texts


def _policies(settings: "Settings") -> dict[str, Any]:
    import msgspec

    from eddy.app import wiring

    return {
        domain.name: msgspec.to_builtins(wiring.policy(settings, domain))
        for domain in wiring.chosen_domains(settings)
    }
