"""Accuracy of a linear probe, fitted on clean training images, on augmented test images."""

from __future__ import annotations

from torch import Tensor

from dynsim.networks import measures
from dynsim.networks.snapshot import Snapshot


def record(snapshot: Snapshot) -> dict[str, Tensor]:
    """Measure one moment of a run."""
    labels = snapshot.labels
    if labels is None:
        return {}
    return {"probe": measures.probe(snapshot.clean_features, labels[0], snapshot.test_features, labels[1])}
