r"""What else the article names: alternating optimisation, and its last objective.

Alternating optimisation, as SimSiam reads itself: L(θ, η) = E‖F_θ(T x) − η_x‖² with η optimal.

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

The article's last objective, E‖F(T x) − F(x̄)‖² with x̄ = E_T[T x], per mode of a linear encoder.

Without predictor the target F(x̄) = w x̄ differs from the feature by the noise only: w' = −(λ_s − λ_d)w with or
without stop-gradient. It collapses wherever there is noise. With predictor, E‖h(F(T x)) − F(x̄)‖²,

    p' = αw(λ_d w − λ_s pw) − η_p p,   w' = p(λ_d w − λ_s pw) − η_s w   [second branch: + λ_d(pw − w)],

`stop` is the same flow as SimSiam's, two noisy views and all: a target that is never differentiated needs no noise.
The others collapse wherever there is noise: `full` because −λ_s p² + 2λ_d p − λ_d < 0 for every p, `target` because
p ends below 1.
"""

from __future__ import annotations

from dynsim.choices import Branch
from dynsim.symbolic.flow import Flow, gradient_flow
from dynsim.systems.catalogue import System
from dynsim.systems.one_mode import DEFAULTS, RANGES, Mode, exact_modes, mean_view_loss, noise_decay


def build_alternating(branch: Branch, variant: str | None) -> Flow:
    """Flow of one mode w; the stop-gradient holds η_x = sg(w)·x̄."""
    flow = gradient_flow(mean_view_loss("w", "sg(w)"), "w", branch=branch, decay={"w": "eta_s"})
    return flow.describe(
        defaults=dict(DEFAULTS),
        ranges=dict(RANGES),
        view={"w": (-1.5, 1.5)},
        observables={"loss": "(lambda_s - lambda_d)*w^2/2"},
        exact=noise_decay(branch),
    )


ALTERNATING = System(
    "alternating",
    "alternatives",
    "SimSiam read as alternating optimisation of encoder and targets η, no predictor: every noisy mode decays",
    "Chen & He, arXiv:2011.10566 (2021), section 5; Su Jianlin, kexue.fm/archives/7980 (2020)",
    build_alternating,
)


def build_xbar(branch: Branch, variant: str | None) -> Flow:
    """Flow of one mode, without predictor or with one."""
    if variant == "no-predictor":
        flow = gradient_flow(mean_view_loss("w", "sg(w)"), "w", branch=branch, decay={"w": "eta_s"})
        return flow.describe(
            defaults=dict(DEFAULTS),
            ranges=dict(RANGES),
            view={"w": (-1.5, 1.5)},
            observables={"loss": "(lambda_s - lambda_d)*w^2/2"},
            exact=noise_decay(branch),
        )
    flow = gradient_flow(
        mean_view_loss("p*w", "sg(w)"),
        "p, w",
        branch=branch,
        rates={"p": "alpha"},
        decay={"p": "eta_p", "w": "eta_s"},
    )
    defaults = {**DEFAULTS, "p": 0.6, "w": 0.1, "alpha": 1.0, "eta_p": 0.0}
    return flow.describe(
        defaults=defaults,
        ranges={**RANGES, "p": (-1.5, 1.5), "alpha": (0.1, 100.0), "eta_p": (0.0, 0.5)},
        view={"p": (-1.5, 1.75), "w": (-1.5, 1.5)},
        observables={
            "loss": mean_view_loss("p*w", "w"),
            "predictor_gap": "abs(lambda_d/lambda_s - p)",
        },
        exact=exact_modes(branch, [Mode("p", "w", "lambda_d", "lambda_s")], defaults),
    )


XBAR = System(
    "xbar",
    "alternatives",
    "the article's last objective E‖F(T x) − F(x̄)‖², without predictor or with one",
    "Su Jianlin, kexue.fm/archives/7980 (2020), last section",
    build_xbar,
    variants=("no-predictor", "predictor"),
)
