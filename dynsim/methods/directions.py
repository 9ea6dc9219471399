"""Which directions of the data are the features, if Σ_d and Σ_s do not have the same eigenvectors.

A loss of WΣ_sWᵀ and WΣ_dWᵀ alone knows only the reliabilities r, Σ_d q = rΣ_s q. A predictor with weight decay has the
rank-one equilibria (p²Σ_s − pΣ_d + ηI)w = 0: feature j lives iff max_p λ_j(pΣ_d − p²Σ_s) > η. Its curve is followed by
its eigenvector, since sorted curves may cross.
"""

from __future__ import annotations

import numpy as np

from dynsim.errors import bad

__all__ = ["living_pairs", "predictor_directions", "reliable_directions"]

_SMALL = 1e-10  # eigenvalues of Σ_s below this share of the largest are rounding
_GRID = 64
_REFINED = 160  # dimensions up to which every curve's peak is polished


def reliable_directions(signal: np.ndarray, view: np.ndarray) -> tuple[np.ndarray, np.ndarray, int, float]:
    """Generalised eigenvectors Σ_d q = rΣ_s q, most reliable first.

    Returns
    -------
    reliability : array
        Of a measured Σ_d, values below 0 are set to 0, its projection onto what second moments can be.
    directions : array
        Columns of length 1.
    negative : int
        How many were below 0.
    excess : float
        By how much the largest exceeded 1, to which it is set.

    Raises
    ------
    InvalidValue
        Some r is larger than 1 by more than an error of measurement: Σ_d does not belong to Σ_s.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.methods.directions import reliable_directions
    >>> reliable_directions(np.diag([0.5, 0.9]), np.eye(2))[0].tolist()
    [0.9, 0.5]
    """
    values, vectors = np.linalg.eigh(view)
    kept = values > _SMALL * values[-1]
    whitener = vectors[:, kept] / np.sqrt(values[kept])
    r, q = np.linalg.eigh(whitener.T @ signal @ whitener)
    r, q = r[::-1], (whitener @ q)[:, ::-1]
    if r[0] > 1.05:
        advice = "is Sigma_s the moment of a view, and Sigma_d that of the mean view?"
        raise bad("moments", f"λ_d/λ_s = {r[0]:.4g}", "reliabilities up to 1", advice)
    negative = int((r < -1e-12).sum())
    return np.clip(r, 0, 1), q / np.linalg.norm(q, axis=0), negative, float(max(r[0] - 1, 0))


def _curve(signal: np.ndarray, view: np.ndarray, p: float, near: np.ndarray) -> np.ndarray:
    """Eigenvector of Σ_d − pΣ_s nearest to one that is known."""
    vectors = np.linalg.eigh(signal - p * view)[1]
    best: np.ndarray = vectors[:, np.argmax(np.abs(near @ vectors))]
    return best


def predictor_directions(
    signal: np.ndarray, view: np.ndarray, eta: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Peaks of the curves pλ(Σ_d − pΣ_s), each followed along its eigenvector, highest first.

    Returns
    -------
    directions : array
        Eigenvectors at the peaks, where λ_d²/(4λ_s) is the curve's height and so the feature's threshold.
    lambda_d, lambda_s : array
        Along them.
    upper : array
        p₊ of each feature, the larger root of the quadratic eigenproblem; NaN where the feature dies.
    variance : array
        λ_s along the null vector at p₊.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.methods.directions import predictor_directions
    >>> _, d, s, _, _ = predictor_directions(np.diag([1.0, 2.0]), np.diag([1.0, 5.0]), 0.195)
    >>> (d**2 / (4 * s)).round(12).tolist()  # the sorted curves would say 0.25 and 0.1875
    [0.25, 0.2]
    """
    from scipy.optimize import linear_sum_assignment

    top = reliable_directions(signal, view)[0][0]
    grid = np.linspace(0, max(top, 1e-12), _GRID + 1)[1:]
    _, vectors = np.linalg.eigh(signal - grid[0] * view)
    heights, tracks = [], []
    for p in grid:
        values, found = np.linalg.eigh(signal - p * view)
        _, order = linear_sum_assignment(-np.abs(vectors.T @ found))
        vectors = found[:, order]
        heights.append(p * values[order])
        tracks.append(vectors)
    best = np.argmax(heights, axis=0)
    size = len(signal)
    q = np.stack([tracks[best[j]][:, j] for j in range(size)], axis=1)
    lambda_d, lambda_s = (np.einsum("ij,ij->j", q, matrix @ q) for matrix in (signal, view))
    polish = size <= _REFINED
    upper, variance = np.full(size, np.nan), np.full(size, np.nan)
    for j in range(size):
        if polish and lambda_d[j] > 0 and lambda_s[j] > 0:
            q[:, j] = _settled(signal, view, q[:, j], lambda d, s: d / (2 * s))
            lambda_d[j], lambda_s[j] = q[:, j] @ signal @ q[:, j], q[:, j] @ view @ q[:, j]
        if lambda_d[j] > 0 and lambda_d[j] ** 2 >= 4 * eta * lambda_s[j]:
            w = q[:, j]
            if polish:
                w = _settled(signal, view, w, lambda d, s: _upper(d, s, eta))
            variance[j] = w @ view @ w
            upper[j] = _upper(w @ signal @ w, variance[j], eta)
    with np.errstate(divide="ignore", invalid="ignore"):
        height = np.where((lambda_d > 0) & (lambda_s > 0), lambda_d**2 / (4 * lambda_s), -1.0)
    order = np.argsort(-height, kind="stable")
    return q[:, order], lambda_d[order], lambda_s[order], upper[order], variance[order]


def _upper(signal: float, view: float, eta: float) -> float:
    return float((signal + np.sqrt(max(signal**2 - 4 * eta * view, 0.0))) / (2 * view))


def _settled(signal: np.ndarray, view: np.ndarray, w: np.ndarray, rule: object) -> np.ndarray:
    """Iterate p = rule(λ_d, λ_s) of the eigenvector at p until p stands still."""
    p = np.inf
    for _ in range(40):
        new = rule(w @ signal @ w, w @ view @ w)  # type: ignore[operator]
        if abs(new - p) <= 1e-14 * abs(new):
            break
        p = new
        w = _curve(signal, view, p, w)
    return w


def living_pairs(signal: np.ndarray, view: np.ndarray, eta: float) -> int:
    """Half the number of positive real p of (p²Σ_s − pΣ_d + ηI)w = 0: how many features have their two equilibria.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.methods.directions import living_pairs
    >>> living_pairs(np.diag([1.0, 2.0]), np.diag([1.0, 5.0]), 0.195)
    2
    """
    size = len(signal)
    # With q = 1/p: q²ηw − qΣ_d w + Σ_s w = 0, whose companion matrix needs no inverse of Σ_s.
    companion = np.block([[np.zeros((size, size)), np.eye(size)], [-view / eta, signal / eta]])
    values = np.linalg.eigvals(companion)
    real = np.abs(values.imag) <= 1e-7 * np.abs(values)
    return round(int((real & (values.real > 1e-9 * np.abs(values).max())).sum()) / 2)
