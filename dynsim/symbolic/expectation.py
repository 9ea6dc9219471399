"""Averages: `Average`, the E(·) of a text before its random symbols are known, and `Expectation`, a quadrature.

`averaging` turns the one into closed forms and, where there is none, into the other. A quadrature is never written
out: `loops` hands it to whoever computes numbers as sums over a table of nodes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import sympy

__all__ = [
    "AVERAGES",
    "Average",
    "Expectation",
    "Loop",
    "NormalNode",
    "TailNode",
    "UniformNode",
    "average",
    "loops",
    "node_count",
    "random_names",
]

NODES = {1: 160, 2: 32, 3: 12, 4: 6}
"""Nodes per dimension, by the number of dimensions."""
_TAIL_END = 12.0  # standard deviations: far enough for the density times whatever grows like e^(4x) to be nothing

AVERAGES = {"E": 1, "var": 1, "std": 1, "cov": 2, "corr": 2}
"""The averages of a text and how many expressions each takes; the names that may follow say over what."""


class Average(sympy.Function):
    """E(x, n1, …) as written: the average over the random symbols named, over all in x if none is named."""

    def _eval_derivative(self, symbol: sympy.Symbol) -> sympy.Expr:
        inside, *names = self.args
        return Average(inside.diff(symbol), *names)

    @classmethod
    def eval(cls, inside: sympy.Expr, *_: sympy.Symbol) -> sympy.Expr | None:
        """Know the average of a number."""
        return inside if inside.is_number else None

    def _sympystr(self, printer: Any) -> str:
        return f"E({', '.join(printer._print(part) for part in self.args)})"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        inside, *names = self.args
        below = f"_{{{', '.join(printer._print(name) for name in names)}}}" if names else ""
        power = f"^{{{exp}}}" if exp is not None else ""
        return rf"\mathbb{{E}}{below}{power}\left[{printer._print(inside)}\right]"


def average(name: str, inside: Sequence[sympy.Expr], over: Sequence[sympy.Symbol]) -> sympy.Expr:
    """Return E, var, std, cov or corr of one or two expressions, over the random symbols named."""
    if name == "E":
        return Average(inside[0], *over)
    spread = [expression - Average(expression, *over) for expression in inside]
    if name in ("var", "std"):
        variance = Average(spread[0] ** 2, *over)
        return variance if name == "var" else sympy.sqrt(variance)
    covariance = Average(spread[0] * spread[1], *over)
    if name == "cov":
        return covariance
    one, other = (sympy.sqrt(Average(part**2, *over)) for part in spread)
    return covariance / (one * other)


def random_names(expression: sympy.Basic, random: Collection[str]) -> set[str]:
    """Names of the random symbols that an expression still depends on: not those it is averaged over already."""
    if isinstance(expression, Average):
        inside, *names = expression.args
        return random_names(inside, random) - {name.name for name in names} if names else set()
    if isinstance(expression, sympy.Symbol):
        return {expression.name} & set(random)
    return {name for part in expression.args for name in random_names(part, random)}


class _Node(sympy.Symbol):
    """A symbol bound by an `Expectation`: no name that anyone types is equal to it."""

    def __new__(cls, name: str, **_: Any) -> Any:
        return super().__new__(cls, name, real=True)


class NormalNode(_Node):
    """Normally distributed around 0; its scale is the variance."""


class UniformNode(_Node):
    """Uniformly distributed between −scale and scale."""


class TailNode(_Node):
    """Standard normal where it exceeds its scale, a threshold, and counted nowhere else."""


class Expectation(sympy.Function):
    r"""The average of an integrand over independent random nodes, kept as it is and computed by Gauss quadrature.

    ``Expectation(integrand, node, scale, node, scale, …)``, printed E[integrand]. Each node is a symbol of one of the
    classes below, real and bound here; each scale is an expression in states and parameters (or in the nodes of an
    Expectation around this one, never in its own).

    ============= ============================================== ==========================================
    node          distribution                                   value at the abscissa g, weight w
    ============= ============================================== ==========================================
    `NormalNode`  N(0, scale)                                    sqrt(scale)·g, alone: trapezium rule on
                                                                 ±12, with others: Gauss–Hermite
    `UniformNode` uniform on (−scale, scale)                     scale·g, Gauss–Legendre: w/2
    `TailNode`    N(0, 1) restricted to values above scale,      a + (b − a)·g, a = clip(scale), b = 12,
                  not normalised                                 Gauss–Legendre: w·(b − a)·density(value)
    ============= ============================================== ==========================================

    Notes
    -----
    *For those who compute numbers* (the NumPy functions, the machine-code engine): call `loops`. It replaces every
    Expectation by a placeholder and returns, for each set of nodes, one `Loop`: placeholders, the expressions to be
    worked out once before it, the table of abscissae and weights as plain numbers, and the terms of which each
    placeholder is the sum over the rows of the table. No expression grows with the number of nodes. Terms may contain
    further Expectations (an average within the logarithm of an average): apply `loops` to them in turn.

    In one dimension the trapezium rule beats that of Gauss and Hermite, half of whose nodes lie where the density is
    nothing (Trefethen 2022): it halves the spacing, and the error falls with e^(−2πa/spacing), a being how far the
    nearest pole of the integrand is from the real line.

    *Derivatives* are taken under the sign. Where the variance C of a normal node depends on the symbol, Price's
    theorem adds ½·C'·E[∂²f/∂node²], which needs no division by a variance that may vanish; where a threshold moves,
    the value at the threshold times the density is subtracted. The derivative is exact; only its average is numerical.

    References
    ----------
    Trefethen, "Exactness of quadrature formulas", SIAM Review 64 (2022) 132–150.
    Price, "A useful theorem for nonlinear devices having Gaussian inputs", IRE Trans. Inf. Theory 4 (1958) 69–72.

    Examples
    --------
    >>> import sympy
    >>> from dynsim.symbolic.expectation import Expectation, NormalNode
    >>> w, x = sympy.Symbol("w"), NormalNode("x")
    >>> e = Expectation(sympy.tanh(w * x) ** 2, x, 1)
    >>> e, e.diff(w).free_symbols
    (E[tanh(x*w)**2], {w})
    >>> round(float(e.subs(w, 1)), 10)  # quadrature
    0.3942944904
    """

    @classmethod
    def eval(cls, integrand: sympy.Expr, *pairs: Any) -> sympy.Expr | None:
        """Drop nodes that do not occur; what depends on none is its own average."""
        nodes, scales = pairs[::2], pairs[1::2]
        used, factor = [], sympy.S.One
        for node, scale in zip(nodes, scales, strict=True):
            if integrand.has(node):
                used += [node, scale]
            elif isinstance(node, TailNode):
                factor *= _above(scale)
        if not used:
            return factor * integrand
        if len(used) < len(pairs):
            return factor * cls(integrand, *used)
        constant, rest = integrand.as_independent(*nodes, as_Add=False)
        if constant != 1:
            return constant * cls(rest, *pairs)
        return None

    @property
    def integrand(self) -> sympy.Expr:
        """What is averaged."""
        return self.args[0]

    @property
    def nodes(self) -> tuple[Any, ...]:
        """The bound symbols."""
        return tuple(self.args[1::2])

    @property
    def scales(self) -> tuple[sympy.Expr, ...]:
        """One expression per node: variance, half width or threshold."""
        return tuple(self.args[2::2])

    @property
    def free_symbols(self) -> set[sympy.Basic]:
        """What the average depends on."""
        outside = {symbol for scale in self.scales for symbol in scale.free_symbols}
        return (self.integrand.free_symbols - set(self.nodes)) | outside

    @property
    def is_number(self) -> bool:
        """Whether it depends on nothing."""
        return not self.free_symbols

    def _eval_derivative(self, symbol: sympy.Symbol) -> sympy.Expr:
        pairs = self.args[1:]
        terms = [Expectation(self.integrand.diff(symbol), *pairs)]
        for i, (node, scale) in enumerate(zip(self.nodes, self.scales, strict=True)):
            change = scale.diff(symbol)
            if change == 0:
                continue
            if isinstance(node, NormalNode):
                terms.append(change / 2 * Expectation(self.integrand.diff(node, 2), *pairs))
            elif isinstance(node, TailNode):
                others = [*pairs[: 2 * i], *pairs[2 * i + 2 :]]
                terms.append(-change * _density(scale) * Expectation(self.integrand.xreplace({node: scale}), *others))
            else:
                terms.append(change / scale * Expectation(node * self.integrand.diff(node), *pairs))
        return sympy.Add(*terms)

    def _eval_is_extended_real(self) -> bool | None:
        return self.integrand.is_extended_real

    def _eval_is_extended_positive(self) -> bool | None:
        return self.integrand.is_extended_positive or None

    def _eval_evalf(self, precision: int) -> Any:
        from dynsim.symbolic.numeric import evaluate

        if self.free_symbols:
            return None
        return sympy.Float(float(evaluate([self], {})[0]))

    def _eval_simplify(self, **_: Any) -> sympy.Expr:
        return self

    def _sympystr(self, printer: Any) -> str:
        return f"E[{printer._print(self.integrand)}]"

    def _pretty(self, printer: Any) -> Any:
        return printer._print(sympy.Symbol(str(self)))

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        power = f"^{{{exp}}}" if exp is not None else ""
        return rf"\mathbb{{E}}{power}\left[{printer._print(self.integrand)}\right]"


def _density(x: sympy.Expr) -> sympy.Expr:
    return sympy.exp(-(x**2) / 2) / sympy.sqrt(2 * sympy.pi)


def _above(x: sympy.Expr) -> sympy.Expr:
    return (1 - sympy.erf(x / sympy.sqrt(2))) / 2


@dataclass(frozen=True, eq=False)
class Loop:
    """Sums over one table of nodes: ``placeholder_j = Σ_rows term_j(row)``.

    Parameters
    ----------
    placeholders : tuple of Dummy
        What stands for the sums in the expressions that `loops` returned.
    before : tuple of (Dummy, Expr)
        To be worked out once, before the loop, in this order; they do not depend on the row.
    columns : tuple of Dummy
        What a row of `table` gives values to.
    table : ndarray
        Rows of plain numbers, (number of nodes, number of columns).
    terms : tuple of Expr
        One per placeholder, in the free symbols of the expressions, `before` and `columns`.
    """

    placeholders: tuple[sympy.Dummy, ...]
    before: tuple[tuple[sympy.Dummy, sympy.Expr], ...]
    columns: tuple[sympy.Dummy, ...]
    table: np.ndarray
    terms: tuple[sympy.Expr, ...]


def loops(expressions: Sequence[sympy.Expr], refine: int = 1) -> tuple[list[sympy.Expr], list[Loop]]:
    """Replace the outermost Expectations in expressions by placeholders, and say how to compute those.

    Parameters
    ----------
    expressions : sequence of Expr
    refine : int
        Factor on the number of nodes in every dimension.

    Examples
    --------
    >>> import sympy
    >>> from dynsim.symbolic.expectation import Expectation, NormalNode, loops
    >>> x, v = NormalNode("x"), sympy.Symbol("v")
    >>> (shorter,), (loop,) = loops([1 + Expectation(sympy.cos(x), x, v)])
    >>> shorter - loop.placeholders[0], loop.table.shape, loop.before[0][1]
    (1, (161, 2), sqrt(v))
    """
    groups: dict[tuple[Any, ...], list[Expectation]] = {}
    for expression in expressions:
        for found in _outermost(expression):
            group = groups.setdefault(found.args[1:], [])
            if found not in group:
                group.append(found)
    result: list[Any] = []
    known: dict[Any, Any] = {}
    for pairs, group in groups.items():
        placeholders = tuple(sympy.Dummy(f"e{i}", real=True) for i in range(len(group)))
        known |= dict(zip(group, placeholders, strict=True))
        result.append(_loop(pairs, group, placeholders, refine))
    return [sympy.sympify(expression).xreplace(known) for expression in expressions], result


def _outermost(expression: sympy.Basic) -> Iterator[Expectation]:
    if isinstance(expression, Expectation):
        yield expression
    else:
        for part in expression.args:
            yield from _outermost(part)


def _loop(
    pairs: tuple[Any, ...], group: list[Expectation], placeholders: tuple[sympy.Dummy, ...], refine: int
) -> Loop:
    nodes, scales = pairs[::2], pairs[1::2]
    count = NODES[min(len(nodes), max(NODES))] * refine
    before, values, columns, rules = [], {}, [], []
    total = weight = sympy.Dummy("w", real=True)
    for node, scale in zip(nodes, scales, strict=True):
        g = sympy.Dummy("g", real=True)
        columns.append(g)
        if isinstance(node, NormalNode):
            root = sympy.Dummy("root", real=True)
            before.append((root, sympy.sqrt(scale)))
            values[node] = root * g
            rules.append(_trapezium(count) if len(nodes) == 1 else _hermite(count))
        elif isinstance(node, UniformNode):
            values[node] = scale * g
            rules.append(_legendre(count))
        else:
            low = sympy.Dummy("low", real=True)
            before.append((low, sympy.Max(-_TAIL_END, sympy.Min(_TAIL_END, scale))))
            values[node] = low + (_TAIL_END - low) * (1 + g) / 2
            total *= (_TAIL_END - low) * _density(values[node])
            rules.append(_legendre(count))
    grids = np.meshgrid(*(points for points, _ in rules), indexing="ij")
    weights = np.meshgrid(*(shares for _, shares in rules), indexing="ij")
    table = np.stack([*(grid.ravel() for grid in grids), np.prod(weights, axis=0).ravel()], axis=1)
    terms = tuple(total * item.integrand.xreplace(values) for item in group)
    return Loop(placeholders, tuple(before), (*columns, weight), table, terms)


def node_count(expectation: Expectation, refine: int = 1) -> int:
    """How many nodes an Expectation has, those of Expectations within it included."""
    dimensions = len(expectation.nodes)
    inside = [node_count(part, refine) for part in _outermost(expectation.integrand)]
    return int((NODES[min(dimensions, max(NODES))] * refine) ** dimensions) * max(inside, default=1)


@lru_cache(maxsize=32)
def _trapezium(count: int) -> tuple[np.ndarray, np.ndarray]:
    points = np.linspace(-_TAIL_END, _TAIL_END, count + 1)
    weights = np.exp(-(points**2) / 2)
    return points, weights / weights.sum()


@lru_cache(maxsize=32)
def _hermite(count: int) -> tuple[np.ndarray, np.ndarray]:
    points, weights = np.polynomial.hermite_e.hermegauss(count)
    return points, weights / weights.sum()


@lru_cache(maxsize=32)
def _legendre(count: int) -> tuple[np.ndarray, np.ndarray]:
    points, weights = np.polynomial.legendre.leggauss(count)
    return points, weights / 2
