"""``eddy config``: whether it is right, and what is in force."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from eddy.app.commands.options import Config, Json

if TYPE_CHECKING:
    from eddy.app.settings import Settings

app = typer.Typer(help="The configuration: file, environment, defaults.", no_args_is_help=True)


@app.command()
def check(config: Config = None) -> None:
    """Check the file, the environment and the domains' policies; exit code 2 names the key."""
    from eddy.app import settings, wiring  # noqa: PLC0415 - keeps --help quick

    chosen = settings.load(config)
    names = [domain.name for domain in wiring.chosen_domains(chosen)]
    _policies(chosen)
    Console().print(f"the configuration is valid; domains: {', '.join(names)}", highlight=False)


@app.command()
def show(
    config: Config = None,
    json: Json = False,
    name: Annotated[
        str, typer.Argument(help="Only settings whose dotted name begins with this.")
    ] = "",
) -> None:
    """Show every setting in force, with the domains' policies; secrets are masked."""
    import msgspec  # noqa: PLC0415 - keeps --help quick

    from eddy.app import settings  # noqa: PLC0415

    chosen = settings.load(config)
    complete = chosen.model_copy(update={"domains": _policies(chosen)})
    found = {key: value for key, value in settings.flatten(complete) if key.startswith(name)}
    console = Console()
    if json:
        console.print_json(msgspec.json.encode(found).decode())
        return
    for key, value in found.items():
        shown = "(not set)" if value is None or value == "" else value
        console.print(f"{key} = {shown}", highlight=False, markup=False, soft_wrap=True)


def _policies(chosen: "Settings") -> dict[str, Any]:
    import msgspec  # noqa: PLC0415 - keeps --help quick

    from eddy.app import wiring  # noqa: PLC0415

    return {
        domain.name: msgspec.to_builtins(wiring.policy(chosen, domain))
        for domain in wiring.chosen_domains(chosen)
    }
