"""What dependencies say when they do not answer becomes one error of ours."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from pyarrow import ArrowInvalid
from sqlalchemy.exc import OperationalError

from eddy.lake.outages import named_outages
from eddy.schemas.errors import Unavailable


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "ThrottlingException", "Message": "slower"}}, "UpdateTable"),
        EndpointConnectionError(endpoint_url="https://glue"),
        OperationalError("select 1", None, OSError("gone")),
        ArrowInvalid("not a file of Parquet"),
        ConnectionResetError("reset"),
    ],
)
def test_an_outage_is_named(error: Exception) -> None:
    with pytest.raises(Unavailable, match="table rides: ") as caught, named_outages("table rides"):
        raise error
    assert caught.value.__cause__ is error


def test_a_defect_stays_a_defect() -> None:
    with pytest.raises(KeyError), named_outages("table rides"):
        raise KeyError("a name")
