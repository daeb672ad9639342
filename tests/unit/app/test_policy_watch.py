import pytest

from eddy.app import settings
from eddy.app.detection.policy_watch import PolicyWatcher
from eddy.app.domains import domain
from eddy.app.resolution import resolve


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "eddy.toml"
    file.write_text("[domains.tpv]\nmin_relative = 0.2\n")
    return file


def made(domain, file, on_poll):
    return PolicyWatcher(
        resolve(settings.load(file), domain), lambda: resolve(settings.load(file), domain), on_poll
    )


@pytest.fixture
def watcher(file):
    tpv = domain("tpv")
    told = []

    first = settings.load(file)
    watcher = made(tpv, file, told.append)
    watcher.told = told
    watcher.first_hash = resolve(first, tpv).config_hash
    return watcher


def test_an_unchanged_file_changes_nothing(watcher):
    assert watcher.poll() is None
    assert watcher.told == [True]


def test_a_changed_policy_is_taken_up_once(watcher, file):
    file.write_text(
        "[domains.tpv]\nmin_relative = 0.5\n[[domains.tpv.snoozes]]\nmerchants = ['m-1']\n"
        "begin = 2026-01-01T00:00:00Z\nend = 2026-02-01T00:00:00Z\n"
    )
    policy, config_hash = watcher.poll()
    assert policy.min_relative == 0.5
    assert policy.snoozes[0].merchants == ["m-1"]
    assert config_hash != watcher.first_hash
    assert watcher.poll() is None


def test_what_takes_a_restart_is_refused_whole_and_named(watcher, file, capsys):
    file.write_text("[domains.tpv]\nmin_relative = 0.5\ninterval_s = 3600\n")
    assert watcher.poll() is None
    assert watcher.poll() is None
    said = capsys.readouterr().err
    assert said.count("settings_not_taken") == 1
    assert "domains.tpv.interval_s: takes a restart" in said
    assert watcher.told == [False, False]
    file.write_text("[domains.tpv]\nmin_relative = 0.5\n")
    assert watcher.poll()[0].min_relative == 0.5


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[domains.tpv]\nmin_relativ = 0.5\n", "min_relativ"),
        ("[domains.tpv\n", "not TOML"),
        ("[domains.tpv]\nmin_relative = -1\n", "min_relative"),
        (
            "[[domains.tpv.snoozes]]\nbegin = 2026-02-01T00:00:00Z\nend = 2026-01-01T00:00:00Z\n",
            "end: must be after begin",
        ),
    ],
)
def test_bad_settings_are_told_and_change_nothing(watcher, file, text, named, capsys):
    file.write_text(text)
    assert watcher.poll() is None
    assert named in capsys.readouterr().err
    assert watcher.told == [False]


def test_a_domain_that_takes_a_restart_for_all_says_so(file, capsys):
    file.write_text("[domains.rides]\n")
    rides = domain("rides")

    watcher = made(rides, file, lambda _: None)
    file.write_text("[domains.rides]\nwindow_rides = 7777\n")
    assert watcher.poll() is None
    assert "domains.rides.window_rides: takes a restart" in capsys.readouterr().err


def test_a_start_that_is_not_there_is_a_setting_that_takes_a_restart(watcher, file, capsys):
    file.write_text("[domains.tpv]\nmin_relative = 0.2\nstart = '/nowhere/start.eddy'\n")
    assert watcher.poll() is None
    assert "domains.tpv.start: takes a restart" in capsys.readouterr().err
    assert watcher.told == [False]


def test_what_takes_no_restart_costs_no_state(file):
    tpv, rides = domain("tpv"), domain("rides")
    before = settings.load(file)
    file.write_text("[domains.tpv]\nmin_relative = 0.9\n")
    after = settings.load(file)
    file.write_text("[domains.tpv]\nlateness_s = 60.0\n")
    other = settings.load(file)
    assert resolve(before, tpv).config_hash != resolve(after, tpv).config_hash
    assert resolve(before, tpv).state_hash == resolve(after, tpv).state_hash
    assert resolve(before, tpv).state_hash != resolve(other, tpv).state_hash
    assert resolve(before, rides).state_hash == resolve(before, rides).config_hash
