"""Measures of a network, as functions on anyone's tensors.

Features are (…, N, d): rows are samples, leading axes (seeds, views) are kept. Matrices are (…, k, k) and
(…, k, d) in the orientation z = W x, p = P z. NumPy arrays are taken as well; tensors come back.

No single measure of collapse works, so report four together: `spread` (blind to rank and scale), `rankme` or
`participation` (blind to scale), `norm_ratio`, and `knn` on augmented test images with `probe`. The loss is none.

Examples
--------
>>> import torch
>>> from dynsim.networks import measures
>>> collapsed = torch.ones(100, 8)
>>> measures.spread(collapsed).item(), round(measures.rankme(collapsed).item(), 3)
(0.0, 1.0)
"""

from dynsim.networks.measures.balance_law import balance, balance_matrix
from dynsim.networks.measures.collapse import norm_ratio, spread
from dynsim.networks.measures.eigenspaces import alignment, asymmetry, commutator, second_moment
from dynsim.networks.measures.half_lives import done_after
from dynsim.networks.measures.linear_probe import probe
from dynsim.networks.measures.neighbours import knn
from dynsim.networks.measures.optimality import optimal_predictor, predictor_gap
from dynsim.networks.measures.rank import participation, rankme
from dynsim.networks.measures.spectrum import eigenvalue_gap
from dynsim.networks.measures.speeds import absolute_speed, loss_share, relative_speed, speed_ratio

__all__ = [
    "absolute_speed",
    "alignment",
    "asymmetry",
    "balance",
    "balance_matrix",
    "commutator",
    "done_after",
    "eigenvalue_gap",
    "knn",
    "loss_share",
    "norm_ratio",
    "optimal_predictor",
    "participation",
    "predictor_gap",
    "probe",
    "rankme",
    "relative_speed",
    "second_moment",
    "speed_ratio",
    "spread",
]
