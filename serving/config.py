"""Where the prediction service listens, what it serves, and how much it takes."""

import re
from dataclasses import dataclass, field
from typing import ClassVar

from eddy.schemas.errors import ConfigError

LEAST = {
    "port": 0,
    "reload_interval_s": 0.05,
    "max_body_bytes": 1_024,
    "max_batch_bytes": 1_024,
    "max_rows": 1,
    "max_requests": 1,
    "request_timeout_s": 0.1,
    "stop_timeout_s": 0.1,
    "threads": 1,
}
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ServingConfig:
    """The settings under ``[serving]``.

    Attributes
    ----------
    host, port : str, int
        Port 0 takes a free one. Beyond this machine only with a token, behind a proxy with TLS.
    models : str
        Names in the registry, with commas between; the first answers where none is asked for.
    reload_interval_s : float
        Seconds between two looks at the registry.
    token_sha256, token_sha256_file : str
        SHA-256 of the bearer token in hexadecimal, never the token; the file's content wins.
        Several, with spaces or commas between, are all taken: so one is replaced by another
        without a pause. Empty: no token is asked for.
    max_body_bytes, max_batch_bytes : int
        Of a request for one row, and of one for many.
    max_rows : int
        Rows of a batch.
    max_requests : int
        At the same time; more are told to come again.
    request_timeout_s : float
        From a request's first byte to its answer.
    stop_timeout_s : float
        What is under way when the service is stopped may take so long.
    threads : int
        Batches scored at the same time.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    host: str = "127.0.0.1"
    port: int = 8800
    models: str = "transactions"
    reload_interval_s: float = 2.0
    token_sha256: str = field(default="", repr=False)
    token_sha256_file: str = ""
    max_body_bytes: int = 64 * 1024
    max_batch_bytes: int = 8 * 1024 * 1024
    max_rows: int = 10_000
    max_requests: int = 32
    request_timeout_s: float = 10.0
    stop_timeout_s: float = 10.0
    threads: int = 2

    def __post_init__(self) -> None:
        for name, least in LEAST.items():
            if not getattr(self, name) >= least:
                raise ConfigError(f"serving.{name}: at least {least}")
        if self.port > 65_535:
            raise ConfigError("serving.port: at most 65535")
        if not self.names:
            raise ConfigError("serving.models: name at least one model")
        if not all(_HASH.fullmatch(digest) for digest in self.token_hashes):
            raise ConfigError(
                "serving.token_sha256: not a SHA-256 in hexadecimal; "
                'printf %s "$TOKEN" | sha256sum gives it'
            )

    @property
    def names(self) -> list[str]:
        """The models' names, the default one first."""
        return list(dict.fromkeys(name for name in re.split(r"[,\s]+", self.models) if name))

    @property
    def token_hashes(self) -> list[str]:
        """The hashes of the tokens that are taken."""
        return [part.lower() for part in re.split(r"[,\s]+", self.token_sha256) if part]
