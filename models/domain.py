"""The domain: everything that the stream needs to know of one kind of event."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from eddy.models.judge import Identity, Judge, Model


def _nothing(_: Any) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Domain:
    """What the stream needs of a domain; its row in `eddy.app.domains` holds the rest.

    Attributes
    ----------
    name : str
        Names topics, metrics and configuration.
    event_type : type
        The msgspec struct in schemas/; decoders, JSON Schema and columns come from it.
    policy_type : type
        The msgspec struct of the settings under ``[domains.<name>]``; all with defaults.
    parameters_type : type
        The msgspec struct that a trained artefact holds.
    default_model : callable
        Gives the model used while the registry holds no champion.
    build_judge : callable
        ``build_judge(policy, model, identity)`` gives a fresh judge.
    forecasts : bool
        Whether its judges are `ForecastingJudge`, and its verdicts have ``forecasts()`` for the
        topic ``forecasts.<name>``.
    fixed : frozenset of str, optional
        Settings that take a restart; its judges are `Reconfigurable` for all others.
        None: every setting takes one.
    contents : callable
        ``contents(policy)`` identifies what the files hold that a policy names.
    is_timed : bool
        Whether its judges are `TimedJudge`: intervals end while time passes without events.
    has_shadow : bool
        Whether its judges are `ShadowedJudge`: a challenger scores beside the champion.
    is_labelled : bool
        Whether its judges are `LabelledJudge`, which learn from the topic of labels, and its
        verdicts have ``decisions()`` for the topic ``decisions.<name>``.
    partitions : int, optional
        Of its event topic, where its judges must see all events together.
    kept_days : int
        How long its event topic is kept: its state is rebuilt from it where there is none.
    """

    name: str
    event_type: type[msgspec.Struct]
    policy_type: type[Any]
    parameters_type: type[Any]
    default_model: Callable[[], Model]
    build_judge: Callable[[Any, Model, Identity], Judge]
    forecasts: bool = False
    fixed: frozenset[str] | None = None
    contents: Callable[[Any], str] = _nothing
    is_timed: bool = False
    has_shadow: bool = False
    is_labelled: bool = False
    partitions: int | None = None
    kept_days: int = 7
