import pytest
from rich.console import Console

from eddy.app.demo.panels import clock, ratio
from eddy.app.demo.view import DemoFrame, DemoSummary, Page, plain
from eddy.app.demo.watch import LatestAnomalies
from eddy.app.inspect.scrape import Scrape
from eddy.app.simulate.tally import Score
from tests.unit.app.samples import anomaly
from tests.unit.app.test_demo_payments_view import PAYMENT_SUMMARY, PAYMENTS
from tests.unit.app.test_demo_transactions import FIGURES, TRANSACTION_SUMMARY

SCORE = Score(injected=92, found=90, flagged=131, precision=0.69, recall=0.978)


def frame(**changes):
    fields = {
        "broker": "127.0.0.1:9092",
        "config": ".eddy/demo/eddy.toml",
        "elapsed_s": 83.9,
        "left_s": 36.1,
        "sent": 46_512,
        "malformed": 87,
        "events_per_s": 2_004.4,
        "warming": 4_000,
        "scrape": Scrape(
            consumed=46_000, judged=45_990, anomalies=131, lag=12, rejected={"empty": 80}
        ),
        "score": SCORE,
        "latest": [(anomaly(), "teleport"), (anomaly(), None)] * 40,
        "payments": PAYMENTS,
        "transactions": FIGURES,
    }
    return DemoFrame(**{**fields, **changes})


def shown(width, height, **changes):
    console = Console(width=width, height=height)
    page = Page()
    page.frame = frame(**changes)
    with console.capture() as capture:
        console.print(page)
    return capture.get().rstrip("\n").splitlines()


@pytest.mark.parametrize(
    ("width", "height"), [(80, 24), (100, 30), (100, 36), (100, 40), (120, 40), (200, 60), (80, 15)]
)
def test_the_page_fits_the_terminal(width, height):
    lines = shown(width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    for part in (
        "2,004",
        "46,512",
        "0.978",
        "0.690",
        "01:23",
        "00:36 left",
        "critical",
        "zone 74",
        "Ctrl-C",
    ):
        assert part in text, part


def test_a_tall_page_shows_open_episodes_with_their_bands():
    text = "\n".join(shown(100, 30))
    for part in ("2026-01-02 06:00", "merchant-0000003", "41↓", "120–480", "drop_out", "0.667"):
        assert part in text, part
    assert "merchant-0000003" not in "\n".join(shown(100, 20))
    assert "found=2/3" in "\n".join(shown(100, 20))


@pytest.mark.parametrize("height", [36, 38, 40, 60])
def test_a_taller_page_shows_flagged_cards_beside_the_others(height):
    lines = shown(100, height)
    text = "\n".join(lines)
    assert len(lines) <= height
    for part in ("0.833", "0.750", "4,321", "card-0000042", "compromised_card", "15/20"):
        assert part in text, part
    assert text.count("merchant-0000003") >= 5
    assert text.count("zone 74") >= 4


def test_a_small_page_tells_of_cards_in_one_line():
    text = "\n".join(shown(120, 35))
    assert "card-0000042" not in text
    assert "found=15/20" in text


def test_a_wide_page_names_what_was_injected():
    text = "\n".join(shown(120, 40))
    assert "teleport" in text
    assert "natural" in text


def test_the_page_before_anything_came():
    empty = Score(injected=0, found=0, flagged=0, precision=None, recall=None)
    text = "\n".join(shown(80, 24, score=empty, scrape=Scrape(), latest=(), left_s=None))
    assert "–" in text
    assert "left" not in text


def test_one_plain_line_for_logs():
    text = plain(frame())
    assert "\n" not in text
    assert "recall=0.978" in text
    assert "lag=12" in text


def test_only_the_latest_are_kept_newest_first():
    latest = LatestAnomalies()
    for n in range(500):
        latest.add(anomaly(event_id=str(n)), None)
    assert latest.items()[0][0].event_id == "499"
    assert len(latest.items()) < 100


def test_words_for_numbers():
    assert (clock(-1), clock(3_600), ratio(None), ratio(1)) == ("00:00", "60:00", "–", "1.000")


def test_the_summary_tells_what_was_missed():
    summary = DemoSummary(
        sent=10,
        judged=7,
        rejected={"empty": 2},
        unaccounted=1,
        warming=3,
        anomalies=2,
        score=SCORE,
        missed={"teleport": 2},
        first_anomaly_s=8.14,
        payments=PAYMENT_SUMMARY,
        transactions=TRANSACTION_SUMMARY,
    )
    console = Console(width=100)
    with console.capture() as capture:
        console.print(summary.table())
    for part in ("2 (empty 2)", "2 (teleport 2)", "8.1 s", "0.978", "7, 3 of them", "1 (dip 1)",
                 "5 (compromised_terminal 5)", "4,321", "3 false alarms"):  # fmt: skip
        assert part in capture.get(), part
