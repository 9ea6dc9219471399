"""A predictor that learns faster and faster: orbits, critical manifold, reduced flow, and where the picture breaks."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from dynsim.analysis.algebra.equilibria import equilibria
from dynsim.analysis.numerics.singular_limit import singular_limit
from dynsim.analysis.numerics.slow_manifold import nullcline
from dynsim.analysis.numerics.timescales import timescales
from dynsim.integrate.ensemble import ensemble
from dynsim.integrate.solve import solve
from dynsim.records import stamp
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.printing import text
from dynsim.systems.catalogue import system

COST = 8.0
ALPHAS = (1.0, 10.0, 100.0)
STARTS = tuple((phi, theta) for theta in (1.2, 0.7, 0.35, 0.12) for phi in (-1.2, -0.3, 0.4, 1.6))
FOLLOWED = 3  # the start (1.6, 1.2), whose distance to the slow manifold is shown over time
_TIMES = np.concatenate([[0.0], np.geomspace(1e-4, 300.0, 400)])


def run(progress: Any = None, *, alphas: Any = ALPHAS, sigma2: float = 0.1, eta: float = 0.05) -> xr.Dataset:
    """Orbits over ``(alpha, start, time)``, where φ moves faster than θ, the nullcline of φ, the equilibria."""
    flow = system("scalar").fix(sigma2=sigma2, eta_p="eta", eta_s="eta")
    parts = []
    for index, alpha in enumerate(alphas):
        parts.append(_at(flow, {"alpha": float(alpha), "eta": eta}))
        if progress:
            progress(index + 1, len(alphas), f"α = {alpha:g}")
    data = xr.concat(parts, xr.DataArray(np.asarray(alphas, float), dims="alpha", name="alpha"))
    # The decay of the predictor is not multiplied by α, so in the limit it leaves the layer flow.
    limit = singular_limit(flow, "alpha", "large", parameters={"eta": eta}).manifolds[0]
    data["critical_phi"] = float(limit.graph["phi"])
    told = {
        "critical": text(limit.graph["phi"]),
        "reduced": text(limit.reduced["theta"]),
        "normal": text(limit.normal[0]),
    }
    return stamp(data, flow=flow.about(), parameters={"sigma2": sigma2, "eta": eta}, **told)


def _at(flow: Flow, values: dict[str, float]) -> xr.Dataset:
    field = flow.field(values)
    initial = {name: xr.DataArray([s[i] for s in STARTS], dims="start") for i, name in enumerate(flow.states)}
    runs = ensemble(flow, initial, times=_TIMES, parameters=values)
    states = np.array([runs[name].transpose("start", "time") for name in flow.states])
    velocity = abs(field.f(0.0, states))
    followed = dict(zip(flow.states, STARTS[FOLLOWED], strict=True))
    run = solve(flow, followed, times=_TIMES, parameters=values, method="Radau", rtol=1e-9)
    height = np.linspace(0.0, 1.5, 301)
    rest = nullcline(field, np.vstack([np.full_like(height, 0.5), height]), [0])[0]
    points = [item for item in equilibria(flow, values) if float(item.point["theta"]) >= 0]
    return xr.Dataset(
        {
            "phi": (("start", "time"), states[0]),
            "theta": (("start", "time"), states[1]),
            "predictor_faster": (("start", "time"), (velocity[0] > velocity[1]).astype(np.int8)),
            "distance": ("time", timescales(flow, run)["slow_manifold_distance"].values),
            "nullcline_phi": ("height", rest),
            "point_phi": ("point", [float(item.point["phi"]) for item in points]),
            "point_theta": ("point", [float(item.point["theta"]) for item in points]),
            "point_stable": ("point", np.array([item.kind.startswith("stable") for item in points], dtype=np.int8)),
        },
        coords={"time": _TIMES, "height": height},
    )


def verdict(data: xr.Dataset) -> str:
    """Say how the distance to the slow manifold shrinks with α, and where the survivors end."""
    at_two = data["distance"].interp(time=2.0)
    first, last = float(at_two[1]), float(at_two[-1])
    power = np.log(first / last) / np.log(float(data["alpha"][-1] / data["alpha"][1]))
    ends = data["point_theta"].where(data["point_stable"] == 1).max("point")
    return (
        f"critical manifold φ = {data.attrs['critical']}, reduced flow θ' = {data.attrs['reduced']}, normal "
        f"eigenvalue {data.attrs['normal']}: not normally hyperbolic at θ = 0. At t = 2 the distance to the nullcline "
        f"of φ falls like α^{-power:.2f}; survivors end at θ = {float(ends[0]):.3g} for α = "
        f"{float(data['alpha'][0]):g} and at {float(ends[-1]):.3g} for α = {float(data['alpha'][-1]):g}"
    )
