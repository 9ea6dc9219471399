"""The best linear predictor, and how far a predictor is from it: distance to the slow manifold."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dynsim.errors import bad
from dynsim.networks.measures.tensors import features_of, matrix_of

__all__ = ["optimal_predictor", "predictor_gap"]


def optimal_predictor(features: Any, targets: Any, *, ridge: float = 0.0) -> Tensor:
    """P* = argmin E‖P z − t‖² + penalty‖P‖²: where a fast predictor sits (Tang et al. 2023, arXiv:2212.03319).

    Parameters
    ----------
    features, targets : array-like
        z of shape (…, N, k) and t of shape (…, N, l), row by row.
    ridge : float
        Penalty relative to the mean square of a feature.

    Returns
    -------
    Tensor
        (…, l, k). NaN or infinite where the features are degenerate and there is no penalty.

    Raises
    ------
    InvalidValue, InvalidType
        If the shapes do not fit or the penalty is negative.

    Examples
    --------
    >>> import torch
    >>> from dynsim.networks import measures
    >>> z = torch.randn(50, 3, dtype=torch.float64)
    >>> P = torch.tensor([[1.0, 2.0, 3.0]], dtype=torch.float64)
    >>> torch.allclose(measures.optimal_predictor(z, z @ P.T), P)
    True
    """
    z, t = features_of(features), features_of(targets, "targets")
    if z.shape[-2] != t.shape[-2]:
        raise bad("targets", f"{t.shape[-2]} samples", f"{z.shape[-2]}, one per sample of features")
    if not ridge >= 0:
        raise bad("ridge", ridge, "a number ≥ 0")
    gram = z.mT @ z
    if ridge:
        size = gram.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None]
        gram = gram + ridge * size * torch.eye(z.shape[-1], dtype=z.dtype, device=z.device)
    solution, _ = torch.linalg.solve_ex(gram, z.mT @ t.to(z.dtype))
    return solution.mT


def predictor_gap(predictor: Any, optimal: Any) -> Tensor:
    """‖P − P*‖/‖P*‖ (Frobenius): 0 on the slow manifold of a fast predictor.

    Parameters
    ----------
    predictor, optimal : array-like
        (…, l, k) each.

    Returns
    -------
    Tensor
        (…).

    Raises
    ------
    InvalidValue, InvalidType
        If they are no matrices.

    Examples
    --------
    >>> import torch
    >>> from dynsim.networks import measures
    >>> measures.predictor_gap(1.5 * torch.eye(3), torch.eye(3)).item()
    0.5
    """
    p, best = matrix_of(predictor, "predictor"), matrix_of(optimal, "optimal")
    return torch.linalg.matrix_norm(p - best) / torch.linalg.matrix_norm(best)
