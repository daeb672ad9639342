"""``eddy doctor``: what is missing, and what to do about it."""

from typing import TYPE_CHECKING

from eddy.app.commands.options import JsonFlag, KafkaOptions

if TYPE_CHECKING:
    from rich.text import Text

    from eddy.app.inspect.diagnosis import DoctorCheck

FAILED = 3
_MARKS = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "bold red")}


def doctor(*, source: KafkaOptions = KafkaOptions(), json: JsonFlag = False) -> int:
    """Look at everything a detector needs, a line each; exit code 3 where something fails.

    Warnings are about what costs speed or comfort only. Nothing is changed, but for one small
    object under <group>.doctor where checkpoints go to a bucket.

    Examples
    --------
    eddy doctor
    """
    from eddy.app import output
    from eddy.app.inspect import diagnosis
    from eddy.schemas.errors import ConfigError

    checks = []
    try:
        for check in diagnosis.diagnose(source.load()):
            checks.append(check)
            if not json:
                output.show(_line(check))
    except ConfigError as error:
        checks.append(diagnosis.explain_settings(error))
        if not json:
            output.show(_line(checks[-1]))
    if json:
        output.json(checks)
    return FAILED if any(check.outcome == "fail" for check in checks) else 0


def _line(check: "DoctorCheck") -> "Text":
    from rich.text import Text

    from eddy.app.controls import plain

    mark, style = _MARKS[check.outcome]
    text = Text(f"{mark} ", style).append(f"{check.name:<14}", "bold").append(plain(check.detail))
    return text.append(f"\n  → {plain(check.advice)}", style) if check.advice else text
