"""Sizes and variants of a system, checked as they come in."""

from __future__ import annotations

from numbers import Integral

from dynsim.errors import InvalidType, bad

__all__ = ["count", "numbered", "only_stop"]

MOST = 50  # beyond this SymPy, not the mathematics, is the limit


def count(argument: str, value: object, least: int = 1) -> int:
    """Check a number of modes or layers: an integer from `least` to 50."""
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise bad(argument, value, f"an integer from {least} to {MOST}", kind=InvalidType)
    number = int(value)
    if not least <= number <= MOST:
        raise bad(argument, value, f"an integer from {least} to {MOST}")
    return number


def numbered(letter: str, k: int) -> tuple[str, ...]:
    """Names of k states of one kind.

    Examples
    --------
    >>> from dynsim.systems.building import numbered
    >>> numbered("w", 2)
    ('w1', 'w2')
    """
    return tuple(f"{letter}{i}" for i in range(1, k + 1))


def only_stop(branch: str, variant: str | None, why: str) -> None:
    """Refuse a branch that a variant does not have."""
    if branch != "stop":
        raise bad("branch", branch, f"'stop' for variant '{variant}'", why)
