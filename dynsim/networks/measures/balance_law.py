"""The law that ties encoder and linear predictor together: WWᵀ − PᵀP/α is conserved, or decays as e^{−2ηt}.

[exact] for the gradient flow under ``stop``, for any loss that sees the parameters only through PW, with equal weight
decays η (Arora, Cohen & Hazan 2018, arXiv:1802.06509; for SimSiam Tian, Chen & Ganguli 2021, arXiv:2102.06810).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dynsim.errors import bad
from dynsim.networks.measures.tensors import matrix_of

__all__ = ["balance", "balance_matrix"]


def balance_matrix(W: Any, P: Any, alpha: float = 1.0) -> Tensor:
    """WWᵀ − PᵀP/α of adjacent bias-free linear layers, z = W x and p = P z.

    Parameters
    ----------
    W : array-like
        (…, k, d), the layer before the predictor.
    P : array-like
        (…, l, k).
    alpha : float
        Ratio of the predictor's learning rate to the encoder's.

    Returns
    -------
    Tensor
        (…, k, k), symmetric.

    Raises
    ------
    InvalidValue, InvalidType
        If the shapes do not fit or α is not positive.

    Examples
    --------
    >>> import torch
    >>> from dynsim.networks import measures
    >>> measures.balance_matrix(torch.eye(2), torch.eye(2), alpha=2.0)
    tensor([[0.5000, 0.0000],
            [0.0000, 0.5000]])
    """
    w, p = matrix_of(W, "W"), matrix_of(P, "P")
    if w.shape[-2] != p.shape[-1]:
        raise bad("P", f"shape {tuple(p.shape)}", f"{w.shape[-2]} columns, one per row of W")
    if not alpha > 0:
        raise bad("alpha", alpha, "a positive number")
    return w @ w.mT - p.mT @ p / alpha


def balance(W: Any, P: Any, alpha: float = 1.0) -> Tensor:
    """Balance defect ‖WWᵀ − PᵀP/α‖/‖WWᵀ‖ (Frobenius): 0 if balanced, 1 if P vanishes.

    Parameters
    ----------
    W, P, alpha
        As for `balance_matrix`.

    Returns
    -------
    Tensor
        (…).

    Raises
    ------
    InvalidValue, InvalidType
        If the shapes do not fit or α is not positive.

    Examples
    --------
    >>> import torch
    >>> from dynsim.networks import measures
    >>> measures.balance(torch.eye(3), torch.zeros(3, 3)).item()
    1.0
    """
    w = matrix_of(W, "W")
    return torch.linalg.matrix_norm(balance_matrix(w, P, alpha)) / torch.linalg.matrix_norm(w @ w.mT)
