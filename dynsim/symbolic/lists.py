"""Lists in a text, ``[a, b, c]``: everything is taken element by element, until a function makes one value of a list.

This happens to the tree, before anything is built.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from dynsim.symbolic.grammar import Call, List, Node, Number, Power, Product, Sum, refuse

__all__ = ["COMPOSITIONS", "one"]

Items = tuple[Node, ...]
LONGEST = 16


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
