r"""Alternating optimisation, as SimSiam reads itself: L(θ, η) = E‖F_θ(T x) − η_x‖² with η optimal.

Derivation, per mode of a linear encoder w. A view is T x = x̄ + noise with E[x̄²] = λ_d, E[(T x)²] = λ_s. For a given
encoder v the optimal target is the mean feature, η_x = E_T[F_v(T x)] = v x̄, and

    ½E(w T x − v x̄)² = ½(λ_s w² − 2λ_d w v + λ_d v²).

* Exactly alternated, w ← (λ_d/λ_s) v and v ← w: every round multiplies the mode by r = λ_d/λ_s ≤ 1.
* k gradient steps of size h between two updates of η: w ← w·[r + (1 − r)(1 − hλ_s)^k]. k = 1 is Euler's method for
  the flow, k → ∞ the exact alternation.
* The flow keeps v = w at every instant: w' = −(λ_s − λ_d) w, w(t) = w₀ e^{−(λ_s − λ_d)t}. Without noise nothing
  moves; with noise every mode collapses, in the order of its noise, and stop-gradient changes nothing: at the optimal
  η the derivative through η vanishes (envelope theorem), so `full` equals `stop` and `target` stands still.

Alternation alone therefore does not explain why SimSiam survives; its predictor has to come in.
"""

from __future__ import annotations

from dynsim.symbolic.branches import gradient_flow
from dynsim.symbolic.flow import Flow
from dynsim.systems.catalogue import System
from dynsim.systems.one_mode import mean_view_loss
from dynsim.systems.one_mode import DEFAULTS, RANGES, noise_decay


def build(branch: str, variant: str | None) -> Flow:
    """Flow of one mode w; the stop-gradient holds η_x = sg(w)·x̄."""
    flow = gradient_flow(mean_view_loss("w", "sg(w)"), "w", branch=branch, decay={"w": "eta_s"})
    return flow.describe(
        defaults=dict(DEFAULTS),
        ranges=dict(RANGES),
        view={"w": (-1.5, 1.5)},
        observables={"loss": "(lambda_s - lambda_d)*w^2/2"},
        exact=noise_decay(branch),
    )


SYSTEMS = (
    System(
        "alternating",
        "alternatives",
        "SimSiam read as alternating optimisation of encoder and targets η, no predictor: every noisy mode decays",
        "Chen & He, arXiv:2011.10566 (2021), section 5; Su Jianlin, kexue.fm/archives/7980 (2020)",
        build,
    ),
)
