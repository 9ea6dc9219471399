"""One statement about a method, and what statements rest on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sympy

__all__ = ["ALIGNED", "GAUSSIAN", "LINEAR", "Fact"]

LINEAR = "linear encoder, expected gradients, centred views that are independent given the image"
ALIGNED = "each row of the encoder reads one feature (aligned modes)"
GAUSSIAN = "the views are jointly Gaussian"


@dataclass(frozen=True)
class Fact:
    """One statement about a method at given values.

    Attributes
    ----------
    value : bool, float or array
        An array over features where the values were arrays; None where it is not known.
    expression : sympy.Expr or None
        The closed form, in lambda_d, lambda_s, nu, the rates and the method's knobs; None where there is none.
    exact : bool
        Whether `value` follows from the assumptions without an approximation beyond rounding and the error of a
        converged quadrature or root.
    assumptions : tuple of str
        What it rests on.
    reason : str
        Why, in words.

    See Also
    --------
    method : what gives them.

    Examples
    --------
    >>> import dynsim
    >>> fact = dynsim.method("spectral").amplitude(nu=0.2)
    >>> round(fact.value, 6), fact.exact
    (0.8, True)
    """

    value: Any
    expression: sympy.Basic | None = None
    exact: bool = True
    assumptions: tuple[str, ...] = ()
    reason: str = ""
