"""Participation ratio of the features of augmented test images."""

from __future__ import annotations

from torch import Tensor

from dynsim.networks import measures
from dynsim.networks.snapshot import Snapshot


def record(snapshot: Snapshot) -> dict[str, Tensor]:
    """Measure one moment of a run."""
    return {"participation": measures.participation(snapshot.test_features)}
