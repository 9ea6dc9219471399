"""Mean over modes of cos(u_j, P u_j), for a linear predictor; the modes are those of E[zzᵀ] of training views."""

from __future__ import annotations

from torch import Tensor

from dynsim.networks import measures
from dynsim.networks.snapshot import Snapshot


def record(snapshot: Snapshot) -> dict[str, Tensor]:
    """Measure one moment of a run."""
    predictor = snapshot.square_predictor
    if predictor is None:
        return {}
    return {"alignment": measures.alignment(snapshot.moment, predictor).mean(-1)}
