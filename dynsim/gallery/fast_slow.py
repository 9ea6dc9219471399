"""Fast predictor, slow encoder: orbits fall onto the critical manifold, drift along it, and leave it near θ = 0."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from dynsim.analysis.algebra.equilibria import equilibria
from dynsim.analysis.numerics.singular_limit import singular_limit
from dynsim.analysis.numerics.slow_manifold import nullcline
from dynsim.analysis.numerics.timescales import timescales
from dynsim.drawing.animation import moves
from dynsim.drawing.canvas import panel_row
from dynsim.drawing.style import COLOURS
from dynsim.drawing.words import caption
from dynsim.gallery.figure import Figure, concluded
from dynsim.integrate.ensemble import ensemble
from dynsim.integrate.solve import solve
from dynsim.records import stamp
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.printing import text
from dynsim.systems.catalogue import system
from dynsim.verdict import Verdict

ALPHAS = (1.0, 10.0, 100.0)
STARTS = tuple((phi, theta) for theta in (1.2, 0.7, 0.35, 0.12) for phi in (-1.2, -0.3, 0.4, 1.6))
FOLLOWED = 3  # the start (1.6, 1.2), whose distance to the slow manifold is shown over time
_TIMES = np.concatenate([[0.0], np.geomspace(1e-4, 300.0, 400)])


def compute(progress: Any = None, *, alphas: Any = ALPHAS, sigma2: float = 0.1, eta: float = 0.05) -> xr.Dataset:
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


def verdict(data: xr.Dataset) -> Verdict:
    """Say how the distance to the slow manifold shrinks with α, and where the survivors end."""
    at_two = data["distance"].interp(time=2.0)
    first, last = float(at_two[1]), float(at_two[-1])
    power = np.log(first / last) / np.log(float(data["alpha"][-1] / data["alpha"][1]))
    ends = data["point_theta"].where(data["point_stable"] == 1).max("point")
    detail = (
        f"critical manifold φ = {data.attrs['critical']}, reduced flow θ' = {data.attrs['reduced']}, normal "
        f"eigenvalue {data.attrs['normal']}: not normally hyperbolic at θ = 0. At t = 2 the distance to the nullcline "
        f"of φ {'falls' if power > 0 else 'grows'} like α^{-power:.2f}; the highest stable point in view: "
        + ", ".join(
            f"{f'θ = {float(end):.3g}' if float(end) > 1e-9 else 'none that lives'} for α = {float(alpha):g}"
            for end, alpha in ((ends[0], data["alpha"][0]), (ends[-1], data["alpha"][-1]))
        )
    )
    headline = f"At t = 2 the distance to the slow manifold goes like α^{-power:.2g}".replace("^-", "^−")
    return concluded("measured", headline, detail)


def draw(data: xr.Dataset, figure: Any) -> None:
    """A phase plane for every α, and the distance to the slow manifold over time."""
    ends = data["alpha"].values[[0, -1]]
    *planes, distance = panel_row(figure, 1 + len(ends))
    for axes, alpha in zip(planes, ends, strict=True):
        _plane(axes, data.sel(alpha=alpha), float(data["critical_phi"]))
        axes.set_title(f"α = {alpha:g}")
        axes.set_xlabel("φ, predictor")
        if axes is not planes[0]:
            axes.tick_params(labelleft=False)
    planes[0].set_ylabel("θ, encoder")
    planes[0].legend(loc="upper center", bbox_to_anchor=(0.5, -0.22))
    styles = ("-", "--", "-.", ":")
    for index, alpha in enumerate(data["alpha"].values):
        one = data["distance"].sel(alpha=alpha)
        distance.plot(
            data["time"][1:], one[1:], styles[index % 4], color=COLOURS["black"], linewidth=1.4, label=f"α = {alpha:g}"
        )
    distance.set(xscale="log", yscale="log", xlabel="flow time t", ylabel="|φ − φ*(θ)|", xlim=(1e-3, data["time"][-1]))
    distance.set(ylim=(1e-8, 3), title="distance to the slow manifold")
    distance.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22))
    caption(
        figure,
        data,
        f"Grey bar: critical manifold (α → ∞), φ = {float(data['critical_phi']):.4g}; on it θ' = "
        f"{_printed(data.attrs['reduced'])}. Dotted: nullcline of φ. Filled: stable, square: saddle",
    )


def _printed(expression: str) -> str:
    return expression.replace("theta", "θ").replace("**2", "²").replace("*", "").replace("-", "−")


def _plane(axes: Any, data: xr.Dataset, critical: float) -> None:
    labels = {"faster": "predictor faster", "slower": "encoder faster"}
    for index in range(data.sizes["start"]):
        one = data.isel(start=index)
        fast = one["predictor_faster"].values == 1
        for where, name, colour, width in (
            (fast, "faster", COLOURS["vermilion"], 1.1),
            (~fast, "slower", COLOURS["blue"], 1.9),
        ):
            shown = where.copy()
            shown[1:] |= where[:-1]
            path = [np.where(shown, one[state], np.nan) for state in ("phi", "theta")]
            (line,) = axes.plot(*path, color=colour, linewidth=width, label=labels.pop(name, None), zorder=2)
            moves(line, data["time"])
        axes.plot(one["phi"][0], one["theta"][0], ".", color=COLOURS["grey"], markersize=4, zorder=2)
    axes.plot(
        [critical, critical], [0, 1.5], color=COLOURS["black"], linewidth=3.5, alpha=0.25, label="critical manifold"
    )
    for low in (1.35, 1.0, 0.65):
        arrow = {"arrowstyle": "-|>", "color": COLOURS["black"], "linewidth": 1.4}
        axes.annotate("", (critical, low - 0.12), (critical, low), arrowprops=arrow, zorder=4)
    axes.plot(
        data["nullcline_phi"], data["height"], ":", color=COLOURS["black"], linewidth=1.4, label="nullcline of φ"
    )
    for x, y, stable in zip(
        data["point_phi"].values, data["point_theta"].values, data["point_stable"].values, strict=True
    ):
        face = COLOURS["green"] if stable else "white"
        marker = "o" if stable else "s"
        axes.plot(x, y, marker, color=COLOURS["green"], markerfacecolor=face, markersize=7, zorder=5)
    axes.set(xlim=(-1.3, 1.75), ylim=(-0.04, 1.5))


FIGURE = Figure(
    name="fast-slow",
    summary="Fast predictor, slow encoder: orbits and the slow manifold",
    compute=compute,
    verdict=verdict,
    draw=draw,
    cost=8.0,
    height=3.7,
    panels=3,
)
