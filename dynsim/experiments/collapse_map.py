"""Which weight decays and teacher rates collapse: η × β with a warm and a cold teacher, and η_p × η_s."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from dynsim.integrate.ensemble import ensemble
from dynsim.records import stamp
from dynsim.systems.catalogue import system

COST = 10.0
SMALL = {"count": 15}  # what tests run


def run(
    progress: Any = None, *, count: int = 81, sigma2: float = 0.1, alpha: float = 1.0, t_end: float = 4000.0
) -> xr.Dataset:
    """Size of the encoder at `t_end`; `warm`, `cold` over ``(eta, beta)`` and `split` over ``(eta_p, eta_s)``."""
    eta, beta = np.linspace(0.0025, 0.3, count), np.geomspace(0.03, 10, count)
    byol = system("byol").fix(eta_p="eta", eta_s="eta")
    grid = {"eta": eta, "beta": beta, "sigma2": sigma2, "alpha": alpha}
    start = {"phi": 0.8, "theta": 0.8}
    data = xr.Dataset(coords={"eta": eta, "beta": beta})
    for index, (name, teacher) in enumerate((("warm", 0.8), ("cold", 0.0))):
        end = ensemble(byol, {**start, "xi": teacher}, t_end, parameters=grid, rtol=1e-7, atol=1e-9)
        data[name] = (("eta", "beta"), abs(end["theta"]).transpose("eta", "beta").values)
        if progress:
            progress(index + 1, 3, f"{name} teacher")
    split = {"eta_p": eta, "eta_s": eta, "sigma2": sigma2, "alpha": alpha}
    end = ensemble(system("scalar"), start, t_end, parameters=split, rtol=1e-7, atol=1e-9)
    data["split"] = (("eta_p", "eta_s"), abs(end["theta"]).transpose("eta_p", "eta_s").values)
    data = data.assign_coords(eta_p=eta, eta_s=eta)
    data["threshold"] = 1 / (4 * (1 + sigma2))
    about = {"name": "byol, scalar", "reference": byol.reference, "states": list(byol.states), "roles": byol.roles}
    return stamp(data, flow=about, parameters={"sigma2": sigma2, "alpha": alpha}, initial=start, t_end=t_end)


def verdict(data: xr.Dataset) -> str:
    """Compare what survives with the exact threshold."""
    limit = float(data["threshold"])
    warm, cold = (data[name] > 1e-3 for name in ("warm", "cold"))
    above = bool(warm.where(data["eta"] > 1.05 * limit, False).any())
    lost = (warm & ~cold).sum() / warm.sum()
    split = data["split"] > 1e-3
    beyond = bool(split.where(data["eta_s"] > 1.02 * limit, False).any())
    return (
        f"above η_c = {limit:.4g} {'something survives' if above else 'nothing survives'}; below it a cold teacher "
        f"collapses {float(lost):.0%} of what a warm one saves; with separate decays "
        f"{'the threshold in η_s is broken' if beyond else 'nothing survives above η_s = η_c, whatever η_p'}"
    )
