import json

from bench import report, results, targets
from bench.results import ENGINE, Result

ROW = Result(
    case="rides",
    engine=ENGINE,
    guarantee="exactly once",
    events=10,
    events_per_s=812_345.6789,
    cpu_us_per_event=1.23456,
    rss_mib=300.5,
)


def test_the_file_is_a_list_of_objects_without_what_does_not_apply(tmp_path):
    file = tmp_path / "deep" / "results.json"
    results.write([ROW], file)
    assert json.loads(file.read_text()) == [
        {
            "case": "rides",
            "engine": "eddy",
            "guarantee": "exactly once",
            "events": 10,
            "events_per_s": 812_345.679,
            "cpu_us_per_event": 1.235,
            "rss_mib": 300.5,
        }
    ]
    assert not list(tmp_path.rglob("*.partial"))


def test_what_was_written_can_be_read(tmp_path):
    row = Result(case="latency", engine=ENGINE, guarantee="exactly once", p50_ms=1.5, p99_ms=2.5)
    results.write([row], tmp_path / "r.json")
    assert results.read(tmp_path / "r.json") == [row]


def test_a_row_has_a_cell_for_every_column():
    assert len(ROW.cells()) == len(results.COLUMNS)
    assert results.table([ROW]).row_count == 1


def test_the_page_holds_machine_results_targets_and_what_was_skipped():
    verdict = targets.TargetResult("speed", ">= 1", "2", True)
    page = report.markdown([("cores", "2")], [ROW], [verdict], ["Flink SQL: no | network"])
    assert "| cores | 2 |" in page
    assert "| rides | eddy | exactly once |" in page
    assert "| speed | >= 1 | 2 | pass |" in page
    assert "* Flink SQL: no | network" in page
    assert page.count("## ") == 4
