"""The balance law of a linear predictor and the bias-free layer before it, monitored live.

`balance` is the defect ‖WWᵀ − PᵀP/α‖/‖WWᵀ‖. `balance_drift` is what the law says is zero: the change of the matrix
since the start, relative to its start; with equal weight decays η the start decays as e^{−2ηt}.
"""

from __future__ import annotations

from math import exp

import torch
from torch import Tensor

from dynsim.networks import measures
from dynsim.networks.snapshot import Snapshot


def record(snapshot: Snapshot) -> dict[str, Tensor]:
    """Measure one moment of a run."""
    e = snapshot.network.experiment
    now, start = _layers(snapshot), _layers(snapshot.initial)
    if now is None or start is None:
        return {}
    values = {"balance": measures.balance(*now, e.alpha)}
    if e.eta_p == e.eta_s:
        first = measures.balance_matrix(*start, e.alpha)
        left = exp(-2 * e.eta_s * snapshot.time) * first
        norm = torch.linalg.matrix_norm
        values["balance_drift"] = norm(measures.balance_matrix(*now, e.alpha) - left) / norm(first)
    return values


def _layers(snapshot: Snapshot) -> tuple[Tensor, Tensor] | None:
    network, predictor = snapshot.network, snapshot.linear_predictor
    if predictor is None or network.encoder.adjacent is None or not network.predictor.trained:
        return None
    return network.encoder_layout.split(snapshot.weights.encoder)[network.encoder.adjacent], predictor
