"""A rule written with `if`, as one expression: it is run once along every way its comparisons can go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from numbers import Number
from typing import Any

import sympy

from dynsim.errors import DynsimError

__all__ = ["MOST_WAYS", "as_expressions"]

MOST_WAYS = 400
"""Ways through a rule beyond which it is not read as an expression."""

Way = tuple[list[tuple[Any, bool]], Mapping[str, Any] | None]


class _Way:
    """The answers that comparisons get: as scripted, then yes; the same question is answered alike."""

    def __init__(self, script: Sequence[bool]) -> None:
        self.script, self.asked = list(script), list[tuple[Any, bool]]()

    def decide(self, relation: Any) -> bool:
        if relation in (sympy.true, sympy.false):
            return bool(relation)
        for known, answer in self.asked:
            if relation == known:
                return answer
            if relation == known.negated:
                return not answer
        index = len(self.asked)
        answer = self.script[index] if index < len(self.script) else True
        self.asked.append((relation, answer))
        return answer


class _Number:
    """An expression that takes part in arithmetic like a number; how a comparison ends is up to the way."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, expression: Any, way: _Way) -> None:
        self.expression, self.way = expression, way

    def _with(self, function: Callable[..., Any], *others: Any) -> _Number:
        return _Number(function(self.expression, *map(_plain, others)), self.way)

    def square_root(self) -> _Number:
        """Root, zero where rounding made the number negative."""
        return self._with(lambda x: sympy.sqrt(sympy.Max(x, 0)))

    def __neg__(self) -> _Number:
        return self._with(lambda x: -x)

    def __abs__(self) -> _Number:
        return self._with(sympy.Abs)

    def __bool__(self) -> bool:
        return self.way.decide(sympy.Ne(self.expression, 0))


def _operator(function: Callable[[Any, Any], Any], *, swapped: bool = False) -> Callable[[_Number, Any], Any]:
    def apply(self: _Number, other: Any) -> Any:
        if not isinstance(other, _Number | Number | sympy.Expr):
            return NotImplemented
        return self._with((lambda x, y: function(y, x)) if swapped else function, other)

    return apply


def _comparison(relation: Any) -> Callable[[_Number, Any], bool]:
    def decide(self: _Number, other: Any) -> bool:
        return self.way.decide(relation(self.expression, _plain(other)))

    return decide


for _name, _function in {
    "add": lambda x, y: x + y, "sub": lambda x, y: x - y, "mul": lambda x, y: x * y,
    "truediv": lambda x, y: x / y, "pow": lambda x, y: x**y,
}.items():  # fmt: skip
    setattr(_Number, f"__{_name}__", _operator(_function))
    setattr(_Number, f"__r{_name}__", _operator(_function, swapped=True))
for _name, _relation in {
    "lt": sympy.Lt, "le": sympy.Le, "gt": sympy.Gt, "ge": sympy.Ge, "eq": sympy.Eq, "ne": sympy.Ne,
}.items():  # fmt: skip
    setattr(_Number, f"__{_name}__", _comparison(_relation))


def _plain(value: Any) -> Any:
    return value.expression if isinstance(value, _Number) else sympy.sympify(value)


def as_expressions(
    rule: Callable[[Mapping[str, Any], Mapping[str, Any]], Any],
    initial: Mapping[str, Any],
    parameters: Mapping[str, Any],
    most: int = MOST_WAYS,
) -> dict[str, sympy.Expr]:
    """Return what a rule says of every state, as expressions: a tree of `Piecewise`, NaN where it says nothing.

    Parameters
    ----------
    rule : callable
        ``rule(initial, parameters)`` returns something with `values`, ``{state: number}``, or None. It may compare,
        branch and calculate with + − · / ** abs() and ``.square_root()``.
    initial, parameters : mapping
        ``{name: expression}``.
    most : int
        Ways through the rule, beyond which there is no expression.

    Returns
    -------
    dict
        ``{state: expression}``; empty where the rule does anything else with its numbers.

    Examples
    --------
    >>> import sympy
    >>> from dynsim.symbolic.decisions import as_expressions
    >>> from dynsim.symbolic.exact import Limit
    >>> def rule(initial, parameters):
    ...     x = initial["x"]
    ...     return Limit({"x": 0 * x}, True, "") if parameters["a"] > 0 else None
    >>> as_expressions(rule, {"x": sympy.Symbol("x_0")}, {"a": sympy.Symbol("a")})
    {'x': Piecewise((0, a > 0), (nan, True))}
    """
    ways: list[Way] = []
    script: list[bool] | None = []
    while script is not None:
        way = _Way(script)
        start, values = ({key: _Number(sympy.sympify(value), way) for key, value in told.items()}
                         for told in (initial, parameters))  # fmt: skip
        try:
            found = rule(start, values)
            ends = None if found is None else {name: _plain(value) for name, value in found.values.items()}
        except (DynsimError, TypeError, ValueError, AttributeError, ArithmeticError, sympy.SympifyError):
            return {}
        ways.append((way.asked, ends))
        if len(ways) > most:
            return {}
        answers = [answer for _, answer in way.asked]
        last = max((index for index, answer in enumerate(answers) if answer), default=None)
        script = None if last is None else [*answers[:last], False]
    return {name: _tree(ways, 0, name) for name in initial}


def _tree(ways: Sequence[Way], depth: int, name: str) -> sympy.Expr:
    asked, ends = ways[0]
    if len(asked) == depth:
        return sympy.nan if ends is None or name not in ends else ends[name]
    yes, no = ([way for way in ways if way[0][depth][1] is answer] for answer in (True, False))
    one, other = _tree(yes, depth + 1, name), _tree(no, depth + 1, name)
    return one if one == other else sympy.Piecewise((one, asked[depth][0]), (other, True), evaluate=False)
