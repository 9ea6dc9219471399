"""What the controls of the explorer say: everything that a picture depends on, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any

from dynsim.errors import InvalidType, bad, unknown
from dynsim.symbolic.flow import BRANCHES

__all__ = ["TIME_SCALES", "Setting"]

TIME_SCALES = ("linear", "log")
MOST_ORBITS = 12


@dataclass(frozen=True)
class Setting:
    """State of the controls.

    Parameters
    ----------
    source : str
        Name of a system, or the text of a loss.
    states : tuple of str, optional
        What moves in a typed loss; default: phi, theta and xi as they occur.
    branch : {"stop", "full", "target"}
    variant : str, optional
        Of a system.
    initial, parameters : mapping
        ``{name: number}``; what is left out takes the system's default.
    t_end : float
        Flow time shown.
    time : {"linear", "log"}
        Scale of the time axes.
    plane : tuple of one or two str, optional
        States on the axes of the phase plane; default: the first predictor and the first encoder. A system of one
        state has a phase line.
    more : tuple of starts
        Further orbits in the phase plane; each a tuple of numbers in the order of the states.

    Examples
    --------
    >>> from dynsim.explorer.setting import Setting
    >>> Setting("toy", branch="full").moved({"theta": 0.2}).initial
    {'theta': 0.2}
    """

    source: str = "toy"
    states: tuple[str, ...] | None = None
    branch: str = "stop"
    variant: str | None = None
    initial: Mapping[str, float] = field(default_factory=dict)
    parameters: Mapping[str, float] = field(default_factory=dict)
    t_end: float = 30.0
    time: str = "linear"
    plane: tuple[str, ...] | None = None
    more: tuple[tuple[float, ...], ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.source, str) or not self.source.strip():
            raise bad("system_or_loss", self.source, "the name of a system or the text of a loss", kind=InvalidType)
        if self.branch not in BRANCHES:
            raise unknown("branch", self.branch, BRANCHES)
        if self.time not in TIME_SCALES:
            raise unknown("time", self.time, TIME_SCALES)
        if len(self.more) > MOST_ORBITS:
            raise bad("more", f"{len(self.more)} orbits", f"at most {MOST_ORBITS}")
        if not _number("t_end", self.t_end) > 0:
            raise bad("t_end", self.t_end, "a positive number")
        object.__setattr__(self, "t_end", float(self.t_end))
        object.__setattr__(self, "initial", _numbers("initial", self.initial))
        object.__setattr__(self, "parameters", _numbers("parameters", self.parameters))

    def moved(self, initial: Mapping[str, float]) -> Setting:
        """Return the setting with some initial values changed."""
        return replace(self, initial={**self.initial, **initial})

    def tuned(self, parameters: Mapping[str, float]) -> Setting:
        """Return the setting with some parameters changed."""
        return replace(self, parameters={**self.parameters, **parameters})


def _numbers(argument: str, values: Any) -> dict[str, float]:
    if not isinstance(values, Mapping):
        raise bad(argument, values, "a mapping {name: number}", kind=InvalidType)
    return {str(name): _number(f"{argument}['{name}']", value) for name, value in values.items()}


def _number(argument: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise bad(argument, value, "a number", kind=InvalidType) from None
    if not isfinite(number):
        raise bad(argument, value, "a finite number")
    return number
