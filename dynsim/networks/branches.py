"""The three branches: which of the encoder's two gradient contributions act."""

from __future__ import annotations

from torch import Tensor

__all__ = ["BRANCHES", "pairs", "two_branches"]

BRANCHES = ("stop", "full", "target")


def two_branches(branch: str, live: Tensor, constant: Tensor) -> tuple[Tensor, Tensor]:
    """Features of the first branch (to the predictor) and of the second (the target).

    `live` carries a gradient, `constant` has the same values and carries none: ``stop`` holds the second
    branch, ``target`` the first; the gradient of ``target`` is that of ``full`` minus that of ``stop``, while
    the predictor's is the same in all three.
    """
    if branch == "stop":
        return live, constant
    return (live, live) if branch == "full" else (constant, live)


def pairs(first: Tensor, second: Tensor, symmetric: bool) -> tuple[Tensor, Tensor]:
    """View 1 against view 2, and, if symmetric, view 2 against view 1; features are (seeds, dim, views, batch)."""
    if symmetric:
        return first[:, :, :2], second[:, :, :2].flip(2)
    return first[:, :, :1], second[:, :, 1:2]
