"""Settings that change while the detector runs: read again, checked, and handed on."""

from collections.abc import Callable
from typing import Any

import msgspec
import structlog

from eddy.app.settings import Settings
from eddy.models.domain import Domain
from eddy.schemas.errors import ConfigError, EddyError

log = structlog.get_logger()

Read = Callable[[], Settings]


class PolicyWatcher:
    """Looks for a new policy of one domain.

    What cannot be taken up is told once in the log and leaves the policy as it is.

    Parameters
    ----------
    read : callable
        Reads the settings as at the start.
    policy, config_hash : callable
        What of them the domain's verdicts depend on; both may raise an `EddyError`.
    tell : callable
        Is told whether the settings are those in use, whenever it looks.
    """

    def __init__(
        self,
        domain: Domain,
        current: Any,
        read: Read,
        *,
        policy: Callable[[Settings], Any],
        config_hash: Callable[[Settings], str],
        tell: Callable[[bool], None],
    ) -> None:
        self._domain, self._current = domain, current
        self._read, self._policy, self._config_hash, self._tell = read, policy, config_hash, tell
        self._complaint = ""

    def poll(self) -> tuple[Any, str] | None:
        """Return a new policy and the configuration's hash, or None."""
        try:
            settings = self._read()
            policy = self._policy(settings)
            changed = _changed(self._current, policy)
            self._refuse_fixed(changed)
            config_hash = self._config_hash(settings)
        except EddyError as error:
            self._complain(str(error))
            return None
        self._complaint = ""
        self._tell(True)
        if not changed:
            return None
        self._current = policy
        log.info("policy_reloaded", domain=self._domain.name, changed=changed)
        return policy, config_hash

    def _refuse_fixed(self, changed: list[str]) -> None:
        fixed = self._domain.fixed
        held = [name for name in changed if fixed is None or name in fixed]
        if held:
            names = ", ".join(f"domains.{self._domain.name}.{name}" for name in held)
            raise ConfigError(f"{names}: takes a restart; the settings in use stay until then")

    def _complain(self, why: str) -> None:
        self._tell(False)
        if why != self._complaint:
            log.warning("settings_not_taken", domain=self._domain.name, why=why)
        self._complaint = why


def _changed(before: Any, after: Any) -> list[str]:
    names = [field.name for field in msgspec.structs.fields(type(before))]
    return [name for name in names if getattr(before, name) != getattr(after, name)]
