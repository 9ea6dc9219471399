"""Boxes in the space of states: where to look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from dynsim.errors import InvalidType, bad, unknown
from dynsim.symbolic.expressions import name_of
from dynsim.symbolic.flow import Flow

__all__ = ["Box", "box_of", "drawn_box", "interval"]

# A state that no view mentions is looked at here.
_USUAL = (-3.0, 3.0)


@dataclass(frozen=True)
class Box:
    """Lower and upper bounds of some states.

    Examples
    --------
    >>> Box({"phi": (0.0, 1.0)}).contains({"phi": 0.5, "theta": 9.0})
    True
    """

    sides: Mapping[str, tuple[float, float]]

    def contains(self, point: Mapping[str, Any]) -> bool:
        """Whether a point lies inside, the boundary included."""
        return all(low <= float(point[name]) <= high for name, (low, high) in self.sides.items())

    def __str__(self) -> str:
        return ", ".join(f"{low:g} ≤ {name} ≤ {high:g}" for name, (low, high) in self.sides.items())


def box_of(flow: Flow, box: Mapping[Any, Any] | None) -> Box:
    """Check a box given as ``{state: (low, high)}``; None is the whole space.

    Raises
    ------
    InvalidType, InvalidValue, UnknownName
        No mapping, an unknown state, or a side that is no increasing pair of finite numbers.
    """
    if box is None:
        return Box({})
    if not isinstance(box, Mapping):
        raise bad("box", box, "a mapping {state: (low, high)}", kind=InvalidType)
    sides = {}
    for key, side in box.items():
        name = name_of("box", key)
        if name not in flow.states:
            raise unknown("state in box", name, flow.states)
        sides[name] = interval(f"box['{name}']", side)
    return Box(sides)


def interval(argument: str, side: Any) -> tuple[float, float]:
    """Check a pair of finite numbers, the first below the second."""
    try:
        if getattr(side, "mask", False) is not False and any(side.mask):
            raise TypeError
        low, high = (float(value) for value in side)
    except (TypeError, ValueError, OverflowError):
        raise bad(argument, side, "a pair (low, high) of numbers", kind=InvalidType) from None
    if not (isfinite(low) and isfinite(high) and low < high):
        raise bad(argument, side, "finite numbers with low < high", "the range is empty" if low >= high else "")
    return low, high


def drawn_box(flow: Flow, box: Box) -> Box:
    """Return a bounded box for every state: the given sides, else those of the flow's view."""
    return Box({name: box.sides.get(name) or interval("view", flow.view.get(name, _USUAL)) for name in flow.states})
