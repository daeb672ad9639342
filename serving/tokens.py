"""Bearer tokens: only their hashes are kept, and comparing takes the same time for all."""

import hashlib
import hmac
from collections.abc import Sequence

from eddy.serving.problems import RequestRefused

_SCHEME = b"bearer "


class Tokens:
    """Knows which bearer tokens are taken.

    Parameters
    ----------
    hashes : sequence of str
        SHA-256 of each token in hexadecimal; none: nobody is asked for one.
    """

    def __init__(self, hashes: Sequence[str]) -> None:
        self._hashes = [bytes.fromhex(digest) for digest in hashes]

    @property
    def asked_for(self) -> bool:
        """Whether a token is asked for at all."""
        return bool(self._hashes)

    def check(self, authorization: bytes | None) -> None:
        """Take a request by its ``Authorization`` header.

        Raises
        ------
        RequestRefused
            401, with the challenge of RFC 6750.
        """
        if not self._hashes:
            return
        if authorization is None:
            raise _unauthorized("give a bearer token in the Authorization header", "Bearer")
        if not self._known(authorization):
            raise _unauthorized(
                "the Authorization header holds no token that is taken here",
                'Bearer error="invalid_token"',
            )

    def _known(self, authorization: bytes) -> bool:
        is_bearer = authorization[: len(_SCHEME)].lower() == _SCHEME
        digest = hashlib.sha256(authorization[len(_SCHEME) :].strip()).digest()
        # all are compared, whichever it is
        matches = [hmac.compare_digest(digest, known) for known in self._hashes]
        return is_bearer and any(matches)


def _unauthorized(detail: str, challenge: str) -> RequestRefused:
    return RequestRefused(401, detail, headers={"WWW-Authenticate": challenge})
