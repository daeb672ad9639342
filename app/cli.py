"""The command line. Exit codes: see `eddy.schemas.errors`; 130 when interrupted."""

import sys
from collections.abc import Sequence

from eddy.schemas.errors import EddyError

INTERRUPTED = 130
USAGE = 2
_HELP = ("--help", "-h")


def main() -> None:
    """Run the command line; every error on purpose becomes one line and its exit code."""
    try:
        sys.exit(run(sys.argv[1:]))
    except EddyError as error:
        _print_error(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def run(words: Sequence[str]) -> int:
    """Run a command and return its exit code.

    Raises
    ------
    EddyError
        What went wrong; its exit code is the command's.
    """
    if not words or words[0] in _HELP:
        from eddy.app import help as help_text  # noqa: PLC0415 - nothing else is needed for it

        sys.stdout.write(help_text.overview())
        return 0 if words else USAGE
    if words[0] == "--version":
        sys.stdout.write(f"eddy {version()}\n")
        return 0
    from eddy.app import command_line  # noqa: PLC0415 - the library of the command line

    return command_line.run(words)


def version() -> str:
    """Return the version that is installed."""
    from importlib import metadata  # noqa: PLC0415 - only for this

    from eddy.schemas.installation import DISTRIBUTION  # noqa: PLC0415

    return metadata.version(DISTRIBUTION)


def _print_error(text: str) -> None:
    from eddy.app import output  # noqa: PLC0415 - only where something went wrong

    output.error(text)
