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

For a given v the best d has the rows of the most reliable features aligned, d = v, where φ is concave, and all others
share their variance equally, where φ is convex. With v̄ the mean of those that share,

    v_i = (ρ − sν_i)₊/(2c),      2ρ = μ/(2√(v̄+ε)) + 4cv̄, or, at the hinge, v̄ = 1 − ε:

of them live those with sν_i < ρ. How many rows are aligned is what costs least; aligned rows at the hinge may still
turn among each other, by s(ν_j − ν_i)/(2c): then a fact is not exact. At the published weights none is aligned: below
ν = μ/(4s) aligned rows all have v = 1 − ε, so that any difference of the noise shares turns them. Hence `rows` is left
open by default: one feature asked alone has a row of its own, several end where the loss is least.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import sympy

from dynsim.methods.fact import GAUSSIAN, LINEAR, Fact
from dynsim.methods.method import Method
from dynsim.methods.mode_flow import legendre
from dynsim.methods.setting import Knob, MethodSetting
from dynsim.symbolic.flow import Flow

__all__ = ["VicReg"]

_NU, _MU, _WEIGHT, _EPS, _S, _D = sympy.symbols("nu mu s epsilon lambda_s D", positive=True)


ROWS = ("aligned", "free")


class VicReg(Method):
    """Variance, invariance, covariance."""

    _alone = 0  # how many rows of those that are left open are aligned
    _other = ""  # what else is stable, if they are left open
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
    survives_if = "alone ν < μ/(4s√ε), at the defaults 25: always; among others, where rows turn: sν_i < ρ"
    ends_at = "√(v+ε) = min(1, μ/(4sν)); where rows turn: v = (ρ − sν)₊/(2c)"
    learned_first = "large λ_s"
    killed_by = "alone nothing at the defaults; among others a small weight of the covariances"
    KNOBS: ClassVar[Mapping[str, Knob]] = {
        "s": Knob(25.0, 1e-9, 1e4, "weight of the invariance term"),
        "mu": Knob(25.0, 0.0, 1e4, "weight of the variance term"),
        "cov": Knob(1.0, 0.0, 1e4, "weight of the covariance term"),
        "epsilon": Knob(1e-4, 0.0, 1.0, "added to the variance under the root"),
        "rows": Knob(
            None, meaning="one feature each, or free to turn to the minimum; by default what is stable", choices=ROWS
        ),
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
        return bool(self["rows"] != "aligned")

    @property
    def timed(self) -> bool:  # type: ignore[override]
        """Whether `half_times` are times: free rows only have an order."""
        return not self.coupled

    def _at(self, values: Mapping[str, Any]) -> tuple[Method, MethodSetting]:
        """Where `rows` is left open, see whether all are aligned, all free, or some."""
        chosen, at = super()._at(values)
        if chosen["rows"] is not None or not isinstance(chosen, VicReg):
            return chosen, at
        kept = chosen._kept(at)
        alone = len(kept)
        if not at.scalar:
            costs = np.array([chosen._cost(chosen._noise(at)[kept], k, at.width) for k in range(len(kept) + 1)])
            alone = int(np.flatnonzero(costs <= costs.min() + 1e-9 * abs(costs.min()))[-1])
        kind = "aligned" if alone == len(kept) else "free" if alone == 0 else None
        settled = type(chosen)(**{**chosen.knobs, "rows": kind})
        settled._alone = alone
        settled._other = chosen._also_stable(at, kind)
        return settled, at

    def _also_stable(self, at: MethodSetting, kind: str | None) -> str:
        """Another end that some starts reach, of those with all rows aligned or all free."""
        noise = self._noise(at)
        shared, _, bent = self._free(noise, replace(at, batch=None))
        aligned = self._aligned(noise, replace(at, batch=None))
        if at.scalar or np.allclose(shared, aligned):
            return ""
        also = kind != "free" and bent, kind != "aligned" and not self._doubt(noise, aligned, at.width)
        words = " and ".join(word for word, holds in zip(ROWS[::-1], also, strict=True) if holds)
        return f"; stable with rows {words} too, at a higher loss: there the start decides" if words else ""

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What every fact of the method rests on."""
        return (LINEAR,) if self.coupled else super().assumptions

    def _alive(self, at: MethodSetting) -> Fact:
        return self._survives(at) if self.coupled else super()._alive(at)  # the minimum knows how many rows there are

    def _who(self) -> str:
        """Which rows are aligned and which are not."""
        some = f"the {self._alone} most reliable features have a row each, " if self._alone else ""
        return f"{some}{'the other' if some else 'all'} rows share their variance equally: "

    def _half_times(self, at: MethodSetting, size: np.ndarray) -> np.ndarray:
        """Of aligned rows; free ones read all features from the start, and the key is the force on each."""
        return 1 / np.sqrt(np.maximum(at.lambda_s, 1e-300)) if self.coupled else super()._half_times(at, size)

    def _survives(self, at: MethodSetting) -> Fact:
        noise, eps = self._noise(at), self["epsilon"]
        started = at.start("w")
        if self.coupled:
            v, level, sure = self._free(noise, at)
            sure = sure and not self._other
            alive = v > 0 if started is None else (v > 0) & (started != 0)
            return Fact(alive, exact=sure, reason=f"{self._who()}sν_i < ρ = {level:.6g}{self._other}")
        limit = self["mu"] / (4 * self["s"] * np.sqrt(eps)) if eps > 0 else (np.inf if self["mu"] > 0 else 0.0)
        alive = (noise < limit) & (eps < 1) & (at.lambda_s > 0)
        if started is not None:
            alive = alive & (started != 0)
        form = sympy.Lt(_NU, _MU / (4 * _WEIGHT * sympy.sqrt(_EPS)))
        reason = "w = 0 attracts iff ν ≥ μ/(4s√ε)" + (" with ν + Dη_s/(4sλ_s) for ν" if at.eta_s else "")
        doubt = self._doubt(noise, self._aligned(noise, at), at.width) + self._other
        return Fact(alive, form, exact=not doubt, reason=reason + doubt)

    def _amplitude(self, at: MethodSetting) -> Fact:
        noise = self._noise(at)
        told: tuple[str, ...] = () if at.batch is None else (GAUSSIAN,)
        if self.coupled:
            v, level, sure = self._free(noise, at)
            reason = f"{self._who()}v = (ρ − sν)₊/(2c), ρ = {level:.6g}{self._other}"
            return Fact(v, exact=sure and not self._other, assumptions=told, reason=reason)
        value = self._aligned(noise, at)
        doubt = self._doubt(noise, value, at.width) + self._other
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
        return "; but aligned rows are a saddle at this weight of the covariances, and some of them turn"

    def _kept(self, at: MethodSetting) -> np.ndarray:
        """Which features have rows, the most reliable first."""
        order = np.argsort(self._noise(at), kind="stable")
        return order[at.lambda_s[order] > 0][: at.width]

    def _cost(self, nu: np.ndarray, alone: int, rows: int) -> float:
        """D·L in large batches with so many aligned rows, the others sharing their variance."""
        s, mu, c, eps = self["s"], self["mu"], self["cov"], self["epsilon"]
        open_setting = MethodSetting(1 - nu[:alone], np.ones(alone), dim=rows)
        aligned = self._aligned(nu[:alone], open_setting)
        shared, _, _ = self._shared(nu[alone:], rows - alone, None)
        v, free = np.concatenate([aligned, shared]), rows - alone
        mean = shared.sum() / free if free else 0.0
        d = np.append(aligned, np.full(free, mean))
        hinge = mu * np.maximum(1 - np.sqrt(d + eps), 0)
        return float(2 * s * (nu[v > 0] * v[v > 0]).sum() + hinge.sum() + 2 * c * ((v**2).sum() - (d**2).sum()))

    def _free(self, noise: np.ndarray, at: MethodSetting) -> tuple[np.ndarray, float, bool]:
        """Variances of the features, the level ρ, and whether they are at the minimum."""
        result, kept, alone = np.zeros_like(noise), self._kept(at), self._alone
        shared, level, sure = self._shared(noise[kept[alone:]], at.width - alone, at.batch)
        result[kept[alone:]] = shared
        if alone:
            result[kept[:alone]] = self._aligned(noise[kept[:alone]], replace(at, dim=alone))
            sure = sure and not self._doubt(noise[kept[:alone]], result[kept[:alone]], alone)
        return result, level, sure

    def _shared(self, nu: np.ndarray, rows: int, batch: int | None) -> tuple[np.ndarray, float, bool]:
        """Variances of features that share rows of equal variance, the level ρ, and whether that is a minimum."""
        s, mu, eps = self["s"], self["mu"], self["epsilon"]
        chance = 0.0 if batch is None else self["cov"] / (batch - 1)
        c = self["cov"] + chance  # of squared correlations, E Ĉ² = C²(1 + 1/(N−1)) + d_a d_b/(N−1)
        nothing = np.zeros_like(nu)
        if not (len(nu) and rows and np.isfinite(nu[0])):
            return nothing, 0.0, True

        def variances(level: float) -> np.ndarray:
            return np.maximum(level - s * nu, 0) / (2 * c)

        def excess(level: float) -> float:
            mean = variances(level).sum() / rows
            return 2 * level - self._push(mean, batch) / 2 - 4 * c * mean + 4 * chance * (rows - 1) * mean

        low = s * float(nu[0])
        if c == 0:  # nothing holds the rows apart: all read the least noisy feature
            best = nu == nu[0]
            one = MethodSetting(np.zeros(best.sum()), np.ones(best.sum()), batch=batch)
            nothing[best] = self._aligned(nu[best], one) * rows / best.sum()
            return nothing, low, batch is None
        if mu == 0 or eps >= 1 or excess(low) >= 0:
            return nothing, low, True
        high = low + 1.0
        while excess(high) < 0:
            high = low + 2 * (high - low)
        level = _crossing(excess, low, high)
        v = variances(level)
        mean = float(v.sum()) / rows
        bent = mu / 4 * (mean + eps) ** -1.5 > 4 * c
        return v, level, bool(bent or mean + eps > 1 - 1e-9) and batch is None

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
