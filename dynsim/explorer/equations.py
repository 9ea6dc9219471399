"""The equations under the picture, in LaTeX: the loss, the flow it generates, and what the flow conserves."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import sympy

from dynsim.explorer.closed_form import conserved
from dynsim.explorer.completed_squares import completed
from dynsim.explorer.setting import Setting
from dynsim.explorer.subject import Subject, subject
from dynsim.symbolic.printing import latex, tidy

__all__ = ["equations", "integral_lines", "readable"]


def equations(setting: Setting) -> tuple[str, ...]:
    r"""Loss and derived equations, one LaTeX line each, without dollar signs.

    Examples
    --------
    >>> from dynsim.explorer.equations import equations
    >>> from dynsim.explorer.setting import Setting
    >>> print(equations(Setting("toy", branch="full"))[2])
    \dot{\theta} = - \theta \left(\varphi - 1\right)^{2}
    """
    return _equations(subject(setting))


@lru_cache(maxsize=32)
def _equations(about: Subject) -> tuple[str, ...]:
    flow = about.equations
    if flow is None:
        return ()
    lines = [] if flow.loss is None else [rf"L = {latex(flow.loss)}"]
    for name, entry in zip(flow.states, flow.rhs, strict=True):
        lines.append(rf"\dot{{{latex(flow.symbols[name])}}} = {latex(tidy(entry))}")
    return tuple(lines)


def readable(integral: sympy.Expr, states: Sequence[sympy.Symbol]) -> sympy.Expr:
    """The same up to sign and a constant, which change nothing about being conserved."""
    shown, _ = completed(integral, states)
    return -shown if latex(shown).startswith("-") else shown


def integral_lines(setting: Setting) -> tuple[str, ...]:
    r"""What a filled setting conserves, with its value at the start; empty where nothing is known.

    Examples
    --------
    >>> from dynsim.explorer.equations import integral_lines
    >>> from dynsim.explorer.setting import Setting
    >>> from dynsim.explorer.subject import filled
    >>> print(*integral_lines(filled(Setting("toy"))))
    \alpha \theta^{2} - \varphi^{2} = -0.35
    >>> print(*integral_lines(filled(Setting("toy", branch="full"))))
    \alpha \theta^{2} - \left(1 - \varphi\right)^{2} = -0.15
    """
    about = subject(setting)
    if about.equations is None or setting.schedules:
        return ()
    values = {**setting.initial, **setting.parameters}
    lines = []
    for found in conserved(about, setting.parameters):
        integral = readable(found, [about.flow.symbols[name] for name in about.flow.states])
        numbers = {symbol: values[symbol.name] for symbol in integral.free_symbols if symbol.name in values}
        eta = next((values[name] for name in ("eta_p", "eta_s") if name in values), 0.0)
        rest = {symbol: {"eta": eta, "t": 0}.get(symbol.name, symbol) for symbol in integral.free_symbols}
        start = sympy.sympify(integral.subs({**rest, **numbers}))
        if start.is_number and start.is_real:
            lines.append(f"{latex(integral)} = {float(start):.4g}")
    return tuple(lines)
