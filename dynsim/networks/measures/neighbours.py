"""k-nearest-neighbour accuracy of features."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from dynsim.errors import bad
from dynsim.networks.measures.tensors import features_of, labels_of

__all__ = ["knn"]


def knn(
    features: Any, labels: Any, test_features: Any, test_labels: Any, *, k: int = 5, metric: str = "cosine"
) -> Tensor:
    """Share of test samples whose k nearest training samples vote for the right class.

    Use augmented test images against clean training images: on clean digits raw pixels beat every network.
    Wu et al. 2018, arXiv:1805.01978 (with equal votes; a tie goes to the class of the nearest).

    Parameters
    ----------
    features, test_features : array-like
        (…, N, d) and (…, M, d).
    labels, test_labels : array-like
        N and M whole numbers from 0.
    k : int
        Neighbours that vote.
    metric : str
        ``cosine`` or ``euclidean``.

    Returns
    -------
    Tensor
        (…), between 0 and 1.

    Raises
    ------
    InvalidValue, InvalidType
        For labels that do not fit, another metric, or k outside 1…N.

    Examples
    --------
    >>> import torch
    >>> from dynsim.networks import measures
    >>> z, labels = torch.eye(4), torch.tensor([0, 0, 1, 1])
    >>> measures.knn(z, labels, z, labels, k=1).item()
    1.0
    """
    train, test = features_of(features), features_of(test_features, "test_features")
    y = labels_of(labels, train.shape[-2], "labels").to(train.device)
    wanted = labels_of(test_labels, test.shape[-2], "test_labels").to(train.device)
    if not 1 <= k <= train.shape[-2]:
        raise bad("k", k, f"between 1 and the {train.shape[-2]} training samples")
    if metric == "cosine":
        train, test = (functional.normalize(z, dim=-1, eps=1e-30) for z in (train, test))
        nearest = (test @ train.mT).topk(k, dim=-1).indices
    elif metric == "euclidean":
        nearest = torch.cdist(test, train).topk(k, dim=-1, largest=False).indices
    else:
        raise bad("metric", metric, "'cosine' or 'euclidean'")
    voters = y[nearest]
    votes = (voters.unsqueeze(-1) == voters.unsqueeze(-2)).sum(-1)
    winner = votes.argmax(-1, keepdim=True)  # the first of the largest: among equals the nearest
    found = voters.gather(-1, winner).squeeze(-1)
    return (found == wanted).to(train.dtype).mean(-1)
