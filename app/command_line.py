"""The commands as the library of the command line reads them: parsed, then called."""

import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from eddy.app import help as help_text
from eddy.app.commands.options import DEFAULTS
from eddy.app.commands.table import SECTIONS

USAGE = 2
_HELP = frozenset(("--help", "-h"))


def build() -> App:
    """Return the command line; commands are imported when they are called."""
    app = App(
        name="eddy",
        default_parameter=DEFAULTS,
        help_flags=(),
        version_flags=(),
        result_action="return_value",
        exit_on_error=False,
        print_error=False,
        suppress_keyboard_interrupt=False,
    )
    for commands in SECTIONS.values():
        for command in commands:
            app.command(command.target, name=command.name)
    return app


def run(words: Sequence[str]) -> int:
    """Run a command and return its exit code."""
    app = build()
    if words[0] in ("--install-completion", "--show-completion"):
        return _completion(app, install=words[0] == "--install-completion")
    options = words[: words.index("--")] if "--" in words else words
    asks_help = not _HELP.isdisjoint(options)
    try:
        path, apps, rest = app.parse_commands([word for word in words if word not in _HELP])
        if asks_help and path:
            sys.stdout.write(help_text.command_help(path, apps[-1]))
            return 0
        if path and apps[-1].default_command is None and not rest:
            sys.stdout.write(help_text.command_help(path, apps[-1]))
            return USAGE
        return app(words) or 0
    except CycloptsError as error:
        return _usage_error(error)


def _usage_error(error: CycloptsError) -> int:
    from eddy.app import output  # noqa: PLC0415 - only where something went wrong

    path = " ".join(error.command_chain or ())
    output.error(str(error))
    output.message(f"Try 'eddy {path} --help'." if path else "Try 'eddy --help'.", aside=True)
    return USAGE


def _completion(app: App, *, install: bool) -> int:
    if install:
        print(f"completion installed in {app.install_completion()}")
    else:
        print(app.generate_completion())
    return 0
