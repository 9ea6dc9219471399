"""Where a run ends, as a formula in its start: read off the first integrals, checked against the number."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import sympy

from dynsim.analysis.algebra.first_integrals import first_integrals
from dynsim.errors import DynsimError
from dynsim.explorer.completed_squares import completed
from dynsim.explorer.subject import Subject
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.printing import unicode_name, unicode_text

__all__ = ["conserved", "formulas", "readable"]

_CLOSE = 1e-7


def conserved(about: Subject, parameters: Mapping[str, Any]) -> tuple[sympy.Expr, ...]:
    """First integrals that hold at these parameters: those that are zero are left out, equal decays tied.

    Examples
    --------
    >>> from dynsim.explorer.closed_form import conserved
    >>> from dynsim.explorer.setting import Setting
    >>> from dynsim.explorer.subject import subject
    >>> noisy = subject(Setting("scalar"))
    >>> conserved(noisy, {"alpha": 2.0, "sigma2": 0.1, "eta_p": 0.0, "eta_s": 0.0})
    (-alpha*theta**2 + phi**2,)
    """
    if about.equations is None:
        return ()
    zero = frozenset(name for name, value in parameters.items() if value == 0)
    decays = [name for name in ("eta_p", "eta_s") if parameters.get(name)]
    tied = len(decays) == 2 and parameters["eta_p"] == parameters["eta_s"]
    return _integrals(about.equations, zero, tied)


@lru_cache(maxsize=64)
def _integrals(flow: Flow, zero: frozenset[str], tied: bool) -> tuple[sympy.Expr, ...]:
    fixed: dict[str, Any] = dict.fromkeys(sorted(zero), 0)
    if tied:
        fixed |= {"eta_p": "eta", "eta_s": "eta"}
    try:
        return tuple(first_integrals(flow.fix(fixed) if fixed else flow))
    except DynsimError:  # nothing is known of this one
        return ()


def formulas(
    about: Subject,
    initial: Mapping[str, float],
    parameters: Mapping[str, Any],
    limit: Mapping[str, float],
) -> dict[str, str]:
    """Formula of each limit that the first integrals determine, such as ``√(θ₀² − φ₀² + 1)``.

    Parameters
    ----------
    about : Subject
    initial, parameters : mapping
        Complete.
    limit : mapping
        ``{state: value}``, as `outcome` gives it.

    Returns
    -------
    dict
        ``{state: text}``; a state without a formula is left out.
    """
    flow = about.equations
    if flow is None:
        return {}
    usual = {name: _usual(value, parameters, flow) for name, value in limit.items()}
    result = {}
    for name, value in limit.items():
        known = usual[name]
        if known is not None:
            if not known.is_Integer:
                result[name] = readable(known)
            continue
        others = tuple((other, usual[other]) for other in limit if other != name)
        if any(end is None for _, end in others):
            continue
        special = tuple((key, int(number)) for key, number in parameters.items() if number in (0.0, 1.0))
        numbers = {_start(key): start for key, start in initial.items()}
        numbers |= {flow.symbols[key]: number for key, number in parameters.items() if key in flow.symbols}
        for integral in conserved(about, parameters):
            for candidate in _solved(flow, integral, name, others, special):
                found = complex(candidate.evalf(subs=numbers))
                if abs(found.imag) < _CLOSE and math.isclose(found.real, value, rel_tol=1e-5, abs_tol=_CLOSE):
                    result.setdefault(name, readable(candidate))
    return result


def readable(expression: sympy.Expr) -> str:
    """One line of text, roots as √.

    Examples
    --------
    >>> from dynsim import parse
    >>> from dynsim.explorer.closed_form import readable
    >>> readable(parse("sqrt(theta^2 + 1)"))
    '√(θ² + 1)'
    """
    shown = unicode_text(expression).replace("sqrt(", "√(")
    return re.sub(r"(\([^()]*\))\^\(−2\)", r"1/\1²", shown)


def _factored(term: sympy.Expr) -> sympy.Expr:
    return sympy.factor(term) if term.is_Pow and term.exp.is_negative else term


def _start(name: str) -> sympy.Symbol:
    return sympy.Symbol(f"{unicode_name(name)}₀", real=True)


def _usual(value: float, parameters: Mapping[str, Any], flow: Flow) -> sympy.Expr | None:
    """A limit that needs no formula: a small integer, or the line 1/(1+σ²) of a noisy system."""
    if abs(value - round(value)) < _CLOSE and abs(value) < 4:
        return sympy.Integer(round(value))
    noise = parameters.get("sigma2", 0.0)
    if noise and math.isclose(value, 1 / (1 + noise), rel_tol=1e-7):
        return 1 / (1 + flow.symbols["sigma2"])
    return None


@lru_cache(maxsize=128)
def _solved(
    flow: Flow,
    integral: sympy.Expr,
    name: str,
    others: Sequence[tuple[str, sympy.Expr]],
    special: Sequence[tuple[str, int]],
) -> tuple[sympy.Expr, ...]:
    """Values of one state at which an integral has its initial value, the other states being at their limits."""
    if integral.has(sympy.Symbol("t")) or flow.symbols[name] not in integral.free_symbols:
        return ()
    at_start = integral.subs({flow.symbols[state]: _start(state) for state in flow.states})
    at_end = integral.subs({flow.symbols[state]: end for state, end in others})
    shown = {flow.symbols[key]: number for key, number in special if key in flow.symbols}
    state, gained = flow.symbols[name], (at_end - at_start).subs(shown)
    square, slope = gained.coeff(state, 2), gained.coeff(state, 1)
    rest = sympy.expand_mul(gained - square * state**2 - slope * state)
    if square == 0 or rest.has(state):
        return tuple(sympy.solve(gained, state))
    middle = -slope / (2 * square)
    inside = sympy.expand_mul(middle**2 - rest / square)  # left expanded, it reads as the rule that gives it
    starts = [_start(state) for state in flow.states]
    alone = sympy.Add(*[term for term in sympy.Add.make_args(inside) if not term.has(*starts)])
    squares, constant = completed(inside - alone, starts)
    if constant == -alone:
        inside = squares
    root = sympy.sqrt(sympy.Add(*map(_factored, sympy.Add.make_args(inside))))
    return (middle + root, middle - root)
