"""How far a linear predictor is from the optimal one for its training views."""

from __future__ import annotations

from torch import Tensor

from dynsim.networks import measures
from dynsim.networks.snapshot import Snapshot


def record(snapshot: Snapshot) -> dict[str, Tensor]:
    """Measure one moment of a run."""
    predictor = snapshot.linear_predictor
    if predictor is None or snapshot.targets is None:
        return {}
    best = measures.optimal_predictor(*snapshot.targets, ridge=snapshot.network.experiment.ridge)
    return {"predictor_gap": measures.predictor_gap(predictor, best)}
