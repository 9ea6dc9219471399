"""Asymmetry of a linear predictor."""

from __future__ import annotations

from torch import Tensor

from dynsim.networks import measures
from dynsim.networks.snapshot import Snapshot


def record(snapshot: Snapshot) -> dict[str, Tensor]:
    """Measure one moment of a run."""
    predictor = snapshot.square_predictor
    return {} if predictor is None else {"asymmetry": measures.asymmetry(predictor)}
