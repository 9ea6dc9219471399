"""Speeds of predictor and encoder themselves, absolute and relative, per unit of flow time."""

from __future__ import annotations

from torch import Tensor

from dynsim.networks import measures
from dynsim.networks.snapshot import Snapshot


def record(snapshot: Snapshot) -> dict[str, Tensor]:
    """Measure one moment of a run."""
    values = {}
    for block in ("predictor", "encoder"):
        velocity, weights = getattr(snapshot.velocity, block), getattr(snapshot.weights, block)
        values[f"absolute_speed_{block}"] = measures.absolute_speed(velocity)
        values[f"relative_speed_{block}"] = measures.relative_speed(velocity, weights)
    return values
