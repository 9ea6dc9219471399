"""Functions that are short for an expression in others: the tree each stands for."""

from __future__ import annotations

from collections.abc import Callable

from dynsim.symbolic.grammar import Call, Node, Number, Power, Product, Sum

__all__ = ["COMPOSITIONS"]


def _relu(at: int, x: Node) -> Node:
    """max(0, x)."""
    return Call(at, "max", (Number(at, "0"), x))


def _sigmoid(at: int, x: Node) -> Node:
    """(1 + exp(−x))^−1."""
    minus = Number(at, "-1")
    negative = Product(at, ((minus, False, at), (x, False, at)))
    return Power(at, Sum(at, (Number(at, "1"), Call(at, "exp", (negative,)))), minus)


def _softplus(at: int, x: Node) -> Node:
    """log(1 + exp(x))."""
    return Call(at, "log", (Sum(at, (Number(at, "1"), Call(at, "exp", (x,)))),))


def _sqrt(at: int, x: Node) -> Node:
    """x^(1/2)."""
    return Power(at, x, Number(at, "1/2"))


COMPOSITIONS: dict[str, Callable[[int, Node], Node]] = {
    "relu": _relu,
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "sqrt": _sqrt,
}
"""Name → what makes its tree, given a position and the argument."""
