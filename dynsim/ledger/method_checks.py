"""What decides the sentences about methods that keep features alive by a term of their loss, as public code has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import brentq, minimize

from dynsim.ledger.contract import decided, magnitude, numbers
from dynsim.ledger.toy_checks import judged
from dynsim.methods.barlow import collapse_threshold, shares
from dynsim.methods.catalogue import method
from dynsim.verdict import Verdict

NEAR = 1e-6  # a weight this small stands for one at the origin


def _growth(flow: Any, parameters: dict[str, float]) -> float:
    """Growth rate of a weight near the origin, from the derived field."""
    known = {name: value for name, value in parameters.items() if name in flow.parameters}
    return float(np.asarray(flow.field(known).f(0.0, np.array([NEAR])))[0]) / NEAR


def hinge_keeps(*, invariance: float = 25.0, variance: float = 25.0, covariance: float = 1.0) -> Verdict:
    """Growth near the origin under VICReg's loss, features from clean to pure noise, and which live together."""
    chosen = method("vicreg", s=invariance, mu=variance, cov=covariance)
    flow, noise = chosen.flow(), (0.1, 0.5, 0.9, 1.0)
    rates = [_growth(flow, {"lambda_d": 1 - nu, "lambda_s": 1.0}) for nu in noise]
    growing = sum(rate > 0 for rate in rates)
    limit = variance / (4 * invariance * np.sqrt(chosen["epsilon"]))
    together = chosen.survives(nu=noise)
    alive = int(together.value.sum())
    return decided(
        judged(growing + alive, 2 * len(noise)),
        f"alone {growing} of {len(noise)} features grow from 0; with as many rows for all {alive} live",
        numbers(
            *((f"ν = {nu:g}: growth rate at the origin", rate) for nu, rate in zip(noise, rates, strict=True)),
            ("μ/(4s√ε); a noise share is at most 1", limit),
            *((f"ν = {nu:g}: variance at the end, alone", chosen.amplitude(nu=nu).value) for nu in noise),
            *(
                (f"ν = {nu:g}: lives among the others", bool(one))
                for nu, one in zip(noise, together.value, strict=True)
            ),
        ),
    )


def hot_teacher(*, agreement: float = 0.7, tau_s: float = 0.1) -> Verdict:
    """Teacher's temperature at which the pattern of two prototypes stops growing from the uniform state."""
    flow = method("dino", prototypes=2, agreement=agreement, tau_s=tau_s).flow()
    at = flow.states.index("b")
    teacher = [name for name in ("b", "B") if name in flow.states]

    def growth(tau_t: float) -> float:
        values = {name: value for name, value in {"tau_t": tau_t, "tau_s": tau_s, "r": agreement}.items()
                  if name in flow.parameters}  # fmt: skip
        jacobian = np.asarray(flow.field(values).jacobian(0.0, np.zeros(len(flow.states))), dtype=float)
        return float(sum(jacobian[at, flow.states.index(name)] for name in teacher))

    critical = float(brentq(growth, 0.05 * tau_s, 1.5 * tau_s, xtol=1e-14)) if growth(0.05 * tau_s) > 0 else 0.0
    cold, hot = growth(0.4 * tau_s), growth(tau_s)
    return decided(
        "holds" if cold > 0 > hot else "does not hold",
        f"the uniform state is left only for τ_t < {critical:.4f}; rτ_s = {agreement * tau_s:.4f}",
        numbers(
            ("critical temperature from the derived flow", critical),
            ("rτ_s", agreement * tau_s),
            (f"rate at τ_t = {0.4 * tau_s:g}", cold),
            (f"rate at τ_t = {tau_s:g}", hot),
        ),
    )


def small_batches(*, lam: float = 0.02, views: int = 4, batches: Sequence[int] = (2, 4, 8, 16, 256)) -> Verdict:
    """Largest noise share at which a lone feature leaves the origin under LeJEPA's loss, per batch size."""
    chosen = method("lejepa", lam=lam, knots="code")
    flow, kappa, limits = chosen.flow(), 1 - 1 / views, {}
    for batch in batches:
        known = {"lambda_s": 1.0, "batch": float(batch), "kappa": kappa, "dim": 1.0}
        clean, noise = (_growth(flow, {**known, "lambda_d": 1 - nu}) for nu in (0.0, 1.0))
        # The rate is affine in the noise share at fixed λ_s.
        limits[batch] = 0.0 if clean <= 0 else 1.0 if noise > 0 else clean / (clean - noise)
    kept = sum(limit >= 1 for limit in limits.values())
    return decided(
        judged(kept, len(batches)),
        f"a feature lives up to a noise share of {limits[batches[0]]:.3g} at batch {batches[0]}, "
        f"{limits[batches[-1]]:.3g} at {batches[-1]}",
        numbers(*((f"batch {batch}: largest noise share", limit) for batch, limit in limits.items())),
    )


def rows_stay_apart(*, larger: float = 0.9, smaller: float = 0.7, lam: float = 0.0051, wide: int = 8192) -> Verdict:
    """Minimise Barlow Twins' loss over two rows in whitened features; beside it many rows for the same features."""
    reliability = np.array([larger, smaller])

    def loss(angles: np.ndarray) -> float:
        rows = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        cross = rows @ (reliability[:, None] * rows.T)
        own = np.diag(cross)
        return float(((1 - own) ** 2).sum() + lam * ((cross**2).sum() - (own**2).sum()))

    starts = np.random.default_rng(0).uniform(-np.pi, np.pi, (12, 2))
    best = min(
        (minimize(loss, start, method="BFGS", options={"gtol": 1e-10}) for start in starts), key=lambda x: x.fun
    )
    second = float((np.sin(best.x) ** 2).max())
    many = float(shares(reliability, wide, lam)[0].min())
    apart = [second > 1e-6, many > 0]
    return decided(
        judged(sum(apart), len(apart)),
        f"weaker feature's share: {magnitude(second)} with 2 rows, {many:.3g} with {wide} (λ = {lam:g})",
        numbers(
            ("two rows: largest share of the weaker feature at the minimum", second),
            ("two rows: λ below which they read one feature", collapse_threshold(larger, smaller)),
            (f"{wide} rows: share of the weaker feature", many),
        ),
    )
