"""LeJEPA: views close, and the embedding an isotropic Gaussian by SIGReg, a statistic over random slices.

    L = (1 − λ)·mean(z − z̄)² + λ·N Σ_t w_t|φ̂(t) − e^{−t²/2}|²,    φ̂ the empirical characteristic function of a slice.

Expected over batches of N, with v_i the variances of D coordinates and a uniform on the sphere,

    L = Σ_i (1−λ)κν_i v_i/D + λE_a[N·G(s) + F(s)],   s = Σ a_i²v_i,   w_i′ = −2λ_s w_i ∂L/∂v_i − η_s w_i,

so the end is the minimum over v ≥ 0. It is unique while no slice has more variance than v_c = (2^{7/5}−1)/(2−2^{2/5}).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import ClassVar

import numpy as np
import sympy

from dynsim.errors import bad
from dynsim.methods.fact import Fact
from dynsim.methods.method import Method
from dynsim.methods.setting import Knob, MethodSetting
from dynsim.methods.slice_statistics import KNOTS, slice_functions, slice_gradient, slice_value_and_gradient
from dynsim.symbolic.flow import Flow

__all__ = ["CONVEX_BELOW", "LeJepa"]

CONVEX_BELOW = (2 ** (7 / 5) - 1) / (2 - 2 ** (2 / 5))  # where G″ changes its sign, infinitely many knots

_D, _S, _NU, _LAM, _N, _KAPPA, _DIM = sympy.symbols("lambda_d lambda_s nu lam batch kappa dim")


class LeJepa(Method):
    """No predictor, no teacher: the embedding is held to be Gaussian."""

    name = "lejepa"
    summary = "views close, random slices of the embedding held to a standard normal distribution (SIGReg)"
    reference = "Balestriero & LeCun, arXiv:2511.08544 (2025)"
    code = "github.com/rbalestr-lab/lejepa/blob/main/MINIMAL.md"
    loss = "(1 - lam)*E(mean((z1 - z2)^2))/4 + lam*(sigreg(z1) + sigreg(z2))/2"
    mode = "(1 - lam)*kappa*(lambda_s - lambda_d)*w^2/dim + lam*(batch*G(lambda_s*w^2) + F(lambda_s*w^2))"
    survives_if = "N·λ large enough for the noise share ν: alone, (1−λ)κν < λ√(2π)[N(1−2^{−3/2}) − 1]"
    ends_at = "the minimum of the expected loss over all v"
    learned_first = "large λ_s, small ν"
    killed_by = "small λN, large ν, large D"
    drawn = ""  # one mode alone says nothing: `mode` is the reduced loss, averaged already
    KNOBS: ClassVar[Mapping[str, Knob]] = {
        "lam": Knob(0.02, 0.0, 1.0, "weight of SIGReg"),
        "knots": Knob("code", meaning="the 17 knots of the code, or infinitely many", choices=KNOTS),
    }
    coupled = True
    gaussian = True
    default_batch = 256
    default_views = 4

    def check(self) -> None:
        """Refuse the ends of the range, where one half of the loss is missing."""
        if not 0 < self["lam"] < 1:
            raise bad("lam", self["lam"], "a number between 0 and 1, both excluded")

    def _batch(self, at: MethodSetting) -> int:
        return at.batch or self.default_batch

    def _pull(self, at: MethodSetting) -> np.ndarray:
        """∂L/∂v_i of all that is no SIGReg."""
        kappa = at.spread_over_views(self.default_views)
        with np.errstate(divide="ignore"):
            decay = at.eta_s / (2 * at.lambda_s) if at.eta_s > 0 else 0.0  # a feature without variance has no weight
        return (1 - self["lam"]) * kappa * at.nu / at.width + decay

    def _minimum(self, at: MethodSetting) -> np.ndarray:
        """Variances at the end, one per feature."""
        chosen = np.argsort(-at.reliability, kind="stable")[: at.width]
        chosen = chosen[at.lambda_s[chosen] > 0]
        pull = self._pull(at)[chosen]
        result = np.zeros_like(at.lambda_s)
        if not len(chosen):
            return result
        result[chosen] = _minimum(tuple(pull.tolist()), at.width, self["lam"], self._batch(at), self["knots"])
        return result

    def _alive(self, at: MethodSetting) -> Fact:
        return self._survives(at)  # the minimum is taken over as many features as there are rows

    def _survives(self, at: MethodSetting) -> Fact:
        v = self._minimum(at)
        start = at.start("w")
        alive = v > 0 if start is None else (v > 0) & (start != 0)
        slopes = [float(slice_functions(0.0, self["knots"], 1)[k]) for k in (0, 1)]
        if self["knots"] == "continuum":
            push = sympy.sqrt(2 * sympy.pi) * (_N * (1 - 2 ** sympy.Rational(-3, 2)) - 1)
        else:
            push = -slopes[0] * _N - slopes[1]
        form = sympy.Lt((1 - _LAM) * _KAPPA * _NU, _LAM * push) if len(v) == 1 else None
        reason = f"minimum of the expected loss over v ≥ 0, N = {self._batch(at)}, D = {at.width}{self._doubt(v)}"
        return Fact(alive, form, exact=self._unique(v), reason=reason)

    def _amplitude(self, at: MethodSetting) -> Fact:
        v = self._minimum(at)
        reason = f"root of the expected loss's gradient, N = {self._batch(at)}, D = {at.width}{self._doubt(v)}"
        return Fact(v, exact=self._unique(v), reason=reason)

    def _unique(self, v: np.ndarray) -> bool:
        return bool(v.max() <= CONVEX_BELOW) or len(v) == 1

    def _doubt(self, v: np.ndarray) -> str:
        return (
            ""
            if self._unique(v)
            else "; a slice has more variance than v_c = 2.4086, where no proof says it is the only minimum"
        )

    def _origin_rate(self, at: MethodSetting) -> Fact:
        outward, inward = (float(slope) for slope in slice_functions(0.0, self["knots"], 1))
        batch = self._batch(at)
        rate = -2 * at.lambda_s * (self._pull(at) + self["lam"] * (batch * outward + inward) / at.width)
        form = 2 * _S * (_LAM * (-outward * _N - inward) - (1 - _LAM) * _KAPPA * _NU) / _DIM
        return Fact(rate, form, reason=f"all features near 0, N = {batch}, D = {at.width}")

    def _half_times(self, at: MethodSetting, size: np.ndarray) -> np.ndarray:
        """By integration of all features together, in ln w."""
        from scipy.integrate import solve_ivp

        living = np.flatnonzero((size > 0) & np.isfinite(size))
        times = np.full(len(size), np.inf)
        if not len(living):
            return times
        view, pull = at.lambda_s[living], self._pull(at)[living]
        padding = np.zeros(max(at.width - len(living), 0))
        batch, lam = self._batch(at), self["lam"]
        half = np.log(size[living] / 2)
        start = np.log(1e-6 * np.min(size[living] / view)) + np.log(view)  # ln v of equal weights

        def field(_t: float, log_v: np.ndarray) -> np.ndarray:
            slope = slice_gradient(np.append(np.exp(log_v), padding), batch, self["knots"])[: len(log_v)]
            return -4 * view * (pull + lam * slope)  # (ln v)′ = 2w′/w

        span = 20 * np.ptp(np.append(half, start)) / np.maximum(np.abs(field(0.0, start)).min(), 1e-12)
        run = solve_ivp(field, (0, span), start, method="LSODA", rtol=1e-7, atol=1e-8, dense_output=True)
        for k, j in enumerate(living):
            after = np.flatnonzero(run.y[k] >= half[k])
            if len(after):
                n = max(int(after[0]), 1)
                rise = run.y[k, n] - run.y[k, n - 1]
                share = (half[k] - run.y[k, n - 1]) / rise if rise > 0 else 1.0
                times[j] = run.t[n - 1] + share * (run.t[n] - run.t[n - 1])
        return times

    def _flow(self, modes: int) -> Flow:
        """One coordinate alone, D = 1, whose loss is closed; more of them are coupled by slices."""
        if modes > 1:
            raise bad(
                "modes",
                modes,
                "1",
                "slices couple the features and their loss is no closed expression; amplitude() solves it",
            )
        v = "(lambda_s*w^2)"
        if self["knots"] == "continuum":
            statistic = f"sqrt(2*pi)*(batch*(1/sqrt(2*{v} + 1) - 2/sqrt({v} + 2) + 1/sqrt(3)) + 1 - 1/sqrt(2*{v} + 1))"
            statistic = statistic.replace("pi", repr(np.pi))
        else:
            terms = []
            for j in range(1, 17):
                square = (3 * j / 16) ** 2
                weight = 2 * (3 / 16) * np.exp(-square / 2) / (2 if j == 16 else 1)
                terms.append(
                    f"{weight!r}*(batch*(exp(-{square / 2!r}*{v}) - {np.exp(-square / 2)!r})^2"
                    f" + 1 - exp(-{square!r}*{v}))"
                )
            statistic = " + ".join(terms).replace("np.float64", "")
        return self._mode_flow(1, loss=f"(1 - lam)*kappa*(lambda_s - lambda_d)*w^2 + lam*({statistic})")


@lru_cache(maxsize=64)
def _minimum(pull: tuple[float, ...], width: int, lam: float, batch: int, knots: str) -> np.ndarray:
    """Minimum of Σ pull_i v_i + λE_a[N·G + F] over the variances v ≥ 0 of the first of `width` coordinates."""
    inner, padding = np.array(pull), np.zeros(width - len(pull))

    def loss(v: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = slice_value_and_gradient(np.append(v, padding), batch, knots)
        return float(inner @ v) + lam * value, inner + lam * slope[: len(v)]

    return _minimise(loss, len(pull))


def _minimise(loss: Callable[[np.ndarray], tuple[float, np.ndarray]], size: int) -> np.ndarray:
    """Minimum over v ≥ 0: a bounded quasi-Newton search, then Newton's method among those that live."""
    from scipy.optimize import brentq, minimize, root

    def gradient(v: np.ndarray) -> np.ndarray:
        return loss(v)[1]

    if size == 1:
        slope = lambda v: float(gradient(np.array([v]))[0])  # noqa: E731
        if slope(0.0) >= 0:
            return np.zeros(1)
        high = 1.0
        while slope(high) < 0:
            high *= 2
            if high > 1e12:
                return np.array([np.inf])
        return np.array([brentq(slope, 0.0, high, xtol=1e-14, rtol=1e-14)])
    options = {"maxiter": 5000, "ftol": 0.0, "gtol": 1e-12, "maxcor": 30}
    found = minimize(loss, np.ones(size), jac=True, method="L-BFGS-B", bounds=[(0, None)] * size, options=options)
    v = np.where(found.x > 1e-9, found.x, 0.0)
    for _ in range(size):
        alive = v > 0
        if alive.any():
            embed = np.zeros(size)

            def inner(x: np.ndarray, alive: np.ndarray = alive, embed: np.ndarray = embed) -> np.ndarray:
                full = embed.copy()
                full[alive] = np.abs(x)
                return gradient(full)[alive]

            polished = root(inner, v[alive], method="hybr", options={"xtol": 1e-14})
            if np.abs(inner(polished.x)).max() <= np.abs(inner(v[alive])).max():
                v[alive] = np.abs(polished.x)
        wrong = (v == 0) & (gradient(v) < 0)
        if not wrong.any():
            break
        v[wrong] = 1e-6
    return v
