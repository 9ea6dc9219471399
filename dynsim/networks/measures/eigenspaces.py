"""Does a linear predictor share its eigenvectors with the features? (Tian, Chen & Ganguli 2021, arXiv:2102.06810)"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dynsim.errors import bad
from dynsim.networks.measures.tensors import features_of, matrix_of

__all__ = ["alignment", "asymmetry", "commutator", "second_moment"]


def second_moment(features: Any) -> Tensor:
    """F = E[zzᵀ] of features (…, N, k): (…, k, k), uncentred.

    Examples
    --------
    >>> from dynsim.networks import measures
    >>> measures.second_moment([[2.0, 0.0], [0.0, 0.0]])
    tensor([[2., 0.],
            [0., 0.]])
    """
    z = features_of(features)
    return z.mT @ z / z.shape[-2]


def alignment(moment: Any, predictor: Any) -> Tensor:
    """cos(u_j, P u_j) for the eigenvectors u_j of F, largest eigenvalue first: 1 where u_j is one of P's too.

    Parameters
    ----------
    moment : array-like
        Symmetric F = E[zzᵀ], (…, k, k); see `second_moment`.
    predictor : array-like
        P, (…, k, k).

    Returns
    -------
    Tensor
        (…, k), between −1 and 1; NaN where P u_j = 0.

    Raises
    ------
    InvalidValue, InvalidType
        If the matrices are not square or differ in size.

    Examples
    --------
    >>> import torch
    >>> from dynsim.networks import measures
    >>> measures.alignment(torch.diag(torch.tensor([1.0, 2.0])), torch.diag(torch.tensor([5.0, -1.0])))
    tensor([-1.,  1.])
    """
    f, p = _two(moment, predictor)
    u = torch.linalg.eigh(f).eigenvectors.flip(-1)
    image = p @ u
    return (u * image).sum(-2) / torch.linalg.vector_norm(image, dim=-2)


def commutator(moment: Any, predictor: Any) -> Tensor:
    """‖FP − PF‖/(‖F‖‖P‖) (Frobenius): 0 if and only if P maps every eigenspace of F to itself.

    Parameters
    ----------
    moment, predictor : array-like
        F and P, (…, k, k).

    Returns
    -------
    Tensor
        (…), between 0 and √2.

    Raises
    ------
    InvalidValue, InvalidType
        If the matrices are not square or differ in size.

    Examples
    --------
    >>> import torch
    >>> from dynsim.networks import measures
    >>> measures.commutator(torch.diag(torch.tensor([1.0, 2.0])), torch.eye(2)).item()
    0.0
    """
    f, p = _two(moment, predictor)
    norm = torch.linalg.matrix_norm
    return norm(f @ p - p @ f) / (norm(f) * norm(p))


def asymmetry(predictor: Any) -> Tensor:
    """‖P − Pᵀ‖/‖P‖ (Frobenius): 0 for symmetric, 2 for antisymmetric P.

    Parameters
    ----------
    predictor : array-like
        P, (…, k, k).

    Returns
    -------
    Tensor
        (…).

    Raises
    ------
    InvalidValue, InvalidType
        If it is no square matrix.

    Examples
    --------
    >>> import torch
    >>> from dynsim.networks import measures
    >>> measures.asymmetry(torch.tensor([[0.0, 1.0], [-1.0, 0.0]])).item()
    2.0
    """
    p = matrix_of(predictor, "predictor", square=True)
    return torch.linalg.matrix_norm(p - p.mT) / torch.linalg.matrix_norm(p)


def _two(moment: Any, predictor: Any) -> tuple[Tensor, Tensor]:
    f, p = matrix_of(moment, "moment", square=True), matrix_of(predictor, "predictor", square=True)
    if f.shape[-1] != p.shape[-1]:
        raise bad("predictor", f"shape {tuple(p.shape)}", f"the size of the moment, {f.shape[-1]}")
    return f, p.to(f.dtype)
