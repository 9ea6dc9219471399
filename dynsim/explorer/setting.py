"""What the controls of the explorer say: everything that a picture depends on, as plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import sympy

from dynsim.arguments import a_number, a_word
from dynsim.choices import Branch
from dynsim.errors import InvalidType, bad
from dynsim.explorer.sources import plain_options
from dynsim.field import Field
from dynsim.symbolic.expressions import name_of
from dynsim.symbolic.flow import BRANCHES, Flow
from dynsim.symbolic.parser import parse
from dynsim.symbolic.printing import text

__all__ = ["TIME_SCALES", "Setting"]

TIME_SCALES = ("linear", "log")
MOST_ORBITS = 12


@dataclass(frozen=True)
class Setting:
    """State of the controls.

    Parameters
    ----------
    source : str, Flow or Field
        Name of a system, "method:NAME", or the text of a loss or of equations; a flow that no text gives, as it is.
    states : tuple of str, optional
        What moves in a typed loss; default: phi, theta and xi as they occur.
    branch : {"stop", "full", "target"}
    variant : str, optional
        Of a system.
    initial, parameters : mapping
        ``{name: number}``; what is left out takes the system's default. A parameter may be text, an expression in the
        flow time t and other parameters.
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

    source: Any = "toy"
    states: tuple[str, ...] | None = None
    branch: Branch = "stop"
    variant: str | None = None
    initial: Mapping[str, float] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    t_end: float = 30.0
    time: str = "linear"
    plane: tuple[str, ...] | None = None
    more: tuple[tuple[float, ...], ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    compare: bool = False

    def __post_init__(self) -> None:
        if not (isinstance(self.source, Flow | Field) or (isinstance(self.source, str) and self.source.strip())):
            expected = "a Flow, a Field, the name of a system, the text of a loss or of equations"
            raise bad("system_or_loss", self.source, expected, kind=InvalidType)
        if not isinstance(self.compare, bool):
            raise bad("compare", self.compare, "True or False", kind=InvalidType)
        a_word("branch", self.branch, BRANCHES)
        a_word("time", self.time, TIME_SCALES)
        if not isinstance(self.variant, str | None):
            raise bad("variant", self.variant, "the name of a variant", kind=InvalidType)
        if len(self.more) > MOST_ORBITS:
            raise bad("more", f"{len(self.more)} orbits", f"at most {MOST_ORBITS}")
        if not a_number("t_end", self.t_end) > 0:
            raise bad("t_end", self.t_end, "a positive number")
        object.__setattr__(self, "t_end", float(self.t_end))
        object.__setattr__(self, "initial", _numbers("initial", self.initial, a_number))
        object.__setattr__(self, "parameters", _numbers("parameters", self.parameters, _number_or_schedule))
        object.__setattr__(self, "options", plain_options(self.options))

    @property
    def schedules(self) -> dict[str, str]:
        """Parameters that are expressions in the flow time or in other parameters."""
        return {name: value for name, value in self.parameters.items() if isinstance(value, str)}

    def moved(self, initial: Mapping[str, float]) -> Setting:
        """Return the setting with some initial values changed."""
        return replace(self, initial={**self.initial, **initial})

    def tuned(self, parameters: Mapping[str, Any]) -> Setting:
        """Return the setting with some parameters changed."""
        return replace(self, parameters={**self.parameters, **parameters})


def _numbers(argument: str, values: Any, read: Callable[[str, Any], Any]) -> dict[str, Any]:
    if not isinstance(values, Mapping):
        raise bad(argument, values, "a mapping {name: number}", kind=InvalidType)
    return {name_of(argument, name): read(f"{argument}['{name}']", value) for name, value in values.items()}


def _number_or_schedule(argument: str, value: Any) -> float | str:
    """A number, or an expression that is no constant, as its text."""
    if isinstance(value, sympy.Expr):
        value = text(value)
    if not isinstance(value, str):
        return a_number(argument, value)
    try:
        return a_number(argument, float(value))
    except ValueError:
        expression = parse(value)
    return value.strip() if expression.free_symbols else a_number(argument, expression)
