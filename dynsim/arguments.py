"""Arguments that are one number, one whole number, a word of a few or a switch, checked where they come in."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import inf, isfinite
from typing import Any

from dynsim.errors import InvalidType, bad, unknown

__all__ = ["a_mapping", "a_number", "a_real", "a_switch", "a_whole", "a_word"]


def a_number(argument: str, value: Any, expected: str = "", *, above: float = -inf, least: float = -inf) -> float:
    """Check one finite number, and that it lies above a bound.

    Parameters
    ----------
    argument : str
        Its name in the message.
    value : object
        Of any type: what is no number, has axes, or is masked is refused.
    expected : str
        What the message says was expected; by default made of the bounds.
    above, least : float
        The number must be larger than one, and no smaller than the other.

    Raises
    ------
    InvalidType, InvalidValue
        For anything else.

    Examples
    --------
    >>> from dynsim.arguments import a_number
    >>> a_number("ridge", 2, least=0)
    2.0
    """
    if not expected:
        bound = f" above {above:g}" if above > -inf else f" ≥ {least:g}" if least > -inf else ""
        expected = "a positive number" if above == 0 else f"a finite number{bound}"
    number = a_real(argument, value, expected)
    if not isfinite(number) or (not number > above and above > -inf) or number < least:
        raise bad(argument, value, expected)
    return number


def a_real(argument: str, value: Any, expected: str = "a real number") -> float:
    """Check one real number; one too large for a float is infinite.

    Raises
    ------
    InvalidType, InvalidValue
        For what is no number, True and False among it, has axes, or is masked.

    Examples
    --------
    >>> from fractions import Fraction
    >>> from dynsim.arguments import a_real
    >>> a_real("t_end", Fraction(1, 4)), a_real("t_end", -(10**400))
    (0.25, -inf)
    """
    if type(value) is float:
        return value
    refused = isinstance(value, str | bytes | bytearray | list | tuple | dict | bool | complex)
    if refused or getattr(value, "shape", ()) != ():
        raise bad(argument, value, expected, kind=InvalidType)
    if getattr(value, "mask", False):
        raise bad(argument, value, f"{expected}, not masked", kind=InvalidType)
    try:
        if getattr(getattr(value, "dtype", None), "kind", "f") not in "fiuO":
            raise TypeError
        return float(value)
    except OverflowError:
        return inf if value > 0 else -inf
    except Exception:  # __float__ is anybody's code
        raise bad(argument, value, expected, kind=InvalidType) from None


def a_whole(argument: str, value: Any, least: int = 1, most: float = inf, expected: str = "") -> int:
    """Check one whole number between bounds, both included; of a type that holds whole numbers.

    Examples
    --------
    >>> from dynsim.arguments import a_whole
    >>> a_whole("starts", 3)
    3
    """
    upper = f" to {most:g}" if most < inf else " on"
    if not expected:
        expected = "a positive whole number" if (least, most) == (1, inf) else f"a whole number from {least}{upper}"
    if isinstance(value, bool) or not hasattr(value, "__index__") or getattr(value, "shape", ()) != ():
        raise bad(argument, value, expected, kind=InvalidType)
    try:
        number = int(value.__index__())
    except Exception:  # __index__ is anybody's code
        raise bad(argument, value, expected, kind=InvalidType) from None
    if not least <= number <= most:
        raise bad(argument, value, expected)
    return number


def a_word(argument: str, value: Any, known: Collection[str], expected: str = "") -> str:
    """Check a word of a few known ones; whatever is no text is refused before it is compared.

    Examples
    --------
    >>> from dynsim.arguments import a_word
    >>> a_word("branch", "stop", ("stop", "full"))
    'stop'
    """
    if isinstance(value, str) and value in known:
        return str(value)
    if expected:
        raise bad(argument, value, expected)
    raise unknown(argument, value, known)


def a_mapping(argument: str, value: Any, expected: str = "a mapping {name: value}") -> dict[Any, Any]:
    """Check a mapping, and return it as a dict; None is an empty one.

    Examples
    --------
    >>> from dynsim.arguments import a_mapping
    >>> a_mapping("parameters", None)
    {}
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise bad(argument, value, expected, kind=InvalidType)
    return dict(value)


def a_switch(argument: str, value: Any) -> bool:
    """Check True or False, NumPy's included.

    Examples
    --------
    >>> from dynsim.arguments import a_switch
    >>> a_switch("centre", True)
    True
    """
    if isinstance(value, bool) or (type(value).__name__ == "bool" and getattr(value, "shape", None) == ()):
        return bool(value)
    raise bad(argument, value, "True or False", kind=InvalidType)
