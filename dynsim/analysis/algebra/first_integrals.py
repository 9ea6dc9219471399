"""What a flow conserves: its first integrals, found and not looked up."""

from __future__ import annotations

from collections.abc import Iterable
from time import monotonic

import numpy as np
import sympy

from dynsim.analysis.algebra.invariant_polynomials import TooLarge, eigenpolynomials, invariants
from dynsim.analysis.algebra.polynomial_field import polynomial_field
from dynsim.errors import InvalidType, bad
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.numeric import compile_expressions

__all__ = ["FirstIntegrals", "first_integrals"]

# Seconds after which the search stops before the next degree, and says so.
_BUDGET = 20.0


class FirstIntegrals(list[sympy.Expr]):
    """A list of expressions that knows whether the search behind it was finished.

    Attributes
    ----------
    complete : bool
        Whether every integral of the asked form was found.
    note : str
        Where the search was cut off; empty if it was not.
    """

    def __init__(self, expressions: Iterable[sympy.Expr] = (), note: str = "") -> None:
        super().__init__(expressions)
        self.note = note

    @property
    def complete(self) -> bool:
        """Whether the search was finished."""
        return not self.note

    def __repr__(self) -> str:
        return super().__repr__() + (f"  ({self.note})" if self.note else "")


def first_integrals(flow: Flow, *, degree: int = 4) -> FirstIntegrals:
    """Find the polynomial first integrals of a flow, exponentially weighted ones included.

    Parameters
    ----------
    flow : Flow
        With any parameters; they stay symbolic.
    degree : int
        Largest total degree in the states.

    Returns
    -------
    FirstIntegrals
        A list of expressions I, functionally independent, lowest degree first, denominators cleared. A
        weighted one has the form I·exp(k·t) with the Symbol ``t`` for flow time and k rational in the
        parameters. `complete` is False, and `note` says why, if the search was cut off.

    Raises
    ------
    InvalidType, InvalidValue
        Something that is no flow, or a degree that is no positive integer.

    Notes
    -----
    Functions of the states that are not polynomial (exp, sin, roots) are variables of their own, so what is
    found is an integral always, while an integral that needs an identity between such functions can be missed.

    References
    ----------
    Goriely, Integrability and Nonintegrability of Dynamical Systems (2001), ch. 2.

    Examples
    --------
    >>> import dynsim
    >>> for branch in ("stop", "full", "target"):
    ...     print(*dynsim.first_integrals(dynsim.system("toy", branch=branch)))
    -alpha*theta**2 + phi**2
    -alpha*theta**2 + phi**2 - 2*phi
    alpha*theta**2 + 2*phi
    """
    if not isinstance(flow, Flow):
        raise bad("flow", flow, "a Flow", "make one with gradient_flow(…) or system(…)", kind=InvalidType)
    if not isinstance(degree, int) or isinstance(degree, bool) or degree < 1:
        raise bad("degree", degree, "a positive integer")
    deadline = monotonic() + _BUDGET
    field = polynomial_field(flow)
    found = _Independent(flow)
    notes: list[str] = []
    states = len(flow.states)
    kinds = [(False, states - 1), (True, states)]
    if "t" in flow.symbols:
        kinds, notes = kinds[:1], ["weighted integrals not searched: the flow uses the symbol 't'"]
    for weighted, enough in kinds:
        for current in range(1, degree + 1):
            if len(found.kept) >= enough:
                break
            if monotonic() > deadline:
                notes.append(_cut(weighted, current, "out of time"))
                break
            try:
                if weighted:
                    for rate, polynomial in eigenpolynomials(field, current):
                        found.add(current, field.expression(polynomial), rate.xreplace(field.meaning))
                else:
                    for polynomial in invariants(field, current):
                        found.add(current, field.expression(polynomial))
            except TooLarge:
                notes.append(_cut(weighted, current, "the linear system grows too large"))
                break
    return FirstIntegrals(found.in_order(), "; ".join(notes))


def _cut(weighted: bool, degree: int, why: str) -> str:
    kind = "weighted integrals" if weighted else "integrals"
    return f"{kind} searched up to degree {degree - 1} only: {why}"


class _Independent:
    """Integrals kept so far: one more is kept if its gradient is independent of theirs."""

    def __init__(self, flow: Flow) -> None:
        self.time = sympy.Symbol("t")
        self.symbols = [*(flow.symbols[name] for name in flow.states), self.time]
        self.kept: list[tuple[int, bool, sympy.Expr]] = []

    def add(self, degree: int, integral: sympy.Expr, rate: sympy.Expr | None = None) -> None:
        if integral.has(sympy.Piecewise, sympy.Heaviside):
            return  # constant on each side of a kink only
        if rate is not None:
            integral = integral * sympy.exp(-rate * self.time)
        trial = [expr for *_, expr in self.kept] + [integral]
        if _rank(trial, self.symbols) == len(trial):
            self.kept.append((degree, rate is not None, integral))

    def in_order(self) -> list[sympy.Expr]:
        return [expr for *_, expr in sorted(self.kept, key=lambda item: item[:2])]


def _rank(integrals: list[sympy.Expr], symbols: list[sympy.Symbol]) -> int:
    """Largest rank of the Jacobian at three seeded random points."""
    jacobian = sympy.Matrix(integrals).jacobian(symbols)
    arguments = sorted(jacobian.free_symbols, key=str)
    function = compile_expressions(list(jacobian), arguments)
    points = np.random.default_rng(7).uniform(0.3, 1.7, (3, len(arguments)))
    ranks = [0]
    for point in points:
        rows = np.array([float(value) for value in function(*point)]).reshape(jacobian.shape)
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        if np.isfinite(rows).all() and (norms > 0).all():
            ranks.append(int(np.linalg.matrix_rank(rows / norms, tol=1e-9)))
    return max(ranks)
