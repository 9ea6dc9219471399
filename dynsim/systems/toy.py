"""The scalar toy of Su Jianlin's article: encoder θ, predictor φ, loss ½(φθ − sg(θ))²."""

from __future__ import annotations

from dynsim.symbolic.branches import gradient_flow
from dynsim.symbolic.exact import Exact
from dynsim.symbolic.flow import Flow
from dynsim.systems.catalogue import System
from dynsim.systems.toy import toy_limit
from dynsim.systems.toy_solution import SOLUTIONS

LOSS = "(phi*theta - sg(theta))^2/2"
REFERENCE = "Su Jianlin, kexue.fm/archives/7980 (2020)"


def build(branch: str, variant: str | None) -> Flow:
    """Flow of the toy: φ' = α(1−φ)θ² in every branch, θ' by branch."""
    flow = gradient_flow(LOSS, ("phi", "theta"), branch=branch, rates={"phi": "alpha"})
    return flow.describe(
        defaults={"phi": 0.6, "theta": 0.1, "alpha": 1.0},
        ranges={"phi": (-1.5, 1.5), "theta": (-1.5, 1.5), "alpha": (0.1, 100.0)},
        view={"phi": (-1.5, 1.75), "theta": (-1.5, 1.5)},
        observables={"loss": "(phi*theta - theta)^2/2", "predictor_gap": "abs(1 - phi)"},
        exact=Exact(limit=toy_limit(branch), solution=SOLUTIONS[branch], defaults={"alpha": 1.0}),
    )


SYSTEMS = (
    System(
        "toy",
        "scalar",
        "encoder θ and predictor φ on one noiseless sample: the article's own system",
        REFERENCE,
        build,
    ),
)
