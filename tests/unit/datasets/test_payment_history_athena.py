"""History from Athena: the real client against a server that speaks Athena's API, and S3's.

The server runs the queries it gets in DuckDB, where the three functions that only Athena has are
written in terms of its own; so the SQL that is shipped is run, and compared with pandas.
"""

import csv
import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import duckdb
import pytest

from eddy.datasets.history.payments.athena import AthenaHistory, AthenaTable
from eddy.datasets.history.payments.query import Naming
from eddy.models.windows.clock import WindowClock
from eddy.schemas.errors import ConfigError, MissingResource, Unavailable
from tests.unit.datasets.test_payment_history import HOUR_US, PLAIN, bounds, check, payments, within

TABLE = AthenaTable("lake", "payments", "s3://results/eddy/", region="eu-central-1", poll_s=0.01)
CLOCK = WindowClock(2 * HOUR_US, "Europe/Berlin")


class AthenaServer(ThreadingHTTPServer):
    """Queries by id, their results, and what to answer instead."""

    daemon_threads = True

    def __init__(self, frame):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.engine = duckdb.connect()
        self.engine.execute("SET TimeZone = 'UTC'; CREATE SCHEMA lake")
        self.engine.execute("CREATE TABLE lake.payments AS SELECT * FROM frame")
        for macro in (
            "to_unixtime(t) AS epoch(t)",
            "from_unixtime(s) AS to_timestamp(s)",
            "from_iso8601_timestamp(t) AS CAST(t AS TIMESTAMPTZ)",
        ):
            self.engine.execute(f"CREATE MACRO {macro}")
        self.lock = threading.Lock()
        self.results, self.requests, self.polls = {}, [], {}
        self.throttled = {}  # operation -> how many calls are still to be refused
        self.failure = None  # what every query fails with
        self.cut = 0  # how many results are still to be cut short

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def run(self, request):
        number = f"query-{len(self.results)}"
        text = request["QueryString"]
        for value in request.get("ExecutionParameters", ()):
            text = text.replace("?", value, 1)
        cursor = None if self.failure else self.engine.execute(text)
        self.results[number] = cursor and ([c[0] for c in cursor.description], cursor.fetchall())
        self.polls[number] = 0
        return {"QueryExecutionId": number}

    def execution(self, request):
        number = request["QueryExecutionId"]
        self.polls[number] += 1
        status = {"State": "RUNNING" if self.polls[number] == 1 else "SUCCEEDED"}
        if self.failure and status["State"] == "SUCCEEDED":
            status = {"State": "FAILED"} | self.failure
        return {
            "QueryExecution": {
                "QueryExecutionId": number,
                "Query": "SELECT",
                "StatementType": "DML",
                "Status": status,
                "ResultConfiguration": {"OutputLocation": f"s3://results/eddy/{number}.csv"},
            }
        }

    def page(self, request):
        names, rows = self.results[request["QueryExecutionId"]]
        columns = [{"Name": name, "Type": "varchar"} for name in names]
        first = [[{"VarCharValue": str(cell)} for cell in row] for row in (names, *rows[:9])]
        return {
            "ResultSet": {
                "Rows": [{"Data": row} for row in first],
                "ResultSetMetadata": {"ColumnInfo": columns},
            }
        }

    def file(self, path):
        names, rows = self.results[path.rsplit("/", 1)[1].removesuffix(".csv")]
        text = io.StringIO()
        plain = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
        plain.writerow(names)
        for row in rows:
            cells = ["" if c is None else '"' + str(c).replace('"', '""') + '"' for c in row]
            text.write(",".join(cells) + "\n")
        return text.getvalue().encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        operation = self.headers["X-Amz-Target"].removeprefix("AmazonAthena.")
        server = self.server
        with server.lock:
            server.requests.append((operation, body))
            if server.throttled.get(operation, 0) > 0:
                server.throttled[operation] -= 1
                refused = {"__type": "ThrottlingException", "message": "Rate exceeded"}
                return self._say(400, json.dumps(refused).encode())
            answer = {
                "StartQueryExecution": server.run,
                "GetQueryExecution": server.execution,
                "GetQueryResults": server.page,
            }[operation]
            return self._say(200, json.dumps(answer(body)).encode())

    def do_GET(self):
        with self.server.lock:
            body = self.server.file(self.path.split("?")[0])
            is_cut = self.server.cut > 0
            self.server.cut -= 1
        self._say(200, body, kept=len(body) // 2 if is_cut else None)

    def _say(self, status, body, kept=None):
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:kept])
        self.close_connection = kept is not None

    def log_message(self, *_):
        pass


def serve(frame):
    server = AthenaServer(frame)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    return server, thread


