"""The wheel: one top-level package that neither breaks others nor is broken by them."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = {
    *("app", "datasets", "deploy", "lake", "models"),
    *("sandbox", "schemas", "serving", "streams", "training"),
}
DATA = (".txt", ".properties", ".sql", ".typed")
"""Suffixes of files beside the code that it reads when it runs."""
BUILD = "import sys; from setuptools import build_meta as b; print(getattr(b, sys.argv[1])('dist'))"
HOSTILE = "raise RuntimeError('this is no module of Eddy')\n"


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a command without the tree of this test on its path; return what it printed."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("EDDY_", "PYTHON", "COV_"))
    }
    result = subprocess.run(
        command,
        cwd=cwd,
        env=clean | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
    return result.stdout


def build(kind: str, folder: Path) -> Path:
    """Build in a folder by the backend of pyproject.toml; return the file."""
    name = run(sys.executable, "-c", BUILD, kind, cwd=folder).splitlines()[-1]
    return folder / "dist" / name


@pytest.fixture(scope="module")
def tracked() -> list[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in names.stdout.splitlines() if os.path.lexists(ROOT / name)]


@pytest.fixture(scope="module")
def sdist(tracked, tmp_path_factory) -> Path:
    """Build the sdist from a copy of the tree, links as links."""
    folder = tmp_path_factory.mktemp("tree")
    for name in tracked:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    return build("build_sdist", folder)


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory) -> Path:
    """Build the wheel from the sdist, as a package index would."""
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (tree,) = folder.iterdir()
    return build("build_wheel", tree)


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory) -> Path:
    """Make an environment with the wheel; third-party packages are those of this process."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    install(folder, wheel)
    install(folder, hostile_wheel(folder))
    # a path in a .pth brings no further .pth: Eddy's editable installation stays outside
    (packages(folder) / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    bring_machine_code(packages(folder) / "eddy")
    return folder


def bring_machine_code(package: Path) -> None:
    """Copy what numba compiled for this tree: compiling it again takes a minute and shows nothing.

    numba takes it where a source's text, size and time are those it was compiled from.
    """
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            installed = package / path.relative_to(ROOT)
            if installed.is_file() and installed.stat().st_size == path.stat().st_size:
                shutil.copystat(path, installed)
        for path in (ROOT / room).rglob("__pycache__/*.nb[ic]"):
            target = package / path.relative_to(ROOT)
            target.parent.mkdir(exist_ok=True)
            shutil.copy2(path, target)


def packages(environment: Path) -> Path:
    (folder,) = environment.glob("lib/python*/site-packages")
    return folder


def pip(environment: Path, *arguments: str | Path) -> None:
    python = environment / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, *arguments, cwd=environment)


def install(environment: Path, wheel: Path) -> None:
    pip(environment, "install", "--quiet", "--no-deps", "--no-index", "--no-compile", wheel)


def hostile_wheel(folder: Path) -> Path:
    """Write a wheel that ships a top-level ``models``, as others do."""
    path = folder / "models_of_others-1.0-py3-none-any.whl"
    info = "models_of_others-1.0.dist-info"
    files = {
        "models/__init__.py": "OWNER = 'others'\n",
        "models/domains.py": HOSTILE,
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: models-of-others\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in (files | {f"{info}/RECORD": record}).items():
            archive.writestr(name, text)
    return path


@pytest.fixture
def folder(tmp_path) -> Path:
    """Return a working folder whose modules are called like Eddy's rooms."""
    for room in ROOMS:
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").write_text(HOSTILE)
    (tmp_path / "models" / "domains.py").write_text(HOSTILE)
    return tmp_path


def test_the_wheel_holds_one_package_with_real_files(wheel, tracked):
    with zipfile.ZipFile(wheel) as archive:
        entries = [info for info in archive.infolist() if ".dist-info/" not in info.filename]
        licence = [name for name in archive.namelist() if name.endswith("licenses/LICENSE")]
    assert {entry.filename.split("/")[0] for entry in entries} == {"eddy"}
    assert not [entry.filename for entry in entries if entry.external_attr >> 28 == 0o12]
    names = {entry.filename for entry in entries}
    of_rooms = [name for name in tracked if name.split("/")[0] in ROOMS]
    wanted = {f"eddy/{name}" for name in of_rooms if name.endswith((".py", *DATA))}
    wanted |= {"eddy/__init__.py", "eddy/__main__.py", "eddy/py.typed"}
    wanted -= {name for name in wanted if name.startswith("eddy/deploy/") and name[-3:] != ".py"}
    assert names == wanted
    assert licence


def test_the_sdist_holds_real_files_and_the_licence(sdist):
    with tarfile.open(sdist) as archive:
        members = archive.getmembers()
    assert not [member.name for member in members if member.issym() or member.islnk()]
    names = {member.name.partition("/")[2] for member in members}
    assert {"LICENSE", "README.md", "pyproject.toml", "eddy/py.typed"} <= names


def test_the_metadata_says_what_it_is(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("METADATA")]
        metadata = archive.read(name).decode()
    assert "Name: eddy-stream\n" in metadata
    assert "License-Expression: Apache-2.0\n" in metadata
    assert "Requires-Python: >=3.11\n" in metadata
    assert "Provides-Extra: lake\n" in metadata


def test_it_runs_beside_modules_called_like_its_rooms(environment, folder):
    binary = environment / "bin"
    source = run(binary / "python", "-c", "import eddy; print(eddy.__file__)", cwd=folder)
    assert Path(source.strip()).is_relative_to(environment)
    assert run(binary / "eddy", "--version", cwd=folder).startswith("eddy 0.")
    for command in ([binary / "eddy"], [binary / "python", "-m", "eddy"]):
        run(*command, "config", "check", cwd=folder)


def test_it_judges_beside_modules_called_like_its_rooms(environment, folder):
    example = folder / "score_rides.py"  # beside it, so that this folder is first on the path
    example.write_bytes((ROOT / "docs/examples/score_rides.py").read_bytes())
    assert "60 anomalies" in run(environment / "bin" / "python", example, cwd=folder)


@pytest.mark.parametrize("leaving", ["eddy-stream", "models-of-others"])
def test_uninstalling_either_leaves_the_other_whole(wheel, tmp_path, leaving):
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path, cwd=tmp_path)
    others = hostile_wheel(tmp_path)
    install(tmp_path, wheel)
    alone = files(packages(tmp_path))
    install(tmp_path, others)
    both = files(packages(tmp_path))
    pip(tmp_path, "uninstall", "--quiet", "--yes", leaving)
    remaining = alone if leaving == "models-of-others" else both - alone
    assert files(packages(tmp_path)) == remaining


def files(folder: Path) -> set[Path]:
    """Return the files in a folder, without what Python compiled."""
    return {path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}
