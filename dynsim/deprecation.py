"""Deprecation: arguments that have a new name keep working under the old one, with a warning that says so."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from dynsim.errors import InvalidType, bad

__all__ = ["deprecated_arguments"]

P = ParamSpec("P")
R = TypeVar("R")


def deprecated_arguments(**new_names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a function some of whose arguments are now called otherwise.

    Parameters
    ----------
    **new_names
        ``old="new"``. The old name is accepted as a keyword, with a `DeprecationWarning` that names the new one.

    Raises
    ------
    InvalidType
        By the decorated function: when both names are given.

    Examples
    --------
    >>> from dynsim.deprecation import deprecated_arguments
    >>> @deprecated_arguments(threads="workers")
    ... def run(*, workers=1):
    ...     return workers
    >>> import warnings
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     run(threads=2), str(caught[0].message)
    (2, "run: argument 'threads' is now called 'workers'")
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def renamed(*args: P.args, **kwargs: P.kwargs) -> R:
            for old in new_names.keys() & kwargs.keys():
                new, value = new_names[old], kwargs.pop(old)
                if new in kwargs:
                    raise bad(old, value, f"only '{new}', which is its new name", kind=InvalidType)
                message = f"{function.__name__}: argument '{old}' is now called '{new}'"
                warnings.warn(message, DeprecationWarning, stacklevel=2)
                kwargs[new] = value
            return function(*args, **kwargs)

        return renamed

    return decorate
