"""Progress: how every long computation reports where it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dynsim.errors import InvalidType, bad

__all__ = ["Progress", "check_progress"]

#: ``progress(done, total, what)``: pieces finished, pieces in all, and what is being done.
Progress = Callable[[int, int, str], None]


def check_progress(progress: Any) -> None:
    """Find out before the work, not after it, whether a callback can be called.

    Raises
    ------
    InvalidType
        It is no function of three arguments.
    """
    if progress is None:
        return
    from inspect import signature

    expected = "a function of three arguments: pieces done, pieces in all, what is being done"
    if not callable(progress):
        raise bad("progress", progress, expected, kind=InvalidType)
    try:
        signature(progress).bind(0, 1, "")
    except TypeError as error:
        raise bad("progress", progress, expected, str(error), kind=InvalidType) from None
    except ValueError:  # a built-in function without a signature: it will show
        return
