"""The ordinary producer; none of this needs a broker."""

import pytest

from eddy.schemas.errors import MissingResource
from eddy.streams.connection import Connection
from eddy.streams.sender import Sender


def test_a_record_that_is_too_large_is_refused_by_name():
    sender = Sender(Connection("127.0.0.1:9"))
    with pytest.raises(MissingResource, match=r"not sent: some\.topic: .*large"):
        sender.send("some.topic", b"x" * 1_100_000)


def test_who_wants_to_may_send_larger_ones():
    sender = Sender(Connection("127.0.0.1:9"), message_max_bytes=2_100_000)
    sender.send("some.topic", b"x" * 2_000_000)
    with pytest.raises(MissingResource, match="not sent"):
        sender.send("some.topic", b"x" * 2_200_000)
