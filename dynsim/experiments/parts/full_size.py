"""What `full=True` changes in the experiments on real networks: 5000 real MNIST digits, 28×28, and more seeds."""

from __future__ import annotations

from typing import Any

__all__ = ["FULL_SEEDS", "full_size", "seed_count"]

FULL_SEEDS = 10


def full_size(full: bool) -> dict[str, Any]:
    """Fields of an `Experiment`: augmentations grow with the pictures, from 8×8 to 28×28 pixels.

    Examples
    --------
    >>> from dynsim.experiments.parts.full_size import full_size
    >>> full_size(False), full_size(True)["data"]
    ({}, 'mnist')
    """
    if not full:
        return {}
    recipe = {"rotation": 15.0, "scale": 0.15, "shift": 3.0, "contrast": 0.3, "noise": 0.1, "erasing": 10.0}
    return {"data": "mnist", "augmentation": recipe}


def seed_count(given: int | None, full: bool, usual: int = 5) -> int:
    """As many seeds as the caller asks for, else ten in full, else the usual number.

    Examples
    --------
    >>> from dynsim.experiments.parts.full_size import seed_count
    >>> seed_count(None, False), seed_count(None, True), seed_count(2, True)
    (5, 10, 2)
    """
    if given is not None:
        return given
    return FULL_SEEDS if full else usual
