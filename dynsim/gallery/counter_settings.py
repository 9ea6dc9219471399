"""The settings of the counter-examples: what is changed in the network, and the toy's run that stands for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from dynsim.analysis.numerics.outcome import Outcome, outcome
from dynsim.gallery.linear_networks import NOISE, image_moments
from dynsim.integrate.ensemble import ensemble
from dynsim.integrate.solve import solve
from dynsim.symbolic.flow import Flow, gradient_flow
from dynsim.systems.catalogue import system
from dynsim.systems.matrix_flow import matrix_flow

if TYPE_CHECKING:
    from dynsim.networks import Experiment

__all__ = ["HIDDEN", "LINEAR", "CounterSetting", "by_matrix_flow", "by_modes", "toy_outcome"]


@dataclass(frozen=True)
class CounterSetting:
    """One row of the table.

    Parameters
    ----------
    network : mapping
        Changes to the experiment.
    toy : mapping
        Changes to the toy's start φ = 0.6, θ = 0.1 and to its parameters; `eta` is η_p = η_s.
    kind : str
        Which toy: ``scalar``, ``frozen`` (a teacher that stays at 0.1), ``scale-free`` (the predictor sees θ/|θ|).
    longer : float
        Factor on the steps.
    usual : bool
        Whether it is a row that the others are compared with.
    """

    network: Mapping[str, Any] = field(default_factory=dict)
    toy: Mapping[str, float] = field(default_factory=dict)
    kind: str = "scalar"
    longer: float = 1.0
    usual: bool = False


_IDENTITY = {"predictor_init": "identity"}


_MINUS = {**_IDENTITY, "predictor_scale": -1.0}


_TINY = {"init_scale": 0.01, "predictor_scale": 0.01}


_FROZEN = {"teacher": 1.0, "teacher_init": "random"}


_OUT = {"norm": "batch-out", "predictor": "linear"}


_SQUARED = {"objective": "squared", "lr": 0.02}


LINEAR: dict[str, CounterSetting] = {
    "as usual": CounterSetting(usual=True),
    "predictor starts at +1": CounterSetting(_IDENTITY, {"phi": 1.0}),
    "predictor starts at −1": CounterSetting(_MINUS, {"phi": -1.0}),
    "decay 0.2": CounterSetting({"eta_p": 0.2, "eta_s": 0.2}, {"eta": 0.2}),
    "decay 0.03": CounterSetting({"eta_p": 0.03, "eta_s": 0.03}, {"eta": 0.03}),
    "decay 0.03, tiny start": CounterSetting(
        {"eta_p": 0.03, "eta_s": 0.03, **_TINY}, {"eta": 0.03, "phi": 0.006, "theta": 0.001}
    ),
    "tiny encoder": CounterSetting({"init_scale": 0.01}, {"theta": 0.001}),
    "frozen random teacher": CounterSetting(_FROZEN, kind="frozen"),
}


HIDDEN: dict[str, CounterSetting] = {
    "as usual": CounterSetting(usual=True),
    "linear predictor, BN at output": CounterSetting(_OUT, usual=True),
    "  … starts at +1": CounterSetting({**_OUT, **_IDENTITY}, {"phi": 1.0}),
    "  … starts at −1": CounterSetting({**_OUT, **_MINUS}, {"phi": -1.0}),
    "MLP predictor starts at −1": CounterSetting(_MINUS, {"phi": -1.0}),
    "no BN": CounterSetting({"norm": "none", "predictor_norm": "none"}),
    "no BN in the predictor": CounterSetting({"predictor_norm": "none"}),
    "decay 0.03": CounterSetting({"eta_p": 0.03, "eta_s": 0.03}, {"eta": 0.03}),
    "squared error": CounterSetting(_SQUARED, kind="scale-free"),
    "  … half the step size": CounterSetting({**_SQUARED, "lr": 0.01}, kind="scale-free", longer=2.0),
    "tiny start": CounterSetting(_TINY, {"phi": 0.006, "theta": 0.001}),
    "frozen random teacher": CounterSetting(_FROZEN, kind="frozen"),
}


@cache
def _scale_free() -> Flow:
    return gradient_flow("(phi*theta/sqrt(theta^2) - sg(theta))^2/2", ["phi", "theta"])


def toy_outcome(setting: CounterSetting) -> Outcome:
    """Where the toy goes: the strongest mode of the digits, its λ_d taken as the unit of flow time and decay."""
    start = {"phi": 0.6, "theta": 0.1} | {k: v for k, v in setting.toy.items() if k in ("phi", "theta")}
    strongest = float(_largest_eigenvalue())
    eta = setting.toy.get("eta", 0.0) / strongest
    parameters = {"alpha": 1.0, "sigma2": NOISE**2 / strongest, "eta_p": eta, "eta_s": eta}
    if setting.kind == "scale-free":
        return outcome(_scale_free(), start)
    if setting.kind == "frozen":
        return outcome(system("byol"), {**start, "xi": 0.1}, {**parameters, "beta": 0.0})
    return outcome(system("scalar"), start, parameters)


@cache
def _largest_eigenvalue() -> float:
    import numpy as np

    return float(np.linalg.eigvalsh(image_moments()[0])[-1])


def by_matrix_flow(experiment: Experiment, start: dict[str, np.ndarray], time: float) -> np.ndarray:
    """W at flow time `time` by the matrix equations, all directions together.

    Parameters
    ----------
    experiment : Experiment
        A linear network on the digits with noise alone, as `linear_experiment` makes it.
    start : dict
        ``{"P": …, "W": …, "V": …}``, the last with a teacher only.
    time : float
    """
    from dynsim.networks.schedules import teacher_rate

    e = experiment
    alpha, eta_p, eta_s = (float(rate) for rate in (e.alpha, e.eta_p, e.eta_s))
    field = matrix_flow(
        *image_moments(e.data), e.dim, branch=e.branch, alpha=alpha, beta=teacher_rate(e), eta_p=eta_p, eta_s=eta_s
    )
    run = solve(field, start, times=[0.0, time], rtol=1e-6, atol=1e-9)
    return run["W"].isel(time=-1).values


def by_modes(experiment: Experiment, start: dict[str, np.ndarray], time: float) -> np.ndarray:
    """W at flow time `time` if every principal direction of the data followed its scalar equation alone.

    The direction q_j of the data is encoded as Wq_j = w_j u_j; what the predictor and the teacher do with u_j stands
    for p_j and v_j. Exact for aligned weights, the toy taken at its word for all others.
    """
    from dynsim.networks.schedules import teacher_rate

    e = experiment
    signal, view = image_moments(e.data)
    q = np.linalg.eigh(signal)[1]
    encoded = start["W"] @ q
    w = np.linalg.norm(encoded, axis=0)
    u = encoded / np.where(w > 0, w, 1.0)  # a direction that is not encoded stays so
    lambda_d, lambda_s = (np.einsum("ij,ik,kj->j", q, moment, q) for moment in (signal, view))
    initial = {"p1": np.einsum("aj,ab,bj->j", u, start["P"], u), "w1": w}
    rates = {
        "lambda_d1": lambda_d.clip(0),
        "lambda_s1": lambda_s,
        "alpha": e.alpha,
        "eta_p": e.eta_p,
        "eta_s": e.eta_s,
    }
    beta = teacher_rate(e)
    if beta is not None:
        initial["v1"] = np.einsum("aj,aj->j", u, start["V"] @ q)
        rates["beta"] = beta
    flow = system("modes", branch=e.branch, variant="simsiam" if beta is None else "byol", k=1)

    def together(values: dict[str, np.ndarray]) -> dict[str, xr.DataArray]:
        return {name: xr.DataArray(value, dims="mode" if np.ndim(value) else ()) for name, value in values.items()}

    end = ensemble(flow, together(initial), time, parameters=together(rates), rtol=1e-8, atol=1e-10)
    return (u * end["w1"].values) @ q.T
