"""Measures of a network, as functions on anyone's features; none of them needs torch.

Features are (…, N, d): rows are samples, leading axes (seeds, views) are kept. Matrices are (…, k, k) and
(…, k, d) in the orientation z = W x and p = P z. Arrays, tables and tensors are taken, of any precision, and computed
in double precision; arrays give floats or arrays, tensors give tensors on their device. Not-a-number in, not-a-number
out. Labels may be numbers, ids or words.

No single measure of collapse works, so report four together: `spread` (blind to rank and scale), `rankme` or
`participation` (blind to scale), `norm_ratio`, and `knn` on augmented test images with `probe`. The loss is none.
`MEASURES` are those that training records.

Examples
--------
>>> import numpy as np
>>> from dynsim.networks import measures
>>> collapsed = np.ones((100, 8))
>>> float(measures.spread(collapsed).round(12)), float(measures.rankme(collapsed).round(3))
(0.0, 1.0)
"""

from typing import TYPE_CHECKING

from dynsim.networks.measures.assignments import agreement, entropy_of_mean, mean_entropy
from dynsim.networks.measures.classifiers import knn, probe
from dynsim.networks.measures.embeddings import (
    alpha_req,
    dead_share,
    norm_ratio,
    participation,
    rankme,
    spread,
    uniformity,
)
from dynsim.networks.measures.linear_layers import (
    alignment,
    asymmetry,
    balance,
    balance_matrix,
    commutator,
    optimal_predictor,
    predictor_gap,
    second_moment,
)
from dynsim.networks.measures.motion import (
    absolute_speed,
    done_after,
    eigenvalue_gap,
    loss_share,
    relative_distance,
    relative_speed,
    speed_ratio,
)
from dynsim.networks.measures.view_pairs import feature_moments, lidar, noise_share, view_alignment
from dynsim.registry import Registry

if TYPE_CHECKING:
    from dynsim.networks.measures.recorded import Measure

__all__ = [
    "MEASURES",
    "absolute_speed",
    "agreement",
    "alignment",
    "alpha_req",
    "asymmetry",
    "balance",
    "balance_matrix",
    "commutator",
    "dead_share",
    "done_after",
    "eigenvalue_gap",
    "entropy_of_mean",
    "feature_moments",
    "knn",
    "lidar",
    "loss_share",
    "mean_entropy",
    "noise_share",
    "norm_ratio",
    "optimal_predictor",
    "participation",
    "predictor_gap",
    "probe",
    "rankme",
    "relative_distance",
    "relative_speed",
    "second_moment",
    "speed_ratio",
    "spread",
    "uniformity",
    "view_alignment",
]

_RECORDED = (
    "absolute_speed_ratio", "alignment", "alpha_req", "asymmetry", "balance", "commutator", "half_life", "knn",
    "lidar", "loss_share", "noise_share", "norm_ratio", "participation", "predictor_gap", "probe", "rankme",
    "relative_speed_ratio", "spread", "teacher_distance", "uniformity", "velocities", "view_alignment",
)  # fmt: skip

MEASURES: "Registry[Measure]" = Registry(
    "measure",
    {
        **{name: f"dynsim.networks.measures.recorded:{name}" for name in _RECORDED},
        # One in a file of its own: "name": "dynsim.networks.measures.file:MEASURE".
    },
)
