"""Schedules: a setting of training as text in the step, such as ``"cosine(0.1, 0)"`` for a learning rate."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from math import cos, isfinite, pi
from typing import Any

from dynsim.errors import InvalidType, bad
from dynsim.symbolic.functions import FUNCTIONS
from dynsim.symbolic.grammar import Call, List, Name, Node, Number, Power, Product, Sum, refuse, tree

__all__ = ["Schedule", "in_flow_time", "is_schedule"]

_SHAPES = {"cosine": 2, "linear": 2, "warmup": 1}
_NAMES = ("step", "steps", "t")
_COUNTED = re.compile(r"\b(steps?\b|(cosine|linear|warmup)\s*\()")


class Schedule:
    """A number that changes from step to step.

    Parameters
    ----------
    text : str
        An expression in `step` (from 0), `steps` (how many there are) and `t` (the flow time of the step), with all
        functions of losses and three shapes: ``cosine(a, b)`` and ``linear(a, b)`` go from a at step 0 to b at
        `steps`, ``warmup(n)`` is min(1, step/n).

    Raises
    ------
    ParseError
        Text that is no expression, or has other names in it.

    Examples
    --------
    >>> from dynsim.integrate.schedules import Schedule
    >>> rate = Schedule("warmup(10)*cosine(0.1, 0)")
    >>> [round(rate.at(step, 100), 4) for step in (0, 5, 50, 100)]
    [0.0, 0.0497, 0.05, 0.0]
    """

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise bad("schedule", text, "text", kind=InvalidType)
        self.text = text
        self._tree = tree(text, [*FUNCTIONS, *_SHAPES])
        self._check(self._tree)

    def __repr__(self) -> str:
        return f"Schedule({self.text!r})"

    @cached_property
    def changes(self) -> bool:
        """Whether it is anything else than one number."""
        shaped = any(isinstance(part, Call) and part.function in _SHAPES for part in _parts(self._tree))
        return shaped or bool(self._names(self._tree) - {"pi"})

    @cached_property
    def depends_on_time(self) -> bool:
        """Whether it looks at the flow time, not at the step alone."""
        return "t" in self._names(self._tree)

    def at(self, step: float, steps: float, t: float = 0.0) -> float:
        """Value at one step.

        Raises
        ------
        InvalidValue
            It has no finite value there.
        """
        try:
            value = self._value(self._tree, {"step": step, "steps": steps, "t": t, "pi": pi})
        except (ArithmeticError, ValueError):
            value = float("nan")
        if not isfinite(value):
            raise bad("schedule", self.text, f"a finite number at step {step:g} of {steps:g}")
        return value

    def _check(self, node: Node) -> None:
        for part in _parts(node):
            if isinstance(part, Name) and part.name not in (*_NAMES, "pi"):
                raise refuse(part.position, part.name, "step, steps or t", "a schedule knows no other names")
            if isinstance(part, List):
                raise refuse(part.position, "a list", "a number")
            if isinstance(part, Call):
                _check_shape(part)
                count = len(part.arguments)
                if part.function in FUNCTIONS:
                    function = FUNCTIONS[part.function]
                    if not function.least <= count <= function.most:
                        raise refuse(part.position, f"{part.function} with {count}", f"{function.least} arguments")

    @staticmethod
    def _names(node: Node) -> set[str]:
        return {part.name for part in _parts(node) if isinstance(part, Name)}

    def _value(self, node: Node, values: Mapping[str, float]) -> float:
        match node:
            case Number():
                return float(node.literal)
            case Name():
                return values[node.name]
            case Sum():
                return sum(self._value(term, values) for term in node.terms)
            case Product():
                result = 1.0
                for factor, divides, _ in node.factors:
                    number = self._value(factor, values)
                    result = result / number if divides else result * number
                return result
            case Power():
                result = self._value(node.base, values) ** self._value(node.exponent, values)
                return result if isinstance(result, float | int) else float("nan")
            case Call():
                return self._called(node, values)
        raise AssertionError(node)

    def _called(self, node: Call, values: Mapping[str, float]) -> float:
        arguments = [self._value(argument, values) for argument in node.arguments]
        share = values["step"] / values["steps"] if values["steps"] else 0.0
        if node.function == "cosine":
            return arguments[1] + (arguments[0] - arguments[1]) * (1 + cos(pi * share)) / 2
        if node.function == "linear":
            return arguments[0] + (arguments[1] - arguments[0]) * share
        if node.function == "warmup":
            return min(1.0, values["step"] / arguments[0]) if arguments[0] > 0 else 1.0
        return float(FUNCTIONS[node.function].number(*arguments))


def _check_shape(call: Call) -> None:
    """Refuse a shape with another number of arguments than it has."""
    count, wanted = len(call.arguments), _SHAPES.get(call.function)
    if wanted is not None and count != wanted:
        expected = "1 argument" if wanted == 1 else f"{wanted} arguments"
        raise refuse(call.position, f"{call.function} with {count}", expected)


def in_flow_time(parameters: Any, end: float, step: float | None = None, steps: int = 0) -> Any:
    """Parameters whose schedules are expressions in the flow time `t` alone, as a flow reads them.

    Parameters
    ----------
    parameters : mapping or None
        ``{name: value}``; text with a shape, `step` or `steps` in it is rewritten, all else stays as it is.
    end : float
        Flow time at which ``cosine`` and ``linear`` have arrived.
    step : float, optional
        Flow time of one step; without it there are no steps.
    steps : int

    Raises
    ------
    InvalidValue
        Steps where there are none, a shape over an endless time.

    Examples
    --------
    >>> from dynsim.integrate.schedules import in_flow_time
    >>> in_flow_time({"alpha": "linear(10, 1)", "eta_s": "0.2 + t"}, 20.0)
    {'alpha': '((10) + ((1) - (10))*t/20.0)', 'eta_s': '0.2 + t'}
    """
    if not isinstance(parameters, Mapping):
        return parameters
    return {name: _rewritten(str(name), value, end, step, steps) for name, value in parameters.items()}


def is_schedule(value: Any) -> bool:
    """Whether a value is text with a shape, or with the number of steps, in it."""
    return isinstance(value, str) and bool(_COUNTED.search(value))


def _rewritten(name: str, value: Any, end: float, step: float | None, steps: int) -> Any:
    if not is_schedule(value):
        return value
    node = tree(value, [*FUNCTIONS, *_SHAPES])
    for part in _parts(node):
        if isinstance(part, Call):
            _check_shape(part)
    if step is None and re.search(r"\b(steps?|warmup)\b", value):
        raise bad(f"parameters[{name!r}]", value, "an expression in the flow time t", "a flow has no steps")
    if not isfinite(end):
        raise bad(f"parameters[{name!r}]", value, "a run that ends, for it arrives at its end")
    return _in_time(node, f"t/{end!r}", f"(t/{step!r})", str(steps))


def _in_time(node: Node, share: str, step: str, steps: str) -> str:
    """The text of a tree, with its shapes and steps written in the flow time."""

    def inner(part: Node) -> str:
        return f"({_in_time(part, share, step, steps)})"

    match node:
        case Number():
            return node.literal
        case Name():
            return {"step": step, "steps": steps}.get(node.name, node.name)
        case Sum():
            return " + ".join(inner(term) for term in node.terms)
        case Product():
            return "1" + "".join(f"{'/' if divides else '*'}{inner(factor)}" for factor, divides, _ in node.factors)
        case Power():
            return f"{inner(node.base)}^{inner(node.exponent)}"
        case Call(function="cosine"):
            a, b = map(inner, node.arguments)
            return f"({b} + ({a} - {b})*(1 + cos(pi*{share}))/2)"
        case Call(function="linear"):
            a, b = map(inner, node.arguments)
            return f"({a} + ({b} - {a})*{share})"
        case Call(function="warmup"):
            return f"min(1, {step}/{inner(node.arguments[0])})"
        case Call():
            return f"{node.function}({', '.join(map(inner, node.arguments))})"
    raise refuse(node.position, "a list", "a number")


def _parts(node: Node) -> list[Node]:
    """A tree and all that is in it."""
    inside: tuple[Node, ...] = ()
    match node:
        case Sum():
            inside = node.terms
        case Product():
            inside = tuple(factor for factor, _, _ in node.factors)
        case Power():
            inside = (node.base, node.exponent)
        case Call():
            inside = node.arguments
        case List():
            inside = node.items
    return [node, *(part for item in inside for part in _parts(item))]
