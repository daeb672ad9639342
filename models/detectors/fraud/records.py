"""Objects as they rest in files, without anything being made of them."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class EstimatorRecord:
    """An object as it was written: its type's name and its fields."""

    type: str
    fields: dict[str, Any]