def environment(monkeypatch, tmp_path, url):
    for name, value in {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def frame():
    return payments()


@pytest.fixture
def athena(frame, monkeypatch, tmp_path):
    server, thread = serve(frame)
    environment(monkeypatch, tmp_path, server.url)
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
    server.engine.close()


def history(naming=PLAIN, table=TABLE):
    return AthenaHistory(table, CLOCK, naming)


def test_sums_are_those_of_pandas(athena, frame):
    totals = history().interval_totals(*bounds(CLOCK))
    check(totals, within(frame, CLOCK, *bounds(CLOCK)))
    assert set(totals["segment"].to_pylist()) == {"grocery"}


def test_work_group_output_and_parameters_reach_athena(athena):
    table = AthenaTable("lake", "payments", "s3://results/eddy/", "analysts", "eu-west-1", poll_s=0)
    history(table=table).interval_totals(*bounds(CLOCK))
    operation, request = athena.requests[0]
    assert operation == "StartQueryExecution"
    assert request["WorkGroup"] == "analysts"
    assert request["ResultConfiguration"]["OutputLocation"] == "s3://results/eddy/"
    assert "'approved'" in request["ExecutionParameters"]
    assert "approved'" not in request["QueryString"]


def test_columns_that_are_called_otherwise_or_absent(athena, frame):
    athena.engine.execute("ALTER TABLE lake.payments RENAME amount TO total_amount")
    athena.engine.execute("ALTER TABLE lake.payments DROP country")
    naming = Naming({"amount": "total_amount", "country": ""}, {})
    totals = history(naming).interval_totals(*bounds(CLOCK))
    check(totals, within(frame, CLOCK, *bounds(CLOCK)))
    assert totals["country"].null_count == len(totals)


def test_times_that_are_text(athena, frame):
    athena.engine.execute(
        "ALTER TABLE lake.payments ALTER occurred_at TYPE VARCHAR "
        "USING strftime(occurred_at, '%Y-%m-%dT%H:%M:%S.%fZ')"
    )
    table = AthenaTable("lake", "payments", TABLE.output, None, "eu-west-1", "text", 0.01)
    totals = history(table=table).interval_totals(*bounds(CLOCK))
    check(totals, within(frame, CLOCK, *bounds(CLOCK)))


def test_throttled_calls_are_made_again(athena, frame):
    athena.throttled = {
        "StartQueryExecution": 2,
        "GetQueryExecution": 1,
        "GetQueryResults": 1,
    }
    totals = history().interval_totals(*bounds(CLOCK))
    check(totals, within(frame, CLOCK, *bounds(CLOCK)))
    starts = [op for op, _ in athena.requests if op == "StartQueryExecution"]
    assert len(starts) == 3
    assert len(athena.results) == 1  # ... and only one query was run, and paid for


def test_throttling_without_end_is_unavailable(athena, monkeypatch):
    monkeypatch.setattr("eddy.datasets.history.payments.athena._CALL_ATTEMPTS", 2)
    athena.throttled = {"StartQueryExecution": 99}
    with pytest.raises(Unavailable, match="Rate exceeded"):
        history().interval_totals(*bounds(CLOCK))
    assert len(athena.requests) == 2


def test_a_query_that_failed_tells_its_reason(athena):
    reason = "COLUMN_NOT_FOUND: line 4:14: Column 'amount' cannot be resolved"
    athena.failure = {"StateChangeReason": reason, "AthenaError": {"Retryable": False}}
    with pytest.raises(ConfigError, match="Column 'amount' cannot be resolved"):
        history().interval_totals(*bounds(CLOCK))


def test_a_query_that_athena_calls_retryable_is_unavailable(athena):
    athena.failure = {
        "StateChangeReason": "Query exhausted resources at this scale factor",
        "AthenaError": {"ErrorCategory": 1, "Retryable": True},
    }
    with pytest.raises(Unavailable, match="exhausted"):
        history().interval_totals(*bounds(CLOCK))


def test_a_result_that_breaks_off_is_unavailable(athena, frame):
    athena.cut = 1
    with pytest.raises(Unavailable):
        history().interval_totals(*bounds(CLOCK))
    totals = history().interval_totals(*bounds(CLOCK))
    check(totals, within(frame, CLOCK, *bounds(CLOCK)))


def test_no_answer_no_region_and_no_credentials(athena, monkeypatch):
    monkeypatch.setattr("eddy.datasets.history.payments.athena._CALL_ATTEMPTS", 1)
    with pytest.raises(ConfigError, match="region"):
        history(table=AthenaTable("lake", "payments", TABLE.output)).interval_totals(0, HOUR_US * 2)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(MissingResource, match="credentials"):
        history().interval_totals(*bounds(CLOCK))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(Unavailable, match="does not answer"):
        history().interval_totals(*bounds(CLOCK))


@pytest.mark.parametrize(
    ("database", "table", "output"),
    [
        ('lake"; DROP', "payments", "s3://a/b/"),
        ("lake", "pay.ments", "s3://a/b/"),
        ("lake", "payments", "a/b"),
    ],
)
def test_what_is_no_name_or_place_is_refused(database, table, output):
    with pytest.raises(ConfigError):
        AthenaTable(database, table, output)
