"""What two views of the same samples say: signal and noise of each feature, and how well views agree."""

from __future__ import annotations

from typing import Any

import numpy as np

from dynsim.arguments import a_number, a_switch
from dynsim.errors import bad
from dynsim.networks.measures.arrays import features_of, finite_rows, largest, like, paired_of, unit_rows
from dynsim.networks.measures.embeddings import effective_number

__all__ = ["feature_moments", "lidar", "noise_share", "view_alignment"]


@np.errstate(over="ignore", invalid="ignore")
def feature_moments(features: Any, paired: Any, *, centre: bool = True) -> tuple[Any, Any]:
    """λ_d = E[x̄²] and λ_s = E[x²] of every feature, x̄ its mean over the views of an image, from two views.

    Unbiased: λ_d is the covariance between the views and λ_s the mean of their variances, with the denominator
    N − 1 where means are subtracted, N where not. λ_d may therefore be slightly negative where it is zero. They are
    what thresholds of the toy and of `dynsim.matrix_flow` are made of (Tian, Chen & Ganguli 2021, arXiv:2102.06810).

    Parameters
    ----------
    features, paired : array-like or tensor
        (…, N, d), two views of the same images, drawn independently.
    centre : bool
        Subtract the mean over samples, common to both views.

    Returns
    -------
    tuple
        λ_d and λ_s, (…, d) each; NaN where a feature is not finite.

    Raises
    ------
    InvalidValue, InvalidType
        If the shapes differ, or there is one sample and `centre`.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.networks import measures
    >>> rng = np.random.default_rng(0)
    >>> x, noise = rng.normal(size=(20000, 1)), 0.5 * rng.normal(size=(2, 20000, 1))
    >>> signal, both = measures.feature_moments(x + noise[0], x + noise[1])
    >>> round(float(signal[0]), 1), round(float(both[0]), 1)
    (1.0, 1.2)
    """
    one, other = paired_of(features, paired)
    number = one.shape[-2]
    if a_switch("centre", centre) and number < 2:
        raise bad("features", "one sample", "at least two samples, or centre=False")
    if centre:
        one, other = one - one.mean(-2, keepdims=True), other - other.mean(-2, keepdims=True)
    count = number - 1 if centre else number
    signal = (one * other).sum(-2) / count
    both = ((one**2).sum(-2) + (other**2).sum(-2)) / (2 * count)
    return like(signal, features, paired), like(both, features, paired)


@np.errstate(over="ignore", invalid="ignore")
def noise_share(features: Any, paired: Any) -> Any:
    """ν = 1 − λ_d/λ_s of every feature: the share of its variance that the augmentation makes.

    Parameters
    ----------
    features, paired : array-like or tensor
        (…, N, d), two views of the same images.

    Returns
    -------
    array or tensor
        (…, d); 0 where views agree, 1 where they have nothing in common, slightly more by chance; NaN for a feature
        that does not vary.

    Raises
    ------
    InvalidValue, InvalidType
        If the shapes differ.

    Examples
    --------
    >>> from dynsim.networks import measures
    >>> z = [[1.0, 1.0], [2.0, -1.0], [3.0, 0.0]]
    >>> measures.noise_share(z, z)
    array([0., 0.])
    """
    one, other = paired_of(features, paired)
    size = np.maximum(largest(one), largest(other))
    size = np.where(size == 0, 1.0, size)  # squares of tiny features must not underflow
    signal, both = feature_moments(one / size, other / size)
    with np.errstate(divide="ignore", invalid="ignore"):
        return like(np.where(both > 0, 1 - signal / both, np.nan), features, paired)


def lidar(*views: Any, delta: float = 1e-4) -> Any:
    """Effective rank of what tells images apart, in units of what their views do: LiDAR.

    exp of the entropy of the eigenvalues of Σ_w^{−½} Σ_b Σ_w^{−½}, Σ_b the covariance of the means over views and
    Σ_w that of the views about them plus δ (Thilak et al. 2024, arXiv:2312.04000). The paper's δ = 1e-4 is a variance;
    here it is relative to the mean variance of a feature, so that the result does not depend on the scale.

    Parameters
    ----------
    *views : array-like or tensor
        Two or more of (…, N, d), row by row the same images.
    delta : float
        Regularisation.

    Returns
    -------
    float, array or tensor
        (…), between 1 and min(N − 1, d); 0 if all images agree; NaN where a feature is not finite.

    Raises
    ------
    InvalidValue, InvalidType
        Fewer than two views, shapes that differ, or δ that is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.networks import measures
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(500, 4))
    >>> round(float(measures.lidar(x + 0.1 * rng.normal(size=x.shape), x + 0.1 * rng.normal(size=x.shape))), 1)
    4.0
    """
    if len(views) < 2:
        raise bad("views", f"{len(views)} set of features", "two or more views of the same images")
    delta = a_number("delta", delta, above=0)
    arrays = [features_of(views[0]), *(paired_of(views[0], view, "views")[1] for view in views[1:])]
    stack = np.stack(arrays)
    size = largest(stack).max(0, keepdims=True)
    stack = stack / np.where((size > 0) & np.isfinite(size), size, 1.0)
    stack, finite = finite_rows(stack)
    finite = np.asarray(finite.all(0))
    mean = stack.mean(0)
    between, inside = mean - mean.mean(-2, keepdims=True), stack - mean
    samples, dimensions = mean.shape[-2:]
    sigma_b = np.swapaxes(between, -1, -2) @ between / samples
    sigma_w = (np.swapaxes(inside, -1, -2) @ inside).sum(0) / (len(views) * samples)
    trace = np.trace(sigma_b + sigma_w, axis1=-2, axis2=-1)[..., None, None] / dimensions
    values, vectors = np.linalg.eigh(sigma_w + delta * np.where(trace > 0, trace, 1.0) * np.eye(dimensions))
    whitened = vectors / np.sqrt(values)[..., None, :]
    shares = np.linalg.eigvalsh(np.swapaxes(whitened, -1, -2) @ sigma_b @ whitened)
    shares = np.where(shares > samples * 2.0**-52 * shares[..., -1:], shares, 0.0)
    return like(np.where(finite, effective_number(shares), np.nan), *views)


def view_alignment(features: Any, paired: Any, *, power: float = 2.0) -> Any:
    """E‖x − y‖^power of normalised features over pairs of views: 0 where views agree.

    Wang & Isola 2020, arXiv:2005.10242, equation 1 (their α is `power`); a collapse is perfectly aligned.

    Parameters
    ----------
    features, paired : array-like or tensor
        (…, N, d), two views of the same images.
    power : float
        The paper's is 2.

    Returns
    -------
    float, array or tensor
        (…); NaN where a feature is not finite.

    Raises
    ------
    InvalidValue, InvalidType
        If the shapes differ, or the power is not positive.

    Examples
    --------
    >>> from dynsim.networks import measures
    >>> float(measures.view_alignment([[1.0, 0.0]], [[0.0, 5.0]]))
    2.0
    """
    power = a_number("power", power, above=0)
    one, other = paired_of(features, paired)
    squares = ((unit_rows(one) - unit_rows(other)) ** 2).sum(-1)
    return like((squares ** (power / 2)).mean(-1), features, paired)
