"""What theory says of a linear network's encoder at a later time, from the weights it starts with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from dynsim.experiments.parts.linear_digits import digit_moments
from dynsim.integrate.ensemble import ensemble
from dynsim.integrate.solve import solve
from dynsim.systems.catalogue import system
from dynsim.systems.matrix_flow import matrix_flow

if TYPE_CHECKING:
    from dynsim.networks import Experiment

__all__ = ["by_matrix_flow", "by_modes"]


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
    field = matrix_flow(
        *digit_moments(), e.dim, branch=e.branch, alpha=e.alpha, beta=teacher_rate(e), eta_p=e.eta_p, eta_s=e.eta_s
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
    signal, view = digit_moments()
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
