"""The article's last objective, E‖F(T x) − F(x̄)‖² with x̄ = E_T[T x], per mode of a linear encoder.

Without predictor the target F(x̄) = w x̄ differs from the feature by the noise only: w' = −(λ_s − λ_d)w with or
without stop-gradient. It collapses wherever there is noise. With predictor, E‖h(F(T x)) − F(x̄)‖²,

    p' = αw(λ_d w − λ_s pw) − η_p p,   w' = p(λ_d w − λ_s pw) − η_s w   [second branch: + λ_d(pw − w)],

`stop` is the same flow as SimSiam's, two noisy views and all: a target that is never differentiated needs no noise.
The others collapse wherever there is noise: `full` because −λ_s p² + 2λ_d p − λ_d < 0 for every p, `target` because
p ends below 1.
"""

from __future__ import annotations

from dynsim.symbolic.branches import gradient_flow
from dynsim.symbolic.flow import Flow
from dynsim.systems.catalogue import System
from dynsim.systems.one_mode import mean_view_loss
from dynsim.systems.one_mode import Mode, exact_modes
from dynsim.systems.one_mode import DEFAULTS, RANGES, noise_decay


def build(branch: str, variant: str | None) -> Flow:
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


SYSTEMS = (
    System(
        "xbar",
        "alternatives",
        "the article's last objective E‖F(T x) − F(x̄)‖², without predictor or with one",
        "Su Jianlin, kexue.fm/archives/7980 (2020), last section",
        build,
        variants=("no-predictor", "predictor"),
    ),
)
