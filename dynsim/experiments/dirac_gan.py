"""The Dirac-GAN in all its variants: flow, simultaneous and alternating steps, exact eigenvalues at the solution."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy
import xarray as xr

from dynsim.integrate.optimise import optimise
from dynsim.integrate.solve import solve
from dynsim.records import stamp
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.printing import unicode_text
from dynsim.systems.catalogue import entry_of
from dynsim.systems.catalogue import system as find_system

COST = 10.0
SMALL = {"t_end": 8.0}  # what tests run
SETTINGS: dict[str, dict[str, float]] = {
    "r1": {"gamma": 0.5},
    "instance-noise": {"sigma2": 1.0},
    "wgan-gp": {"gamma": 0.5, "g0": 1.0},
    "wgan-clip": {"c": 1.0},
    "consensus": {"gamma": 1.0},
}
REGULARISED = {"r1": "gamma", "instance-noise": "sigma2", "consensus": "gamma"}


def run(
    progress: Any = None,
    *,
    initial: Mapping[str, float] | None = None,
    lr: float = 0.2,
    t_end: float = 40.0,
) -> xr.Dataset:
    """Run every variant as a flow and with both kinds of steps; eigenvalues over the strength of the cure."""
    start = {"theta": 1.0, "psi": 1.0, **(initial or {})}
    variants = entry_of("dirac-gan").variants
    times = np.linspace(0.0, t_end, 801)
    steps = round(t_end / lr)
    parts, eigenvalues = [], []
    for index, variant in enumerate(variants):
        flow = find_system("dirac-gan", variant=variant)
        values = SETTINGS.get(variant, {})
        smooth = variant not in ("wgan-clip", "wgan-gp")
        orbit = solve(flow, start, times=times, parameters=values, rtol=1e-10 if smooth else 1e-7, atol=1e-9)
        part = orbit[["theta", "psi"]]
        for kind in ("simultaneous", "alternating"):
            stepped = optimise(flow, start, steps, lr=lr, parameters=values, optimiser=kind, **_order(kind))
            for name in ("theta", "psi"):
                part[f"{kind}_{name}"] = ("step", stepped[name].values)
        parts.append(part.drop_attrs())
        eigenvalues.append(_at_solution(flow) if smooth else "not smooth at (0, 0)")
        if progress:
            progress(index + 1, len(variants), variant)
    data = xr.concat(parts, xr.DataArray(list(variants), dims="variant", name="variant"))
    data["eigenvalues"] = ("variant", eigenvalues)

    strength = np.linspace(0.0, 4.0, 161)
    for variant, name in REGULARISED.items():
        flow = find_system("dirac-gan", variant=variant)
        jacobian = [flow.field({name: value}).jacobian(0.0, np.zeros(2)) for value in strength]
        found = np.sort_complex(np.linalg.eigvals(np.array(jacobian)))
        data[f"real_{variant.replace('-', '_')}"] = (("strength", "mode"), found.real)
        data[f"imaginary_{variant.replace('-', '_')}"] = (("strength", "mode"), found.imag)
    data = data.assign_coords(strength=strength, step=np.arange(steps + 1))
    about = {key: value for key, value in find_system("dirac-gan").about().items() if key in ("name", "reference")}
    told = {"gamma": 0.5, "sigma2": 1.0, "g0": 1.0, "c": 1.0}
    return stamp(
        data, flow=about, parameters=told, initial=start, lr=lr, consensus_gamma=SETTINGS["consensus"]["gamma"]
    )


def _order(kind: str) -> dict[str, Any]:
    return {"order": ("theta", "psi")} if kind == "alternating" else {}


def _at_solution(flow: Flow) -> str:
    """Exact eigenvalues at (0, 0), as text."""
    found = flow.jacobian.subs({flow.symbols["theta"]: 0, flow.symbols["psi"]: 0}).eigenvals(multiple=True)
    mean = sympy.simplify(sum(found) / 2)
    square = sympy.factor(sympy.simplify((found[0] - found[1]) ** 2 / 4))
    if square.is_number and square < 0:
        top, bottom = sympy.fraction(sympy.sqrt(-square))
        spread = ("i" if top == 1 else f"{top}i") + ("" if bottom == 1 else f"/{bottom}")
    else:
        spread = f"√({unicode_text(sympy.expand(square))})".replace("(σ²)²", "σ⁴")
    return f"±{spread}" if mean == 0 else f"{unicode_text(mean)} ± {spread}"


def _radius(data: xr.Dataset, prefix: str = "") -> Any:
    return np.hypot(data[f"{prefix}theta"], data[f"{prefix}psi"])


def verdict(data: xr.Dataset) -> str:
    """Say which variants converge as flows, and which of them diverge in simultaneous steps."""
    names = [str(name) for name in data["variant"].values]
    flow = (_radius(data).isel(time=-1) / _radius(data).isel(time=0)).values
    steps = (_radius(data, "simultaneous_").isel(step=-1) / _radius(data).isel(time=0)).values
    converge = [name for name, ratio in zip(names, flow, strict=True) if ratio < 0.5]
    circle = [name for name, ratio in zip(names, flow, strict=True) if ratio >= 0.5]
    grow = [name for name, ratio, base in zip(names, steps, flow, strict=True) if not ratio <= 1.05 * max(base, 0.05)]
    return (
        f"as flows {', '.join(converge)} approach the solution, {', '.join(circle)} do not; with simultaneous steps "
        f"of {data.attrs['lr']:g} these end farther out than their flow: {', '.join(grow) or 'none'}"
    )
