"""Who comes in, how much is carried in, and how long it may take."""

import asyncio
import hashlib
import json
import threading

import msgspec
import pytest

from eddy.models.detectors.fraud.parameters import FraudParameters
from eddy.models.features.names import FEATURES
from eddy.serving.tokens import Tokens
from tests.support.serving_world import JSON, NAME, World, linear_model, put, some_rows

D = len(FEATURES)
ROW = {"feature_vector": [0.5] * D}
OTHERS = (
    "GET /model_information",
    "POST /prediction",
    "POST /predictions",
    "POST /explain",
    "GET /metrics",
    "GET /openapi.json",
    "GET /no/such/path",
    "DELETE /prediction",
)


def sha256(token):
    return hashlib.sha256(token.encode()).hexdigest()


def bearer(token):
    return {"authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def closed(tmp_path_factory):
    hashes = f"{sha256('secret')}, {sha256('the next one')}"
    return World(tmp_path_factory.mktemp("models"), linear_model(), token_sha256=hashes)


@pytest.fixture
def slow(tmp_path):
    """A world whose model scores a batch only when it is let."""
    go, scoring = threading.Event(), threading.Event()

    class Slow(FraudParameters, frozen=True, kw_only=True):
        def opened(self, files):
            scorer = super().opened(files)

            class Waiting:
                def __getattr__(self, name):
                    return getattr(scorer, name)

                def score(self, rows):
                    if len(rows) > 1:
                        scoring.set()
                        assert go.wait(timeout=30)
                    return scorer.score(rows)

            return Waiting()

    def world(**settings):
        own = World(tmp_path, linear_model(), parameters_type=Slow, **settings)
        own.go, own.scoring = go, scoring
        return own

    yield world
    go.set()


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize(
    "headers",
    [{}, bearer("wrong"), bearer(""), {"authorization": "Basic secret"},
     {"authorization": "secret"}, bearer(sha256("secret")), {"authorization": "Bearer\xff"}],
)  # fmt: skip
def test_without_a_token_nothing_is_answered(closed, other, headers):
    method, path = other.split()
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    answer = closed.ask(method, path, headers=raw)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("path", ["/live", "/ready"])
def test_probes_are_open(closed, path):
    assert closed.ask("GET", path).status_code == 200


@pytest.mark.parametrize("token", ["secret", "the next one"])
def test_each_token_opens(closed, token):
    assert closed.ask("GET", "/metrics", headers=bearer(token)).status_code == 200
    assert closed.ask("POST", "/prediction", json=ROW, headers=bearer(token)).status_code == 200
    lower = {"authorization": f"bearer {token}"}
    assert closed.ask("GET", "/openapi.json", headers=lower).status_code == 200


def test_no_token_is_asked_for_where_none_is_set():
    assert not Tokens([]).asked_for
    Tokens([]).check(None)


@pytest.mark.parametrize(("path", "limit"), [("/prediction", 2_000), ("/predictions", 4_000)])
def test_a_body_above_the_limit_is_413(tmp_path, path, limit):
    world = World(tmp_path, linear_model(), max_body_bytes=2_000, max_batch_bytes=4_000)
    padding = b" " * (limit - len(json.dumps(ROW)))
    whole = json.dumps(ROW).encode() + padding
    assert world.post(path, whole).status_code in (200, 422)
    told = world.post(path, whole + b" ")
    assert told.status_code == 413
    assert str(limit) in told.json()["detail"]

    async def in_pieces():
        for _ in range(50):
            yield b" " * 100

    async def unannounced():
        async with world.client() as client:
            return await client.post(path, content=in_pieces(), headers=JSON)

    assert asyncio.run(unannounced()).status_code == 413


def test_a_body_that_does_not_come_is_408(tmp_path):
    world = World(tmp_path, linear_model(), request_timeout_s=0.2)

    async def never():
        yield b"{"
        await asyncio.Event().wait()

    async def ask():
        async with world.client() as client:
            return await client.post("/prediction", content=never(), headers=JSON)

    answer = asyncio.run(ask())
    assert answer.status_code == 408
    assert answer.headers["content-type"] == "application/problem+json"


def test_while_a_batch_is_scored_others_are_answered(slow):
    world = slow(max_requests=2)
    batch = {"feature_vectors": some_rows(3).tolist()}

    async def story():
        async with world.client() as client:
            long = asyncio.create_task(client.post("/predictions", json=batch))
            while not world.scoring.is_set():
                await asyncio.sleep(0.01)
            assert (await client.get("/live")).status_code == 200
            assert (await client.post("/prediction", json=ROW)).status_code == 200
            assert not long.done()
            world.go.set()
            assert (await long).status_code == 200

    asyncio.run(story())


def test_more_at_once_than_allowed_are_told_to_come_again(slow):
    world = slow(max_requests=1)
    batch = {"feature_vectors": some_rows(3).tolist()}

    async def story():
        async with world.client() as client:
            long = asyncio.create_task(client.post("/predictions", json=batch))
            while not world.scoring.is_set():
                await asyncio.sleep(0.01)
            busy = await client.post("/prediction", json=ROW)
            assert busy.status_code == 503
            assert busy.headers["retry-after"] == "1"
            for path in ("/live", "/ready", "/metrics"):
                assert (await client.get(path)).status_code == 200
            world.go.set()
            assert (await long).status_code == 200
            assert (await client.post("/prediction", json=ROW)).status_code == 200

    asyncio.run(story())


def test_scoring_that_takes_too_long_is_given_up(slow):
    world = slow(request_timeout_s=0.3)
    answer = world.post("/predictions", {"feature_vectors": some_rows(3).tolist()})
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"


def test_a_request_keeps_its_model_to_the_end(tmp_path):
    world = World(tmp_path, linear_model(0))
    row = some_rows(1)[0].tolist()
    before = world.post("/prediction", {"feature_vector": row}).json()
    has_begun, newer_in_use = asyncio.Event(), asyncio.Event()

    async def body():
        yield b'{"feature_vector": '
        has_begun.set()
        await newer_in_use.wait()
        yield json.dumps(row).encode() + b"}"

    async def story():
        async with world.client() as client:
            under_way = asyncio.create_task(
                client.post("/prediction", content=body(), headers=JSON)
            )
            await has_begun.wait()
            put(world.registry, linear_model(1))
            world.following.refresh()
            newer = await client.post("/prediction", json={"feature_vector": row})
            newer_in_use.set()
            return (await under_way).json(), newer.json()

    held, newer = asyncio.run(story())
    assert held == before
    assert newer["model"]["version"] == "2"
    assert newer["score"] != before["score"]


def test_a_defect_is_500_and_shows_nothing(tmp_path, capsys):
    class Broken(FraudParameters, frozen=True, kw_only=True):
        def opened(self, files):
            scorer = super().opened(files)

            class Raising:
                def __getattr__(self, name):
                    return getattr(scorer, name)

                def score(self, rows):
                    if len(rows) > 1:
                        raise ValueError(f"could not read {rows.tolist()}")
                    return scorer.score(rows)

            return Raising()

    world = World(tmp_path, linear_model(), parameters_type=Broken)
    vectors = [[41111.25] * D] * 2
    answer = world.post("/predictions", {"feature_vectors": vectors})
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    shown = capsys.readouterr()
    assert "request_failed" in shown.err
    assert "41111.25" not in answer.text + shown.err + shown.out


def test_parameters_of_another_kind_are_no_model(tmp_path):
    class Other(msgspec.Struct):
        other: int

    world = World(tmp_path)
    put(world.registry, Other(1))
    world.following.refresh()
    assert world.ask("GET", "/ready").status_code == 503
    assert world.metric("eddy_serving_model_reloads_total", name=NAME, outcome="refused") == 1
