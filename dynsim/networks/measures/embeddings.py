"""Do the features of one set of samples fill their space, and at what scale? Each measure is blind to something.

`spread` is blind to rank and scale, the ranks are blind to scale, `norm_ratio` is blind to direction.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dynsim.arguments import a_number, a_switch
from dynsim.errors import bad
from dynsim.networks.measures.arrays import features_of, finite_rows, largest, like, resolution, unit_rows

__all__ = [
    "alpha_req", "dead_share", "effective_number", "norm_ratio", "participation", "rankme", "spectral_measures",
    "spread", "uniformity",
]  # fmt: skip

_BLOCK = 128  # samples whose distances are computed at a time


def spread(features: Any) -> Any:
    """√d times the standard deviation of the normalised features: 1 spread over the sphere, 0 collapsed.

    Blind to rank (a rank-3 collapse may read .86) and to scale. The standard deviation has the denominator N (other
    tools' N − 1 is √(N/(N−1)) times as much). Chen & He 2021, arXiv:2011.10566, section 4.1.

    Parameters
    ----------
    features : array-like or tensor
        (…, N, d).

    Returns
    -------
    float, array or tensor
        (…), the standard deviation over samples of z/‖z‖, averaged over the d components, times √d. A row of zeros
        counts as zero; NaN where a feature is not finite.

    Raises
    ------
    InvalidValue, InvalidType
        If they are no features.

    See Also
    --------
    rankme : sees the rank to which this is blind.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.networks import measures
    >>> corners = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    >>> round(float(measures.spread(corners)), 6), round(float(measures.spread(1e-200 * corners)), 6)
    (1.0, 1.0)
    """
    z = unit_rows(features_of(features))
    return like(z.std(-2).mean(-1) * z.shape[-1] ** 0.5, features)


def norm_ratio(features: Any, initial: Any) -> Any:
    """Root mean square norm of the features relative to that of the initial ones: 0 shrunk to nothing.

    Sees the collapse to the origin, and the explosion, that measures of direction and rank miss.

    Parameters
    ----------
    features, initial : array-like or tensor
        (…, N, d); the same images at initialisation.

    Returns
    -------
    float, array or tensor
        (…); infinite if only the initial features vanish, NaN if both do.

    Raises
    ------
    InvalidValue, InvalidType
        If they are no features, or differ in dimension.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.networks import measures
    >>> z = np.random.default_rng(0).normal(size=(50, 4))
    >>> round(float(measures.norm_ratio(0.1 * z, z)), 6)
    0.1
    """
    now, then = features_of(features), features_of(initial, "initial")
    if now.shape[-1] != then.shape[-1]:
        raise bad("initial", f"{then.shape[-1]} dimensions", f"{now.shape[-1]} dimensions like the features")
    with np.errstate(divide="ignore", invalid="ignore"):
        return like(_rms_norm(now) / _rms_norm(then), features, initial)


def _rms_norm(z: np.ndarray) -> np.ndarray:
    size = largest(z)
    scaled = z / np.where(size == 0, 1.0, size)
    return np.asarray(np.sqrt((scaled**2).sum(-1).mean(-1)) * size[..., 0, 0])


def _spectrum(features: Any, *, centre: bool) -> tuple[np.ndarray, np.ndarray]:
    """Singular values of features, largest first, in units of their own, and which matrices are finite.

    Values below the resolution of the eigenvalues of zzᵀ or zᵀz (√ε of the largest) are zero; all are zero where
    centring leaves nothing but the rounding of the numbers that were given.
    """
    z, finite = _scaled(features)
    if a_switch("centre", centre):
        z = _centred(z, features)[0]
    return _singular_values(_products(z), max(z.shape[-2:])), finite


def _scaled(features: Any) -> tuple[np.ndarray, np.ndarray]:
    """Features over their largest entry, and which matrices are finite."""
    z, finite = finite_rows(features_of(features))
    size = largest(z)
    return z / np.where(size == 0, 1.0, size), finite


def _centred(z: np.ndarray, features: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scaled features less their mean, over what is left of them; that mean; and how much is left."""
    mean = z.mean(-2, keepdims=True)
    z = z - mean
    left = largest(z)
    kept = left > 8 * max(resolution(features), 2.0**-52)
    return np.where(kept, z / np.where(left == 0, 1.0, left), 0.0), mean, np.where(kept, left, 0.0)


def _products(z: np.ndarray) -> np.ndarray:
    """Either zᵀz or zzᵀ, the smaller."""
    transposed = np.swapaxes(z, -1, -2)
    return np.asarray(transposed @ z if z.shape[-2] >= z.shape[-1] else z @ transposed)


def _singular_values(products: np.ndarray, size: int) -> np.ndarray:
    values = np.linalg.eigvalsh(products)[..., ::-1]
    return np.sqrt(np.where(values > size * 2.0**-52 * values[..., :1], values, 0.0))


def spectral_measures(features: Any) -> dict[str, Any]:
    """RankMe, participation ratio and α-ReQ, each as by itself, from one matrix of products and two spectra."""
    z, finite = _scaled(features)
    centred, mean, left = _centred(z, features)
    number, dimensions = z.shape[-2:]
    inner = _products(centred)
    # zᵀz about the origin is that about the mean, and the mean's own; zzᵀ has no such part.
    tall = number >= dimensions
    outer = left**2 * inner + number * np.swapaxes(mean, -1, -2) @ mean if tall else _products(z)
    spectrum = _singular_values(inner, max(number, dimensions))
    found = {
        "rankme": effective_number(_singular_values(outer, max(number, dimensions))),
        "participation": _participation_of(spectrum),
        "alpha_req": _decay_of(spectrum),
    }
    return {name: like(np.where(finite, value, np.nan), features) for name, value in found.items()}


def rankme(features: Any, *, centre: bool = False) -> Any:
    """Effective rank exp(−Σ p ln p), p the singular values over their sum. Garrido et al. 2023, arXiv:2210.02885.

    Parameters
    ----------
    features : array-like or tensor
        (…, N, d).
    centre : bool
        Subtract the mean sample first. The paper does not; centring caps the result at min(N − 1, d).

    Returns
    -------
    float, array or tensor
        (…), between 1 and min(N, d); 0 if all features vanish; NaN where one is not finite.

    Raises
    ------
    InvalidValue, InvalidType
        If they are no features.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.networks import measures
    >>> float(measures.rankme(np.eye(5)).round(4)), float(measures.rankme(np.eye(5), centre=True).round(4))
    (5.0, 4.0)
    """
    values, finite = _spectrum(features, centre=centre)
    return like(np.where(finite, effective_number(values), np.nan), features)


def effective_number(weights: np.ndarray) -> np.ndarray:
    """Exp of the entropy of weights (…, n) over their sum; 0 where all are zero."""
    total = weights.sum(-1, keepdims=True)
    p = weights / np.where(total == 0, 1.0, total)
    entropy = -(p * np.log(np.where(p > 0, p, 1.0))).sum(-1)
    return np.asarray(np.where(total[..., 0] == 0, 0.0, np.exp(entropy)))


def participation(features: Any, *, centre: bool = True) -> Any:
    """Participation ratio (Σλ)²/Σλ², λ the eigenvalues of the covariance: d if isotropic, 1 on a line.

    Parameters
    ----------
    features : array-like or tensor
        (…, N, d).
    centre : bool
        Covariance about the mean; False takes the uncentred second moment.

    Returns
    -------
    float, array or tensor
        (…), between 1 and min(N − 1, d); 0 if all samples agree; NaN where a feature is not finite.

    Raises
    ------
    InvalidValue, InvalidType
        If they are no features.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.networks import measures
    >>> line = np.linspace(-1, 1, 20)[:, None] * np.array([1.0, 2.0, 3.0])
    >>> round(float(measures.participation(line)), 4)
    1.0
    """
    values, finite = _spectrum(features, centre=centre)
    return like(np.where(finite, _participation_of(values), np.nan), features)


def _participation_of(values: np.ndarray) -> np.ndarray:
    squares = values**2
    total, second = squares.sum(-1), (squares**2).sum(-1)
    return np.where(second > 0, total**2 / np.where(second > 0, second, 1.0), 0.0)


def alpha_req(features: Any) -> Any:
    """Decay α of the spectrum, λ_j ∝ j^{−α}: about 1 is said to be good, 0 is white, large is dimensional collapse.

    The eigenvalues of the covariance against their number, on logarithmic axes, fitted by least squares over all
    that rounding leaves. Agrawal et al. 2022, arXiv:2202.05808.

    Parameters
    ----------
    features : array-like or tensor
        (…, N, d).

    Returns
    -------
    float, array or tensor
        (…); NaN with fewer than two positive eigenvalues, or where a feature is not finite.

    Raises
    ------
    InvalidValue, InvalidType
        If they are no features.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.networks import measures
    >>> directions = np.linalg.qr(np.random.default_rng(0).normal(size=(100, 8)) - 0.0)[0]
    >>> directions = np.linalg.qr(directions - directions.mean(0))[0]
    >>> round(float(measures.alpha_req(directions * np.arange(1, 9) ** -0.75)), 6)
    1.5
    """
    values, finite = _spectrum(features, centre=True)
    return like(np.where(finite, _decay_of(values), np.nan), features)


def _decay_of(values: np.ndarray) -> np.ndarray:
    """Exponent of a straight line through a spectrum on logarithmic axes; NaN with fewer than two points."""
    positive = values > 0
    number = positive.sum(-1)
    x = np.where(positive, np.log(np.arange(1, values.shape[-1] + 1)), 0.0)
    y = np.where(positive, 2 * np.log(np.where(positive, values, 1.0)), 0.0)
    count = np.maximum(number, 1)
    covariance = (x * y).sum(-1) / count - x.sum(-1) * y.sum(-1) / count**2
    variance = (x * x).sum(-1) / count - (x.sum(-1) / count) ** 2
    return np.where(number > 1, -covariance / np.where(number > 1, variance, 1.0), np.nan)


def uniformity(features: Any, *, t: float = 2.0) -> Any:
    """Log E exp(−t‖x − y‖²) of normalised features over pairs of distinct samples: 0 where all agree.

    Wang & Isola 2020, arXiv:2005.10242, equation 2. On the sphere of a high dimension it goes to −2t.

    Parameters
    ----------
    features : array-like or tensor
        (…, N, d), at least two samples.
    t : float
        The paper's is 2.

    Returns
    -------
    float, array or tensor
        (…), at most 0; NaN where a feature is not finite or there is one sample.

    Raises
    ------
    InvalidValue, InvalidType
        If they are no features, or t is not positive.

    Examples
    --------
    >>> from dynsim.networks import measures
    >>> round(float(measures.uniformity([[1.0, 0.0], [-1.0, 0.0]])), 6)  # one pair, 2 apart
    -8.0
    """
    t = a_number("t", t, above=0)
    z = unit_rows(features_of(features))
    number = z.shape[-2]
    if number < 2:
        return like(np.full(z.shape[:-2], np.nan), features)
    if number > 512:
        z = z.astype(np.float32)  # the rounding of cosines, 1e-7, moves the mean by less
    total = np.zeros(z.shape[:-2])
    for first in range(0, number, _BLOCK):  # every pair once, in blocks that stay in the cache
        rows, others = z[..., first : first + _BLOCK, :], z[..., first:, :]
        kernel = rows @ np.swapaxes(others, -1, -2)
        kernel *= -2
        kernel += (rows * rows).sum(-1)[..., :, None]
        kernel += (others * others).sum(-1)[..., None, :]
        np.maximum(kernel, 0.0, out=kernel)
        kernel *= -t
        np.exp(kernel, out=kernel)
        kernel[..., np.tri(*kernel.shape[-2:]) > 0] = 0.0  # no sample with itself
        total += kernel.sum((-2, -1), dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return like(np.log(2 * total / (number * (number - 1.0))), features)


def dead_share(activations: Any) -> Any:
    """Share of units that give every sample the same number, as a ReLU that never opens does.

    Parameters
    ----------
    activations : array-like or tensor
        (…, N, units), at least two samples; of a convolution, samples and pixels together are the samples.

    Returns
    -------
    float, array or tensor
        (…), between 0 and 1; NaN where an activation is not finite.

    Raises
    ------
    InvalidValue, InvalidType
        If they are no activations.

    Examples
    --------
    >>> from dynsim.networks import measures
    >>> float(measures.dead_share([[0.0, 1.0], [0.0, 2.0]]))
    0.5
    """
    z = features_of(activations, "activations")
    with np.errstate(invalid="ignore"):
        span = z.max(-2) - z.min(-2)
        dead = span <= 8 * resolution(activations) * np.abs(z).max(-2)
    return like(np.where(np.isfinite(z).all((-2, -1)), dead.mean(-1), np.nan), activations)
