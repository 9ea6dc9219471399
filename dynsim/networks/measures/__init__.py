"""Measures of a network, as functions on anyone's tensors.

Features are (…, N, d): rows are samples, leading axes (seeds, views) are kept. Matrices are (…, k, k) and
(…, k, d) in the orientation z = W x, p = P z. NumPy arrays are taken as well; tensors come back.

Examples
--------
>>> import torch
>>> from dynsim.networks import measures
>>> collapsed = torch.ones(100, 8)
>>> measures.spread(collapsed).item(), round(measures.rankme(collapsed).item(), 3)
(0.0, 1.0)
"""

from dynsim.networks.measures.collapse import norm_ratio, spread
from dynsim.networks.measures.linear_probe import probe
from dynsim.networks.measures.neighbours import knn
from dynsim.networks.measures.rank import participation, rankme
from dynsim.networks.measures.speeds import absolute_speed, relative_speed, speed_ratio

__all__ = [
    "absolute_speed",
    "knn",
    "norm_ratio",
    "participation",
    "probe",
    "rankme",
    "relative_speed",
    "speed_ratio",
    "spread",
]
