"""Absolute speed of the predictor over that of the encoder."""

from __future__ import annotations

from torch import Tensor

from dynsim.networks import measures
from dynsim.networks.snapshot import Snapshot


def record(snapshot: Snapshot) -> dict[str, Tensor]:
    """Measure one moment of a run."""
    return {
        "absolute_speed_ratio": measures.speed_ratio(
            measures.absolute_speed(snapshot.velocity.predictor), measures.absolute_speed(snapshot.velocity.encoder)
        )
    }
