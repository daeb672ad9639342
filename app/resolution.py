"""A domain as the settings want it: its policy, its topics and its hashes, resolved once."""

import difflib
import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from eddy.app.settings import Settings
from eddy.models.domain import Domain
from eddy.schemas.errors import ConfigError
from eddy.schemas.topics import DomainTopics, domain_topics


@dataclass(frozen=True)
class Resolved:
    """A domain with what the settings say of it.

    Attributes
    ----------
    policy : struct
        Of the domain's policy type.
    topics : DomainTopics
        Under the configured prefix.
    max_skew_s : float
        The engine's, on which verdicts depend, too.
    """

    domain: Domain
    policy: Any
    topics: DomainTopics
    max_skew_s: float

    @cached_property
    def config_hash(self) -> str:
        """Identifies everything in the configuration that the domain's verdicts depend on.

        Raises
        ------
        ConfigError
            A file that the policy names cannot be read.
        """
        return self._hash_of(self.policy)

    @cached_property
    def state_hash(self) -> str:
        """Identifies what the state of the judges depends on: settings that take a restart."""
        fixed = self.domain.fixed
        if fixed is None:
            return self.config_hash
        return self._hash_of({name: getattr(self.policy, name) for name in sorted(fixed)})

    @cached_property
    def _files(self) -> list[Any]:
        contents = self.domain.contents(self.policy)
        return [contents] if contents else []

    def _hash_of(self, content: Any) -> str:
        parts = [self.domain.name, content, self.max_skew_s, *self._files]
        return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()[:16]


def resolve(settings: Settings, domain: Domain) -> Resolved:
    """Return a domain as the settings want it.

    Raises
    ------
    ConfigError
        Its section is not right; the message names the key.
    """
    return Resolved(
        domain=domain,
        policy=policy_of(settings, domain),
        topics=topics_of(domain, settings.topic_prefix),
        max_skew_s=settings.engine.max_skew_s,
    )


def policy_of(settings: Settings, domain: Domain) -> Any:
    """Return a domain's policy from its section of the settings.

    Raises
    ------
    ConfigError
        Naming the key, its source and the nearest key there is.
    """
    section = settings.domains.get(domain.name, {})
    try:
        # Values from the environment are text; lax conversion reads numbers from it.
        return msgspec.convert(section, domain.policy_type, strict=False)
    except (msgspec.ValidationError, ValueError) as error:
        raise ConfigError(_explain(settings, domain, str(error))) from error


def topics_of(domain: Domain, prefix: str) -> DomainTopics:
    """Return a domain's topics under a prefix."""
    return domain_topics(
        domain.name,
        prefix,
        forecasts=domain.forecasts,
        decisions=domain.is_labelled,
        partitions=domain.partitions,
        kept_days=domain.kept_days,
    )


def _explain(settings: Settings, domain: Domain, message: str) -> str:
    section = f"domains.{domain.name}"
    hint, key = "", section
    if match := re.search(r"unknown field `(.+?)`$", message):
        key = f"{section}.{match[1]}"
        names = [field.name for field in msgspec.structs.fields(domain.policy_type)]
        if near := difflib.get_close_matches(match[1], [*names, "enabled"], 1):
            hint = f"; did you mean {section}.{near[0]}?"
    elif match := re.search(r"at `\$\.(\w+)", message):
        key = f"{section}.{match[1]}"
    return f"{section}: {message}{hint}{settings.origin(key)}"
