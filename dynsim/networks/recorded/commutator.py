"""Commutator of a linear predictor with E[zzᵀ] of training views."""

from __future__ import annotations

from torch import Tensor

from dynsim.networks import measures
from dynsim.networks.snapshot import Snapshot


def record(snapshot: Snapshot) -> dict[str, Tensor]:
    """Measure one moment of a run."""
    predictor = snapshot.square_predictor
    return {} if predictor is None else {"commutator": measures.commutator(snapshot.moment, predictor)}
