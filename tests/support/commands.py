"""Commands run within the test's process, as `eddy.app.cli.main` runs them."""

import io
import os
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any
from unittest import mock

from eddy.app import cli, command_line


@dataclass
class Result:
    """What a command printed, and how it ended."""

    exit_code: int
    stdout: str
    stderr: str
    exception: BaseException | None = None

    @property
    def output(self) -> str:
        return self.stdout + self.stderr


def invoke(
    *words: Any, env: Mapping[str, str] | None = None, catch_exceptions: bool = False
) -> Result:
    """Run a command; `catch_exceptions` makes an exception exit code 1 instead of raising it."""
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    code, exception = 0, None
    with (
        mock.patch.dict(os.environ, env or {}),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            code = cli.run([str(word) for word in words])
        except SystemExit as end:
            code = end.code
        except Exception as error:
            if not catch_exceptions:
                raise
            code, exception = 1, error
    return Result(code, _text(out), _text(err), exception)


def parse(*words: str) -> None:
    """Parse a command's words and run nothing; raises where it would be refused."""
    command_line.build().parse_args(words)


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    return stream.buffer.getvalue().decode()
