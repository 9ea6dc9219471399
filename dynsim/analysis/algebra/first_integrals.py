"""What a flow conserves: its first integrals, found and not looked up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import sympy
from sympy.polys.rings import PolyElement

from dynsim.analysis.algebra.counting import Count, count_integrals, parameters_over
from dynsim.analysis.algebra.invariant_polynomials import TooLarge, eigenpolynomials, invariants
from dynsim.analysis.algebra.polynomial_field import PolynomialField, polynomial_field
from dynsim.budget import OutOfTime, items_within
from dynsim.errors import bad
from dynsim.symbolic.expressions import almost_everywhere
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.sources import as_flow

__all__ = ["FirstIntegrals", "first_integrals"]

_BUDGET = 20.0  # seconds
_PLACES, _DIGITS = 3, 30  # where gradients are compared, and with how many digits they are computed
_NOTHING = 1e-20  # a gradient that is smaller is zero


class FirstIntegrals(list[sympy.Expr]):
    """A list of expressions that knows whether the search behind it was finished.

    Attributes
    ----------
    complete : bool
        Whether every integral of the asked form was found.
    note : str
        Where the search was cut off; empty if it was not.
    counted : Count or None
        How many there are for all values of the parameters asked for, where it was counted.
    """

    def __init__(self, expressions: Iterable[sympy.Expr] = (), note: str = "", counted: Count | None = None) -> None:
        super().__init__(expressions)
        self.note, self.counted = note, counted

    @property
    def complete(self) -> bool:
        """Whether the search was finished; with a count, whether all that there are were found."""
        if self.counted is not None:
            return self.counted.exact and len(self) == self.counted.with_time
        return not self.note

    def __repr__(self) -> str:
        notes = [] if self.counted is None else [f"{len(self)} of {self.counted.with_time}"]
        notes += [self.note] if self.note and not (notes and self.complete) else []
        return super().__repr__() + (f"  ({'; '.join(notes)})" if notes else "")


def first_integrals(flow: Flow, *, degree: int = 4, over: Any = None) -> FirstIntegrals:
    r"""Find the polynomial first integrals of a flow, exponentially weighted ones included.

    Parameters
    ----------
    flow : Flow
        With any parameters; they stay symbolic.
    degree : int
        Largest total degree in the states.
    over : str, or sequence of str or Symbol, optional
        Parameters for all of whose values an integral must hold, the data or the rates, say: only such integrals are
        returned, and `count_integrals` says how many there are, so that "3 of 3" is a proof.

    Returns
    -------
    FirstIntegrals
        A list of expressions I, functionally independent, lowest degree first, denominators cleared. A
        weighted one has the form I·exp(k·t) with the Symbol ``t`` for flow time and k rational in the
        parameters. `complete` is False, and `note` says why, if the search was cut off, after 20 seconds at the
        latest, or if functions in the flow may obey identities that were not used.

    Raises
    ------
    InvalidType, InvalidValue
        Something that is no flow, or a degree that is no positive integer.

    See Also
    --------
    count_integrals : how many there can be.
    conservation : whether a run keeps them.

    Notes
    -----
    Functions of the states that are not polynomial (exp, sin, roots, \|·\|, max) are variables of their own, taken
    modulo the identities that they obey; an integral may be polynomial in them too, such as the energy of Kepler's
    problem in 1/r, or sinh² of a weight behind tanh. That of a rational flow may be polynomial in logarithms of
    denominators and of states that vanish with their velocity, too, as Lotka and Volterra's is. What is constant on
    each side of a kink only is no integral.

    References
    ----------
    Goriely, Integrability and Nonintegrability of Dynamical Systems (2001), ch. 2. Ax, "On Schanuel's conjectures",
    Annals of Mathematics 93 (1971).

    Examples
    --------
    >>> import dynsim
    >>> for branch in ("stop", "full", "target"):
    ...     print(*dynsim.first_integrals(dynsim.system("toy", branch=branch)))
    -alpha*theta**2 + phi**2
    -alpha*theta**2 + phi**2 - 2*phi
    alpha*theta**2 + 2*phi

    Of a family, how many there can be is counted:

    >>> flow = dynsim.gradient_flow("s*(a*b)^2/2 - d*a*b", "a, b")
    >>> dynsim.first_integrals(flow, over="s, d")
    [a**2 - b**2]  (1 of 1)
    """
    flow = as_flow(flow)
    flow.require_autonomous("first_integrals")
    if not isinstance(degree, int) or isinstance(degree, bool) or degree < 1:
        raise bad("degree", degree, "a positive integer")
    count = None if over is None else count_integrals(flow, over)
    plain = Flow(flow.states, flow.rhs, flow.symbols)
    found: list[tuple[int, bool, sympy.Expr]] = []
    notes: list[str] = []
    weighted, current = False, 1
    try:
        for kind, value in items_within(_BUDGET, _search, plain, degree):
            if kind == "at":
                weighted, current = value
            elif kind == "note":
                notes.append(value)
            else:
                found.append(value)
    except OutOfTime:
        notes.append(_cut(weighted, current, f"out of time ({_BUDGET:g} s)"))
    found.sort(key=lambda item: item[:2])
    kept = [expr for *_, expr in found]
    if over is not None:
        fixed = set(parameters_over(flow, over))
        kept = [expr for expr in kept if not fixed & {symbol.name for symbol in expr.free_symbols}]
    return FirstIntegrals(kept, "; ".join(notes), count)


def _search(flow: Flow, degree: int) -> Iterator[tuple[str, Any]]:
    """Yield what is found, where the search is, and where it is cut."""
    field = polynomial_field(flow)
    found = _Independent(flow)
    states = len(flow.states)
    plain = [i for i in field.moving if i not in (*field.inverses, *field.logarithms)]
    smooth = [i for i in plain if i not in field.kinks]
    # First in the states alone: ‖p‖² rather than the 1/‖p‖ that a cosine loss has in it.
    searches: list[tuple[bool, list[int]]] = [(False, list(field.moving[:states]))]
    searches += [(False, within) for within in (smooth, plain) if within != searches[-1][1]]
    if "t" in flow.symbols:
        yield "note", "weighted integrals not searched: the flow uses the symbol 't'"
    else:
        searches.append((True, smooth))
    if field.inverses:
        searches.append((False, [*smooth, *field.inverses]))
    if field.logarithms:
        searches.append((False, [*smooth, *field.logarithms]))
    for weighted, within in searches:
        for current in range(1, degree + 1):
            if len(found.kept) >= states - (not weighted):
                break
            yield "at", (weighted, current)
            try:
                for rate, polynomial in _of_degree(field, weighted, current, within):
                    if found.add(field.expression(polynomial), rate):
                        yield "found", (current, weighted, found.kept[-1])
            except TooLarge:
                yield "note", _cut(weighted, current, "the linear system grows too large")
                break
    if field.doubt and len(found.kept) < states:
        yield "note", field.doubt


def _of_degree(
    field: PolynomialField, weighted: bool, degree: int, within: list[int]
) -> Iterator[tuple[Any, PolyElement]]:
    if weighted:
        for rate, polynomial in eigenpolynomials(field, degree):
            yield rate.xreplace(field.meaning), polynomial
    else:
        yield from ((None, polynomial) for polynomial in invariants(field, degree, within))


def _cut(weighted: bool, degree: int, why: str) -> str:
    kind = "weighted integrals" if weighted else "integrals"
    return f"{kind} searched up to degree {degree - 1} only: {why}"


class _Independent:
    """Integrals kept so far: one more is kept if its gradient is independent of theirs."""

    def __init__(self, flow: Flow) -> None:
        self.time = sympy.Symbol("t")
        self.symbols = [*(flow.symbols[name] for name in flow.states), self.time]
        self.kept: list[sympy.Expr] = []
        self.rows: list[sympy.Matrix] = []
        others = sorted(flow.rhs.free_symbols - set(self.symbols), key=str)
        generator = np.random.default_rng(7)
        numbers = generator.integers(300, 1700, (_PLACES, len(self.symbols) + len(others)))
        self.real = {symbol: sympy.Dummy(symbol.name, real=True) for symbol in (*self.symbols, *others)}
        names = list(self.real.values())
        self.points = [dict(zip(names, (sympy.Rational(int(n), 997) for n in row), strict=True)) for row in numbers]

    def add(self, integral: sympy.Expr, rate: sympy.Expr | None = None) -> bool:
        """Keep an integral unless it depends on those that are kept; say whether it is kept."""
        if rate is not None:
            integral = integral * sympy.exp(-rate * self.time)
        # Of real symbols SymPy knows what the derivative of |·| is.
        written = integral.xreplace(self.real)
        slopes = [almost_everywhere(written.diff(self.real[symbol])) for symbol in self.symbols]
        rows = [[complex(sympy.N(slope.subs(point), _DIGITS)) for slope in slopes] for point in self.points]
        trial = [*self.rows, rows]
        # At every place a matrix of gradients: dependent functions have dependent gradients at all of them.
        if max(_rank([row[place] for row in trial]) for place in range(_PLACES)) < len(trial):
            return False
        self.kept.append(integral)
        self.rows.append(rows)
        return True


def _rank(rows: list[list[complex]]) -> int:
    table = np.array(rows)
    norms = np.linalg.norm(table, axis=1, keepdims=True)
    if not np.isfinite(table).all() or not (norms > _NOTHING).all():
        return 0
    return int(np.linalg.matrix_rank(table / norms, tol=1e-9))
