"""kNN accuracy on augmented test images against clean training images."""

from __future__ import annotations

from torch import Tensor

from dynsim.networks import measures
from dynsim.networks.snapshot import Snapshot


def record(snapshot: Snapshot) -> dict[str, Tensor]:
    """Measure one moment of a run."""
    labels = snapshot.labels
    if labels is None:
        return {}
    return {"knn": measures.knn(snapshot.clean_features, labels[0], snapshot.test_features, labels[1])}
