"""What the catalog and the store say when they do not answer, in words of ours."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError
from pyarrow import ArrowException
from pyiceberg.exceptions import RESTError
from sqlalchemy.exc import SQLAlchemyError

from eddy.schemas.errors import Unavailable

_OUTAGES = (OSError, ArrowException, SQLAlchemyError, RESTError, BotoCoreError, ClientError)


@contextmanager
def named_outages(what: str) -> Iterator[None]:
    """Turn an outage into Unavailable; whatever was under way has no effect or all of it."""
    try:
        yield
    except _OUTAGES as error:
        raise Unavailable(f"{what}: {error}") from error
