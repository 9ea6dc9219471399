"""The general scalar system: predictor φ, encoder θ, teacher ξ, augmentation noise and weight decay.

Two views x + n₁ and x + n₂ of one sample with E[x²] = 1 and independent noise of variance σ²; the loss is
the expectation of ½(φθ(x+n₁) − sg(target)(x+n₂))².
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from dynsim.choices import Branch
from dynsim.symbolic.exact import Exact
from dynsim.symbolic.flow import Flow, gradient_flow
from dynsim.systems.catalogue import System
from dynsim.systems.one_mode import mode_at
from dynsim.systems.scalar_limits import byol_limit, byol_limit_may_know, scalar_limit, scalar_limit_may_know
from dynsim.systems.toy import collapse_boundary

REFERENCE = "Tian, Chen & Ganguli, arXiv:2102.06810 (2021); Su Jianlin, kexue.fm/archives/7980 (2020)"

DEFAULTS = {"phi": 0.6, "theta": 0.1, "alpha": 1.0, "sigma2": 0.1, "eta_p": 0.0, "eta_s": 0.0}
RANGES = {
    "phi": (-1.5, 1.5),
    "theta": (-1.5, 1.5),
    "alpha": (0.1, 100.0),
    "sigma2": (0.0, 1.0),
    "eta_p": (0.0, 0.5),
    "eta_s": (0.0, 0.5),
}
VIEW = {"phi": (-1.5, 1.75), "theta": (-1.5, 1.5)}


def _loss(target: str) -> str:
    return f"((1 + sigma2)*phi^2*theta^2 - 2*phi*theta*sg({target}) + (1 + sigma2)*sg({target})^2)/2"


def _released(target: str) -> str:
    return _loss(target).replace("sg(", "(")


def build_scalar(branch: Branch, variant: str | None) -> Flow:
    """Flow with the encoder as its own target: SimSiam."""
    flow = gradient_flow(
        _loss("theta"),
        ("phi", "theta"),
        branch=branch,
        rates={"phi": "alpha"},
        decay={"phi": "eta_p", "theta": "eta_s"},
    )
    line = "1/(1 + sigma2)"
    return flow.describe(
        defaults=dict(DEFAULTS),
        ranges=dict(RANGES),
        view=dict(VIEW),
        observables={"loss": _released("theta"), "predictor_gap": f"abs({line} - phi)"},
        exact=Exact(
            limit=scalar_limit(branch),
            solution=partial(_solution, branch),
            may_know=scalar_limit_may_know(branch),
            boundary=partial(_boundary, branch),
            defaults=dict(DEFAULTS),
        ),
    )


def _solution(branch: Branch, t: Any, initial: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Without decay the toy in other units, see `mode_at`."""
    phi, theta = mode_at(branch, t, (initial["phi"], initial["theta"]), parameters, "sigma2")
    return {"phi": phi, "theta": theta}


def build_byol(branch: Branch, variant: str | None) -> Flow:
    """Flow with a teacher ξ that follows the encoder at rate β: BYOL."""
    flow = gradient_flow(
        _loss("xi"),
        ("phi", "theta", "xi"),
        branch=branch,
        rates={"phi": "alpha"},
        decay={"phi": "eta_p", "theta": "eta_s"},
        track={"xi": ("theta", "beta")},
    )
    return flow.describe(
        defaults={**DEFAULTS, "xi": 0.1, "beta": 1.0},
        ranges={**RANGES, "xi": (-1.5, 1.5), "beta": (0.0, 10.0)},
        view={**VIEW, "xi": (-1.5, 1.5)},
        observables={
            "loss": _released("xi"),
            "predictor_gap": "abs(1/(1 + sigma2) - phi)",
            "teacher_lag": "abs(theta - xi)",
        },
        exact=Exact(limit=byol_limit, may_know=byol_limit_may_know, defaults={**DEFAULTS, "beta": 1.0}),
    )


def _boundary(branch: Branch, parameters: Mapping[str, Any]) -> Any:
    """Without decay that of the toy; with it the boundary is a saddle's manifold, of which no closed form is known."""
    return None if parameters["eta_p"] or parameters["eta_s"] else collapse_boundary(branch, parameters)


SCALAR = System(
    "scalar",
    "scalar",
    "the toy with augmentation noise σ² and weight decay η_p, η_s",
    REFERENCE,
    build_scalar,
)

BYOL = System(
    "byol",
    "scalar",
    "the scalar system with a teacher ξ that follows the encoder at rate β",
    "Grill et al., arXiv:2006.07733 (2020); Tian, Chen & Ganguli, arXiv:2102.06810 (2021)",
    build_byol,
    branches=("stop",),
)
