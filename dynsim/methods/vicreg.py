"""VICReg: views close, every coordinate's standard deviation at least 1, coordinates uncorrelated.

The code's loss, s·mse + μ·½Σ_views mean relu(1 − √(var + ε)) + c·Σ_{i≠j}C_ij²/D, has means over the D coordinates in
its first two terms. One mode, with v = w²λ_s, in the limit of large batches:

    D·w′ = wλ_s[μ/√(v+ε)·1(v+ε < 1) − 4sν] − Dη_s w.

For ν < μ/(4s) the state √(v+ε) = 1 is reached in finite time and slid along (Filippov); for larger ν the standard
deviation is μ/(4sν) < 1; above ν = μ/(4s√ε) the constant force is a linear one and the mode dies. Weight decay
counts as noise, ν → ν + Dη_s/(4sλ_s). In a batch of N the hinge sees the standard deviation of a sample of N, its mean
over χ² is taken by quadrature, and the sampling errors of the correlations cost 2cΣ_{i≠j}v_iv_j/(N−1).

Several modes, one per row (aligned rows), are an equilibrium. It is stable iff s(ν_j − ν_i) < 2c(v_i − v_j) for every
pair in which i is the more reliable, and for every row that reads nothing μ/√ε − 4sν_i < 8cv_i; else rows turn towards
the more reliable features and stay correlated. In general D·L is a function of the variances v of the features, the
eigenvalues of C, and of the variances d of the rows, its diagonal, which are any that v majorises (Schur and Horn):

    D·L = 2sΣν_iv_i + Σ_aφ(d_a) + 2cΣv_i²,      φ(d) = μ·relu(1 − √(d+ε)) − 2cd².

Where φ is convex at their mean v̄, rows of equal variance are the minimum, and v_i = (ρ − sν_i)₊/(2c) with
2ρ = μ/(2√(v̄+ε)) + 4cv̄, or, at the hinge, with v̄ = 1 − ε: features live iff sν_i < ρ. At the published weights this is
the end: c = 1 holds rows apart only where noise shares differ by no more than a few hundredths.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import ClassVar

import numpy as np
import sympy

from dynsim.methods.method import GAUSSIAN, LINEAR, Fact, Method
from dynsim.methods.mode_flow import legendre
from dynsim.methods.setting import Knob, MethodSetting
from dynsim.symbolic.flow import Flow

__all__ = ["VicReg"]

_NU, _MU, _WEIGHT, _EPS, _S, _D = sympy.symbols("nu mu s epsilon lambda_s D", positive=True)


ROWS = ("aligned", "free")


class VicReg(Method):
    """Variance, invariance, covariance."""

    name = "vicreg"
    summary = "views close, each coordinate's standard deviation held up to 1 by a hinge, coordinates uncorrelated"
    reference = "Bardes, Ponce & LeCun, arXiv:2105.04906 (2022)"
    code = "github.com/facebookresearch/vicreg/blob/main/main_vicreg.py"
    loss = (
        "s*E(mean((z1 - z2)^2))"
        " + mu*(mean(relu(1 - sqrt(var(z1) + epsilon))) + mean(relu(1 - sqrt(var(z2) + epsilon))))/2"
        " + cov*(sum(offdiag(cov(z1))^2) + sum(offdiag(cov(z2))^2))/dim"
    )
    mode = (
        "s*E((w*(x + n1) - w*(x + n2))^2)"
        " + mu*(relu(1 - sqrt(var(w*(x + n1)) + epsilon)) + relu(1 - sqrt(var(w*(x + n2)) + epsilon)))/2"
    )
    survives_if = "ν < μ/(4s√ε), at the defaults 25: always; rows that are free to turn: sν_i < ρ"
    ends_at = "√(v+ε) = min(1, μ/(4sν)); rows free to turn: v = (ρ − sν)₊/(2c)"
    learned_first = "large λ_s"
    killed_by = "alone nothing at the defaults; among others a small weight of the covariances"
    KNOBS: ClassVar[Mapping[str, Knob]] = {
        "s": Knob(25.0, 1e-9, 1e4, "weight of the invariance term"),
        "mu": Knob(25.0, 0.0, 1e4, "weight of the variance term"),
        "cov": Knob(1.0, 0.0, 1e4, "weight of the covariance term"),
        "epsilon": Knob(1e-4, 0.0, 1.0, "added to the variance under the root"),
        "rows": Knob("aligned", meaning="one feature each, or free to turn to the minimum", choices=ROWS),
    }

    def _noise(self, at: MethodSetting) -> np.ndarray:
        """ν, to which weight decay is added in its units."""
        if at.eta_s == 0:
            return at.nu
        with np.errstate(divide="ignore"):
            return at.nu + at.width * at.eta_s / (4 * self["s"] * at.lambda_s)

    @property
    def coupled(self) -> bool:  # type: ignore[override]
        """Whether what happens to one feature depends on the others."""
        return bool(self["rows"] == "free")

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What every fact of the method rests on."""
        return (LINEAR,) if self.coupled else super().assumptions

    def _alive(self, at: MethodSetting) -> Fact:
        return self._survives(at) if self.coupled else super()._alive(at)  # the minimum knows how many rows there are

    def _half_times(self, at: MethodSetting, size: np.ndarray) -> np.ndarray:
        """Of aligned rows; free ones read all features from the start, and the key is the force on each."""
        return 1 / np.sqrt(np.maximum(at.lambda_s, 1e-300)) if self.coupled else super()._half_times(at, size)

    def _survives(self, at: MethodSetting) -> Fact:
        noise, eps = self._noise(at), self["epsilon"]
        started = at.start("w")
        if self.coupled:
            v, level, sure = self._free(noise, at)
            alive = v > 0 if started is None else (v > 0) & (started != 0)
            return Fact(alive, exact=sure, reason=f"sν_i < ρ = {level:.6g}: rows of equal variance share the features")
        limit = self["mu"] / (4 * self["s"] * np.sqrt(eps)) if eps > 0 else (np.inf if self["mu"] > 0 else 0.0)
        alive = (noise < limit) & (eps < 1) & (at.lambda_s > 0)
        if started is not None:
            alive = alive & (started != 0)
        form = sympy.Lt(_NU, _MU / (4 * _WEIGHT * sympy.sqrt(_EPS)))
        reason = "w = 0 attracts iff ν ≥ μ/(4s√ε)" + (" with ν + Dη_s/(4sλ_s) for ν" if at.eta_s else "")
        doubt = self._doubt(noise, self._aligned(noise, at), at.width)
        return Fact(alive, form, exact=not doubt, reason=reason + doubt)

    def _amplitude(self, at: MethodSetting) -> Fact:
        noise = self._noise(at)
        told: tuple[str, ...] = () if at.batch is None else (GAUSSIAN,)
        if self.coupled:
            v, level, sure = self._free(noise, at)
            reason = f"(ρ − sν)₊/(2c), ρ = {level:.6g}, rows of equal variance"
            return Fact(v, exact=sure, assumptions=told, reason=reason)
        value = self._aligned(noise, at)
        doubt = self._doubt(noise, value, at.width)
        if at.batch is None:
            form = sympy.Min(1, _MU / (4 * _WEIGHT * _NU)) ** 2 - _EPS
            reason = "√(v+ε) = min(1, μ/(4sν)), at the kink of the hinge in a sliding state"
            return Fact(value, form, exact=not doubt, reason=reason + doubt)
        reason = (
            f"mean over batches of {at.batch}: the hinge of a sample's deviation by quadrature, chance correlations"
        )
        return Fact(value, exact=not doubt, assumptions=told, reason=reason + doubt)

    def _aligned(self, noise: np.ndarray, at: MethodSetting) -> np.ndarray:
        """Variances of features that have a row each."""
        with np.errstate(divide="ignore"):
            smooth = self["mu"] / (4 * self["s"] * noise)
        if at.batch is None:
            return np.maximum(np.minimum(1.0, smooth) ** 2 - self["epsilon"], 0)
        batch, push = at.batch, 2 * self["cov"] / (self["s"] * (at.batch - 1))
        v = np.array([self._in_batches(float(limit), batch) for limit in smooth])
        if len(v) == 1 or push == 0 or not np.isfinite(v).all():
            return v
        size_of = self._table(batch)
        for _ in range(500):  # chance correlations with the other rows count as noise
            limit = self["mu"] / (4 * self["s"] * (noise + push * (v.sum() - v)))
            new = size_of(limit)
            if np.abs(new - v).max() <= 1e-11 * max(float(v.max()), 1e-12):
                break
            v = (v + new) / 2
        return np.array([self._in_batches(float(one), batch) for one in limit])

    def _table(self, batch: int) -> Callable[[np.ndarray], np.ndarray]:
        """`_in_batches` for many at once, interpolated."""
        from scipy.interpolate import CubicSpline

        log_v = np.linspace(np.log(1e-9), np.log(1e4), 400)
        log_limit = -np.log([max(self._mean_push(float(np.exp(x)), batch), 1e-300) for x in log_v])
        rising = np.append(True, np.diff(log_limit) > 1e-12)
        spline = CubicSpline(log_limit[rising], log_v[rising])
        low, high = log_limit[rising][[0, -1]]

        def size(limit: np.ndarray) -> np.ndarray:
            at = np.log(limit)
            return np.where(at <= low, 0.0, np.exp(spline(np.clip(at, low, high))))

        return size

    def _doubt(self, noise: np.ndarray, v: np.ndarray, rows: int) -> str:
        """Why aligned rows are no end: which pair, or which idle row, turns."""
        s, c, eps = self["s"], self["cov"], self["epsilon"]
        kept = np.argsort(noise, kind="stable")[:rows]
        nu, size = noise[kept], v[kept]
        living = np.flatnonzero(size > 0)
        closer = s * (nu[None, living] - nu[living, None]) > 2 * c * (size[living, None] - size[None, living]) + 1e-12
        turning = closer & (nu[None, living] > nu[living, None])
        push = self["mu"] / np.sqrt(eps) if eps > 0 else np.inf
        idle = len(living) < rows and bool((push - 4 * s * nu[living] > 8 * c * size[living]).any())
        if not (turning.any() or idle):
            return ""
        return "; but aligned rows are a saddle at this weight of the covariances, ask with rows='free' where it ends"

    def _free(self, noise: np.ndarray, at: MethodSetting) -> tuple[np.ndarray, float, bool]:
        """Variances of the features, the level ρ, and whether rows of equal variance are a minimum."""
        s, mu, eps, rows = self["s"], self["mu"], self["epsilon"], at.width
        chance = 0.0 if at.batch is None else self["cov"] / (at.batch - 1)
        c = self["cov"] + chance  # of squared correlations, E Ĉ² = C²(1 + 1/(N−1)) + d_a d_b/(N−1)
        kept = np.argsort(np.where(at.lambda_s > 0, noise, np.inf), kind="stable")[:rows]
        result, nu = np.zeros_like(noise), noise[kept]

        def variances(level: float) -> np.ndarray:
            return np.maximum(level - s * nu, 0) / (2 * c)

        def excess(level: float) -> float:
            mean = variances(level).sum() / rows
            return 2 * level - self._push(mean, at.batch) / 2 - 4 * c * mean + 4 * chance * (rows - 1) * mean

        low = s * float(nu[0])
        if c == 0:  # nothing holds the rows apart: all read the least noisy feature
            best = nu == nu[0]
            result[kept[best]] = self._aligned(noise, at)[kept[best]] * rows / best.sum()
            return result, low, at.batch is None
        if mu == 0 or eps >= 1 or excess(low) >= 0:
            return result, low, True
        high = low + 1.0
        while excess(high) < 0:
            high = low + 2 * (high - low)
        level = _crossing(excess, low, high)
        result[kept] = variances(level)
        mean = float(result.sum()) / rows
        bent = mu / 4 * (mean + eps) ** -1.5 > 4 * c
        return result, level, bool(bent or mean + eps > 1 - 1e-9) and at.batch is None

    def _push(self, v: float, batch: int | None) -> float:
        """μ·E[χ̂·1(vχ̂+ε < 1)/√(vχ̂+ε)], χ̂ the variance of `batch` standard normal numbers, or 1."""
        mu, eps = self["mu"], self["epsilon"]
        if batch is None:
            return float(mu / np.sqrt(max(v + eps, 1e-300))) if v + eps < 1 else 0.0
        return float(mu * self._mean_push(max(v, 1e-300), batch))

    def _mean_push(self, v: float, batch: int) -> float:
        from scipy.special import gammaln

        eps, free = self["epsilon"], batch - 1
        x, weights = legendre(80)
        low, high = _range_of_chi(free)
        top = min((1 - eps) / v * free, high)
        bottom = min(low, top)
        chi = bottom + (top - bottom) * (1 + x) / 2
        log_density = (free / 2 - 1) * np.log(np.maximum(chi, 1e-300)) - chi / 2 - free / 2 * np.log(2)
        density = weights * chi / free * np.exp(log_density - gammaln(free / 2))
        return float(np.sum(density / np.sqrt(v * chi / free + eps)) * (top - bottom) / 2)

    def _in_batches(self, limit: float, batch: int) -> float:
        """Root v of E[χ̂·1(vχ̂+ε < 1)/√(vχ̂+ε)] = 1/limit, χ̂ the variance of `batch` standard normal numbers."""
        from scipy.optimize import brentq

        if not np.isfinite(limit):
            return np.inf

        def force(log_v: float) -> float:
            return float(np.log(max(self._mean_push(float(np.exp(log_v)), batch), 1e-300)) + np.log(limit))

        low, high = np.log(1e-12), np.log(1e6)
        if force(low) <= 0:
            return 0.0
        return float(np.exp(brentq(force, low, high, xtol=1e-13))) if force(high) < 0 else np.inf

    def _origin_rate(self, at: MethodSetting) -> Fact:
        width, eps = at.width, self["epsilon"]
        form = _S * (_MU / sympy.sqrt(_EPS) - 4 * _WEIGHT * _NU) / _D
        reason = f"mean over D = {width} coordinates; beyond v ≈ ε the force is constant, μ√λ_s/D"
        with np.errstate(divide="ignore"):
            push = self["mu"] * (eps < 1) / np.sqrt(eps) if self["mu"] > 0 else 0.0
        return Fact(at.lambda_s * (push - 4 * self["s"] * at.nu) / width - at.eta_s, form, reason=reason)

    def _flow(self, modes: int) -> Flow:
        """The code takes the mean over D coordinates, of which a mode is one."""
        return self._mode_flow(modes, loss=f"({self.mode})/dim")


@lru_cache(maxsize=64)
def _range_of_chi(free: int) -> tuple[float, float]:
    """Where χ² of so many degrees of freedom lies but for 1e-14 on each side."""
    from scipy.stats import chi2

    return float(chi2.ppf(1e-14, free)), float(chi2.ppf(1 - 1e-14, free))


def _crossing(function: Callable[[float], float], low: float, high: float) -> float:
    """Where an increasing function crosses 0, or jumps over it, to rounding."""
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (low, middle) if function(middle) >= 0 else (middle, high)
    return low
