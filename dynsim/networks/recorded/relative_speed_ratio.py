"""Relative speed of the predictor over that of the encoder."""

from __future__ import annotations

from torch import Tensor

from dynsim.networks import measures
from dynsim.networks.snapshot import Snapshot


def record(snapshot: Snapshot) -> dict[str, Tensor]:
    """Measure one moment of a run."""
    weights, speed = snapshot.weights, snapshot.velocity
    return {
        "relative_speed_ratio": measures.speed_ratio(
            measures.relative_speed(speed.predictor, weights.predictor),
            measures.relative_speed(speed.encoder, weights.encoder),
        )
    }
