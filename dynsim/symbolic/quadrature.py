"""Averages without a closed form: as an `Expectation` over few nodes, with its error and what speaks against it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

import mpmath
import numpy as np
import sympy
from sympy import Add, Expr, S, Symbol

from dynsim.errors import InvalidValue, bad
from dynsim.symbolic.distributions import Distribution, Normal, Uniform
from dynsim.symbolic.expectation import NODES, Expectation, NormalNode, TailNode, UniformNode, node_count
from dynsim.symbolic.functions import stop_gradient
from dynsim.symbolic.monomials import affine, expanded
from dynsim.symbolic.numeric import evaluate

__all__ = ["EXACT", "Divergent", "Quadrature", "quadrature", "quadrature_of"]

POINTS = 200
SEED = 20200
TOLD = 1e-6
"""A relative error from which on a quadrature is mentioned wherever its flow is."""
_TRIALS = 4
_ROUNDING = 1e-13
_KINKS = (sympy.Abs, sympy.sign, sympy.Heaviside, sympy.Max, sympy.Min)


class Divergent(InvalidValue):
    """An average that does not exist."""

    def __init__(self, expression: Expr, why: str) -> None:
        super().__init__(f"E({expression}): {why}")
        self.expression, self.why = expression, why
        self.average: Expr | None = None  # the average as it was written, where it was


def quadrature(factor: Expr, laws: Mapping[Symbol, Distribution], moving: Collection[str]) -> Expr:
    """Average a product over independent normal and uniform symbols numerically, in as few dimensions as it has.

    A function of a linear combination of normal symbols needs one node; powers of normal symbols beside it are
    averaged exactly, given its argument. Kinks at one threshold split the line there.

    Parameters
    ----------
    factor : Expr
    laws : mapping
        What every random symbol in it is drawn from.
    moving : collection of str
        Names that are differentiated by; no direction may depend on them unless it is the only one.
    """
    normal = sorted((s for s, law in laws.items() if isinstance(law, Normal)), key=str)
    uniform = [s for s in sorted(laws, key=str) if s not in normal]
    powers = dict.fromkeys(normal, S.Zero)
    function = S.One
    for base, power in factor.as_powers_dict().items():
        if base in powers and power.is_Integer and power > 0:
            powers[base] = power
        else:
            function *= base**power
    names = {node.name for node in function.atoms(NormalNode, UniformNode, TailNode)}
    function, pairs, polynomial = _directions(function, powers, laws, {*moving, *(s.name for s in uniform)}, names)
    values = {}
    for x in uniform:
        law = cast("Uniform", laws[x])
        node = UniformNode(_fresh(x.name, names))
        values[x] = (law.low + law.high) / 2 + node
        pairs += [node, (law.high - law.low) / 2]
    if len(pairs) > 2 * max(NODES):
        found = f"a function of {len(pairs) // 2} independent directions"
        raise bad("random", found, f"at most {max(NODES)} that are no polynomial", "fix some, or make them discrete")
    integrand = (function * polynomial).xreplace(values)
    _check(factor, integrand, pairs)
    if len(pairs) == 2 and isinstance(pairs[0], NormalNode) and integrand.has(*_KINKS):
        split = _split(integrand, pairs[0], pairs[1], moving)
        if split is not None:
            return split
    for jump in integrand.atoms(sympy.sign, sympy.Heaviside):
        if _moves(jump, pairs[::2], moving):
            raise Divergent(factor, f"the jump {jump} moves with a state, and what that adds to the gradient is not "
                            "known; write it along an affine form, or smoothly, by sigmoid or erf")  # fmt: skip
    return Expectation(integrand, *pairs)


def _moves(kink: Expr, nodes: Sequence[Any], moving: Collection[str]) -> bool:
    """Whether the place of a kink among the samples depends on what is differentiated by."""
    plain = kink.replace(stop_gradient, lambda _: S.One)
    own = {s.name for s in plain.free_symbols if not isinstance(s, sympy.Dummy)}
    return kink.has(*nodes) and bool(own & {*moving})


def _fresh(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "'"
    taken.add(name)
    return name


def _directions(
    function: Expr, powers: dict[Symbol, int], laws: Mapping[Symbol, Any], moving: Collection[str], names: set[str]
) -> tuple[Expr, list[Any], Expr]:
    """Put nodes in the place of normal symbols: the function, nodes and variances, and the powers beside it.

    A direction is what the parts of the function that are affine in the symbols have in common up to a factor. The
    nodes are the directions made independent (Gram and Schmidt, the covariance being the scalar product); the powers
    are averaged over what the nodes leave free of the symbols.
    """
    normal = list(powers)
    inside = [x for x in normal if function.has(x)]
    forms = _forms(function, inside)
    directions: list[dict[Symbol, Expr]] = []
    for form in forms:
        lead = form[next(x for x in inside if x in form)]
        ratio = {x: sympy.cancel(slope / lead) for x, slope in form.items()}
        if ratio not in directions:
            directions.append(ratio)
    turning = any({s.name for s in value.free_symbols} & {*moving} for ratio in directions for value in ratio.values())
    if turning and len(directions) == 1 and not any(powers.values()):
        # The only direction turns with the states: its variance moves, and Price's theorem differentiates it. The
        # form is taken as it stands, since dividing it by one of its slopes would put a pole where that vanishes.
        directions = forms[:1]
    elif turning or len(directions) >= len(inside):
        directions = [{x: S.One} for x in inside]
    nodes: list[tuple[NormalNode, Expr, dict[Symbol, Expr]]] = []  # node, variance, its covariance with each symbol
    for direction in directions:
        covariance = {x: direction.get(x, S.Zero) * laws[x].variance for x in normal}
        own = Add(*(direction[x] * covariance[x] for x in direction))
        for _, variance, other in nodes:
            share = Add(*(direction[x] * other[x] for x in direction)) / variance
            covariance = {x: sympy.cancel(covariance[x] - share * other[x]) for x in normal}
            own = sympy.cancel(own - share**2 * variance)
        if own != 0:
            name = str(Add(*(value * x for x, value in direction.items())))
            name = name if name.isidentifier() else f"({name})"
            nodes.append((NormalNode(_fresh(name, names)), own, covariance))

    def put(part: Expr) -> Expr:
        """Replace every affine part by its mean and its share of the nodes."""
        if not any(part.has(x) for x in inside):
            return part
        found = affine(part, inside)
        if found is None:
            return part.func(*map(put, part.args))
        slopes, constant = found
        constant += Add(*(slope * laws[x].mean for x, slope in slopes.items()))
        lead = slopes[next(x for x in inside if x in slopes)]
        shares = [
            sympy.cancel(Add(*(slope / lead * c[x] for x, slope in slopes.items())) / v) * node for node, v, c in nodes
        ]
        return constant + lead * Add(*shares)

    mean = {
        x: laws[x].mean + Add(*(sympy.cancel(c[x] / v) * node for node, v, c in nodes if powers[x])) for x in normal
    }
    left = {
        (x, y): sympy.cancel((laws[x].variance if x == y else 0) - Add(*(c[x] * c[y] / v for _, v, c in nodes)))
        for x in normal
        for y in normal
        if powers[x] and powers[y]
    }
    polynomial = _moment(powers, mean, left)
    return put(function), [part for node, variance, _ in nodes for part in (node, variance)], polynomial


def _forms(function: Expr, normal: Sequence[Symbol]) -> list[dict[Symbol, Expr]]:
    """Return the slopes of the largest parts of a function that are affine in the symbols."""
    if not any(function.has(x) for x in normal):
        return []
    found = affine(function, normal)
    if found is not None:
        return [found[0]]
    return [form for part in function.args for form in _forms(part, normal)]


def _moment(powers: dict[Symbol, int], mean: Mapping[Symbol, Expr], covariance: Mapping[Any, Expr]) -> Expr:
    """E[Π x^k] of jointly normal symbols, by E[x g] = mean·E[g] + Σ cov(x, y)·E[∂g/∂y]."""
    x = next((x for x, power in powers.items() if power), None)
    if x is None:
        return S.One
    less = powers | {x: powers[x] - 1}
    terms = [mean[x] * _moment(less, mean, covariance)]
    for y, power in less.items():
        if power and covariance[x, y] != 0:
            terms.append(power * covariance[x, y] * _moment(less | {y: power - 1}, mean, covariance))
    return Add(*terms)


def _split(integrand: Expr, node: NormalNode, variance: Expr, moving: Collection[str]) -> Expr | None:
    """Average a function with kinks at one threshold on both sides of it, each side being smooth."""
    if {s.name for s in variance.free_symbols} & {*moving}:
        return None
    plain = integrand.replace(sympy.Heaviside, lambda x, *_: (1 + sympy.sign(x)) / 2)
    plain = plain.replace(sympy.Max, lambda *x: _larger(x, 1)).replace(sympy.Min, lambda *x: _larger(x, -1))
    thresholds, signs = set(), {}
    for kink in plain.atoms(sympy.Abs, sympy.sign):
        if not kink.has(node):
            continue
        found = affine(kink.args[0], [node])
        if found is None:
            return None
        slope, constant = found[0][node], found[1]
        thresholds.add(sympy.cancel(-constant / slope))
        up = sympy.sign(slope)
        signs[kink] = up * kink.args[0] if isinstance(kink, sympy.Abs) else up
    if len(thresholds) != 1:
        return None
    root = sympy.sqrt(variance)
    threshold = thresholds.pop() / root
    tail = TailNode(node.name)
    above = plain.xreplace(signs).xreplace({node: root * tail})
    below = plain.xreplace({kink: -value for kink, value in signs.items()}).xreplace({node: -root * tail})
    return Expectation(above, tail, threshold) + Expectation(below, tail, -threshold)


def _larger(x: Sequence[Expr], way: int) -> Expr:
    if len(x) > 2:
        return (sympy.Max if way > 0 else sympy.Min)(*x, evaluate=False)
    return (x[0] + x[1] + way * sympy.Abs(expanded(x[0] - x[1]))) / 2


def _check(factor: Expr, integrand: Expr, pairs: Sequence[Any]) -> None:
    """Refuse an average of what is undefined for part of the samples, or grows faster than the density falls.

    It is refused if that is so at all of a few seeded positive values of its symbols.
    """
    # A stop-gradient has the value of what it stops.
    integrand, *pairs = (part.replace(stop_gradient, lambda inside: inside) for part in (integrand, *pairs))
    nodes, scales = pairs[::2], pairs[1::2]
    for power in integrand.atoms(sympy.Pow):
        if power.exp.is_number and power.exp <= -1 and any(_vanishes(power.base, node) for node in nodes):
            raise Divergent(factor, f"{power} has a pole among the samples")
    average = Expectation(integrand, *pairs)
    free = sorted(average.free_symbols, key=str)
    generator = np.random.default_rng(SEED)
    trials = generator.uniform(0.5, 1.5, (_TRIALS, len(free)))
    if not np.isfinite(evaluate([average], dict(zip(free, trials.T, strict=True)))).any():
        steep = integrand.has(sympy.exp, sympy.cosh, sympy.sinh)
        if not steep or not _heavy(integrand, nodes, scales, free, trials):
            raise Divergent(factor, "it has no finite real value for part of the samples")
        raise Divergent(factor, "it grows faster than the density falls")
    if _heavy(integrand, nodes, scales, free, trials):
        raise Divergent(factor, "it grows faster than the normal density falls")


def _vanishes(base: Expr, node: Symbol) -> bool:
    found = affine(base, [node]) if isinstance(node, NormalNode) else None
    return found is not None and node in found[0]


def _heavy(
    integrand: Expr, nodes: Sequence[Any], scales: Sequence[Expr], free: Sequence[Any], trials: np.ndarray
) -> bool:
    """Whether the integrand outgrows the normal density, at 1,000 and 10,000 standard deviations."""
    if integrand.has(Expectation) or not integrand.has(sympy.exp, sympy.cosh, sympy.sinh):
        return False
    function = sympy.lambdify([*free, *nodes], integrand, modules=[_MP, "mpmath"], cse=True)
    spread = sympy.lambdify(list(free), list(scales), modules="mpmath")
    for i, node in enumerate(nodes):
        if not isinstance(node, NormalNode):
            continue
        for side in (-1, 1):
            if all(
                _outgrows(function, [mpmath.mpf(v) for v in trial], spread, i, len(nodes), side) for trial in trials
            ):
                return True
    return False


def _outgrows(function: Any, values: list[Any], spread: Any, i: int, count: int, side: int) -> bool:
    root = mpmath.sqrt(spread(*values)[i])
    levels = []
    for far in (1e3, 1e4):
        at = [mpmath.mpf("0.3")] * count
        at[i] = side * far * root
        try:
            levels.append(mpmath.log(abs(function(*values, *at))) - far**2 / 2)
        except (OverflowError, MemoryError):
            return True
        except (ValueError, ZeroDivisionError, TypeError):
            return False
    return bool(levels[1] > 0 and levels[1] > levels[0])


_MP: dict[str, Any] = {
    "softplus": lambda x: mpmath.log(1 + mpmath.exp(x)),
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "logcosh": lambda x: mpmath.log(mpmath.cosh(x)),
    "logsumexp": lambda *x: mpmath.log(mpmath.fsum(map(mpmath.exp, x))),
    "Heaviside": lambda x, *_: (1 + mpmath.sign(x)) / 2,
    "Max": max,
    "Min": min,
}


class Quadrature(float):
    """The relative error of the quadratures in a flow, a number; 0 where every average is exact.

    Attributes
    ----------
    nodes : int
        How many nodes the largest of them has; 0 without quadrature.
    dimensions : int
        Over how many random directions it runs.
    kinked : bool
        Whether kinks inside the quadratures move with the states: that adds to the Jacobian what is not in it.

    Notes
    -----
    The error is the largest relative change of the field between n and 2n nodes per dimension, at 200 seeded random
    points of the declared ranges (of states without one ±1.5, of parameters without one 0.1 to 1.5), relative to the
    size of the field at the point.
    """

    nodes: int = 0
    dimensions: int = 0
    kinked: bool = False

    @property
    def is_exact(self) -> bool:
        """Whether there is no quadrature."""
        return self.nodes == 0

    def __str__(self) -> str:
        """Say it in a line."""
        if self.is_exact:
            return "averages exact"
        said = f"averages by quadrature, {self.nodes} nodes, relative error {float(self):.1g}"
        return said + "; the Jacobian leaves out that kinks move" * self.kinked

    def __reduce__(self) -> tuple[Any, ...]:
        return _quadrature, (float(self), self.nodes, self.dimensions, self.kinked)


def _quadrature(error: float, nodes: int, dimensions: int, kinked: bool = False) -> Quadrature:
    result = Quadrature(error)
    result.nodes, result.dimensions, result.kinked = nodes, dimensions, kinked
    return result


EXACT = _quadrature(0.0, 0, 0)
"""What is said of a field in which nothing is averaged numerically."""


def quadrature_of(
    field: Sequence[Expr], states: Sequence[Symbol], parameters: Sequence[Symbol], ranges: Mapping[str, Any]
) -> Quadrature:
    """Compare a field at n and at 2n nodes; see `Quadrature`."""
    found = [node for entry in field for node in entry.atoms(Expectation)]
    if not found:
        return _quadrature(0.0, 0, 0)
    arguments = [*states, *parameters]
    generator = np.random.default_rng(SEED)
    points = {}
    for symbol in arguments:
        low, high = ranges.get(symbol.name, (-1.5, 1.5) if symbol in states else (0.1, 1.5))
        points[symbol] = generator.uniform(float(low), float(high), POINTS)
    once, twice = (evaluate(list(field), points, refine=n) for n in (1, 2))
    size = np.linalg.norm(twice, axis=0)
    change = np.linalg.norm(once - twice, axis=0)
    if not (change <= TOLD * size).all():  # where all samples cancel each other, nothing but their rounding is left
        whole = {node: Expectation(sympy.Abs(node.integrand), *node.args[1:]) for node in found}
        sizes = evaluate([entry.xreplace(whole) for entry in field], points)
        change = np.where(change <= _ROUNDING * np.linalg.norm(sizes, axis=0), 0.0, change)
    known = np.isfinite(change) & (size > 0)
    error = float(np.max(change[known] / size[known], initial=0.0)) if known.any() else float("nan")
    largest = max(found, key=node_count)
    names = {symbol.name for symbol in states}
    kinked = any(_moves(kink, node.nodes, names) for node in found for kink in node.integrand.atoms(*_KINKS))
    return _quadrature(error, node_count(largest), len(largest.nodes), kinked)
