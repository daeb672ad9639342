"""What messages and pages tell people to install is what the distribution offers."""

import re
import subprocess
import tomllib
from pathlib import Path

from eddy.schemas.installation import DISTRIBUTION, pip_install

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = set(PROJECT["optional-dependencies"])
FORMER = {"embedded", "training", "networks", "plots", "serving"}
TRACKED = subprocess.run(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
).stdout.split()


def text_of(name: str) -> str:
    path = ROOT / name
    return path.read_text(errors="ignore") if path.is_file() else ""


def test_the_distribution_has_its_name_and_its_licence():
    assert PROJECT["name"] == DISTRIBUTION
    assert PROJECT["license"] == "Apache-2.0"
    licence = (ROOT / "LICENSE").read_text()
    assert "Apache License" in licence
    assert "END OF TERMS AND CONDITIONS" in licence


def test_messages_name_extras_that_exist():
    calls = [
        extra
        for name in TRACKED
        if name.endswith(".py") and not name.startswith("tests/")
        for call in re.findall(r"pip_install\(([^)]*)\)", text_of(name))
        for extra in re.findall(r"['\"]([\w-]+)['\"]", call)
    ]
    assert calls
    assert set(calls) <= EXTRAS - FORMER
    assert pip_install("sandbox", "lake") == f"pip install '{DISTRIBUTION}[sandbox,lake]'"


def test_pages_name_extras_that_exist():
    for name in TRACKED:
        if name == "pyproject.toml" or name.startswith("tests/"):
            continue
        text = text_of(name)
        assert not re.search(r"\beddy\[[a-z]", text), f"{name}: the distribution is {DISTRIBUTION}"
        for extras in re.findall(rf"{DISTRIBUTION}\[([a-z,-]+)\]", text):
            assert set(extras.split(",")) <= EXTRAS - FORMER, name


def test_former_names_of_extras_still_work():
    assert FORMER <= EXTRAS
    for name in FORMER:
        (requirement,) = PROJECT["optional-dependencies"][name]
        assert re.fullmatch(rf"{DISTRIBUTION}\[[a-z-]+\]", requirement)
