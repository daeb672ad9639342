"""What a setting cannot be, whatever its type: said when settings are read, not when they fail."""

import re

from eddy.schemas.errors import ConfigError
from eddy.streams.connection import Connection

_SERVER = re.compile(r"(\[[0-9a-fA-F:.%\w]+\]|[^\s:/\[\]]+):(\d+)")
_STORES = ("file://", "memory://", "s3://")
_HIGHEST_PORT = 65_535


def check_brokers(kafka: Connection) -> None:
    """Refuse brokers without a port, and SASL without credentials.

    Raises
    ------
    ConfigError
        Naming the key.
    """
    for server in kafka.bootstrap_servers.split(","):
        address = re.sub(r"^\w+://", "", server.strip())  # librdkafka takes PROTOCOL://host:port
        match = _SERVER.fullmatch(address)
        if match is None or not 0 < int(match[2]) <= _HIGHEST_PORT:
            raise ConfigError(
                f"kafka.bootstrap_servers: {server.strip()!r}: wants the form HOST:PORT, "
                f"with a port from 1 to {_HIGHEST_PORT}"
            )
    if kafka.security_protocol.startswith("SASL"):
        _check_credentials(kafka)


def _check_credentials(kafka: Connection) -> None:
    properties = kafka.properties
    mechanism = kafka.sasl_mechanism or properties.get(
        "sasl.mechanism", properties.get("sasl.mechanisms")
    )
    if mechanism is None:
        raise ConfigError("kafka.sasl_mechanism: needed with a SASL security_protocol")
    if mechanism in ("GSSAPI", "OAUTHBEARER"):
        return
    if not (kafka.sasl_username or properties.get("sasl.username")):
        raise ConfigError(f"kafka.sasl_username: needed with {mechanism}")
    if not (kafka.sasl_password or properties.get("sasl.password")):
        raise ConfigError(
            f"kafka.sasl_password_file: a password is needed with {mechanism}: give the path of "
            "a file that holds it"
        )


def check_checkpoints(url: str) -> None:
    """Refuse an address of checkpoints that is no folder and no store Eddy knows.

    Raises
    ------
    ConfigError
        Naming the key.
    """
    scheme, separator, rest = url.partition("://")
    if not url.strip():
        raise ConfigError("storage.checkpoints_url: empty; a folder or s3://BUCKET/PREFIX")
    if separator and f"{scheme}://" not in _STORES:
        raise ConfigError(
            f"storage.checkpoints_url: {scheme}:// is not known; a folder, "
            f"{', '.join(_STORES)}BUCKET/PREFIX"
        )
    if scheme == "s3" and not rest.strip("/"):
        raise ConfigError("storage.checkpoints_url: s3://BUCKET/PREFIX")
