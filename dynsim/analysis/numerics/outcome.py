"""Where a run ends, and whether the encoder collapses: exactly where a rule is known, else by integration."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from html import escape
from numbers import Integral
from typing import Any

import numpy as np
import sympy

from dynsim.arguments import a_real
from dynsim.errors import InvalidType, bad
from dynsim.field import Field
from dynsim.integrate.validation import named, start_of, tolerance
from dynsim.symbolic.exact import Limit
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.sources import as_field

__all__ = ["Outcome", "outcome"]

_NO_ENCODER = "no state is known to be an encoder: roles={'encoder': …} says what would vanish in a collapse"
_COLLAPSED = 1e-6  # an encoder that is this much smaller than it was, or than one, is gone

Tolerances = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """Where a run ends.

    Attributes
    ----------
    limit : dict
        ``{state: value at t → ∞}``; SymPy numbers where the start was exact (a Float if it was integrated), else
        floats. Infinite where a state grows without bound, NaN where there is no limit or nothing can be said.
    collapsed : bool or None
        Whether every encoder state goes to zero; None where there is no encoder or it stays undecided.
    exact : bool
        Whether `limit` comes from a rule rather than from an integration.
    reason : str
        The rule, or what the integration did.
    kind : str
        "rest"; "periodic": it circles for ever; "grows": without bound, as far as the integration shows;
        "diverges": in finite time; "slides to rest" or "slides": along a surface on which the field jumps; "ends":
        at the edge of the field's domain; "drifts": ever more slowly; "unstable rest", "undecided" or "failed".
    time : float
        Flow time at which the integration knew; NaN for a rule.
    period : float
        Of a periodic run, else NaN.

    See Also
    --------
    outcome : what makes one.

    Examples
    --------
    >>> import dynsim
    >>> print(dynsim.outcome(dynsim.gradient_flow("(w - 1)^2/2", "w", roles={"encoder": "w"}), {"w": 0}))
    w → 1: no collapse
    (exact: the state tends to the next zero of its velocity)
    """

    limit: dict[str, Any]
    collapsed: bool | None
    exact: bool
    reason: str
    kind: str = "rest"
    time: float = math.nan
    period: float = math.nan

    def __str__(self) -> str:
        words = {True: "collapse", False: "no collapse", None: "collapse undecided"}[self.collapsed]
        settled = {name: value for name, value in self.limit.items() if not _is_nan(value)}
        where = ", ".join(f"{name} → {_short(value)}" for name, value in settled.items()) or "no limit"
        return f"{where}: {words}\n({'exact' if self.exact else 'not exact'}: {self.reason})"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        first, second = str(self).split("\n", 1)
        return f"<p>{escape(first)}<br>{escape(second)}</p>"


def outcome(
    flow: Any,
    initial: Mapping[Any, Any],
    parameters: Mapping[Any, Any] | None = None,
    *,
    rtol: float = 1e-10,
    atol: float | None = None,
) -> Outcome:
    """Say where the run from `initial` ends and whether it collapses.

    Parameters
    ----------
    flow : Flow or Field
    initial : mapping
        ``{state: number}``. Integers, fractions and SymPy numbers are exact and give SymPy numbers back;
        floats give floats.
    parameters : mapping, optional
        ``{parameter: number}``; what is left out takes the system's default.
    rtol, atol : float
        Tolerances of each step, where the run is integrated. By default the absolute one is scaled to the start,
        and next to none for a state whose velocity vanishes with it, which then cannot lose its sign.

    Returns
    -------
    Outcome
        Prints as two lines: where the run ends, and how that is known: by the system's rule; or, of a polynomial flow
        of one state, or of two that conserve a polynomial, by following the level curve in exact arithmetic, where
        that takes at most 10 seconds; or by integration.

    Raises
    ------
    InvalidType, InvalidValue, UnknownName
        A start or parameter that is no number, is missing, or is not known.

    See Also
    --------
    basins : of a grid of starts.
    timescales : how fast it gets there.

    Examples
    --------
    >>> import dynsim, sympy
    >>> start = {"phi": sympy.Rational(3, 5), "theta": sympy.Rational(1, 10)}
    >>> dynsim.outcome(dynsim.system("toy"), start).limit
    {'phi': 1, 'theta': sqrt(65)/10}
    >>> dynsim.outcome(dynsim.system("toy", branch="full"), start).collapsed
    True
    """
    flow = as_field(flow)
    flow.require_autonomous("the limit of a run")
    absolute = None if atol is None else tolerance("atol", atol)
    tolerances: Tolerances = {"rtol": tolerance("rtol", rtol), "atol": absolute}
    if flow.equations is not None:
        flow = flow.equations
        given = named("initial", initial, flow.states)
        start = {name: _exact_or_float(f"initial['{name}']", v) for name, v in given.items()}
        values = {name: _exact_or_float(f"parameter '{name}'", v) for name, v in flow.values(parameters).items()}
        chosen = [_exact_or_float("parameters", v) for v in (parameters or {}).values()]
        symbolic = all(isinstance(v, sympy.Basic) for v in [*start.values(), *chosen])
        start, values = (_of_one_kind(kind, symbolic) for kind in (start, values))
        known = _from_its_law(flow, start, values) if flow.exact is None else flow.exact.end(start, values)
        if known is not None and set(flow.states) <= set(known.values):
            # Floats for floats, and no −0.0.
            limit = {name: known.values[name] + 0 if symbolic else float(known.values[name]) + 0.0 for name in start}
            unknown = known.collapsed is None and flow.roles and not flow.roles.get("encoder")
            return Outcome(limit, known.collapsed, True, known.reason + (f"; {_NO_ENCODER}" if unknown else ""))
        found = _integrated(flow, start, values, tolerances)
        limit = {name: _like(value, symbolic) for name, value in found.limit.items()}
        if known is None:
            return replace(found, limit=limit)
        # The rule settles a part: what it says stands, the integration adds the rest.
        limit |= {name: value for name, value in known.values.items() if name in limit}
        reason = f"{known.reason}; the rest is integrated: {found.reason}"
        return replace(found, limit=limit, collapsed=known.collapsed, reason=reason)
    return _integrate(flow.field(parameters), initial, tolerances)


def _from_its_law(flow: Flow, start: Mapping[str, Any], values: Mapping[str, Any]) -> Limit | None:
    from dynsim.analysis.algebra.level_curves import algebraic_limit  # the search for laws, which a rule does without

    return algebraic_limit(flow, start, values)


def _like(value: float, symbolic: bool) -> Any:
    return sympy.sympify(value) if symbolic else value + 0.0


def _integrated(flow: Flow, start: Mapping[str, Any], values: Mapping[str, Any], tolerances: Tolerances) -> Outcome:
    """Integrate to rest, in other coordinates if the system knows some that stay bounded."""
    other = None if flow.exact is None else flow.exact.elsewhere(start, values)
    if other is None:
        return _integrate(flow.field(values), {name: float(v) for name, v in start.items()}, tolerances)
    field, begin, back = other
    end = _integrate(field, {name: float(v) for name, v in begin.items()}, tolerances)
    if not all(math.isfinite(value) for value in end.limit.values()):
        return replace(end, limit=dict.fromkeys(flow.states, math.nan))
    return replace(end, limit=back(end.limit), reason=f"{end.reason}, in {', '.join(field.names)}")


def _integrate(field: Field, initial: Mapping[Any, Any], tolerances: Tolerances) -> Outcome:
    """Integrate until it is known what becomes of the run."""
    from dynsim.analysis.numerics.fate import fate_of  # SciPy's integrators, which a rule does without

    y0 = start_of(field, initial)
    if not np.isfinite(field.f(0.0, y0)).all():
        raise bad("initial", initial, "a start at which the right-hand side is finite")
    fate = fate_of(field, y0, **tolerances)
    scalars = all(field.shape(name) == () for name in field.names)
    limit = {name: float(v) if scalars else v for name, v in field.split(fate.state).items()}
    collapsed = None
    if fate.kind in ("rest", "slides to rest"):
        collapsed = _is_collapsed(field, limit, field.split(y0))
    elif fate.kind == "grows":  # an encoder that is still growing has not collapsed, whatever else does
        encoder = field.roles.get("encoder", ())
        collapsed = False if any(np.isinf(limit[name]).any() for name in encoder) else None
    reason = fate.reason
    if collapsed is None and fate.kind in ("rest", "slides to rest", "grows") and field.roles and not _encoder(field):
        reason += f"; {_NO_ENCODER}"
    return Outcome(limit, collapsed, False, reason, fate.kind, fate.time, fate.period)


def _encoder(field: Field) -> tuple[str, ...]:
    return tuple(field.roles.get("encoder", ()))


def _is_collapsed(field: Field, state: Mapping[str, Any], start: Mapping[str, Any]) -> bool | None:
    """Whether every encoder state is next to nothing, measured against its start."""
    encoder = field.roles.get("encoder", ())
    if not encoder:
        return None

    def largest(values: Mapping[str, Any], names: Any) -> float:
        return max(float(np.max(np.abs(values[name]))) for name in names)

    size = min(1.0, largest(start, encoder)) or min(1.0, largest(start, field.names)) or 1.0
    return largest(state, encoder) <= _COLLAPSED * size


def _exact_or_float(argument: str, value: Any) -> Any:
    """A SymPy number for exact input, a float for the rest."""
    if isinstance(value, sympy.Basic):
        if not value.is_number or not value.is_extended_real:
            raise bad(argument, value, "a real number, not a symbol", kind=InvalidType)
        number = float(value) if value.is_Float else value
    elif isinstance(value, Integral | Fraction) and not isinstance(value, bool):
        return sympy.Rational(value.numerator, value.denominator)
    else:
        number = a_real(argument, value, "one real number")
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


def _is_nan(value: Any) -> bool:
    return bool(np.isnan(np.asarray(value, dtype=float)).all())
