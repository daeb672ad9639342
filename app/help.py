"""The text of ``--help``: one style for every command, plain, as wide as the terminal."""

import inspect
import re
import shutil
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from eddy.app.commands.table import SECTIONS

if TYPE_CHECKING:
    from cyclopts import App

EXIT_CODES = (
    "Exit codes: 0 done, 1 defect, 2 usage or configuration, 3 something is not to be had "
    "(broker, port, disk, file), 4 fenced by another instance, 5 fuse blown, 6 difference found, "
    "7 refused by the promotion gate, 130 interrupted."
)
_WIDEST = 100
_NAMES_WIDTH = 30
_EXAMPLES = re.compile(r"\n\s*Examples\n-+\n(.*)", re.DOTALL)


def overview() -> str:
    """Return the help of ``eddy`` itself; no command is imported for it."""
    parts = [
        "Usage: eddy COMMAND [OPTIONS]",
        "Watches Kafka: scores every event, publishes every anomaly exactly once.",
    ]
    for section, commands in SECTIONS.items():
        lines = _list([(command.name, command.sentence) for command in commands], names_width=12)
        parts.append(f"{section}:\n{lines}")
    parts += [
        _list([("--version", "Show the version."), ("--help", "Show this, or a command's help.")]),
        "Example:\n  eddy demo --duration 60",
        _wrapped(EXIT_CODES),
    ]
    return "\n\n".join(parts) + "\n"


def command_help(words: Sequence[str], app: "App") -> str:
    """Return the help of a command, or of a group of commands.

    Parameters
    ----------
    words : sequence of str
        How it is called.
    """
    name = " ".join(("eddy", *words))
    if app.default_command is None:
        commands = [(child.name[0], first_sentence(child)) for child in app.subapps if child.show]
        return (
            f"Usage: {name} COMMAND [OPTIONS]\n\n{_wrapped(app.help)}\n\nCommands:\n"
            f"{_list(commands)}\n\nExample:\n  {name} {commands[0][0]} --help\n"
        )
    arguments, options = parameters(app)
    usage = " ".join([name, *(_usage_of(argument) for argument in arguments), "[OPTIONS]"])
    paragraphs = re.split(r"\n\s*\n", description(app))
    parts = [f"Usage: {usage}", *map(_wrapped, paragraphs)]
    if arguments:
        rows = [(metavar(argument), sentence(argument)) for argument in arguments]
        parts.append(f"Arguments:\n{_list(rows)}")
    rows = [(names_of(option), sentence(option)) for option in options]
    rows.append(("--help", "Show this."))
    parts.append(f"Options:\n{_list(rows)}")
    parts.append(f"Example:\n  {example(app)}")
    return "\n\n".join(parts) + "\n"


def first_sentence(app: "App") -> str:
    """Return a command's first line, or a group's text."""
    return app.help if app.default_command is None else description(app).partition("\n")[0]


def description(app: "App") -> str:
    """Return a command's docstring without its example."""
    return _EXAMPLES.sub("", inspect.getdoc(app.default_command) or "").strip()


def example(app: "App") -> str:
    """Return a command's example."""
    match = _EXAMPLES.search(inspect.getdoc(app.default_command) or "")
    return "" if match is None else match[1].strip()


def parameters(app: "App") -> tuple[list[Any], list[Any]]:
    """Return a command's positional arguments and its options."""
    shown = [
        argument
        for argument in app.assemble_argument_collection(parse_docstring=False)
        if argument.parse and argument.name != "*"
    ]
    return [argument for argument in shown if argument.index is not None], [
        argument for argument in shown if argument.index is None
    ]


def metavar(argument: Any) -> str:
    """Return what stands for a value: ``N``, ``NUMBER``, ``FILE``, ``TEXT``."""
    if argument.parameter.metavar:
        return str(argument.parameter.metavar)
    if argument.index is not None:
        return str(argument.name).lstrip("-").upper().replace("-", "_")
    if choices := argument.get_choices():
        return "|".join(choices)
    text = str(argument.hint)
    for type_name, shown in (("int", "N"), ("float", "NUMBER"), ("Path", "FILE")):
        if type_name in text:
            return shown
    return "TEXT"


def names_of(argument: Any) -> str:
    """Return an option's names and what stands for its value."""
    positives = [name for name in argument.names if name not in argument.negatives]
    if not argument.is_flag():
        return f"{', '.join(positives)} {metavar(argument)}"
    negatives = argument.parameter.negative or ()
    return "/".join([*positives, *((negatives,) if isinstance(negatives, str) else negatives)])


def sentence(argument: Any) -> str:
    """Return an option's sentence, its bounds and its default."""
    notes = [argument.parameter.help or ""]
    if bounds := bounds_of(argument):
        notes.append(f"[{bounds}]")
    default = argument.field_info.default
    if argument.required:
        notes += ["[required]"] if argument.index is None else []
    elif default not in (None, "") and default is not False and argument.index is None:
        notes.append(f"[default: {'yes' if default is True else default}]")
    return " ".join(notes)


def bounds_of(argument: Any) -> str:
    """Return the bounds of a number in words."""
    for validator in argument.parameter.validator:
        least, most = getattr(validator, "gte", None), getattr(validator, "lte", None)
        if least is not None and most is not None:
            return f"{least} to {most}"
        if least is not None:
            return f"at least {least}"
    return ""


def _usage_of(argument: Any) -> str:
    name = metavar(argument)
    if "list" in str(argument.hint):
        name += "..."
    return name if argument.required else f"[{name}]"


def _width() -> int:
    return min(shutil.get_terminal_size().columns, _WIDEST)


def _wrapped(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), _width(), break_on_hyphens=False)


def _list(rows: Iterable[tuple[str, str]], names_width: int = _NAMES_WIDTH) -> str:
    lines = []
    for name, text in rows:
        lead = f"  {name:<{names_width - 2}}"
        if len(name) > names_width - 4:
            lines.append(f"  {name}")
            lead = " " * names_width
        filled = textwrap.fill(
            text,
            max(_width(), names_width + 20),
            initial_indent=lead,
            subsequent_indent=" " * names_width,
            break_on_hyphens=False,
        )
        lines.append(filled or lead.rstrip())
    return "\n".join(lines)
