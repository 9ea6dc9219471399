"""Second moments of views, measured: what a linear encoder sees of the data, with its errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dynsim.errors import InvalidType, bad

__all__ = ["Moments", "moments_of_views", "stated_moments"]

_RESAMPLES = 200


@dataclass(frozen=True)
class Moments:
    """Σ_d and Σ_s, with the centred views they were measured on, if there are any.

    Attributes
    ----------
    signal, view : array, (d, d)
        Σ_d = E[x̄x̄ᵀ] and Σ_s = E[yyᵀ].
    views : array, (V, N, d), or None
        Centred views: V of each of N images.
    notes : tuple of str
        What was done to them.
    """

    signal: np.ndarray
    view: np.ndarray
    views: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    def along(self, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """λ_d and λ_s of each direction, a column of length 1."""
        return (
            np.einsum("ij,ij->j", directions, self.signal @ directions),
            np.einsum("ij,ij->j", directions, self.view @ directions),
        )

    def errors(self, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Standard errors of λ_d and λ_d/λ_s along fixed directions, by bootstrap over images; NaN without views."""
        if self.views is None:
            missing = np.full(directions.shape[1], np.nan)
            return missing, missing
        count, number = self.views.shape[:2]
        seen = self.views @ directions  # (V, N, k)
        square = (seen**2).sum(0)
        signal = (seen.sum(0) ** 2 - square) / (count * (count - 1))
        generator = np.random.default_rng(0)
        resamples = int(np.clip(4e7 / number, 50, _RESAMPLES))
        weights = generator.multinomial(number, np.full(number, 1 / number), size=resamples) / number
        lambda_d, lambda_s = weights @ signal, weights @ (square / count)
        with np.errstate(divide="ignore", invalid="ignore"):
            return lambda_d.std(0, ddof=1), (lambda_d / lambda_s).std(0, ddof=1)

    def excess_kurtosis(self, directions: np.ndarray) -> np.ndarray | None:
        """E a⁴/(E a²)² − 3 of the views along each direction: 0 for Gaussian ones; None without views."""
        if self.views is None:
            return None
        seen = self.views @ directions
        with np.errstate(divide="ignore", invalid="ignore"):
            return (seen**4).mean((0, 1)) / (seen**2).mean((0, 1)) ** 2 - 3

    @property
    def commutator(self) -> float:
        """|[Σ_d, Σ_s]|/|Σ_dΣ_s| in Frobenius norm: 0 where both have the same eigenvectors."""
        product = self.signal @ self.view
        size = np.linalg.norm(product)
        return float(np.linalg.norm(product - product.T) / size) if size > 0 else 0.0


def moments_of_views(views: Any) -> Moments:
    """Moments of two (or more) arrays (N, d): row n of each is a view of image n.

    The common mean of all views, the constant direction, is subtracted. Σ_d is the mean over pairs of *different*
    views of an image, which is unbiased and symmetric, but need not be positive semidefinite.

    Raises
    ------
    InvalidType, InvalidValue
        Something else than arrays of numbers of one shape, fewer than two, fewer than three images.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.methods.moments import moments_of_views
    >>> image = np.random.default_rng(0).normal(size=(5000, 2))
    >>> measured = moments_of_views([image, image])
    >>> bool(np.allclose(measured.signal, measured.view))
    True
    """
    if isinstance(views, np.ndarray) and views.ndim == 3:
        views = list(views)
    if not isinstance(views, Sequence) or isinstance(views, str) or len(views) < 2:
        raise bad("views", views, "two arrays (N, d): the two views of each of N images", kind=InvalidType)
    arrays = []
    for item in views:
        if np.iscomplexobj(item):
            raise bad("views", "complex numbers", "arrays of real numbers", kind=InvalidType)
        try:
            array = np.asarray(item, dtype=float)
        except (TypeError, ValueError, OverflowError):
            raise bad("views", item, "arrays of numbers", kind=InvalidType) from None
        array = array.reshape(len(array), -1) if array.ndim > 2 else array
        if array.ndim != 2 or len(array) < 3 or array.shape[1] < 1:
            raise bad("views", f"shape {array.shape}", "arrays (N, d) with at least three images")
        if not np.isfinite(array).all():
            raise bad("views", "infinite values or NaN", "finite numbers")
        arrays.append(array)
    if len({array.shape for array in arrays}) > 1:
        raise bad(
            "views", [array.shape for array in arrays], "arrays of one shape", "row n of each is a view of image n"
        )
    stack = np.stack(arrays)
    mean = stack.mean((0, 1))
    stack = stack - mean
    count, number, size = stack.shape
    if not np.abs(stack).max() > 1e-12 * np.abs(mean).max():
        raise bad("views", "views that are all alike", "views that differ from image to image", "nothing varies here")
    flat = stack.reshape(-1, size)
    view = flat.T @ flat / (count * (number - 1))
    total = stack.sum(0)
    signal = (total.T @ total / (number - 1) - count * view) / (count * (count - 1))
    share = float(mean @ mean / (mean @ mean + np.trace(view))) if mean @ mean > 0 else 0.0
    notes = [f"the constant direction, the mean of all views ({share:.2g} of their mean square), was subtracted"]
    if number < 10 * size:
        notes.append(f"{number} images for {size} dimensions: the largest reliabilities are overestimated")
    return Moments((signal + signal.T) / 2, view, stack, tuple(notes))


def stated_moments(moments: Any) -> Moments:
    """Moments that a user gives as (Sigma_d, Sigma_s).

    Raises
    ------
    InvalidType, InvalidValue
        Something else than two symmetric matrices of one shape, Σ_s not positive semidefinite.

    Examples
    --------
    >>> from dynsim.methods.moments import stated_moments
    >>> stated_moments(([[0.5]], [[1.0]])).commutator
    0.0
    """
    if not isinstance(moments, Sequence | np.ndarray) or isinstance(moments, str) or len(moments) != 2:
        raise bad("moments", moments, "a pair (Sigma_d, Sigma_s)", kind=InvalidType)
    matrices = []
    for name, item in zip(("Sigma_d", "Sigma_s"), moments, strict=True):
        if np.iscomplexobj(item):
            raise bad(name, "complex numbers", "a square matrix of real numbers", kind=InvalidType)
        try:
            matrix = np.asarray(item, dtype=float)
        except (TypeError, ValueError, OverflowError):
            raise bad(name, item, "a square matrix of numbers", kind=InvalidType) from None
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size or not np.isfinite(matrix).all():
            raise bad(name, f"shape {matrix.shape}", "a square matrix of finite numbers")
        if not np.allclose(matrix, matrix.T, rtol=1e-8, atol=1e-8 * np.abs(matrix).max()):
            raise bad(name, "a matrix that is not symmetric", "a symmetric one", "take (M + M.T)/2 if that is meant")
        matrices.append((matrix + matrix.T) / 2)
    signal, view = matrices
    if signal.shape != view.shape:
        raise bad("moments", f"shapes {signal.shape} and {view.shape}", "two matrices of one shape")
    low = np.linalg.eigvalsh(view)
    if low[-1] <= 0 or low[0] < -1e-8 * low[-1]:
        raise bad("Sigma_s", f"smallest eigenvalue {low[0]:.3g}", "a positive semidefinite matrix that is not zero")
    note = "the moments are taken as given: a mean that was not subtracted is one of their features"
    return Moments(signal, view, None, (note,))
