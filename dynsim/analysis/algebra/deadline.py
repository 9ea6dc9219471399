"""Work that stops in time: a monomial order with a clock in it."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import Any

from sympy.polys.orderings import MonomialOrder

__all__ = ["CutOff", "Deadline"]


class CutOff(Exception):
    """An exact computation ran long or grew large, and was given up; the message says where.

    Attributes
    ----------
    found : tuple
        What was found all the same.
    """

    def __init__(self, message: str, found: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.found = tuple(found)


class Deadline(MonomialOrder):
    """A monomial order that raises `CutOff` once its time is up.

    SymPy compares monomials at every step of a Gröbner basis computation, so a computation in a ring with
    this order ends soon after the deadline, in whatever thread it runs.

    Parameters
    ----------
    order : MonomialOrder
        The order proper.
    seconds : float
        Time allowed from now on.

    Examples
    --------
    >>> import sympy
    >>> x, y = sympy.symbols("x y")
    >>> sympy.groebner([x * y - 1, x - y], x, y, order=Deadline(sympy.lex, 10.0)).exprs
    [x - y, y**2 - 1]
    """

    def __init__(self, order: Any, seconds: float) -> None:
        self.order = order
        self.end = monotonic() + seconds

    def with_order(self, order: Any) -> Deadline:
        """Another order with the same deadline."""
        return Deadline(order, self.end - monotonic())

    def __call__(self, monomial: Sequence[int]) -> Any:
        """Sort key of a monomial, if there is time."""
        self.check()
        return self.order(monomial)

    def check(self) -> None:
        """Raise `CutOff` if the time is up."""
        if monotonic() > self.end:
            raise CutOff("out of time")

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)
