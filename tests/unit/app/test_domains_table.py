"""The table of domains: its own, and those that installed packages give."""

import subprocess
import sys
from pathlib import Path

import pytest

from eddy.app import domains
from eddy.app.domains import domain_names, domain_row
from eddy.schemas.errors import ConfigError

ROW = """
from dataclasses import replace
from eddy.app.domains.row import DomainRow
from eddy.app.domains.rides import ROW as RIDES
ROW = DomainRow(replace(RIDES.domain, name="buses"))
NO_ROW = 1
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Give a function that installs a package with entry points; it is gone after the test."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(points: str, package: str = "city") -> None:
        (tmp_path / f"{package}.py").write_text(ROW)
        folder = tmp_path / f"{package}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(f"[{domains.GROUP}]\n{points}\n")
        domains._installed.cache_clear()
        domain_row.cache_clear()

    yield install
    domains._installed.cache_clear()
    domain_row.cache_clear()
    sys.modules.pop("city", None)
    sys.modules.pop("town", None)


def test_a_package_gives_a_domain(install):
    install("buses = city:ROW")
    assert domain_names() == (*domains.BUILT_IN, "buses")
    assert domain_row("buses").name == "buses"
    assert [row.name for row in domains.domain_rows()] == list(domain_names())


def test_a_row_without_a_reader_says_so(install):
    install("buses = city:ROW")
    with pytest.raises(ConfigError, match="buses: there is no reader of files"):
        domain_row("buses").file_reader()


@pytest.mark.parametrize(
    ("points", "name", "message"),
    [
        ("rides = city:ROW", "rides", "also given by city"),
        ("buses = city:NO_ROW", "buses", "city:NO_ROW of city is no row of this name"),
        ("trams = city:ROW", "trams", "city:ROW of city is no row of this name"),
        ("buses = city:NOTHING", "buses", "'buses' of city: .*NOTHING"),
        ("buses = no_such_module:ROW", "buses", "'buses' of city: .*no_such_module"),
        ("buses = city:ROW", "trams", "there are rides, transactions, tpv, buses"),
    ],
)
def test_what_is_wrong_with_a_package_is_named(install, points, name, message):
    install(points)
    with pytest.raises(ConfigError, match=message):
        domain_row(name)


def test_two_packages_of_one_domain_are_refused(install):
    install("buses = city:ROW")
    install("buses = town:ROW", "town")
    with pytest.raises(ConfigError, match="also given by (city, town|town, city)"):
        domain_row("buses")


def test_a_detector_imports_nothing_of_files_simulation_and_training():
    code = (
        "import sys\n"
        "from eddy.app import wiring\n"
        "from eddy.app.domains import domain_rows\n"
        "from eddy.app.settings import Settings\n"
        "from eddy.streams.metrics import Metrics\n"
        "import eddy.streams.process\n"
        "names = {row.name: {} for row in domain_rows()}\n"
        "wiring.wire(Settings(domains=names), Metrics())\n"
        "rooms = ('eddy.datasets', 'eddy.training', 'eddy.lake.catalog')\n"
        "heavy = ('pyarrow', 'sklearn', 'skops', 'keras', 'duckdb', 'mlflow', 'river')\n"
        "print([name for name in sys.modules if name.startswith(rooms) or name in heavy])\n"
    )
    folder = Path(__file__).parents[3]
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
    )
    assert shown.stdout.splitlines()[-1] == "[]"
