"""How many laws a family of flows has in common: counted by the rank of the Lie algebra that its fields generate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from time import monotonic
from typing import Any

import numpy as np
import sympy
from sympy.polys.polyerrors import BasePolynomialError

from dynsim.analysis.algebra.modular import PRIME
from dynsim.errors import bad, unknown
from dynsim.field import TIME
from dynsim.symbolic.expressions import name_of, names_of
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.sources import as_flow

__all__ = ["Count", "count_integrals", "parameters_over"]

_BUDGET = 20.0  # seconds
_MOST_TERMS = 200_000  # of one field
_POINTS = 2  # random places at which the rank is taken: it can only be too small, with a probability of about 1e-8

Polynomial = dict[tuple[int, ...], int]
Vector = tuple[Polynomial, ...]


@dataclass(frozen=True)
class Count:
    """How many functions are constant along every flow of a family.

    Attributes
    ----------
    number : int
        Functionally independent laws I(states) near a generic point.
    with_time : int
        The same of laws I(states, t), the others among them: what decays at a known rate is one.
    exact : bool
        Whether the count was finished; otherwise the numbers are upper bounds.

    See Also
    --------
    count_integrals : what makes one.

    Examples
    --------
    >>> import dynsim
    >>> toy = dynsim.system("toy")
    >>> dynsim.count_integrals(toy, ["alpha"]).exact
    True
    """

    number: int
    with_time: int
    exact: bool

    def __repr__(self) -> str:
        at_most = "" if self.exact else "at most "
        return f"Count({at_most}{self.number} laws, {at_most}{self.with_time} with the time)"


def count_integrals(flow: Flow, over: Any) -> Count:
    """Count the laws that hold whatever values some parameters have: data, rates.

    Parameters
    ----------
    flow : Flow
        Autonomous, polynomial or rational in states and parameters; relu, abs, max, min and sign of such are taken
        on each side of their kinks.
    over : str, or sequence of str or Symbol
        The parameters for all of whose values a law must hold. The others have some generic value each.

    Returns
    -------
    Count

    Raises
    ------
    InvalidType, InvalidValue, UnknownName
        No parameter to count over: a single autonomous field has, near a generic point, always one law less than
        states, and nothing is learnt from that. A flow that is not rational.

    Notes
    -----
    A law is constant along the flow for all values of the parameters exactly if it is constant along every field that
    multiplies a monomial of them; then along the brackets of these fields too. By Frobenius's theorem there are as
    many laws as there are dimensions that the fields and all their brackets do not span at a generic point. The rank
    is taken at random points modulo a prime: it could only come out too small, with a probability of about 1e-8. What
    a finished count proves is how many laws there are, not that they are polynomials.

    References
    ----------
    Marcotte, Gribonval & Peyré, "Abide by the law and follow the flow: conservation laws for gradient flows",
    NeurIPS 2023, for the criterion.

    See Also
    --------
    first_integrals : finds them; with `over` it says whether these are all.

    Examples
    --------
    Two linear layers of one unit: a² − b² is kept whatever the data are.

    >>> import dynsim
    >>> flow = dynsim.gradient_flow("s*(a*b)^2/2 - d*a*b", "a, b")
    >>> dynsim.count_integrals(flow, over="s, d")
    Count(1 laws, 1 with the time)
    """
    flow = as_flow(flow)
    flow.require_autonomous("count_integrals")
    names = parameters_over(flow, over)
    start, fields, exact = monotonic(), _generators(flow, names), True
    size = len(flow.states)
    counts = []
    for dimensions in (size, size + 1):
        ranks = []
        for place in range(_POINTS):
            rank, finished = _closure(fields, dimensions, np.random.default_rng(place), start + _BUDGET)
            ranks.append(rank)
            exact &= finished
        counts.append(dimensions - max(ranks))
    return Count(counts[0], counts[1], exact)


def parameters_over(flow: Flow, over: Any) -> tuple[str, ...]:
    """Return the names of the parameters that are counted over."""
    if over is None or (isinstance(over, str | list | tuple | set | frozenset | dict) and not over):
        advice = (
            f"one autonomous field alone always has {len(flow.states) - 1} local integrals, one less than states: "
            "name the data or the rates for all of whose values a law must hold"
        )
        raise bad("over", over, "at least one parameter", advice)
    names = (name_of("over", over),) if isinstance(over, sympy.Symbol) else names_of("over", over)
    for name in names:
        if name not in flow.parameters:
            raise unknown("parameter in over", name, flow.parameters)
    return names


def _generators(flow: Flow, over: Sequence[str]) -> list[Vector]:
    """Fields in states and time modulo the prime: what multiplies each monomial of the parameters counted over."""
    time = flow.symbols.get(TIME, sympy.Symbol(TIME))
    entries, switches = _without_kinks([*flow.rhs])
    parts = [sympy.fraction(sympy.cancel(sympy.together(entry))) for entry in entries]
    below = sympy.lcm_list([bottom for _, bottom in parts]) if parts else sympy.S.One
    numerators = [sympy.cancel(top * below / bottom) for top, bottom in parts]
    states = [flow.symbols[name] for name in flow.states] + [time]
    family = [flow.symbols[name] for name in over] + switches
    free = set().union(below.free_symbols, *(entry.free_symbols for entry in numerators))
    others = sorted(free - {*states, *family}, key=str)
    rng = np.random.default_rng(2023)
    values = [int(rng.integers(1, PRIME)) for _ in others]
    found: dict[tuple[int, ...], list[Polynomial]] = {}
    for row, entry in enumerate([*numerators, below]):
        try:
            terms = sympy.Poly(entry, *states, *family, *others, domain=sympy.QQ).terms()
        except BasePolynomialError:
            advice = "the fields of a count are polynomials or rational functions of states and parameters"
            raise bad("flow", str(entry), "a rational right-hand side", advice) from None
        for powers, number in terms:
            mine = powers[: len(states)]
            # A switch is 0 or 1, so that it equals its powers.
            split = len(states) + len(over)
            key = (*powers[len(states) : split], *(min(p, 1) for p in powers[split : split + len(switches)]))
            value = int(number.p) * pow(int(number.q), -1, PRIME) % PRIME
            for base, power in zip(values, powers[split + len(switches) :], strict=True):
                value = value * pow(base, power, PRIME) % PRIME
            vector = found.setdefault(key, [{} for _ in states])
            vector[row][mine] = (vector[row].get(mine, 0) + value) % PRIME
    return [tuple({p: c for p, c in part.items() if c} for part in vector) for vector in found.values()]


def _without_kinks(entries: list[sympy.Expr]) -> tuple[list[sympy.Expr], list[sympy.Symbol]]:
    """Entries in which relu, |·|, sign and steps are polynomials in switches, each 0 or 1."""
    switches: dict[sympy.Expr, sympy.Symbol] = {}

    def switch(inside: sympy.Expr) -> sympy.Symbol:
        return switches.setdefault(inside, sympy.Dummy("switch"))

    def extreme(arguments: Sequence[sympy.Expr], sign: int) -> sympy.Expr:
        result, *rest = arguments
        for other in rest:
            result = result + (other - result) * switch(sign * (other - result))
        return result

    changed = []
    for entry in entries:
        entry = entry.replace(sympy.DiracDelta, lambda *_: sympy.S.Zero)
        entry = entry.replace(sympy.Max, lambda *inside: extreme(sympy.ordered(inside), 1))
        entry = entry.replace(sympy.Min, lambda *inside: extreme(sympy.ordered(inside), -1))
        entry = entry.replace(sympy.Heaviside, lambda inside, *_: switch(inside))
        entry = entry.replace(sympy.sign, lambda inside: 2 * switch(inside) - 1)
        changed.append(entry.replace(sympy.Abs, lambda inside: inside * (2 * switch(inside) - 1)))
    return changed, list(switches.values())


def _closure(fields: Sequence[Vector], size: int, rng: np.random.Generator, until: float) -> tuple[int, bool]:
    """Rank at a random point of the Lie algebra that fields span in their first `size` dimensions; whether it closed.

    A bracket whose value depends on those that are kept adds nothing to what later brackets span at a generic point.
    """
    count = len(fields[0]) if fields else 0
    point = [int(value) for value in rng.integers(1, PRIME, count)]
    fields = [vector[:size] for vector in fields]
    rows: list[list[int]] = []

    def raises(vector: Vector) -> bool:
        value = [_value(part, point) for part in vector]
        for row in rows:
            pivot = next(i for i, item in enumerate(row) if item)
            if value[pivot]:
                factor = value[pivot]
                value = [(a - factor * b) % PRIME for a, b in zip(value, row, strict=True)]
        if not any(value):
            return False
        pivot = next(i for i, item in enumerate(value) if item)
        inverse = pow(value[pivot], -1, PRIME)
        rows.append([item * inverse % PRIME for item in value])
        return True

    kept = [vector for vector in fields if raises(vector)]
    first, done = list(kept), 0
    while done < len(kept) and len(rows) < size:
        for generator in first:
            if monotonic() > until or max((len(part) for part in kept[done]), default=0) > _MOST_TERMS:
                return len(rows), False
            new = _bracket(generator, kept[done])
            if raises(new):
                kept.append(new)
        done += 1
    return len(rows), True


def _value(polynomial: Polynomial, point: Sequence[int]) -> int:
    total = 0
    for powers, number in polynomial.items():
        for base, power in zip(point, powers, strict=True):
            if power:
                number = number * pow(base, power, PRIME) % PRIME
        total += number
    return total % PRIME


def _bracket(left: Vector, right: Vector) -> Vector:
    """Lie bracket [left, right] = right′·left − left′·right."""
    result: list[Polynomial] = [{} for _ in left]
    for field, along, sign in ((right, left, 1), (left, right, -1)):
        for total, entry in zip(result, field, strict=True):
            for variable, speed in enumerate(along):
                if speed:
                    _add_products(total, _slope(entry, variable), speed, sign)
    return tuple({powers: number for powers, number in part.items() if number} for part in result)


def _slope(polynomial: Polynomial, variable: int) -> Iterator[tuple[tuple[int, ...], int]]:
    for powers, number in polynomial.items():
        power = powers[variable]
        if power:
            yield (*powers[:variable], power - 1, *powers[variable + 1 :]), number * power % PRIME


def _add_products(total: Polynomial, slope: Iterator[Any], speed: Polynomial, sign: int) -> None:
    for (one, a), (other, b) in product(list(slope), speed.items()):
        powers = tuple(map(int.__add__, one, other))
        total[powers] = (total.get(powers, 0) + sign * a * b) % PRIME
