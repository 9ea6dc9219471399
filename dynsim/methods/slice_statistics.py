"""SIGReg, the statistic of LeJEPA: expected over batches and averaged over slices, for any number of features.

One slice of variance s has the expected statistic N·G(s) + F(s), with the weights w_t and knots t of the code

    G(s) = Σ w_t (e^{−st²/2} − e^{−t²/2})²,      F(s) = Σ w_t (1 − e^{−st²}),

and for infinitely many knots G = √(2π)[(2s+1)^{−1/2} − 2(s+2)^{−1/2} + 3^{−1/2}], F = √(2π)[1 − (2s+1)^{−1/2}].
A slice a, uniform on the sphere of D dimensions, has s = Σ a_i²v_i. The averages over a are one-dimensional:

    E_a (Σ a_i²m_i)^{−1/2} = √(2/π)·Γ(D/2)/Γ((D−1)/2)·∫₀^∞ 2 Π_i (1 + 2y²m_i)^{−1/2} dy,
    E_a e^{−Σ κ_i a_i²}    = Γ(D/2)/(2πi)·∫ e^u Π_i (u + κ_i)^{−1/2} du        (a contour left-open around u = −κ).
"""

from __future__ import annotations

from functools import cache

import numpy as np
import scipy

__all__ = ["KNOTS", "slice_functions", "slice_gradient", "slice_value", "slice_value_and_gradient"]

KNOTS = ("code", "continuum")

_ROOT = np.sqrt(2 * np.pi)
_NODES = 32


@cache
def _grid() -> tuple[np.ndarray, np.ndarray]:
    """Knots t_j = 3j/16 and the weights of the trapezium rule over [−3, 3], folded onto t ≥ 0."""
    t = 3 * np.arange(17) / 16
    weights = 2 * (3 / 16) * np.exp(-(t**2) / 2)
    weights[[0, -1]] /= 2
    return t, weights


