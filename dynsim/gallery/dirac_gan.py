"""The Dirac-GAN: which cures turn the circle into a spiral, and what discrete steps do to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy
import xarray as xr

from dynsim.drawing.canvas import panel_row
from dynsim.drawing.style import COLOURS
from dynsim.drawing.words import caption
from dynsim.gallery.figure import Figure, concluded
from dynsim.integrate.optimise import optimise
from dynsim.integrate.solve import solve
from dynsim.records import stamp
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.printing import unicode_text
from dynsim.systems.catalogue import entry_of
from dynsim.systems.catalogue import system as find_system
from dynsim.verdict import Verdict

SETTINGS: dict[str, dict[str, float]] = {
    "r1": {"gamma": 0.5},
    "instance-noise": {"sigma2": 1.0},
    "wgan-gp": {"gamma": 0.5, "g0": 1.0},
    "wgan-clip": {"c": 1.0},
    "consensus": {"gamma": 1.0},
}
REGULARISED = {"r1": "gamma", "instance-noise": "sigma2", "consensus": "gamma"}


def compute(
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


def verdict(data: xr.Dataset) -> Verdict:
    """Say which variants converge as flows, and which of them diverge in simultaneous steps."""
    names = [str(name) for name in data["variant"].values]
    flow = (_radius(data).isel(time=-1) / _radius(data).isel(time=0)).values
    steps = (_radius(data, "simultaneous_").isel(step=-1) / _radius(data).isel(time=0)).values
    converge = [name for name, ratio in zip(names, flow, strict=True) if ratio < 0.5]
    circle = [name for name, ratio in zip(names, flow, strict=True) if ratio >= 0.5]
    grow = [name for name, ratio, base in zip(names, steps, flow, strict=True) if not ratio <= 1.05 * max(base, 0.05)]
    last = float(data["time"][-1])
    detail = (
        f"as flows {', '.join(converge) or 'none'} come within half of their distance until t = {last:g}, "
        f"{', '.join(circle) or 'none'} do not; with simultaneous steps "
        f"of {data.attrs['lr']:g} these end farther out than their flow: {', '.join(grow) or 'none'}"
    )
    headline = (
        f"By t = {last:g} {len(converge)} of {len(names)} flows have halved their distance; steps of "
        f"{data.attrs['lr']:g} drive {len(grow)} out"
    )
    return concluded("measured", headline, detail)


REACH = 2.1
# One look per variant, the same in every panel.
LOOKS: dict[str, dict[str, Any]] = {
    "unregularised": {"color": COLOURS["black"], "linestyle": "-"},
    "r1": {"color": COLOURS["vermilion"], "linestyle": "--"},
    "instance-noise": {"color": COLOURS["blue"], "linestyle": "-."},
    "non-saturating": {"color": COLOURS["green"], "linestyle": ":"},
    "wgan": {"color": COLOURS["grey"], "linestyle": "-"},
    "wgan-clip": {"color": COLOURS["orange"], "linestyle": "--"},
    "wgan-gp": {"color": COLOURS["purple"], "linestyle": "-."},
    "consensus": {"color": COLOURS["sky"], "linestyle": "-"},
}
CURES = {"r1": "r1, over γ", "instance-noise": "instance noise, over σ²", "consensus": "consensus, over γ"}


def _below(panels: Any, data: xr.Dataset) -> None:
    """Distance of every flow from the solution; eigenvalues there over the strength of a regulariser."""
    distance, real, imaginary = panels
    for variant in data["variant"].values:
        one = data.sel(variant=variant)
        radius = np.hypot(one["theta"], one["psi"])
        distance.plot(one["time"], radius, linewidth=1.3, label=str(variant), **LOOKS[str(variant)])
    distance.set(yscale="log", ylim=(1e-4, 4), xlabel="flow time t", title="distance of the flow from (0, 0)")
    distance.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=2, handlelength=1.6, columnspacing=0.8)
    for variant, label in CURES.items():
        name = variant.replace("-", "_")
        for mode in range(data.sizes["mode"]):
            text = label if mode == 0 else None
            look = {"linewidth": 1.4, **LOOKS[variant]}
            real.plot(data["strength"], data[f"real_{name}"].isel(mode=mode), label=text, **look)
            imaginary.plot(data["strength"], data[f"imaginary_{name}"].isel(mode=mode), **look)
    real.set(xlabel="strength γ or σ²", title="real parts at (0, 0)")
    real.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22))
    imaginary.set(xlabel="strength γ or σ²", title="imaginary parts at (0, 0)")


def draw(data: xr.Dataset, figure: Any) -> None:
    """Distances over time, and eigenvalues over the strength of two regularisers."""
    _below(panel_row(figure, 3), data)
    caption(
        figure,
        data,
        "Mescheder's one-parameter GAN with generator θ and discriminator ψ; eigenvalues are exact, at "
        "the solution (0, 0); γ: R1, σ²: instance noise",
    )


def draw_full(data: xr.Dataset, figure: Any) -> None:
    """Orbits of every variant in the plane; below, distances over time and eigenvalues over the strength."""
    grid = figure.add_gridspec(3, 12)
    for index, variant in enumerate(data["variant"].values):
        row, column = divmod(index, 4)
        axes = figure.add_subplot(grid[row, 3 * column : 3 * column + 3])
        one = data.sel(variant=variant)
        axes.plot(one["theta"], one["psi"], color=COLOURS["blue"], linewidth=1.4, label="flow")
        _steps(axes, one, "simultaneous", COLOURS["vermilion"], "x")
        _steps(axes, one, "alternating", COLOURS["green"], ".")
        axes.plot(0, 0, "+", color=COLOURS["black"], markersize=9)
        axes.plot(one["theta"][0], one["psi"][0], "o", color=COLOURS["black"], markersize=4)
        axes.set(xlim=(-REACH, REACH), ylim=(-REACH, REACH), aspect="equal")
        axes.set_title(f"{variant}\n{one['eigenvalues'].item()}")
        axes.tick_params(labelsize=7)
        if row == 1:
            axes.set_xlabel("generator θ")
        if column == 0:
            axes.set_ylabel("discriminator ψ")
        if variant == "r1":
            axes.legend(fontsize=7, loc="lower left", handlelength=1.2)

    _below([figure.add_subplot(grid[2, 4 * i : 4 * i + 4]) for i in range(3)], data)
    caption(
        figure,
        data,
        f"Blue: flow, crosses: simultaneous, dots: alternating gradient steps of {data.attrs['lr']:g}; "
        "eigenvalues are exact, at (0, 0)",
    )


def _steps(axes: Any, one: xr.Dataset, kind: str, colour: str, marker: str) -> None:
    shown = slice(0, 120)
    x, y = one[f"{kind}_theta"][shown], one[f"{kind}_psi"][shown]
    axes.plot(x, y, marker, color=colour, markersize=3, markeredgewidth=0.7, alpha=0.7, label=kind, zorder=1)


FIGURE = Figure(
    name="dirac-gan",
    summary="The Dirac-GAN: gradient flow, steps and regularisers",
    compute=compute,
    verdict=verdict,
    draw=draw,
    draw_full=draw_full,
    cost=10.0,
    height=3.8,
    full_height=8.6,
    panels=3,
    small={"t_end": 8.0},
)
