r"""What the systems are built with: checked sizes, and a right-hand side in the form in which a paper prints it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from numbers import Integral

import sympy

from dynsim.errors import InvalidType, bad
from dynsim.symbolic.flow import Flow

__all__ = ["as_fraction", "as_powers", "count", "numbered", "only_stop", "rewritten", "term_by_term", "with_parameter"]

MOST = 50  # beyond this SymPy, not the mathematics, is the limit


def count(argument: str, value: object, least: int = 1) -> int:
    """Check a number of modes or layers: an integer from `least` to 50."""
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise bad(argument, value, f"an integer from {least} to {MOST}", kind=InvalidType)
    number = int(value)
    if not least <= number <= MOST:
        raise bad(argument, value, f"an integer from {least} to {MOST}")
    return number


def numbered(letter: str, k: int) -> tuple[str, ...]:
    """Names of k states of one kind.

    Examples
    --------
    >>> from dynsim.systems.building import numbered
    >>> numbered("w", 2)
    ('w1', 'w2')
    """
    return tuple(f"{letter}{i}" for i in range(1, k + 1))


def only_stop(branch: str, variant: str | None, why: str) -> None:
    """Refuse a branch that a variant does not have."""
    if branch != "stop":
        raise bad("branch", branch, f"'stop' for variant '{variant}'", why)


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


def with_parameter(flow: Flow, name: str) -> Flow:
    """Return the flow with η_p = η_s = η if `name` is "eta" and the flow knows only the two apart.

    Examples
    --------
    >>> import dynsim
    >>> from dynsim.systems.building import with_parameter
    >>> with_parameter(dynsim.system("scalar"), "eta").parameters
    ('alpha', 'eta', 'sigma2')
    """
    if name == "eta" and name not in flow.parameters and {"eta_p", "eta_s"} <= set(flow.parameters):
        return flow.fix(eta_p="eta", eta_s="eta")
    return flow
