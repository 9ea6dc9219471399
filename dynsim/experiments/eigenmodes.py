"""Which features are learned, and in which order: one mode per eigenvalue, noise and weight decay decide."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from dynsim.integrate.ensemble import ensemble
from dynsim.integrate.solve import solve
from dynsim.records import stamp
from dynsim.systems.catalogue import system as find_system

COST = 4.0
SIGNALS = (2.0, 1.0, 0.5, 0.25, 0.12)
LEARNED = 1e-3


def run(
    progress: Any = None,
    *,
    signals: Any = SIGNALS,
    noise: float = 0.1,
    eta: float = 0.04,
    start: float = 0.2,
    t_end: float = 1000.0,
) -> xr.Dataset:
    """Run k modes together from p = w = `start`, and one mode over a fine range of λ_d and several decays."""
    signals = np.asarray(signals, dtype=float)
    numbers = range(1, len(signals) + 1)
    flow = find_system("modes", k=len(signals)).fix(eta_p="eta", eta_s="eta")
    spectrum = {f"lambda_d{i}": signals[i - 1] for i in numbers} | {
        f"lambda_s{i}": signals[i - 1] + noise for i in numbers
    }
    values = {"alpha": 1.0, "eta": eta, **spectrum}
    times = np.concatenate([[0.0], np.geomspace(0.1, t_end, 300)])
    together = solve(flow, dict.fromkeys(flow.states, start), times=times, parameters=values, method="LSODA")
    data = xr.Dataset(
        {letter: (("mode", "time"), np.stack([together[f"{letter}{i}"] for i in numbers])) for letter in ("p", "w")},
        coords={"time": times, "mode": list(numbers), "lambda_d": ("mode", signals)},
    )
    if progress:
        progress(1, 2, "the modes together")

    one = find_system("modes", k=1).fix(eta_p="eta", eta_s="eta")
    fine = np.geomspace(0.5 * signals.min(), 1.25 * signals.max(), 121)
    axis = xr.DataArray(fine, dims="lambda_fine", coords={"lambda_fine": fine})
    decays = np.array([0.0, eta / 2, eta, 2 * eta])
    ends = ensemble(
        one,
        {"p1": start, "w1": start},
        1e4,
        parameters={"alpha": 1.0, "eta": decays, "lambda_d1": axis, "lambda_s1": axis + noise},
    )
    data["w_end"] = ends["w1"].drop_vars("time")
    data["eta_threshold"] = axis**2 / (4 * (axis + noise))
    if progress:
        progress(2, 2, "one mode over λ_d and η")
    told = {"alpha": 1.0, "eta": eta}
    about = {**flow.about(), "rhs": None, "loss": None}
    return stamp(data.drop_attrs(), flow=about, parameters=told, initial={"p": start, "w": start}, noise=noise)


def verdict(data: xr.Dataset) -> str:
    """Say which modes are learned, in which order, and which the decay removes."""
    end = abs(data["w"].isel(time=-1))
    learned = end > LEARNED
    half = (abs(data["w"]) >= 0.5 * end).argmax("time")
    times = data["time"].isel(time=half).where(learned)
    order = [
        f"{float(data['lambda_d'].sel(mode=m)):g}" for m in times.sortby(times)["mode"].values if learned.sel(mode=m)
    ]
    lost = [f"{float(value):g}" for value, kept in zip(data["lambda_d"], learned, strict=True) if not kept]
    tail = f"; λ_d = {', '.join(lost)} decays away" if lost else "; none decays away"
    return f"the modes are learned in the order λ_d = {', '.join(order) or 'none'}, the strongest signal first{tail}"
