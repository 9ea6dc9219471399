"""From SymPy expressions to instructions on lanes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy
from sympy.core.relational import Relational
from sympy.logic.boolalg import Boolean

from dynsim.integrate.engine.functions import FUNCTIONS, power
from dynsim.integrate.engine.lanes import DOUBLE, I64, Lanes
from dynsim.symbolic.expectation import Expectation, Loop, loops

__all__ = ["Recipe", "unsupported"]

_LARGEST_POWER = 64


def unsupported(expressions: Sequence[sympy.Expr]) -> str:
    """Name of the first function without machine code, or the empty text.

    Examples
    --------
    >>> import sympy
    >>> from dynsim.integrate.engine.lowering import unsupported
    >>> x = sympy.Symbol("x")
    >>> unsupported([sympy.exp(x) + abs(x)]), unsupported([sympy.besselj(0, x)])
    ('', 'besselj')
    """
    shorter, sums = loops(expressions)
    for expression in (*shorter, *(part for total in sums for part in _inside(total))):
        if expression.has(Expectation):
            name = unsupported([expression])
            if name:
                return name
            continue
        for node in sympy.preorder_traversal(expression):
            name = str(node.func.__name__)
            if isinstance(node, sympy.Function) and not hasattr(_Emitter, f"_{name}") and name not in FUNCTIONS:
                return name
            if node.is_number and not node.is_real:
                return str(node)
    return ""


def _inside(total: Loop) -> list[sympy.Expr]:
    return [*(value for _, value in total.before), *total.terms]


class Recipe:
    """Expressions of some symbols, ready to be emitted any number of times.

    Parameters
    ----------
    expressions : sequence of Expr
    arguments : sequence of Symbol
        Their names are dropped here; only their places count.
    """

    def __init__(self, expressions: Sequence[sympy.Expr], arguments: Sequence[sympy.Symbol]) -> None:
        self.places = {symbol: sympy.Dummy(f"x{i}", real=True) for i, symbol in enumerate(arguments)}
        placed = [sympy.sympify(item).xreplace(self.places) for item in expressions]
        names = sympy.numbered_symbols("c", cls=sympy.Dummy, real=True)
        shorter, sums = loops(placed)
        self.sums = [_Sum(total, list(self.places.values())) for total in sums]
        self.shared, self.results = sympy.cse(shorter, symbols=names, order="none")

    def emit(self, v: Lanes, values: Sequence[Any]) -> list[Any]:
        """Instructions for all expressions, given the vector of every argument in order."""
        emitter = _Emitter(v, dict(zip(self.places.values(), values, strict=True)))
        for total in self.sums:
            emitter.known |= dict(zip(total.placeholders, total.emit(v, values), strict=True))
        for symbol, expression in self.shared:
            emit = emitter.condition if isinstance(expression, Boolean) else emitter.value
            emitter.known[symbol] = emit(expression)
        return [emitter.value(result) for result in self.results]


class _Sum:
    """Averages over one table of nodes: a loop over its rows, however many there are."""

    def __init__(self, total: Loop, arguments: Sequence[sympy.Symbol]) -> None:
        known: dict[sympy.Symbol, sympy.Expr] = {}
        for symbol, value in total.before:
            known[symbol] = value.xreplace(known)
        self.placeholders, self.table = total.placeholders, total.table
        self.before = Recipe(list(known.values()), arguments)
        self.terms = Recipe(total.terms, [*arguments, *known, *total.columns])

    def emit(self, v: Lanes, values: Sequence[Any]) -> list[Any]:
        """Instructions for all averages of the table."""
        b = v.builder
        given = [*values, *self.before.emit(v, values)]
        rows, columns = self.table.shape
        table = v.constants(self.table.ravel().tolist())
        before, again, after = b.block, b.append_basic_block("nodes"), b.append_basic_block("nodes_done")
        b.branch(again)
        b.position_at_end(again)
        row, totals = b.phi(I64), [b.phi(v.real) for _ in self.placeholders]
        for phi, start in zip((row, *totals), (I64(0), *[v.const(0.0)] * len(totals)), strict=True):
            phi.add_incoming(start, before)
        first = b.mul(row, I64(columns))
        here = [
            v.splat(b.load(b.gep(table, [b.add(first, I64(i))], source_etype=DOUBLE), typ=DOUBLE))
            for i in range(columns)
        ]
        terms = self.terms.emit(v, [*given, *here])
        following = [b.add(row, I64(1)), *(v.add(total, term) for total, term in zip(totals, terms, strict=True))]
        for phi, value in zip((row, *totals), following, strict=True):
            phi.add_incoming(value, b.block)
        b.cbranch(b.icmp_signed("<", following[0], I64(rows)), again, after)
        b.position_at_end(after)
        return following[1:]


class _Emitter:
    """One emission: a method for every kind of node that is no plain function of its arguments."""

    def __init__(self, v: Lanes, known: dict[sympy.Basic, Any]) -> None:
        self.v = v
        self.known = known

    def value(self, node: sympy.Basic) -> Any:
        """Vector of a node; a node met before costs nothing."""
        if node not in self.known:
            self.known[node] = self.v.const(float(node)) if node.is_number else self._compound(node)
        return self.known[node]

    def _compound(self, node: sympy.Basic) -> Any:
        name = node.func.__name__
        special = getattr(self, f"_{name}", None)
        if special is not None:
            return special(node)
        return FUNCTIONS[name](self.v, *(self.value(argument) for argument in node.args))

    def _Add(self, node: sympy.Add) -> Any:
        signed = [(*term.as_coeff_Mul(), term) for term in node.args]
        plus = [self.value(term) for c, _, term in signed if not c.is_negative]
        minus = [self.value(-term) for c, _, term in signed if c.is_negative]
        result = self.v.sum(plus) if plus else self.v.neg(minus.pop(0))
        for term in minus:
            result = self.v.sub(result, term)
        return result

    def _Mul(self, node: sympy.Mul) -> Any:
        coefficient, factors = node.as_coeff_mul()
        below = [f for f in factors if f.is_Pow and f.exp.is_Rational and f.exp.is_negative]
        above = [self.value(f) for f in factors if f not in below]
        if coefficient == -1 and above:
            above[0] = self.v.neg(above[0])
        elif coefficient != 1:
            above.append(self.v.const(float(coefficient)))
        result = self._product(above) if above else self.v.const(1.0)
        return self.v.div(result, self._product([self.value(1 / f) for f in below])) if below else result

    def _product(self, factors: list[Any]) -> Any:
        result, *rest = factors
        for factor in rest:
            result = self.v.mul(result, factor)
        return result

    def _Pow(self, node: sympy.Pow) -> Any:
        base, exponent = node.args
        if exponent.is_Integer and abs(int(exponent)) <= _LARGEST_POWER:
            return power(self.v, self.value(base), int(exponent))
        if exponent.is_Rational and exponent.q == 2 and abs(int(exponent.p)) <= _LARGEST_POWER:
            return power(self.v, self.v.sqrt(self.value(base)), int(exponent.p))
        return self.v.library("pow", self.value(base), self.value(exponent))

    def _Max(self, node: sympy.Max) -> Any:
        result, *rest = [self.value(argument) for argument in node.args]
        for other in rest:
            result = self.v.maximum(other, result)
        return result

    def _Min(self, node: sympy.Min) -> Any:
        result, *rest = [self.value(argument) for argument in node.args]
        for other in rest:
            result = self.v.minimum(other, result)
        return result

    def _Piecewise(self, node: sympy.Piecewise) -> Any:
        result = self.v.const(float("nan"))
        for value, condition in reversed(node.args):
            result = self.v.select(self.condition(condition), self.value(value), result)
        return result

    def condition(self, node: sympy.Basic) -> Any:
        """Mask of a truth value."""
        b = self.v.builder
        if node in self.known:
            return self.known[node]
        if node in (sympy.true, sympy.false):
            return self.v.always(bool(node))
        if isinstance(node, Relational):
            left, right = (self.value(side) for side in node.args)
            compare = b.fcmp_unordered if node.rel_op == "!=" else b.fcmp_ordered
            return compare(node.rel_op, left, right)
        masks = [self.condition(argument) for argument in node.args]
        if isinstance(node, sympy.Not):
            return b.not_(masks[0])
        result, *rest = masks
        for mask in rest:
            result = b.and_(result, mask) if isinstance(node, sympy.And) else b.or_(result, mask)
        return result
