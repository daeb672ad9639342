"""What the catalog and the store say when they do not answer, in words of ours."""

from collections.abc import Iterator
from contextlib import contextmanager

from pyarrow import ArrowException
from pyiceberg.exceptions import RESTError
from sqlalchemy.exc import SQLAlchemyError

from schemas.errors import Unavailable


@contextmanager
def named_outages(what: str) -> Iterator[None]:
    """Turn an outage into Unavailable; whatever was under way has no effect or all of it."""
    try:
        yield
    except (OSError, ArrowException, SQLAlchemyError, RESTError) as error:
        raise Unavailable(f"{what}: {error}") from error
