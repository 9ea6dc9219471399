"""Norm of the features of augmented test images, relative to the start."""

from __future__ import annotations

from torch import Tensor

from dynsim.networks import measures
from dynsim.networks.snapshot import Snapshot


def record(snapshot: Snapshot) -> dict[str, Tensor]:
    """Measure one moment of a run."""
    return {"norm_ratio": measures.norm_ratio(snapshot.test_features, snapshot.initial.test_features)}