def slice_functions(s: object, knots: str = "code", derivative: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """G and F of a slice of variance s, or their derivatives.

    Parameters
    ----------
    s : array
        Variances.
    knots : {"code", "continuum"}
        The 17 knots of the public code, or infinitely many.
    derivative : int
        0, 1 or 2.

    Examples
    --------
    >>> from dynsim.methods.slice_statistics import slice_functions
    >>> [round(float(value), 6) for value in slice_functions(0.0, "continuum", 1)]
    [-1.620401, 2.506628]
    """
    s = np.asarray(s, dtype=float)
    if knots == "continuum":
        factor = {0: 1.0, 1: -0.5, 2: 0.75}[derivative]
        power = -0.5 - derivative
        own, half = factor * 2.0**derivative * (2 * s + 1) ** power, factor * (s + 2) ** power
        constant = derivative == 0
        return _ROOT * (own - 2 * half + constant / np.sqrt(3)), _ROOT * (constant - own)
    t, weights = _grid()
    single = np.exp(-s[..., None] * t**2 / 2)
    double = single**2
    target = np.exp(-(t**2) / 2)
    if derivative == 0:
        return ((single - target) ** 2) @ weights, (1 - double) @ weights
    slope = (-(t**2)) ** derivative
    return (double * slope - 2 * single * target * slope / 2**derivative) @ weights, -(double * slope) @ weights


def slice_value(v: np.ndarray, batch: float, knots: str) -> float:
    """E_a[N·G + F] over slices a, for the variances v of all D features."""
    return slice_value_and_gradient(v, batch, knots)[0]


def slice_gradient(v: np.ndarray, batch: float, knots: str) -> np.ndarray:
    """∂/∂v_i of `slice_value`: E_a[a_i²(N·G′ + F′)].

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.methods.slice_statistics import slice_gradient
    >>> missing = slice_gradient(np.array([0.0, 1.0, 1.0, 1.0]), 1.0, "continuum")  # D = 4, one feature missing
    >>> without = slice_gradient(np.array([0.0, 1.0, 1.0, 1.0]), 0.0, "continuum")
    >>> round(float(without[0] - missing[0]), 7)
    0.091187
    """
    return slice_value_and_gradient(v, batch, knots)[1]


def slice_value_and_gradient(v: np.ndarray, batch: float, knots: str) -> tuple[float, np.ndarray]:
    """`slice_value` and `slice_gradient` for the price of one of them.

    Examples
    --------
    >>> import numpy as np
    >>> from dynsim.methods.slice_statistics import slice_value, slice_value_and_gradient
    >>> v = np.array([0.5, 1.0])
    >>> slice_value_and_gradient(v, 8, "code")[0] == slice_value(v, 8, "code")
    True
    """
    v = np.asarray(v, dtype=float)
    if len(v) == 1:
        value, slope = (batch * g + f for g, f in (slice_functions(v, knots, order) for order in (0, 1)))
        return float(value[0]), slope
    if knots == "continuum":
        own, own_slope = _inverse_root(2 * v + 1)
        half, half_slope = _inverse_root(v + 2)
        value = batch * (own - 2 * half + 3**-0.5) + 1 - own
        slope = batch * (2 * own_slope - 2 * half_slope) - 2 * own_slope
        return float(_ROOT * value), _ROOT * slope
    t, weights = _grid()
    t2 = t[1:] ** 2  # the knot at 0 adds nothing that depends on v
    single, single_slope = _exponential(np.multiply.outer(t2 / 2, v))
    double, double_slope = _exponential(np.multiply.outer(t2, v))
    target, w = np.exp(-t2 / 2), weights[1:]
    value = w @ (batch * (double - 2 * single * target + target**2) + 1 - double)
    slope = (w * t2) @ ((batch - 1) * double_slope) - (w * t2 * target) @ (batch * single_slope)
    return float(value), slope


@cache
def _half_line() -> tuple[np.ndarray, np.ndarray]:
    """Nodes y > 0 and weights of the double-exponential rule ∫₀^∞ f(y) dy, for f that falls off like y^{−D}."""
    x, step = np.linspace(-4.2, 4.2, 421, retstep=True)
    y = np.exp(np.pi / 2 * np.sinh(x))
    return y, step * np.pi / 2 * np.cosh(x) * y


def _inverse_root(m: np.ndarray) -> tuple[float, np.ndarray]:
    """E_a(Σ a_i²m_i)^{−1/2} and its gradient in m."""
    y, weights = _half_line()
    size = len(m)
    factors = 1 + 2 * np.multiply.outer(y**2, m)
    front = np.sqrt(2 / np.pi) * np.exp(scipy.special.gammaln(size / 2) - scipy.special.gammaln((size - 1) / 2))
    integrand = 2 * front * weights * np.exp(-0.5 * np.log(factors).sum(1))
    return float(integrand.sum()), -(integrand * y**2) @ (1 / factors)


@cache
def _contour(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes u and du/π of a parabola u = μ(1 + iθ)² around the negative half-line, through the saddle u ≈ D/2.

    The trapezium rule converges geometrically: twice as many nodes change no result by more than rounding.
    """
    height = max(5.0, size / 2)
    step = np.sqrt(40 / height) / _NODES  # the integrand falls off as exp(−height·θ²)
    theta = step * (np.arange(_NODES) + 0.5)  # the half above the real axis; the other one is its mirror image
    return height * (1 + 1j * theta) ** 2, step * height * 2j * (1 + 1j * theta) / np.pi


def _exponential(kappa: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """E_a e^{−Σκ_i a_i²} for each row of kappa, and its gradient −E_a[a_i² e^{−Σκ_i a_i²}]."""
    size = kappa.shape[1]
    low = kappa.min(1, keepdims=True)  # Σa_i² = 1: what all have in common comes out in front
    u, weights = _contour(size)
    factors = u[:, None, None] + (kappa - low)  # contour × row × feature
    exponent = u[:, None] + scipy.special.gammaln(size / 2) - low[:, 0] - 0.5 * np.log(factors).sum(2)
    parts = weights[:, None] * np.exp(exponent)
    return parts.imag.sum(0), -0.5 * (parts[:, :, None] / factors).imag.sum(0)
