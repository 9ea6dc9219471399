"""Accuracy of a linear classifier on frozen features."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from dynsim.errors import bad
from dynsim.networks.measures.tensors import features_of, labels_of

__all__ = ["probe"]


def probe(features: Any, labels: Any, test_features: Any, test_labels: Any, *, ridge: float = 1e-3) -> Tensor:
    """Test accuracy of ridge regression from centred features to one-hot labels.

    Closed form, so it has no learning rate to tune and no seed. Blind to the common scale of the features, also
    when they have nearly collapsed. Linear probes: Alain & Bengio 2016, arXiv:1610.01644.

    Parameters
    ----------
    features, test_features : array-like
        (…, N, d) and (…, M, d).
    labels, test_labels : array-like
        N and M whole numbers from 0.
    ridge : float
        Penalty relative to the mean variance of the features.

    Returns
    -------
    Tensor
        (…), between 0 and 1.

    Raises
    ------
    InvalidValue, InvalidType
        For labels or a penalty that do not fit.

    Examples
    --------
    >>> import torch
    >>> from dynsim.networks import measures
    >>> z, labels = torch.eye(4), torch.tensor([0, 0, 1, 1])
    >>> measures.probe(z, labels, z, labels).item()
    1.0
    """
    train, test = features_of(features), features_of(test_features, "test_features")
    y = labels_of(labels, train.shape[-2], "labels").to(train.device)
    wanted = labels_of(test_labels, test.shape[-2], "test_labels").to(train.device)
    if not ridge > 0:
        raise bad("ridge", ridge, "a positive number")
    mean = train.mean(-2, keepdim=True)
    size = (train - mean).square().mean((-2, -1), keepdim=True).sqrt()
    size = torch.where(size > 1e-12 * mean.abs().amax(-1, keepdim=True), size, torch.inf)  # constant features
    train, test = (((z - mean) / size).double() for z in (train, test))
    classes = int(max(y.max(), wanted.max())) + 1
    target = functional.one_hot(y, classes).double()
    share = target.mean(0)
    samples, dimensions = train.shape[-2:]
    penalty = ridge * torch.eye(dimensions, dtype=train.dtype, device=train.device)
    gram = train.mT @ train / samples + penalty
    finite = gram.isfinite().all(-1).all(-1)
    gram = torch.where(finite[..., None, None], gram, penalty)
    slope = torch.linalg.solve(gram, train.mT @ (target - share) / samples)
    hits = (test @ slope + share).argmax(-1) == wanted
    return torch.where(finite, hits.to(mean.dtype).mean(-1), torch.nan)
