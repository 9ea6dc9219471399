"""Aligned modes of the matrix flow: k copies of the scalar system, each with its own signal and noise.

If predictor and encoder share their singular vectors with the data, P = U diag(p) Uᵀ and W = U diag(w) Qᵀ with
Q the eigenvectors of Σ_d, they keep them, and every mode obeys

    p' = αw(λ_d v − λ_s pw) − η_p p,   w' = p(λ_d v − λ_s pw) − η_s w,   v' = β(w − v).

With weight decay a mode is learned only if η_s ≤ λ_d²/(4λ_s): the decay chooses the features.
"""

from __future__ import annotations

from dynsim.symbolic.branches import gradient_flow
from dynsim.symbolic.flow import Flow
from dynsim.systems.catalogue import System
from dynsim.systems.one_mode import two_view_loss
from dynsim.systems.one_mode import Mode, exact_modes
from dynsim.systems.building import count, numbered, only_stop

NOISE = 0.1


def build(branch: str, variant: str | None, k: int = 3) -> Flow:
    """Flow of k modes, variance halving from mode to mode, white noise of variance 0.1."""
    modes = range(1, count("k", k) + 1)
    student = variant == "simsiam"
    if not student:
        only_stop(branch, variant, "a teacher is never differentiated")
    predictors, encoders, teachers = (numbered(letter, k) for letter in "pwv")
    losses = (two_view_loss(f"p{i}*w{i}", f"sg(w{i})" if student else f"sg(v{i})", str(i)) for i in modes)
    flow = gradient_flow(
        " + ".join(losses),
        predictors + encoders + (() if student else teachers),
        branch=branch,
        rates=dict.fromkeys(predictors, "alpha"),
        decay={**dict.fromkeys(predictors, "eta_p"), **dict.fromkeys(encoders, "eta_s")},
        track=None if student else {f"v{i}": (f"w{i}", "beta") for i in modes},
    )
    signal = {f"lambda_d{i}": 0.5 ** (i - 1) for i in modes}
    view = {f"lambda_s{i}": 0.5 ** (i - 1) + NOISE for i in modes}
    shared = {"alpha": 1.0, "eta_p": 0.0, "eta_s": 0.0}
    defaults = {**dict.fromkeys(predictors, 0.6), **dict.fromkeys(encoders, 0.1), **shared, **signal, **view}
    ranges = {
        **dict.fromkeys(flow.states, (-1.5, 1.5)),
        "alpha": (0.1, 100.0),
        "eta_p": (0.0, 0.5),
        "eta_s": (0.0, 0.5),
        **dict.fromkeys([*signal, *view], (0.01, 2.0)),
    }
    if not student:
        defaults |= {**dict.fromkeys(teachers, 0.1), "beta": 1.0}
        ranges |= {"beta": (0.0, 10.0)}
    aligned = [Mode(f"p{i}", f"w{i}", f"lambda_d{i}", f"lambda_s{i}", f"mode {i}, ") for i in modes]
    return flow.describe(
        defaults=defaults,
        ranges=ranges,
        view=dict.fromkeys(flow.states, (-1.5, 1.5)),
        observables={"learned_variance": " + ".join(f"w{i}^2" for i in modes)},
        exact=exact_modes(branch, aligned, defaults) if student else None,
    )


SYSTEMS = (
    System(
        "modes",
        "linear networks",
        "k aligned modes of a linear encoder and predictor, each with its own signal λ_d and view variance λ_s",
        "Tian, Chen & Ganguli, arXiv:2102.06810 (2021); Tian et al., arXiv:2010.00578 (2020)",
        build,
        variants=("simsiam", "byol"),
        structure=("k",),
    ),
)
