"""Have the features collapsed to a point, or shrunk? Two measures, each blind to what the other sees."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from dynsim.errors import bad
from dynsim.networks.measures.tensors import features_of

__all__ = ["norm_ratio", "spread"]


def spread(features: Any) -> Tensor:
    """√d times the standard deviation of the normalised features: 1 spread over the sphere, 0 collapsed.

    Blind to rank (a rank-3 collapse may read .86) and to scale. Chen & He 2021, arXiv:2011.10566, section 4.1.

    Parameters
    ----------
    features : array-like
        (…, N, d).

    Returns
    -------
    Tensor
        (…), the standard deviation over samples of z/‖z‖, averaged over the d components, times √d.

    Raises
    ------
    InvalidValue, InvalidType
        If they are no features.

    Examples
    --------
    >>> import torch
    >>> from dynsim.networks import measures
    >>> corners = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    >>> round(measures.spread(corners).item(), 6)
    1.0
    """
    z = functional.normalize(features_of(features), dim=-1, eps=1e-30)
    return z.std(-2, correction=0).mean(-1) * z.shape[-1] ** 0.5


def norm_ratio(features: Any, initial: Any) -> Tensor:
    """Root mean square norm of the features relative to that of the initial ones: 0 shrunk to nothing.

    Sees the collapse to the origin that measures of direction and rank miss.

    Parameters
    ----------
    features, initial : array-like
        (…, N, d); the same images at initialisation.

    Returns
    -------
    Tensor
        (…); infinite if the initial features vanish.

    Raises
    ------
    InvalidValue, InvalidType
        If they are no features, or differ in dimension.

    Examples
    --------
    >>> import torch
    >>> from dynsim.networks import measures
    >>> z = torch.randn(50, 4)
    >>> round(measures.norm_ratio(0.1 * z, z).item(), 6)
    0.1
    """
    now, then = features_of(features), features_of(initial, "initial")
    if now.shape[-1] != then.shape[-1]:
        raise bad("initial", f"{then.shape[-1]} dimensions", f"{now.shape[-1]} dimensions like the features")
    return _rms_norm(now) / _rms_norm(then)


def _rms_norm(features: Tensor) -> Tensor:
    return torch.linalg.vector_norm(features, dim=-1).square().mean(-1).sqrt()
