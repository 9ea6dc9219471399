"""How well simple classifiers do on frozen features: nearest neighbours and a linear probe."""

from __future__ import annotations

from typing import Any

import numpy as np

from dynsim.arguments import a_number, a_whole, a_word
from dynsim.errors import bad
from dynsim.networks.measures.arrays import check_stacks, features_of, labels_of, like, unit_rows

__all__ = ["knn", "probe"]


def knn(
    features: Any, labels: Any, test_features: Any, test_labels: Any, *, k: int = 5, metric: str = "cosine"
) -> Any:
    """Share of test samples whose k nearest training samples vote for the right class.

    Use augmented test images against clean training images: on clean digits raw pixels beat every network.
    Wu et al. 2018, arXiv:1805.01978 (with equal votes; a tie goes to the class of the nearest).

    Parameters
    ----------
    features, test_features : array-like or tensor
        (…, N, d) and (…, M, d).
    labels, test_labels : array-like
        N and M labels: whole numbers, ids or words.
    k : int
        Neighbours that vote.
    metric : str
        ``cosine`` or ``euclidean``.

    Returns
    -------
    float, array or tensor
        (…), between 0 and 1; NaN where a feature is not finite.

    Raises
    ------
    InvalidValue, InvalidType
        For labels that do not fit, another metric, or k outside 1…N.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.networks import measures
    >>> z, labels = np.eye(4), ["cat", "cat", "dog", "dog"]
    >>> float(measures.knn(z, labels, z, labels, k=1))
    1.0
    """
    train, test = _features(features, test_features)
    y, wanted, _ = labels_of(labels, train.shape[-2], "labels", test_labels, test.shape[-2], "test_labels")
    k = a_whole("k", k, 1, train.shape[-2], f"between 1 and the {train.shape[-2]} training samples")
    metric = a_word("metric", metric, ("cosine", "euclidean"), "'cosine' or 'euclidean'")
    finite = np.isfinite(train).all((-2, -1)) & np.isfinite(test).all((-2, -1))
    if metric == "cosine":
        train, test = unit_rows(train), unit_rows(test)
    else:  # distances from a point among the samples lose least to rounding, and neither over- nor underflow
        mean = train.mean(-2, keepdims=True)
        train, test = train - mean, test - mean
        size = np.maximum(np.abs(train).max((-2, -1), keepdims=True), np.abs(test).max((-2, -1), keepdims=True))
        train, test = (z / np.where(size > 0, size, 1.0) for z in (train, test))
    stacked = np.broadcast_shapes(train.shape[:-2], test.shape[:-2])
    train = np.broadcast_to(train, stacked + train.shape[-2:])
    test = np.broadcast_to(test, stacked + test.shape[-2:])
    hits = np.full(stacked, np.nan)
    for place in np.ndindex(stacked):
        if np.broadcast_to(finite, stacked)[place]:
            far = -test[place] @ train[place].T
            if metric == "euclidean":
                far = 2 * far + (train[place] ** 2).sum(-1)
            hits[place] = (_votes(far, y, k) == wanted).mean()
    return like(hits, features, test_features)


def _votes(far: np.ndarray, y: np.ndarray, k: int) -> np.ndarray:
    """Class of each row of distances: the one most of the k nearest have, among equals the nearest's."""
    nearest = np.argpartition(far, k - 1, axis=-1)[:, :k]
    nearest = np.take_along_axis(nearest, np.take_along_axis(far, nearest, -1).argsort(-1, kind="stable"), -1)
    voters = y[nearest]
    votes = (voters[:, :, None] == voters[:, None, :]).sum(-1)
    return np.asarray(np.take_along_axis(voters, votes.argmax(-1)[:, None], -1)[:, 0])


def probe(features: Any, labels: Any, test_features: Any, test_labels: Any, *, ridge: float = 1e-3) -> Any:
    """Test accuracy of ridge regression from centred features to one-hot labels.

    Closed form, so it has no learning rate to tune and no seed. Blind to the common scale of the features, also
    when they have nearly collapsed. Linear probes: Alain & Bengio 2016, arXiv:1610.01644.

    Parameters
    ----------
    features, test_features : array-like or tensor
        (…, N, d) and (…, M, d).
    labels, test_labels : array-like
        N and M labels: whole numbers, ids or words.
    ridge : float
        Penalty relative to the mean variance of the features.

    Returns
    -------
    float, array or tensor
        (…), between 0 and 1; NaN where a feature is not finite.

    Raises
    ------
    InvalidValue, InvalidType
        For labels or a penalty that do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.networks import measures
    >>> z, labels = np.eye(4), np.array([0, 0, 1, 1])
    >>> float(measures.probe(z, labels, z, labels))
    1.0
    """
    train, test = _features(features, test_features)
    y, wanted, classes = labels_of(labels, train.shape[-2], "labels", test_labels, test.shape[-2], "test_labels")
    ridge = a_number("ridge", ridge, above=0)
    with np.errstate(invalid="ignore", over="ignore"):
        largest = np.abs(train).max((-2, -1), keepdims=True)
        train, test = (z / np.where(largest > 0, largest, 1.0) for z in (train, test))
        mean = train.mean(-2, keepdims=True)
        size = np.sqrt(((train - mean) ** 2).mean((-2, -1), keepdims=True))
        size = np.where(size > 1e-12 * np.abs(mean).max(-1, keepdims=True), size, np.inf)  # constant features
        train, test = ((z - mean) / size for z in (train, test))
        finite = np.isfinite(train).all((-2, -1)) & np.isfinite(test).all((-2, -1))
    train = np.where(np.isfinite(train), train, 0.0)
    target = np.eye(classes)[y]
    share = target.mean(0)
    samples, dimensions = train.shape[-2:]
    gram = np.swapaxes(train, -1, -2) @ train / samples + ridge * np.eye(dimensions)
    slope = np.linalg.solve(gram, np.swapaxes(train, -1, -2) @ (target - share) / samples)
    with np.errstate(invalid="ignore"):
        hits = ((test @ slope + share).argmax(-1) == wanted).mean(-1)
    return like(np.where(finite, hits, np.nan), features, test_features)


def _features(train: Any, test: Any) -> tuple[np.ndarray, np.ndarray]:
    one, other = features_of(train), features_of(test, "test_features")
    if one.shape[-1] != other.shape[-1]:
        raise bad("test_features", f"{other.shape[-1]} dimensions", f"{one.shape[-1]} like the training features")
    check_stacks(one.shape[:-2], other.shape[:-2], "test_features")
    return one, other
