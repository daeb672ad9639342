"""The service answers as its own OpenAPI document says, whatever it is asked."""

import hashlib
import tempfile
from pathlib import Path

import schemathesis
from hypothesis import settings
from schemathesis.config import SchemathesisConfig

from tests.support.serving_world import World, linear_model

TOKEN = "secret"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
GENERATED = {"generation": {"deterministic": True}, "headers": AUTHORIZED}


def described():
    """Return the interface of a service with a model, read from the service itself."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(
            Path(folder),
            linear_model(),
            token_sha256=hashlib.sha256(TOKEN.encode()).hexdigest(),
            max_rows=20,
            max_batch_bytes=20_000,
        )
    config = SchemathesisConfig.from_dict(GENERATED)
    app = world.app
    return schemathesis.openapi.from_asgi("/openapi.json", app, config=config, headers=AUTHORIZED)


interface = described()


@interface.parametrize()
@settings(max_examples=15, deadline=None)
def test_every_answer_is_described(case):
    case.call_and_validate()
