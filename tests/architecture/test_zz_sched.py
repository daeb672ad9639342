"""Every command that README and docs show is one the product has, and the quick ones run."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EDDY = "/tmp/w/sched/shim/eddy"
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
        text = help_of(path)
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


def help_of(path: list[str]) -> str:
    while True:
        done = subprocess.run(
            [EDDY, *path, "--help"],
            check=False,
            capture_output=True,
            text=True,
            env={"COLUMNS": "200", "TERM": "dumb", "PATH": "/usr/bin:/bin"},
        )
        if done.returncode == 0:
            return done.stdout
        assert path, done.stderr
        path = path[:-1]
