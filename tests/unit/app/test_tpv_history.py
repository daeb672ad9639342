"""``eddy tpv history`` through the command line: files, Athena, a broken run, what it ends with."""

import json
import shlex
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from eddy.app import settings
from eddy.app.domains import domain
from eddy.app.wiring import champion
from eddy.datasets.history.payments.totals import load_totals
from eddy.models.forecasting.warm_start import WarmStart
from eddy.schemas.errors import ConfigError, MissingResource
from eddy.schemas.keys import hash_text
from tests.support.commands import invoke
from tests.unit.datasets.test_payment_history_athena import environment, serve

BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
DAYS = 59  # January and February
CONFIG = '[domains.tpv]\ntimezone = "Europe/Berlin"\n'


def shop(days=DAYS, merchants=("café", "kiosk"), every_h=3):
    hours = np.arange(0, days * 24, every_h)
    rng = np.random.default_rng(4)
    rows = [
        {
            "event_id": f"{name}-{hour}",
            "occurred_at": BEGIN + timedelta(hours=int(hour), minutes=7),
            "merchant_id": name,
            "amount": round(50 * (2 + np.sin(hour / 24 * 2 * np.pi)) * rng.uniform(0.8, 1.2), 2),
            "kind": "sale",
            "status": "approved",
            "count": 1,
            "segment": "food",
            "country": "DE",
        }
        for name in merchants
        for hour in hours
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "eddy.toml").write_text(CONFIG)
    shop().to_parquet(tmp_path / "payments.parquet")
    return tmp_path


def run(*arguments):
    span = ("--from", "2025-01", "--to", "2025-02", "--folder", "history")
    return invoke("tpv", "history", *span, *arguments)


def loaded(*arguments):
    done = run("--json", *arguments)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_files_become_months_and_a_start(here):
    report = loaded("--files", "payments.parquet")
    assert [month["month"] for month in report["months"]] == ["2025-01", "2025-02"]
    assert (report["fetched"], report["merchants"], report["intervals"]) == (2, 2, DAYS * 12)
    start = WarmStart.load(here / report["start"])
    assert start.sha256 == report["sha256"]
    assert start.pairs == [("", ""), ("food", "DE")]
    start.check("Europe/Berlin", 7200)
    assert start.rows_of(np.array([hash_text("café")], np.uint64))[0] >= 0


def test_the_second_run_reads_nothing_and_learns_the_same(here):
    first = loaded("--files", "payments.parquet")
    (here / "payments.parquet").unlink()
    second = loaded("--files", "payments.parquet")
    assert second == first | {"fetched": 0}
    with pytest.raises(MissingResource):
        run("--files", "payments.parquet", "--refresh")


def test_the_end_says_what_to_put_into_the_settings(here):
    done = run("--files", "*.parquet")
    assert done.exit_code == 0
    said = tomllib.loads(done.stdout[done.stdout.index("[domains.tpv]") :])
    assert WarmStart.load(here / said["domains"]["tpv"]["start"]).head.zone == "Europe/Berlin"


def test_totals_for_training_are_those_of_the_payments(here):
    loaded("--files", "payments.parquet")
    totals = load_totals(here / "history")
    frame = shop()
    for place, name in enumerate(totals.merchants):
        amounts = frame[frame.merchant_id == name].amount
        assert np.nansum(totals.net[:, place]) == pytest.approx(amounts.sum())
    assert set(totals.segments) == {("food", "DE")}


def test_athena_gives_the_same_start(here, monkeypatch):
    files = loaded("--files", "payments.parquet")
    server, thread = serve(shop())
    environment(monkeypatch, here, server.url)
    try:
        server.throttled = {"GetQueryExecution": 1}
        athena = ("--athena", "lake.payments", "--output", "s3://results/eddy/")
        report = loaded(*athena, "--region", "eu-central-1", "--work-group", "analysts")
        assert (report["fetched"], report["sha256"]) == (2, files["sha256"])
        asked = len(server.requests)
        assert loaded(*athena, "--region", "eu-central-1")["fetched"] == 0
        assert len(server.requests) == asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        server.engine.close()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((), "--files"),
        (("--files", "a.csv", "--athena", "a.b"), "--files"),
        (("--athena", "payments", "--output", "s3://a/b/"), "DATABASE.TABLE"),
        (("--athena", "lake.payments"), "--output"),
        (("--files", "payments.parquet", "--column", "amount"), "--column"),
        (("--files", "payments.parquet", "--column", "amount=sum"), "sum"),
    ],
)
def test_what_is_wrong_is_named(here, arguments, named):
    with pytest.raises(ConfigError, match=named):
        run(*arguments)


def blocks(language):
    """Return the examples of docs/how-to/history.md in a language."""
    text = (Path(__file__).parents[3] / "docs" / "how-to" / "history.md").read_text()
    return [part.split("```")[0] for part in text.split(f"```{language}\n")[1:]]


def test_the_page_tells_what_runs(here, monkeypatch):
    (here / "payments.parquet").unlink()
    for code in blocks("python"):
        exec(compile(code, "docs/how-to/history.md", "exec"), {})
    server, thread = serve(shop())
    environment(monkeypatch, here, server.url)
    try:
        commands = [b.replace("\\\n", " ") for b in blocks("sh") if b.startswith("eddy ")]
        assert len(commands) == 3
        for command in commands:
            done = invoke(*shlex.split(command)[1:])
            assert done.exit_code == 0, done.output
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        server.engine.close()
    assert tomllib.loads(blocks("toml")[0])["domains"]["tpv"]["start"] == "history/start.eddy"
    assert len(WarmStart.load(here / "history" / "start.eddy")) == 5


def trains(*arguments):
    words = ["train", "tpv", "--history", "history", "--no-network", "--json", *arguments]
    return invoke(*words, env={"COLUMNS": "200"})


def test_a_model_is_trained_from_the_folder(here):
    loaded("--files", "payments.parquet")
    done = trains("--coverage", "0.9", "--false-alarm-rate", "0.0001")
    assert done.exit_code == 0, done.output
    trained = json.loads(done.stdout)
    assert 0 < trained["metrics"]["wape_baseline"] < 1
    model = champion(settings.load(), domain("tpv"))
    assert (model.parameters.coverage, model.parameters.false_alarm_rate) == (0.9, 0.0001)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(["--interval", "3600"], "7200 s in Europe/Berlin"), (["--topic"], "or --history")],
)
def test_a_folder_of_other_intervals_is_refused(here, arguments, named):
    loaded("--files", "payments.parquet")
    with pytest.raises(ConfigError, match=named):
        trains(*arguments)
