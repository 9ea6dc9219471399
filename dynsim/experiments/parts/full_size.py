"""What `full=True` changes in the experiments on real networks: 5000 real MNIST digits, 28×28, and more seeds."""

from __future__ import annotations

from typing import Any

__all__ = ["FULL_SEEDS", "full_size"]

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
