"""All peers, in the order in which they run."""

from bench.peers import bytewax_flow, flink_sql, kafka_streams, plain_loop, quix, stock_faust
from bench.peers.peer import Peer
from eddy.schemas.errors import ConfigError

PEERS: tuple[Peer, ...] = (
    plain_loop.PEER,
    flink_sql.PEER,
    kafka_streams.PEER,
    bytewax_flow.PEER,
    quix.AT_LEAST_ONCE_PEER,
    quix.EXACTLY_ONCE_PEER,
    stock_faust.PEER,
)


def selected(names: str | None) -> list[Peer]:
    """Return the peers named, separated by commas: all by default, none for an empty text.

    Raises
    ------
    ConfigError
        When there is no such peer.
    """
    if names is None:
        return list(PEERS)
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    known = {peer.name: peer for peer in PEERS}
    for name in wanted:
        if name not in known:
            raise ConfigError(f"--peers: no peer {name!r}; there are {', '.join(known)}")
    return [known[name] for name in wanted]
