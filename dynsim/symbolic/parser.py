"""Text to expression, through a grammar of its own. Nothing in the text is ever executed.

`grammar` makes a tree of the text; here the tree becomes a SymPy expression, and what is not a finite real number or
would grow without bound is refused.

SymPy evaluates while it builds: ``10**10**10`` would fill the memory before anyone could look at it. So whatever can
be told beforehand is. A constant is worked out in double precision first (1/0, log(0), sqrt(-1) and exp(exp(exp(9)))
end there), exponents are bounded, and sums and products of exact numbers are watched while they grow.
What SymPy returns is inspected once more. A list in a text, ``[a, b, c]``, is taken apart before anything is built:
everything acts element by element, until a function makes one value of a list.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import sympy
from sympy import Add, Expr, Mul, Pow, Rational, S

from dynsim.errors import InvalidType, bad
from dynsim.symbolic.expectation import AVERAGES, Average, average, random_names
from dynsim.symbolic.functions import FUNCTIONS, HYPERBOLIC, multiplied, raised
from dynsim.symbolic.grammar import Call, List, Name, Node, Number, Power, Product, Sum, refuse, tree
from dynsim.symbolic.inspection import Inspector, check_exponent, check_number

__all__ = ["FUNCTION_NAMES", "Reading", "build", "parse", "read"]

CHARACTERS = 10_000


def parse(text: str) -> sympy.Expr:
    """Read an expression, a loss for instance, from text.

    Parameters
    ----------
    text : str
        Numbers, ``+ - * / ^ **``, parentheses, names, and the functions of the list below. At most 10,000
        characters, 100 levels of nesting, and constant exponents up to 64.

    Returns
    -------
    sympy.Expr
        Every name becomes a plain ``Symbol``, `E`, `I`, `S` and `lambda` too; only `pi` is the constant. ``0.1`` is
        exactly one tenth, so that what follows from the expression stays exact; its double is the 0.1 of Python.

    Raises
    ------
    ParseError
        The text is not an expression, exceeds a limit, or contains a constant that is not a finite real number;
        its `position` says where.
    InvalidType
        It is no text.

    See Also
    --------
    gradient_flow : the flow of a loss as text.

    Notes
    -----
    ``-x^2`` is −(x²), powers group from the right, and a product needs its ``*``. An identifier before a "(" must
    be one of: sg (stop_gradient), exp, log (ln), sqrt, sin, cos, tan, cot, asin, acos, atan, sinh, cosh, tanh, asinh,
    acosh, atanh, erf, sigmoid, softplus, logcosh, relu, abs, sign, heaviside, max, min; of a list ``[a, b]``, which
    everything else takes element by element, softmax, logsoftmax, logsumexp, sum, mean, dot; and the averages E, var,
    std, cov, corr, which a flow takes over its random symbols. What can overflow is kept in its stable form:
    ``log(1 + exp(x))`` is softplus(x), ``log(sigmoid(x))`` is −softplus(−x). Greek letters read as their names (θ as
    theta, σ₂ as sigma2), superscripts as powers, but σ² as sigma2, which is printed so; (σ)² is a square.

    Examples
    --------
    >>> from dynsim import parse
    >>> parse("(phi*theta - sg(theta))^2/2")
    (phi*theta - sg(theta))**2/2
    >>> parse("0.1·θ²")
    theta**2/10
    >>> parse("2x")
    Traceback (most recent call last):
        ...
    dynsim.errors.ParseError: text, position 1: got 'x', expected an operator or the end of the text; ...
    """
    return read(text).expression


@dataclass(frozen=True)
class Reading:
    """An expression that was read from text, and where in the text every average in it begins."""

    expression: Expr
    positions: dict[Expr, int]


def read(text: str, random: Collection[str] = ()) -> Reading:
    """Read an expression as `parse` does, and remember where its averages stand.

    Parameters
    ----------
    text : str
    random : collection of str
        Names of random symbols. If there are any, an average of what does not depend on one is refused where it
        has no meaning: the variance of a number.
    """
    if not isinstance(text, str):
        raise bad("text", text, "a string", kind=InvalidType)
    if len(text) > CHARACTERS:
        raise refuse(CHARACTERS, f"{len(text)} characters", f"at most {CHARACTERS}")
    try:
        construction = _Construction(random)
        return Reading(construction.build(one(tree(text, FUNCTION_NAMES))), construction.positions)
    except RecursionError:
        raise refuse(0, "nesting too deep for the stack left here", "fewer parentheses") from None


def build(node: Node) -> Expr:
    """Build the expression of one tree."""
    return _Construction().build(one(node))


class _Construction:
    """One pass over a tree, leaves first."""

    def __init__(self, random: Collection[str] = ()) -> None:
        self.inspector = Inspector()
        self.random = frozenset(random)
        self.positions: dict[Expr, int] = {}

    def build(self, node: Node) -> Expr:
        position = node.position
        if isinstance(node, Number):
            return self.inspector.admit(Rational(node.literal), position)
        if isinstance(node, Name):
            if node.name == "pi":
                return self.inspector.admit(S.Pi, position, math.pi)
            return self.inspector.admit(sympy.Symbol(node.name), position)
        if isinstance(node, Sum):
            terms = list(map(self.build, node.terms))  # no comprehensions: they cost a stack frame per level
            _watch_sum(terms, position)
            return self.apply("this sum", position, Add, lambda *values: math.fsum(values), terms)
        if isinstance(node, Product):
            factors = list(map(self.factor, node.factors))
            _watch_product(factors, position)
            return self.apply("this product", position, multiplied, lambda *values: math.prod(values), factors)
        if isinstance(node, Power):
            return self.power(self.build(node.base), self.build(node.exponent), position)
        assert isinstance(node, Call)
        if node.function in AVERAGES:
            return self.average(node)
        return self.call(node, list(map(self.build, node.arguments)))

    def factor(self, part: tuple[Node, bool, int]) -> Expr:
        node, divides, position = part
        factor = self.build(node)
        return self.power(factor, self.inspector.admit(S.NegativeOne, position), position) if divides else factor

    def power(self, base: Expr, exponent: Expr, position: int) -> Expr:
        self.inspector.check_exponent(exponent, position)
        self.inspector.spend_on_power(base, exponent, position)
        value = self.inspector.value(exponent)
        if base is S.Exp1:
            _watch_exponential(exponent, position)
        if value is not None and value < 0 and self.inspector.value(base) == 0:
            raise refuse(position, "a division by zero", "a divisor other than zero")
        return self.apply("this power", position, raised, _power, [base, exponent])

    def call(self, node: Call, arguments: Sequence[Expr]) -> Expr:
        name, function = node.function, FUNCTIONS[node.function]
        _count(node, function.least, function.most)
        if function.build in HYPERBOLIC:
            self.inspector.spend_on_hyperbolic(arguments[0], node.position)
        self.inspector.spend_on_comparisons(len(arguments), node.position)
        _watch_exponential(arguments[0], node.position)
        return self.apply(f"this {name}", node.position, function.build, function.number, arguments)

    def average(self, node: Call) -> Expr:
        """E(x), var(x), std(x), cov(x, y), corr(x, y), each also over the random symbols named after its arguments."""
        count = AVERAGES[node.function]
        if len(node.arguments) < count:
            raise refuse(node.position, f"{node.function} with {len(node.arguments)}", f"{count} arguments or more")
        names = []
        for over in node.arguments[count:]:
            if not isinstance(over, Name) or over.name == "pi" or (self.random and over.name not in self.random):
                known = f", one of {', '.join(sorted(self.random))}" if self.random else ""
                found = over.name if isinstance(over, Name) else "an expression"
                raise refuse(over.position, found, f"the name of a random symbol to average over{known}")
            names.append(sympy.Symbol(over.name))
        inside = [self.build(argument) for argument in node.arguments[:count]]
        if self.random and node.function != "E":
            for argument, expression in zip(node.arguments, inside, strict=False):
                if not random_names(expression, self.random) & {*(map(str, names) if names else self.random)}:
                    found = f"{node.function} of an expression that is not random"
                    raise refuse(argument.position, found, f"one with {', '.join(sorted(self.random))} in it")
        result = average(node.function, inside, names)
        for part in result.atoms(Average):
            self.positions.setdefault(part, node.position)
        return self.inspector.admit(result, node.position)

    def apply(
        self,
        what: str,
        position: int,
        build: Callable[..., Expr],
        number: Callable[..., float],
        arguments: Sequence[Expr],
    ) -> Expr:
        """Combine admitted parts: as doubles first if all are constants, then exactly."""
        values = [self.inspector.value(argument) for argument in arguments]
        value = None
        if None not in values:
            try:
                value = number(*values)
            except (ArithmeticError, ValueError):
                value = math.nan
            if isinstance(value, complex) or not math.isfinite(value):
                raise refuse(position, f"{what} without a finite real value", "a finite real value")
            self.inspector.spend_on_constant(arguments, position)
        try:
            result = build(*arguments)
            if isinstance(result, Mul):
                result = Mul(*result.args)  # 10^(1/3)*10^(8/9) comes out of a power as it is
        except Exception as error:  # whatever SymPy stumbles over is a fact about the text
            raise refuse(position, f"{what} that SymPy cannot evaluate", "an expression it can") from error
        return self.inspector.admit(result, position, value)


def _power(base: float, exponent: float) -> float:
    result = base**exponent
    if base and not result:
        raise OverflowError("underflow: its inverse would be too large")
    return result


def _count(call: Call, least: int, most: int) -> None:
    """Check how many arguments a call has."""
    if not least <= len(call.arguments) <= most:
        expected = "1 argument" if most == 1 else f"{least} to {most} arguments"
        raise refuse(call.position, f"{call.function} with {len(call.arguments)}", expected)


def _watch_sum(terms: Sequence[Expr], position: int) -> None:
    """Add up the coefficients as SymPy is about to, and stop when one grows too long."""
    totals: dict[Expr, Rational] = {}
    for term in terms:
        for part in Add.make_args(term):
            coefficient, rest = part.as_coeff_Mul()
            totals[rest] = totals.get(rest, S.Zero) + coefficient
            check_number(totals[rest], position)


def _watch_product(factors: Sequence[Expr], position: int) -> None:
    """Multiply the coefficients, and the numbers under roots, as SymPy is about to."""
    coefficient, roots = S.One, S.One
    for factor in factors:
        for part in Mul.make_args(factor):
            if isinstance(part, Rational):
                coefficient *= part
                check_number(coefficient, position)
            elif isinstance(part, Pow) and isinstance(part.base, Rational):
                roots *= part.base
                check_number(roots, position)


def _watch_exponential(argument: Expr, position: int) -> None:
    """Check what becomes an exponent when exp(n*log(x)) turns into x^n."""
    for term in Add.make_args(argument):
        coefficient, rest = term.as_coeff_Mul()
        if rest.has(sympy.log):
            check_exponent(coefficient, position)


Items = tuple[Node, ...]
LONGEST = 16  # items of a list


def _logsumexp(at: int, x: Items) -> Node:
    return Call(at, "logsumexp", x)


def _less(at: int, x: Node, y: Node) -> Node:
    return Sum(at, (x, Product(at, ((Number(at, "-1"), False, at), (y, False, at)))))


def _logsoftmax(at: int, x: Items) -> List:
    return List(at, tuple(_less(at, item, _logsumexp(at, x)) for item in x))


def _softmax(at: int, x: Items) -> List:
    return List(at, tuple(Call(at, "exp", (item,)) for item in _logsoftmax(at, x).items))


def _sum(at: int, x: Items) -> Node:
    return x[0] if len(x) == 1 else Sum(at, x)


def _mean(at: int, x: Items) -> Node:
    return Product(at, ((_sum(at, x), False, at), (Number(at, str(len(x))), True, at)))


COMPOSITIONS: dict[str, Callable[[int, Items], Node]] = {
    "logsoftmax": _logsoftmax,
    "logsumexp": _logsumexp,
    "mean": _mean,
    "softmax": _softmax,
    "sqrt": lambda at, x: Power(at, x[0], Number(at, "1/2")),
    "sum": _sum,
    "dot": lambda at, x: Sum(at, x),
}
"""Functions that are short for a tree of others: name → what makes it, of a position and the items of a list."""

FUNCTION_NAMES = frozenset({*FUNCTIONS, *COMPOSITIONS, *AVERAGES})


def one(node: Node) -> Node:
    """Return the same tree without lists.

    Raises
    ------
    ParseError
        Lists of different lengths meet, one is too long, or what remains is a list.
    """
    result = _unlisted(node)
    if isinstance(result, List):
        advice = "take the sum, the mean, dot or logsumexp of it"
        raise refuse(node.position, f"a list of {len(result.items)}", "one value", advice)
    return result


def _unlisted(node: Node) -> Node:
    if isinstance(node, List):
        items = tuple(map(one, node.items))
        if len(items) > LONGEST:
            raise refuse(node.position, f"a list of {len(items)}", f"at most {LONGEST} items")
        return replace(node, items=items)
    if isinstance(node, Sum):
        return _each(node.position, tuple(map(_unlisted, node.terms)), lambda terms: replace(node, terms=terms))
    if isinstance(node, Product):
        marks = [(divides, position) for _, divides, position in node.factors]

        def product(parts: Items) -> Node:
            return replace(node, factors=tuple((part, *mark) for part, mark in zip(parts, marks, strict=True)))

        return _each(node.position, tuple(_unlisted(factor) for factor, *_ in node.factors), product)
    if isinstance(node, Power):
        parts = (_unlisted(node.base), _unlisted(node.exponent))
        return _each(node.position, parts, lambda pair: replace(node, base=pair[0], exponent=pair[1]))
    if isinstance(node, Call):
        return _call(node, tuple(map(_unlisted, node.arguments)))
    return node


def _call(node: Call, arguments: Items) -> Node:
    at, name = node.position, node.function
    if name == "sqrt":
        if len(arguments) != 1:
            raise refuse(at, f"sqrt with {len(arguments)}", "1 argument")
        return _each(at, arguments, lambda x: COMPOSITIONS[name](at, x))
    if name == "dot":
        if len(arguments) != 2 or not all(isinstance(part, List) for part in arguments):
            raise refuse(at, "dot", "two lists, as in dot([a, b], [c, d])")
        products = _each(at, arguments, lambda pair: Product(at, tuple((part, False, at) for part in pair)))
        assert isinstance(products, List)
        return COMPOSITIONS[name](at, products.items)
    if name in COMPOSITIONS:
        items = arguments[0].items if len(arguments) == 1 and isinstance(arguments[0], List) else arguments
        if any(isinstance(item, List) for item in items):
            raise refuse(at, f"{name} of several lists", "one list")
        return COMPOSITIONS[name](at, items)
    return _each(at, arguments, lambda parts: replace(node, arguments=parts))


def _each(at: int, parts: Items, make: Callable[[Items], Node]) -> Node:
    """Apply `make` to the parts, or once for every item of the lists among them."""
    lengths = {len(part.items) for part in parts if isinstance(part, List)}
    if not lengths:
        return make(parts)
    if len(lengths) > 1:
        raise refuse(at, f"lists of {' and '.join(map(str, sorted(lengths)))} items", "lists of one length")
    rows: Sequence[Items] = [
        tuple(part.items[i] if isinstance(part, List) else part for part in parts) for i in range(lengths.pop())
    ]
    return List(at, tuple(map(make, rows)))
