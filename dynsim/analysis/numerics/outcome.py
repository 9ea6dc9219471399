"""Where a run ends, and whether the encoder collapses: exactly where a rule is known, else by integration."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from numbers import Integral, Real
from typing import Any

import numpy as np
import sympy

from dynsim.errors import BlowUp, InvalidType, bad
from dynsim.field import Field
from dynsim.integrate.solve import solve
from dynsim.integrate.validation import field_of, named
from dynsim.symbolic.flow import Flow

__all__ = ["Outcome", "outcome"]

_STAGES = (1e2, 1e4, 1e6)
_MOST_EVALUATIONS = 300_000  # a run that circles never rests; after this much work it is called undecided
_COLLAPSED = 1e-6


@dataclass(frozen=True)
class Outcome:
    """Where a run ends.

    Attributes
    ----------
    limit : dict
        ``{state: value at t → ∞}``; SymPy numbers where the start was exact (a Float if it was integrated), else
        floats. NaN where nothing can be said.
    collapsed : bool or None
        Whether every encoder state goes to zero; None where there is no encoder or it stays undecided.
    exact : bool
        Whether `limit` comes from a rule rather than from an integration.
    reason : str
        The rule, or what the integration did.
    """

    limit: dict[str, Any]
    collapsed: bool | None
    exact: bool
    reason: str

    def __str__(self) -> str:
        words = {True: "collapse", False: "no collapse", None: "undecided"}[self.collapsed]
        where = ", ".join(f"{name} → {_short(value)}" for name, value in self.limit.items())
        return f"{where}: {words} ({'exact' if self.exact else 'not exact'}: {self.reason})"


def outcome(flow: Any, initial: Mapping[Any, Any], parameters: Mapping[Any, Any] | None = None) -> Outcome:
    """Say where the run from `initial` ends and whether it collapses.

    Parameters
    ----------
    flow : Flow or Field
    initial : mapping
        ``{state: number}``. Integers, fractions and SymPy numbers are exact and give SymPy numbers back;
        floats give floats.
    parameters : mapping, optional
        ``{parameter: number}``; what is left out takes the system's default.

    Returns
    -------
    Outcome

    Raises
    ------
    InvalidType, InvalidValue, UnknownName
        A start or parameter that is no number, is missing, or is not known.

    Examples
    --------
    >>> import dynsim, sympy
    >>> start = {"phi": sympy.Rational(3, 5), "theta": sympy.Rational(1, 10)}
    >>> dynsim.outcome(dynsim.system("toy"), start).limit
    {'phi': 1, 'theta': sqrt(65)/10}
    >>> dynsim.outcome(dynsim.system("toy", branch="full"), start).collapsed
    True
    """
    if isinstance(flow, Flow):
        start = {name: _number(f"initial['{name}']", v) for name, v in named("initial", initial, flow.states).items()}
        values = {name: _number(f"parameter '{name}'", v) for name, v in flow.values(parameters).items()}
        given = [_number("parameters", v) for v in (parameters or {}).values()]
        symbolic = all(isinstance(v, sympy.Basic) for v in [*start.values(), *given])
        start, values = (_of_one_kind(kind, symbolic) for kind in (start, values))
        known = None if flow.exact is None else flow.exact.end(start, values)
        if known is not None and set(flow.states) <= set(known.values):
            limit = {name: known.values[name] + 0 for name in flow.states}  # no −0.0
            return Outcome(limit, known.collapsed, True, known.reason)
        found = _integrated(flow, start, values)
        limit = {name: _like(value, symbolic) for name, value in found.limit.items()}
        if known is None:
            return replace(found, limit=limit)
        # The rule settles a part: what it says stands, the integration adds the rest.
        limit |= {name: value for name, value in known.values.items() if name in limit}
        return Outcome(limit, known.collapsed, False, f"{known.reason}; the rest is integrated")
    return _integrate(field_of(flow, parameters), initial)


def _like(value: float, symbolic: bool) -> Any:
    return sympy.sympify(value) if symbolic else value + 0.0


def _integrated(flow: Flow, start: Mapping[str, Any], values: Mapping[str, Any]) -> Outcome:
    """Integrate to rest, in other coordinates if the system knows some that stay bounded."""
    other = None if flow.exact is None else flow.exact.elsewhere(start, values)
    if other is None:
        return _integrate(flow.field(values), {name: float(v) for name, v in start.items()})
    field, begin, back = other
    end = _integrate(field, {name: float(v) for name, v in begin.items()})
    if not all(math.isfinite(value) for value in end.limit.values()):
        return replace(end, limit=dict.fromkeys(flow.states, math.nan))
    return replace(end, limit=back(end.limit), reason=f"{end.reason}, in {', '.join(field.names)}")


def _integrate(field: Field, initial: Mapping[Any, Any]) -> Outcome:
    """Integrate in growing stages until the field rests at a point that holds."""
    scalars = all(field.shape(name) == () for name in field.names)
    state: Mapping[str, Any] = initial
    elapsed = 0.0
    bounded, spent = _bounded(field)
    for stage in _STAGES:
        try:
            run = solve(bounded, state, times=[stage - elapsed], method="LSODA", rtol=1e-10, events=["rest"])
        except _TooLong:
            limit = dict.fromkeys(field.names, math.nan)
            reason = f"no rest before flow time {elapsed + spent[1]:.3g} and {spent[0]} evaluations: no verdict"
            return Outcome(limit, None, False, reason)
        except BlowUp as error:
            limit = dict.fromkeys(field.names, math.nan)
            return Outcome(limit, None, False, f"the run diverges at flow time {elapsed + error.time:.6g}")
        state = {name: run[name].isel(time=-1).values for name in field.names}
        elapsed = stage
        if run.attrs["end_reason"] == "rest":
            limit = {name: float(v) if scalars else v for name, v in state.items()}
            y = np.concatenate([np.ravel(state[name]) for name in field.names])
            if field.jacobian_function is not None and field.f(0.0, y).any() and _repels(field, y):
                reason = "the run passes so close to an unstable equilibrium that it cannot be told from resting there"
                return Outcome(limit, None, False, reason)
            return Outcome(limit, _is_collapsed(field, state), False, "integrated until every state rests")
    limit = {name: float(v) if scalars else v for name, v in state.items()}
    return Outcome(limit, None, False, f"still moving at flow time {elapsed:g}: no rest, no verdict")


class _TooLong(Exception):
    """The integration has used up its work."""


def _bounded(field: Field) -> tuple[Field, list[float]]:
    """Return the field with a bound on its evaluations, and the record [evaluations, largest time] of the work."""
    spent: list[float] = [0, 0.0]

    def function(t: Any, y: Any) -> Any:
        spent[0] += 1
        spent[1] = max(spent[1], float(t))
        if spent[0] > _MOST_EVALUATIONS:
            raise _TooLong
        return field.f(t, y)

    return replace(field, function=function), spent


def _repels(field: Field, y: np.ndarray) -> bool:
    """Whether some direction at a resting point grows fast enough to matter."""
    return bool(np.linalg.eigvals(field.jacobian(0.0, y)).real.max() > 1e-4)


def _is_collapsed(field: Field, state: Mapping[str, Any]) -> bool | None:
    encoder = field.roles.get("encoder", ())
    if not encoder:
        return None
    return all(float(np.max(np.abs(state[name]))) <= _COLLAPSED for name in encoder)


def _number(argument: str, value: Any) -> Any:
    """A SymPy number for exact input, a float for the rest."""
    if isinstance(value, sympy.Basic):
        if not value.is_number or not value.is_extended_real:
            raise bad(argument, value, "a real number, not a symbol", kind=InvalidType)
        number = float(value) if value.is_Float else value
    elif isinstance(value, Integral | Fraction) and not isinstance(value, bool):
        return sympy.Rational(value.numerator, value.denominator)
    elif isinstance(value, Real) or (isinstance(value, np.ndarray) and value.ndim == 0):
        number = float(value)
    else:
        raise bad(argument, value, "one real number", kind=InvalidType)
    if not math.isfinite(float(number)):
        raise bad(argument, value, "a finite number")
    return number


def _of_one_kind(values: Mapping[str, Any], symbolic: bool) -> dict[str, Any]:
    """All SymPy (a float default is read as the decimal it prints as) or all floats."""
    if not symbolic:
        return {name: float(value) for name, value in values.items()}
    return {
        name: value if isinstance(value, sympy.Basic) else sympy.Rational(str(value)) for name, value in values.items()
    }


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value) if np.ndim(value) == 0 else f"array of norm {np.linalg.norm(value):.6g}"
