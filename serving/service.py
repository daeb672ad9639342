"""The routes."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

import orjson
from fastapi import Query, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from eddy.serving import judging, rows
from eddy.serving.answers import HealthAnswer
from eddy.serving.config import ServingConfig
from eddy.serving.following import Following
from eddy.serving.metrics import ServingMetrics
from eddy.serving.problems import RequestRefused
from eddy.serving.requests import ManyRows, OneRow, json_bytes, parse
from eddy.serving.served import Served

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

    async def model_information(self, name: Name = None) -> Response:
        """Describe a model: its version, its features in order, its boundary and metrics."""
        return _json(judging.information(self._served(name)))

    async def prediction(self, request: Request, name: Name = None) -> Response:
        """Judge one row of features."""
        served = self._served(name)
        body = parse(OneRow, await json_bytes(request))
        row = rows.of_one(body, served.features)
        prediction = judging.predict_one(served, row, with_score=body.score)
        self._metrics.judged(served.ref.name, [prediction["is_inlier"]])
        return _json(prediction)

    async def predictions(self, request: Request, name: Name = None) -> Response:
        """Judge many rows at once."""
        served = self._served(name)
        content = await json_bytes(request)

        def judge() -> Response:
            body = parse(ManyRows, content)
            columns = rows.of_many(body, served.features, self._config.max_rows)
            answer = judging.predict_many(served, columns, with_score=body.score)
            verdicts = answer["predictions"]
            self._metrics.batch_rows.observe(len(columns))
            self._metrics.judged(served.ref.name, [verdict["is_inlier"] for verdict in verdicts])
            return _json(answer)

        return await self._in_a_thread(judge)

    async def explain(self, request: Request, name: Name = None) -> Response:
        """Explain a row's score: each feature's signed contribution to it."""
        served = self._served(name)
        row = rows.of_one(parse(OneRow, await json_bytes(request)), served.features)
        return await self._in_a_thread(lambda: _json(judging.explain(served, row)))

    async def live(self) -> Response:
        """Say that the process answers."""
        return _json(HealthAnswer(ok=True, detail="answers"))

    async def ready(self) -> Response:
        """Say whether every model is loaded and verified."""
        if missing := self._following.missing:
            raise RequestRefused(
                503, f"no model yet: {', '.join(missing)}", headers={"Retry-After": "1"}
            )
        return _json(HealthAnswer(ok=True, detail=f"models: {', '.join(self._following.names)}"))

    async def metrics(self) -> Response:
        """Show the metrics for Prometheus."""
        return Response(
            generate_latest(self._metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    def _served(self, name: str | None) -> Served:
        name = self._following.names[0] if name is None else name
        if name not in self._following.names:
            raise RequestRefused(
                404, f"no such model; there are {', '.join(self._following.names)}"
            )
        served = self._following.served(name)
        if served is None:
            raise RequestRefused(503, f"no model yet: {name}", headers={"Retry-After": "1"})
        return served

    async def _in_a_thread(self, work: Callable[[], Response]) -> Response:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _json(answer: Mapping[str, Any]) -> Response:
    return Response(orjson.dumps(answer, option=orjson.OPT_UTC_Z), media_type="application/json")
