"""How many directions the features use; both measures are blind to scale."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dynsim.networks.measures.tensors import features_of

__all__ = ["participation", "rankme"]


def rankme(features: Any, *, centre: bool = False) -> Tensor:
    """Effective rank exp(−Σ p ln p), p the singular values over their sum. Garrido et al. 2023, arXiv:2210.02885.

    Parameters
    ----------
    features : array-like
        (…, N, d).
    centre : bool
        Subtract the mean sample first. The paper does not; centring caps the result at min(N − 1, d).

    Returns
    -------
    Tensor
        (…), between 1 and min(N, d); 0 if all features vanish.

    Raises
    ------
    InvalidValue, InvalidType
        If they are no features.

    Examples
    --------
    >>> import torch
    >>> from dynsim.networks import measures
    >>> round(measures.rankme(torch.eye(5)).item(), 4), round(measures.rankme(torch.eye(5), centre=True).item(), 4)
    (5.0, 4.0)
    """
    z = features_of(features)
    if centre:
        z = z - z.mean(-2, keepdim=True)
    finite = z.isfinite().all(-1).all(-1)
    values = torch.linalg.svdvals(z.nan_to_num(0.0, 0.0, 0.0))
    p = values / values.sum(-1, keepdim=True)
    rank = torch.special.entr(p).sum(-1).exp().nan_to_num(0.0)
    return torch.where(finite, rank, torch.nan)


def participation(features: Any, *, centre: bool = True) -> Tensor:
    """Participation ratio (Σλ)²/Σλ², λ the eigenvalues of the covariance: d if isotropic, 1 on a line.

    Parameters
    ----------
    features : array-like
        (…, N, d).
    centre : bool
        Covariance about the mean; False takes the uncentred second moment.

    Returns
    -------
    Tensor
        (…), between 1 and min(N − 1, d); 0 if all samples agree.

    Raises
    ------
    InvalidValue, InvalidType
        If they are no features.

    Examples
    --------
    >>> import torch
    >>> from dynsim.networks import measures
    >>> line = torch.linspace(-1, 1, 20)[:, None] * torch.tensor([1.0, 2.0, 3.0])
    >>> round(measures.participation(line).item(), 4)
    1.0
    """
    z = features_of(features)
    rounding = 8 * torch.finfo(z.dtype).eps * z.abs().amax((-2, -1), keepdim=True)
    if centre:
        z = z - z.mean(-2, keepdim=True)
    largest = z.abs().amax((-2, -1), keepdim=True)
    unit = z / torch.where(largest > rounding, largest, torch.inf)  # squares of tiny features must not underflow
    moment = unit.mT @ unit
    trace = moment.diagonal(dim1=-2, dim2=-1).sum(-1)
    ratio = trace.square() / moment.square().sum((-2, -1))
    return torch.where(trace == 0, 0.0, ratio)
