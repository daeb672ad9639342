"""The service follows the champion, and keeps the last good model."""

import asyncio
import json
import threading
from datetime import UTC, datetime

import pytest

from eddy.models.artefact import encode_parameters
from eddy.models.detectors.fraud.parameters import FraudParameters
from eddy.models.features.names import FEATURES
from eddy.models.registry.manifest import Training
from eddy.serving.following import Following
from eddy.serving.metrics import ServingMetrics
from tests.support.serving_world import (
    NAME,
    World,
    a_registry,
    corrupt,
    linear_model,
    put,
    some_rows,
)

ROW = {"feature_vector": [0.5] * len(FEATURES)}


def version_of(world):
    return world.post("/prediction", ROW).json()["model"]["version"]


def reloads(world, outcome):
    return world.metric("eddy_serving_model_reloads_total", name=NAME, outcome=outcome)


def test_nothing_is_predicted_before_there_is_a_model(tmp_path):
    world = World(tmp_path)
    assert world.ask("GET", "/live").status_code == 200
    for answer in (
        world.ask("GET", "/ready"),
        world.ask("GET", "/model_information"),
        world.post("/prediction", ROW),
        world.post("/predictions", {"feature_vectors": [ROW["feature_vector"]]}),
    ):
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert str(tmp_path) not in answer.text
    assert world.ask("GET", "/openapi.json").status_code == 200
    put(world.registry, linear_model())
    world.following.refresh()
    assert world.ask("GET", "/ready").status_code == 200
    assert version_of(world) == "1"


def test_a_promotion_and_a_rollback_are_taken_up(tmp_path):
    world = World(tmp_path, linear_model(0))
    put(world.registry, linear_model(1), promote=False)
    world.following.refresh()
    assert version_of(world) == "1"
    world.registry.promote(NAME, "2")
    world.following.refresh()
    assert version_of(world) == "2"
    world.registry.rollback(NAME)
    world.following.refresh()
    assert version_of(world) == "1"
    assert reloads(world, "reloaded") == 3


def test_one_model_is_shown_as_in_use(tmp_path):
    world = World(tmp_path, linear_model(0))
    put(world.registry, linear_model(1))
    world.following.refresh()
    shown = world.ask("GET", "/metrics").text.splitlines()
    lines = [line for line in shown if line.startswith("eddy_serving_model_info{")]
    assert len(lines) == 1
    assert 'version="2"' in lines[0]


@pytest.mark.parametrize("damage", ["flipped", "gone", "not what it says"])
def test_the_last_good_model_stays(tmp_path, damage):
    world = World(tmp_path, linear_model(0))
    if damage == "not what it says":
        cut = {**json.loads(encode_parameters(linear_model(1))), "typical": [0.0]}
        training = Training(trained_at=datetime.now(UTC))
        world.registry.register(NAME, json.dumps(cut).encode(), training=training, metrics={})
        world.registry.promote(NAME, "2")
    else:
        put(world.registry, linear_model(1))
        artefact = tmp_path / NAME / "versions" / "2" / "model.json"
        corrupt(tmp_path, "2") if damage == "flipped" else artefact.unlink()
    for _ in range(3):
        world.following.refresh()
    assert version_of(world) == "1"
    assert world.ask("GET", "/ready").status_code == 200
    assert reloads(world, "refused") == 1
    put(world.registry, linear_model(2))
    world.following.refresh()
    assert version_of(world) == "3"


def test_a_model_that_does_not_score_is_not_taken(tmp_path):
    class Failing(FraudParameters, frozen=True, kw_only=True):
        def opened(self, files):
            scorer = super().opened(files)
            if self.boundary == 0.25:
                scorer.score = None
            return scorer

    world = World(tmp_path, linear_model(0), parameters_type=Failing)
    put(world.registry, linear_model(1, boundary=0.25))
    world.following.refresh()
    assert version_of(world) == "1"
    assert reloads(world, "refused") == 1


def test_the_thread_looks_by_itself_and_ends(tmp_path):
    registry = a_registry(tmp_path)
    following = Following(registry, [NAME], FraudParameters, ServingMetrics(), interval_s=0.02)
    following.start()
    try:
        assert following.missing == [NAME]
        put(registry, linear_model(0))
        wait_for = threading.Event()
        for _ in range(500):
            if not following.missing:
                break
            wait_for.wait(0.02)
        assert following.served(NAME).ref.version == "1"
    finally:
        following.stop()
    assert "following" not in {thread.name for thread in threading.enumerate()}


def test_under_load_every_answer_is_of_one_model(tmp_path):
    """Models change, and some are damaged, while requests run: no answer mixes two of them."""
    world = World(tmp_path, linear_model(0), max_requests=1_000)
    put(world.registry, linear_model(1), promote=False)
    put(world.registry, linear_model(2), promote=False)
    scores = {}
    rows = some_rows(20)
    for version in ("1", "2", "3"):
        model = world.registry.load(NAME, version, FraudParameters)
        scores[model.ref.sha256] = model.parameters.score(rows).tolist()
    body = {"feature_vectors": rows.tolist()}
    stopped = threading.Event()

    def change():
        while not stopped.is_set():
            for version in ("2", "1", "3"):
                world.registry.promote(NAME, version)
                world.following.refresh()
            put(world.registry, linear_model(9), promote=True)
            corrupt(tmp_path, world.registry.versions(NAME)[-1])
            world.following.refresh()

    async def load():
        seen = set()
        async with world.client() as client:
            for _ in range(100):
                asked = [client.post("/predictions", json=body) for _ in range(4)]
                for answer in await asyncio.gather(*asked):
                    told = answer.json()
                    sha256 = told["model"]["sha256"]
                    assert [one["score"] for one in told["predictions"]] == scores[sha256]
                    seen.add(sha256)
        return seen

    changing = threading.Thread(target=change)
    changing.start()
    try:
        seen = asyncio.run(load())
    finally:
        stopped.set()
        changing.join()
    assert len(seen) > 1
    assert reloads(world, "refused") >= 1
