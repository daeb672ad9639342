"""Every command that README and docs show is one the product has, and the quick ones run."""

import os
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path
from unittest import mock

import pytest

from eddy.app import command_line
from eddy.app import help as help_text
from eddy.app.commands.table import SECTIONS
from tests.support.commands import invoke, parse

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"```(?:sh|bash|console)\n(.*?)```", re.DOTALL)


def shown() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        for block in FENCE.findall(page.read_text()):
            for line in block.replace("\\\n", " ").splitlines():
                command = line.split("#")[0].removeprefix("$ ").strip()
                if command:
                    found.append((str(page.relative_to(ROOT)), command))
    return found


@pytest.mark.parametrize(("page", "command"), shown())
def test_shown_commands_exist(page, command):
    """`make` targets are dry-run; `eddy` commands and their options must be in its help."""
    words = shlex.split(re.sub(r"^(\w+=\S+ )+", "", command))
    if words[0] == "make":
        dry = ["make", "-n", *words[1:]]
        done = subprocess.run(dry, cwd=ROOT, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    elif words[0].endswith("eddy"):
        path = []
        for word in words[1:]:
            if word.startswith("-") or not re.fullmatch(r"[a-z-]+", word):
                break
            path.append(word)
        text = help_of(*path)
        for option in (word.split("=")[0] for word in words if word.startswith("--")):
            assert option in text, f"{page}: {option}"
    else:
        assert words[0] in {
            "git",
            "python",
            "python3",
            "curl",
            "cd",
            "export",
            ".venv/bin/python",
        }, page


@cache
def help_of(*path: str) -> str:
    """Return the help of the longest path that is a command."""
    with mock.patch.dict(os.environ, {"COLUMNS": "200"}):
        shown = invoke(*path, "--help")
    if shown.exit_code == 0:
        return shown.stdout
    assert path, shown.stderr
    return help_of(*path[:-1])


def commands(app, path=()):
    """Yield every command that does something, with its path."""
    if app.default_command is not None:
        yield path, app
    for child in app.subapps:
        if child.show:  # an alias shows the example of the command it stands for
            yield from commands(child, (*path, child.name[0]))


COMMANDS = dict(commands(command_line.build()))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_the_help_of_every_command_has_one_sentence_and_an_example_that_parses(path):
    app = COMMANDS[path]
    assert help_text.first_sentence(app).endswith(".")
    example = shlex.split(help_text.example(app))
    assert example[: len(path) + 1] == ["eddy", *path]
    parse(*example[1:])


def test_the_overview_says_what_the_commands_say():
    for section in SECTIONS.values():
        for command in section:
            app = command_line.build()[command.name]
            assert help_text.first_sentence(app) == command.sentence


def test_markup_is_shown_as_it_is():
    assert "[domains.tpv]" in help_of("tpv", "history")


@pytest.mark.parametrize("words", [(), ("lake",)])
def test_a_command_that_is_missing_is_asked_for(words):
    shown = invoke(*words)
    assert shown.exit_code == 2
    assert "Usage: eddy" in shown.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nope",), "nope"),
        (("tail", "--nope"), "--nope"),
        (("tail", "--limit", "0"), "--limit"),
        (("tail", "--limit", "x"), "--limit"),
        (("explain",), "ANOMALY_ID"),
        (("tail", "--no-json"), "--no-json"),
    ],
)
def test_what_cannot_be_parsed_is_exit_code_2(words, message):
    shown = invoke(*words)
    assert shown.exit_code == 2
    assert message in shown.stderr
    assert shown.stderr.splitlines()[-1].startswith("Try 'eddy ")


def test_the_version_is_said():
    assert re.fullmatch(r"eddy \d+\.\d+\.\d+\n", invoke("--version").stdout)


@pytest.mark.parametrize("words", [["--help"], ["tail", "--help"]])
def test_help_is_quick(words):
    """Nothing heavy is imported for it."""
    code = (
        "import sys; sys.argv = ['eddy', *sys.argv[1:]]\n"
        "from eddy.app.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = {'numba', 'numpy', 'confluent_kafka', 'rich', 'pydantic', 'structlog'}\n"
        "sys.stderr.write(' '.join(sorted(heavy & sys.modules.keys())))"
    )
    command = [sys.executable, "-c", code, *words]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.startswith("Usage: eddy")
    assert done.stderr == ""
