"""Split of dl/dt, along the flow, into the part of the predictor and the part of the encoder."""

from __future__ import annotations

from torch import Tensor

from dynsim.networks import measures
from dynsim.networks.snapshot import Snapshot


def record(snapshot: Snapshot) -> dict[str, Tensor]:
    """Measure one moment of a run; with a teacher its own part is left out."""
    velocity, network = snapshot.velocity, snapshot.network
    _, slope = snapshot.gradient_of(lambda weights: network.loss(weights, snapshot.pair, branch="full"))
    return {
        "loss_share_predictor": measures.loss_share(slope.predictor, velocity.predictor),
        "loss_share_encoder": measures.loss_share(slope.encoder, velocity.encoder),
    }
