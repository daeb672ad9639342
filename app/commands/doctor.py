"""``eddy doctor``: what is missing, and what to do about it."""

from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.text import Text

from eddy.app.commands.options import Bootstrap, Config, Json
from eddy.schemas.errors import ConfigError

if TYPE_CHECKING:
    from eddy.app.inspect.diagnosis import DoctorCheck

FAILED = 3
_MARKS = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "bold red")}


def doctor(config: Config = None, bootstrap_servers: Bootstrap = None, json: Json = False) -> None:
    """Look at everything a detector needs, a line each; exit code 3 where something fails.

    Warnings are about what costs speed or comfort only. Nothing is changed, but for one small
    object under <group>.doctor where checkpoints go to a bucket.
    """
    import msgspec  # noqa: PLC0415 - keeps --help quick

    from eddy.app import settings  # noqa: PLC0415
    from eddy.app.inspect import diagnosis  # noqa: PLC0415

    console = Console()
    done = []
    try:
        chosen = settings.load(config, {"kafka.bootstrap_servers": bootstrap_servers})
        for check in diagnosis.diagnose(chosen):
            done.append(check)
            if not json:
                console.print(_line(check), soft_wrap=True)
    except ConfigError as error:
        done.append(diagnosis.explain_settings(error))
        if not json:
            console.print(_line(done[-1]), soft_wrap=True)
    if json:
        console.print_json(msgspec.json.encode(done).decode())
    if any(check.outcome == "fail" for check in done):
        raise typer.Exit(FAILED)


def _line(check: "DoctorCheck") -> Text:
    mark, style = _MARKS[check.outcome]
    text = Text(f"{mark} ", style).append(f"{check.name:<14}", "bold").append(check.detail)
    return text.append(f"\n  → {check.advice}", style) if check.advice else text
