"""What each route does."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, TypeVar

from fastapi import Query, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from starlette.responses import Response

from eddy.serving import judging, requests, rows
from eddy.serving.answers import HealthAnswer
from eddy.serving.config import ServingConfig
from eddy.serving.following import Following
from eddy.serving.metrics import ServingMetrics
from eddy.serving.problems import Refused
from eddy.serving.served import Served

A = TypeVar("A", bound=BaseModel)

Name = Annotated[str | None, Query(description="Which model; by default the first.")]


class Service:
    """Answers requests with the models in use; a request uses one model from start to end.

    What may take long, such as a batch from its bytes to those of its answer, runs in threads, so
    that the event loop goes on answering.
    """

    def __init__(self, config: ServingConfig, following: Following, metrics: ServingMetrics):
        self._config = config
        self._following = following
        self._metrics = metrics
        self._threads = ThreadPoolExecutor(config.threads, thread_name_prefix="scoring")

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def model_information(self, name: Name = None) -> Response:
        """Say what there is to know of a model, such as its features in order."""
        return _json(judging.information(self._served(name)))

    async def prediction(self, request: Request, name: Name = None) -> Response:
        """Judge one row of features."""
        served = self._served(name)
        asked = requests.one_row(await _body(request))
        row = rows.of_one(asked, served.features)
        prediction = judging.predict_one(served, row, with_score=asked.score)
        self._metrics.judged(served.ref.name, [prediction.is_inlier])
        return _json(prediction)

    async def predictions(self, request: Request, name: Name = None) -> Response:
        """Judge many rows at once."""
        served = self._served(name)
        body = await _body(request)

        def work() -> Response:
            asked = requests.many_rows(body)
            columns = rows.of_many(asked, served.features, self._config.max_rows)
            answer = judging.predict_many(served, columns, with_score=asked.score)
            self._metrics.batch_rows.observe(len(columns))
            self._metrics.judged(served.ref.name, [one.is_inlier for one in answer.predictions])
            return _json(answer)

        return await self._in_a_thread(work)

    async def explain(self, request: Request, name: Name = None) -> Response:
        """Say why a row has its score: each feature's signed part in it."""
        served = self._served(name)
        row = rows.of_one(requests.one_row(await _body(request)), served.features)
        return await self._in_a_thread(lambda: _json(judging.explain(served, row)))

    async def live(self) -> HealthAnswer:
        """Say that the process answers."""
        return HealthAnswer(ok=True, detail="answers")

    async def ready(self) -> HealthAnswer:
        """Say whether every model is loaded and verified."""
        if missing := self._following.missing:
            raise Refused(503, f"no model yet: {', '.join(missing)}", headers={"Retry-After": "1"})
        return HealthAnswer(ok=True, detail=f"models: {', '.join(self._following.names)}")

    async def metrics(self) -> Response:
        """Show the metrics for Prometheus."""
        return Response(
            generate_latest(self._metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    def _served(self, name: str | None) -> Served:
        wanted = self._following.names[0] if name is None else name
        if wanted not in self._following.names:
            raise Refused(404, f"no such model; there are {', '.join(self._following.names)}")
        served = self._following.served(wanted)
        if served is None:
            raise Refused(503, f"no model yet: {wanted}", headers={"Retry-After": "1"})
        return served

    async def _in_a_thread(self, work: Callable[[], Response]) -> Response:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


async def _body(request: Request) -> bytes:
    """Return the body of a request that says it is JSON."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused(415, "send JSON, with the header Content-Type: application/json")
    return await request.body()


def _json(answer: BaseModel) -> Response:
    # what was not set was not asked for
    return Response(answer.model_dump_json(exclude_unset=True), media_type="application/json")
