"""Text to expression, through a grammar of its own. Nothing in the text is ever executed.

`tokens` cuts the text, `grammar` makes a tree of it, `construction` makes the tree a SymPy expression.
"""

from __future__ import annotations

import sympy

from dynsim.errors import InvalidType, bad
from dynsim.symbolic.compositions import COMPOSITIONS
from dynsim.symbolic.construction import construct
from dynsim.symbolic.functions import FUNCTIONS
from dynsim.symbolic.grammar import tree
from dynsim.symbolic.tokens import refuse

__all__ = ["parse"]

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

    Notes
    -----
    ``-x^2`` is −(x²), powers group from the right, and a product needs its ``*``. An identifier before a "(" must
    be one of: sg (stop_gradient), exp, log (ln), sqrt, sin, cos, tan, cot, asin, acos, atan, sinh, cosh, tanh, asinh,
    acosh, atanh, erf, abs, sign, max, min, the compositions sigmoid, softplus, relu, and, because derivatives contain
    them, Heaviside and DiracDelta. Greek letters read as their names (θ as theta, σ₂ as sigma2), superscripts as
    powers (σ² as sigma^2).

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
    if not isinstance(text, str):
        raise bad("text", text, "a string", kind=InvalidType)
    if len(text) > CHARACTERS:
        raise refuse(CHARACTERS, f"{len(text)} characters", f"at most {CHARACTERS}")
    try:
        return construct(tree(text, {*FUNCTIONS, *COMPOSITIONS}))
    except RecursionError:
        raise refuse(0, "nesting too deep for the stack left here", "fewer parentheses") from None
