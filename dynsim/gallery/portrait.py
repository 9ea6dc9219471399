"""Phase portraits: field, nullclines, lines of equilibria with their stability, collapse region, an orbit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import xarray as xr

from dynsim.analysis.numerics.portrait import portrait
from dynsim.choices import Branch
from dynsim.drawing.canvas import panel_row
from dynsim.drawing.planes import draw_orbit, draw_portrait
from dynsim.drawing.words import BRANCHES as BRANCH_WORDS
from dynsim.drawing.words import caption, values
from dynsim.errors import BlowUp
from dynsim.gallery.figure import Figure, concluded
from dynsim.integrate.solve import solve
from dynsim.progress import Progress
from dynsim.records import provenance, stamp
from dynsim.symbolic.flow import BRANCHES, Flow
from dynsim.symbolic.sources import as_flow
from dynsim.verdict import Verdict

_TIMES = np.linspace(0, 100, 1001)


def compute(
    progress: Progress | None = None,
    *,
    system: str = "toy",
    states: str | None = None,
    variant: str | None = None,
    branch: Branch | Literal["all"] = "all",
    initial: Mapping[str, float] | None = None,
    parameters: Mapping[str, float] | None = None,
) -> xr.Dataset:
    """Portraits over the dimension `branch`, the orbit from `initial`, and where the toy collapses exactly."""
    names: tuple[Branch, ...] = (branch,) if branch != "all" else BRANCHES if system == "toy" else ("stop",)
    parts = []
    for index, name in enumerate(names):
        flow = as_flow(system, states, branch=name, variant=variant)
        start = {**{state: flow.defaults.get(state, 0.5) for state in flow.states}, **(initial or {})}
        part = portrait(flow, parameters, at=start)
        part = part.merge(_orbit(flow, start, parameters), combine_attrs="override")
        if len(flow.states) == 2:
            part["collapsed"] = (("x_coarse", "y_coarse"), _collapse_map(flow, parameters, part))
        parts.append(part)
        if progress:
            progress(index + 1, len(names), f"branch {name}")
    axis = xr.DataArray(list(names), dims="branch", name="branch")
    data = xr.concat(_aligned(parts), axis, combine_attrs="override")
    told = {key: parts[0].attrs[key] for key in ("x_name", "y_name")}
    about = {**flow.about(), "branch": branch}
    values = {key: float(value) for key, value in flow.values(parameters).items()}
    complete = min(int(part.attrs["complete"]) for part in parts)
    return stamp(data.drop_attrs(), flow=about, parameters=values, initial=start, complete=complete, **told)


def _orbit(flow: Flow, start: Mapping[str, float], parameters: Any) -> xr.Dataset:
    try:
        data = solve(flow, start, times=_TIMES, parameters=parameters, rtol=1e-9)
    except BlowUp as error:
        data = error.dataset
        data = data.reindex(time=_TIMES)
    return xr.Dataset({f"orbit_{name}": ("time", data[name].values) for name in flow.states}, coords={"time": _TIMES})


def _collapse_map(flow: Flow, parameters: Any, part: xr.Dataset, count: int = 122) -> np.ndarray:
    """1 where the exact rule says collapse, 0 where it says none, −1 where the flow has no rule."""
    if flow.exact is None:
        return np.full((count, count), -1, dtype=np.int8)
    x, y = (np.linspace(float(axis[0]), float(axis[-1]), count) for axis in (part.x, part.y))
    starts = {part.attrs["x_name"]: x[:, None], part.attrs["y_name"]: y[None, :]}
    values = {key: float(value) for key, value in flow.values(parameters).items()}
    return flow.exact.collapses(starts, values, flow.roles.get("encoder", ()))


def _aligned(parts: list[xr.Dataset]) -> list[xr.Dataset]:
    """Pad points and lines with NaN, so that branches with different numbers of them stand side by side."""
    blank: Any = {"point_kind": "", "separatrix_manifold": ""}
    result = []
    for part in parts:
        for dimension in ("point", "line", "separatrix"):
            if dimension not in part.dims:
                continue
            short = max(other.sizes[dimension] for other in parts) - part.sizes[dimension]
            part = part.pad({dimension: (0, short)}, constant_values=blank) if short else part
        result.append(part)
    return result


def verdict(data: xr.Dataset) -> Verdict:
    """Say, per branch, how much of the view collapses, or which equilibria there are."""
    shares, facts = {}, []
    for branch in data["branch"].values:
        one = data.sel(branch=branch)
        if "collapsed" in one and int(one["collapsed"].min()) >= 0:
            shares[str(branch)] = float(one["collapsed"].mean())
            facts.append(f"{branch}: {shares[str(branch)]:.1%} of the view collapses")
        elif "point" in one.dims:
            kinds = [str(kind) for kind in one["point_kind"].values if str(kind)]
            facts.append(f"{branch}: {', '.join(kinds) or 'no isolated equilibrium'}")
        else:
            facts.append(f"{branch}: a plane through more states than two, without equilibria")
    facts.append("equilibria proven complete" if data.attrs["complete"] else "equilibria not proven complete")
    if shares:
        headline = "Share of the view that collapses: " + ", ".join(f"{b} {share:.0%}" for b, share in shares.items())
    else:
        flow = provenance(data)["flow"]
        headline = f"{flow.get('name') or 'The plane'}: {facts[0].partition(': ')[2]}"
    return concluded("measured", [headline, headline.partition(":")[0]], "; ".join(facts))


def draw(data: xr.Dataset, figure: Any) -> None:
    """One panel per branch."""
    panels = panel_row(figure, data.sizes["branch"], sharey=True)
    x_name, y_name = data.attrs["x_name"], data.attrs["y_name"]
    shaded = False
    for axes, branch in zip(panels, data["branch"].values, strict=True):
        one = data.sel(branch=branch)
        if "collapsed" in one and int(one["collapsed"].max()) == 1:
            shaded = True
            x = np.linspace(float(one.x[0]), float(one.x[-1]), one.sizes["x_coarse"])
            y = np.linspace(float(one.y[0]), float(one.y[-1]), one.sizes["y_coarse"])
            axes.contourf(x, y, one["collapsed"].T, levels=[0.5, 1.5], colors=["#EFE0D6"], zorder=0)
        draw_portrait(one, axes)
        draw_orbit(axes, one[f"orbit_{x_name}"], one[f"orbit_{y_name}"])
        axes.set_title(BRANCH_WORDS.get(str(branch), f"branch {branch}"))
        axes.label_outer()
    caption(
        figure,
        data,
        "Grey: field. Dotted: nullclines. Black: orbit from the marked start",
        *_equilibria(data),
        "Shaded: starts that collapse, exactly" if shaded else "",
    )


def _equilibria(data: xr.Dataset) -> list[str]:
    """What is drawn of equilibria and separatrices."""
    if "point" not in data.dims:
        held = {name: data[f"orbit_{name}"][0, 0].item() for name in provenance(data)["flow"]["states"]}
        for name in (data.attrs["x_name"], data.attrs["y_name"]):
            del held[name]
        return [f"The field is that at {values(held)}, which the orbit leaves"]
    told = []
    if data.sizes["line"]:
        told.append("Green: lines of equilibria, dashed where they repel")
    if data.sizes["point"]:
        told.append("Filled point: stable, open: not, square: saddle")
    if data.sizes["separatrix"]:
        told.append("Purple: separatrices, dashed: out of their point")
    if not data.attrs["complete"]:
        told.append("Equilibria not proven complete")
    return told


FIGURE = Figure(
    name="portrait",
    summary="Phase portrait of the three branches, or of any system",
    compute=compute,
    verdict=verdict,
    draw=draw,
    cost=6.0,
    height=3.3,
    panels=3,
    small={"branch": "stop"},
)
