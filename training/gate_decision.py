"""The decision of a gate: whether a version may become the champion."""

import msgspec


class GateDecision(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a candidate may become the champion, and why.

    Attributes
    ----------
    accepted : bool
    reason : str
        In a sentence.
    numbers : dict of str to float
        The figures it rests on.
    window : str
        The days both were judged on.
    """

    accepted: bool
    reason: str
    numbers: dict[str, float] = {}
    window: str = ""
