"""A right-hand side as Taylor series in time.

Of y' = f(y, t) the coefficients of order n + 1 are those of f of order n, divided by n + 1; those of f follow from the
series of its parts, by the recurrences. What is not analytic everywhere it is defined has no series here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import partial
from typing import Any

import sympy
from sympy.core.sorting import default_sort_key

from dynsim.integrate.engine.lanes import Lanes
from dynsim.integrate.engine.lowering import Recipe
from dynsim.integrate.engine.recurrences import (
    Emission,
    FunctionSeries,
    PowerSeries,
    ProductSeries,
    QuotientSeries,
    Series,
    StateSeries,
    SumSeries,
    Term,
    TimeSeries,
)
from dynsim.symbolic.functions import sigmoid

__all__ = ["FUNCTION", "SeriesRecipe", "without_series"]

FUNCTION = 24  # operations that an elementary function takes, about
_LARGEST_POWER = 16


def without_series(expressions: Iterable[sympy.Expr]) -> str:
    """Name of the first part without a recurrence, or the empty text.

    Examples
    --------
    >>> import sympy
    >>> from dynsim.integrate.engine.series import without_series
    >>> x = sympy.Symbol("x")
    >>> without_series([sympy.tanh(x) / (1 + x**2)]), without_series([x, abs(x)]), without_series([sympy.sqrt(x)])
    ('', 'Abs', 'Pow')
    """
    for expression in expressions:
        for node in sympy.preorder_traversal(expression):
            name = node.func.__name__
            if node.is_Add or node.is_Mul or node.is_Symbol or node.is_number:
                continue
            if node.is_Pow:
                # A root has no series where its argument vanishes, but a value; the inverse of one has neither.
                whole = node.exp.is_Integer and abs(node.exp) <= _LARGEST_POWER
                if whole or (node.exp.is_Rational and node.exp.is_negative):
                    continue
            if name not in _DERIVATIVES or len(node.args) != 1:
                return str(name)
    return ""


class SeriesRecipe:
    """Expressions of some symbols as series in time.

    Parameters
    ----------
    rhs : sequence of Expr
        One per state, all of whose parts have recurrences.
    arguments : sequence of Symbol
        The states, then the parameters, then the time.

    Attributes
    ----------
    functions : int
        How many functions there are, whose values at the end of a step are those at the beginning of the next.
    timed : bool
        Whether the time is in them.
    nodes : int
        Series beside those of the states.

    See Also
    --------
    without_series : whether there is one.
    """

    def __init__(self, rhs: Sequence[sympy.Expr], arguments: Sequence[sympy.Symbol]) -> None:
        states, self.parameters, time = arguments[: len(rhs)], arguments[len(rhs) : -1], arguments[-1]
        self._moving = {*states, time}
        self.timed = any(time in expression.free_symbols for expression in rhs)
        self._made: dict[Hashable, Series] = {}
        self._constants: dict[sympy.Expr, None] = {}
        self._states, self._time = [StateSeries() for _ in states], TimeSeries()
        self._known: dict[sympy.Basic, Term] = {
            symbol: (sympy.S.One, node)
            for symbol, node in zip((*states, time), (*self._states, self._time), strict=True)
        }
        self._sums: Counter[sympy.Expr] = Counter()  # that taking out a factor would leave
        for _ in range(2):  # the first time to see which of them are met again
            collected = [self._collected(expression) for expression in rhs]
        shared, results = sympy.cse(collected, order="none", symbols=sympy.numbered_symbols("c", cls=sympy.Dummy))
        fixed: dict[sympy.Symbol, sympy.Expr] = {}
        for symbol, expression in shared:
            whole = expression.xreplace(fixed)
            if whole.free_symbols & self._moving:
                self._moving.add(symbol)
                self._known[symbol] = self._term(whole)
            else:
                fixed[symbol] = whole
        self._results = [self._term(result.xreplace(fixed)) for result in results]
        for factor, node in self._results:
            self._constant(factor)
            if isinstance(node, SumSeries):
                for scale in (node.constant, *(scale for scale, _ in node.terms)):
                    self._constant(factor * scale)
        self._functions = [node for node in self._made.values() if isinstance(node, FunctionSeries)]
        for function in self._functions:
            self._constant(function.derivative[0] * function.factor)
        self._recipe = Recipe(list(self._constants), self.parameters)
        self.functions, self.nodes = len(self._functions), len(self._made)

    # Decomposition

    def _fixed(self, expression: sympy.Expr) -> bool:
        return not expression.free_symbols & self._moving

    def _constant(self, expression: sympy.Expr) -> sympy.Expr:
        """An expression of parameters, remembered up to a number."""
        _, rest = expression.as_coeff_Mul()
        for needed in (expression, rest):
            if not needed.is_number:
                self._constants[needed] = None
        return expression

    def _collected(self, expression: sympy.Expr) -> sympy.Expr:
        """Common factors of sums taken out, the most common first: a product of series costs more than a sum.

        Of several as common, the one that leaves a sum that is met elsewhere, too.
        """
        if self._fixed(expression) or not expression.args:
            return expression
        expression = expression.func(*map(self._collected, expression.args))
        if not expression.is_Add:
            return expression
        factors = [Counter(self._factors(term)) for term in expression.args]
        common = Counter(factor for counted in factors for factor in counted)
        most = max(common.values(), default=0)
        if most < 2:
            return expression
        split = []
        for factor in sorted((factor for factor in common if common[factor] == most), key=default_sort_key):
            within = [factor in counted for counted in factors]
            inside, outside = (
                sympy.Add(*(term for term, inner in zip(expression.args, within, strict=True) if inner is chosen))
                for chosen in (True, False)
            )
            split.append((factor, sympy.Add(*(term / factor for term in sympy.Add.make_args(inside))), outside))
        met = [one for one in split if self._sums[_unsigned(one[1])] > 1]
        factor, inside, outside = (met or split)[0]
        for one in split:
            self._sums[_unsigned(one[1])] += 1
        return factor * self._collected(inside) + self._collected(outside)

    def _factors(self, term: sympy.Expr) -> list[sympy.Expr]:
        """What of a product moves; powers by their base."""
        found = []
        for factor in sympy.Mul.make_args(term):
            base, exponent = factor.as_base_exp()
            if not self._fixed(factor) and exponent.is_Integer and exponent > 0:
                found.append(base)
        return found

    def _node(self, key: Hashable, make: Callable[[], Series]) -> Series:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def _term(self, expression: sympy.Expr) -> Term:
        """A constant factor and a series; what differs by a factor only is one series."""
        if expression not in self._known:
            self._known[expression] = self._new_term(expression)
        return self._known[expression]

    def _new_term(self, expression: sympy.Expr) -> Term:
        if self._fixed(expression):
            return sympy.S.One, self._linear(expression, {})
        if expression.is_Add:
            return self._sum(expression)
        if expression.is_Mul:
            return self._multiplied(expression.args)
        if expression.is_Pow:
            return self._power(*expression.args)
        name = expression.func.__name__
        (argument,) = expression.args
        factor, u = self._term(argument)
        node = FunctionSeries(name, self._constant(factor), u)
        self._made[name, factor, u] = node
        self._known[expression] = sympy.S.One, node
        node.derivative = self._term(_DERIVATIVES[name](argument))
        return sympy.S.One, node

    def _sum(self, expression: sympy.Expr) -> Term:
        terms: dict[Series, sympy.Expr] = {}
        constant = sympy.S.Zero
        for argument in expression.args:
            if self._fixed(argument):
                constant += argument
                continue
            factor, node = self._term(argument)
            terms[node] = terms.get(node, sympy.S.Zero) + factor
        terms = {node: factor for node, factor in terms.items() if factor != 0}
        if not terms:
            return sympy.S.One, self._linear(constant, {})
        unit, _ = next(iter(terms.values())).as_coeff_Mul()
        if constant == 0 and len(terms) == 1:
            ((node, factor),) = terms.items()
            return factor, node
        return unit, self._linear(constant / unit, {node: factor / unit for node, factor in terms.items()})

    def _linear(self, constant: sympy.Expr, terms: dict[Series, sympy.Expr]) -> Series:
        self._constant(constant)
        for factor in terms.values():
            self._constant(factor)
        pairs = [(factor, node) for node, factor in terms.items()]
        return self._node((constant, frozenset(terms.items())), lambda: SumSeries(constant, pairs))

    def _multiplied(self, factors: Sequence[sympy.Expr]) -> Term:
        constant = sympy.S.One
        above: list[Series] = []
        below: list[Series] = []
        for factor in factors:
            if self._fixed(factor):
                constant *= factor
                continue
            under = factor.is_Pow and factor.exp.is_Integer and factor.exp.is_negative
            scale, node = self._term(1 / factor if under else factor)
            constant = constant / scale if under else constant * scale
            (below if under else above).append(node)
        if not below:
            return constant, self._product(above)
        top, bottom = self._product(above) if above else None, self._product(below)
        return constant, self._node(("/", top, bottom), lambda: QuotientSeries(top, bottom))

    def _product(self, nodes: Sequence[Series]) -> Series:
        result, *rest = nodes
        for node in rest:
            result = self._node(frozenset([result, node]), partial(ProductSeries, result, node))
        return result

    def _power(self, base: sympy.Expr, exponent: sympy.Expr) -> Term:
        if exponent.is_Integer and 1 < exponent <= _LARGEST_POWER:
            half = [base ** (exponent // 2)] * 2
            return self._multiplied([*half, base] if exponent % 2 else half)
        if exponent.is_Integer and -_LARGEST_POWER <= exponent < 0:
            return self._multiplied([base**exponent])
        factor, node = self._term(base)
        u = node if factor == 1 else self._linear(sympy.S.Zero, {node: factor})
        return sympy.S.One, self._node(("^", u, exponent), lambda: PowerSeries(u, exponent))

    # Emission

    def operations(self, order: int) -> int:
        """How many a step takes up to an order, about."""
        nodes = self._made.values()
        products = int(sum(node.convolutions for node in nodes) * order**2 / 2)
        terms = sum(len(node.terms) for node in nodes if isinstance(node, SumSeries)) + 4 * len(self._states)
        return products + order * terms + FUNCTION * self.functions

    def heads(self, v: Lanes, t: Any, y: list[Any], values: list[Any]) -> tuple[list[Any], list[Any]]:
        """Right-hand side at a time and state, and the values of all functions in it."""
        e = self._emission(v, v.const(0.0), t, y, values, {})
        slopes = [e.sum([(factor, e(node, 0))]) for factor, node in self._results]
        return [v.const(0.0) if s is None else s for s in slopes], [e(node, 0) for node in self._functions]

    def slopes(
        self, v: Lanes, t: Any, unit: Any, y: list[Any], values: list[Any], heads: list[Any], order: int
    ) -> tuple[list[list[Any]], list[Any]]:
        """Coefficients of all states, each times its order, from 1 up to an order; time is counted in `unit`.

        `heads` are the values of the functions, as they come from `heads`. A coefficient that vanishes is None. Beside
        them the first coefficients of what the functions are of, those that do not vanish.
        """
        e = self._emission(v, unit, t, y, values, dict(zip(self._functions, heads, strict=True)))
        steps: dict[sympy.Expr, Any] = {}

        def times_unit(factor: sympy.Expr) -> Any:
            if factor not in steps:
                steps[factor] = e.scaled(factor, unit)
            return steps[factor]

        for n in range(order):
            for state, (factor, node) in zip(self._states, self._results, strict=True):
                constant, terms = (
                    (node.constant, node.terms)
                    if isinstance(node, SumSeries)
                    else (sympy.S.Zero, [(sympy.S.One, node)])
                )
                total = None if n or constant == 0 else times_unit(factor * constant)
                for scale, part in terms:
                    value = e(part, n)
                    if value is not None:
                        total = e.plus(total, v.mul(times_unit(factor * scale), value))
                e.slopes[state, n + 1] = total
        changes = [(node.factor, e.slope(node.u, 1)) for node in self._functions]
        return (
            [[e.slopes[state, n] for n in range(1, order + 1)] for state in self._states],
            [e.scaled(factor, change) for factor, change in changes if change is not None],
        )

    def _emission(
        self, v: Lanes, unit: Any, t: Any, y: list[Any], values: list[Any], heads: dict[Series, Any]
    ) -> Emission:
        constants = dict(zip(self._constants, self._recipe.emit(v, values), strict=True))
        e = Emission(v, unit, constants, heads)
        e.coefficients = {(state, 0): value for state, value in zip(self._states, y, strict=True)}
        e.coefficients[self._time, 0] = t
        return e


def _unsigned(expression: sympy.Expr) -> sympy.Expr:
    """The same of an expression and its opposite."""
    return -expression if expression.could_extract_minus_sign() else expression


_DERIVATIVES: dict[str, Callable[[sympy.Expr], sympy.Expr]] = {
    "exp": sympy.exp,
    "log": lambda u: 1 / u,
    "tanh": lambda u: 1 - sympy.tanh(u) ** 2,
    "sigmoid": lambda u: sigmoid(u) - sigmoid(u) ** 2,
    "sin": sympy.cos,
    "cos": lambda u: -sympy.sin(u),
    "sinh": sympy.cosh,
    "cosh": sympy.sinh,
    "softplus": sigmoid,
    "logcosh": sympy.tanh,
    "atan": lambda u: 1 / (1 + u**2),
    "asinh": lambda u: (1 + u**2) ** sympy.Rational(-1, 2),
    "erf": lambda u: 2 / sympy.sqrt(sympy.pi) * sympy.exp(-(u**2)),
}
"""By SymPy's name: the derivative of a function as an expression of its argument."""
