"""A right-hand side in the form in which a paper would print it; the same function, fewer roundings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import sympy

from dynsim.symbolic.flow import Flow

__all__ = ["as_fraction", "as_powers", "rewritten", "term_by_term"]


def rewritten(flow: Flow, form: Callable[[sympy.Expr], sympy.Expr], positive: Iterable[str] = ()) -> Flow:
    """Return the flow with `form` applied to every velocity, states in `positive` known to be so.

    Examples
    --------
    >>> from dynsim import Descend, Flow
    >>> from dynsim.systems.building import as_powers, rewritten
    >>> flow = Flow.of({"s": Descend("s^3 - sqrt(s)*s", rate="2*sqrt(s)")})
    >>> rewritten(flow, as_powers, positive="s").rhs
    Matrix([[-6*s**(5/2) + 3*s]])
    """

    def entry(velocity: sympy.Expr) -> sympy.Expr:
        sure = {
            s: sympy.Dummy(s.name, **{"positive" if s.name in positive else "real": True})
            for s in velocity.free_symbols
        }
        return form(velocity.xreplace(sure)).xreplace({dummy: s for s, dummy in sure.items()})

    return replace(flow, rhs=flow.rhs.applyfunc(entry))


def as_powers(velocity: sympy.Expr) -> sympy.Expr:
    """A sum of powers."""
    return sympy.powsimp(sympy.expand(velocity))


def as_fraction(velocity: sympy.Expr) -> sympy.Expr:
    """One factored fraction."""
    return sympy.factor(sympy.together(velocity))


def term_by_term(velocity: sympy.Expr) -> sympy.Expr:
    """The sum of its terms, each as short as SymPy finds it."""
    return sympy.Add(*(sympy.simplify(term) for term in sympy.Add.make_args(velocity)))
