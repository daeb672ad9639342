"""Settings that change while the detector runs: read again, checked, and handed on."""

from collections.abc import Callable
from typing import Any

import msgspec
import structlog

from eddy.app.resolution import Resolved
from eddy.schemas.errors import ConfigError, EddyError

log = structlog.get_logger()


class PolicyWatcher:
    """Looks for a new policy of one domain.

    What cannot be taken up is logged once and leaves the policy as it is.

    Parameters
    ----------
    current : Resolved
        The domain as it was at the start.
    read : callable
        Returns it as the settings want it now; may raise an `EddyError`.
    on_poll : callable
        Is called with whether the settings are those in use, at every poll.
    """

    def __init__(
        self,
        current: Resolved,
        read: Callable[[], Resolved],
        on_poll: Callable[[bool], None],
    ) -> None:
        self._domain, self._current = current.domain, current.policy
        self._read, self._on_poll = read, on_poll
        self._complaint = ""

    def poll(self) -> tuple[Any, str] | None:
        """Return a new policy and the configuration's hash, or None."""
        try:
            resolved = self._read()
            changed = _changed(self._current, resolved.policy)
            self._refuse_fixed(changed)
        except EddyError as error:
            self._complain(str(error))
            return None
        self._complaint = ""
        self._on_poll(True)
        if not changed:
            return None
        self._current = resolved.policy
        log.info("policy_reloaded", domain=self._domain.name, changed=changed)
        return resolved.policy, resolved.config_hash

    def _refuse_fixed(self, changed: list[str]) -> None:
        fixed = self._domain.fixed
        refused = [name for name in changed if fixed is None or name in fixed]
        if refused:
            names = ", ".join(f"domains.{self._domain.name}.{name}" for name in refused)
            raise ConfigError(f"{names}: takes a restart; the settings in use stay until then")

    def _complain(self, why: str) -> None:
        self._on_poll(False)
        if why != self._complaint:
            log.warning("settings_not_taken", domain=self._domain.name, why=why)
        self._complaint = why


def _changed(before: Any, after: Any) -> list[str]:
    names = [field.name for field in msgspec.structs.fields(type(before))]
    return [name for name in names if getattr(before, name) != getattr(after, name)]
