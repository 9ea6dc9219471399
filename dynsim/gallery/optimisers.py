"""Which optimisers collapse: small gradient steps do as the flow does, adaptive and second-order ones do not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from dynsim.choices import Branch, FlowOptimiser
from dynsim.drawing.canvas import panel_row
from dynsim.drawing.style import COLOURS
from dynsim.drawing.words import caption
from dynsim.gallery.figure import Figure, concluded
from dynsim.integrate.optimise import optimise
from dynsim.records import stamp
from dynsim.symbolic.flow import Flow
from dynsim.systems.catalogue import system as find_system
from dynsim.verdict import Verdict

STEP_SIZES = (0.01, 0.1, 1.0)
COLLAPSED = 0.05
SETTINGS: dict[str, tuple[Branch, float]] = {
    "stop": ("stop", 0.0),
    "full": ("full", 0.0),
    "full, noise": ("full", 0.1),
}
# Label → optimiser, its options, flow time it is given.
RUNS: dict[str, tuple[FlowOptimiser, dict[str, Any], float]] = {
    "gradient descent": ("gd", {}, 60.0),
    "momentum 0.9": ("momentum", {"momentum": 0.9}, 60.0),
    "Nesterov 0.9": ("nesterov", {"momentum": 0.9}, 60.0),
    "alternating steps": ("alternating", {}, 60.0),
    "sign": ("sign", {}, 60.0),
    "RMSProp": ("rmsprop", {}, 60.0),
    "Adam": ("adam", {}, 60.0),
    "Gauss–Newton": ("gauss-newton", {}, 20.0),
    "Newton": ("newton", {}, 20.0),
    "exact, φ first": ("alternating-minimisation", {"order": ("p1", "w1")}, 30.0),
    "exact, θ first": ("alternating-minimisation", {"order": ("w1", "p1")}, 30.0),
}


def compute(
    progress: Any = None,
    *,
    initial: Mapping[str, float] | None = None,
    step_sizes: Any = STEP_SIZES,
    resolution: tuple[int, int] = (33, 25),
    span: float = 60.0,
) -> xr.Dataset:
    """Give every optimiser the same flow time, `span` at most, from a grid of starts and from the article's start."""
    article = {"phi": 0.6, "theta": 0.1, **(initial or {})}
    phi, theta = np.linspace(-0.5, 1.5, resolution[0]), np.linspace(0.05, 1.25, resolution[1])
    grid_phi, grid_theta = (axis.ravel() for axis in np.meshgrid(phi, theta, indexing="ij"))
    starts = {
        "p1": xr.DataArray(np.append(grid_phi, article["phi"]), dims="start"),
        "w1": xr.DataArray(np.append(grid_theta, article["theta"]), dims="start"),
    }
    shape = (len(SETTINGS), len(RUNS), len(step_sizes))
    found = {name: np.full(shape, np.nan) for name in ("collapsed", "diverged", "end")}
    exact = []
    for i, (branch, noise) in enumerate(SETTINGS.values()):
        flow = find_system("modes", k=1, branch=branch).fix(lambda_d1=1, lambda_s1=1 + noise, eta_p=0, eta_s=0)
        exact.append(np.mean([_collapses(flow, p, w) for p, w in zip(grid_phi, grid_theta, strict=True)]))
        for j, (optimiser, options, time) in enumerate(RUNS.values()):
            for k, lr in enumerate(step_sizes):
                if optimiser == "alternating-minimisation":
                    if k:  # the step size plays no part
                        continue
                    lr = 1.0
                steps = max(1, round(min(time, span) / lr))
                ends = optimise(flow, starts, steps, lr=lr, optimiser=optimiser, every=steps, **options)
                theta_end = ends["w1"].isel(step=-1).values
                found["collapsed"][i, j, k] = np.mean(abs(theta_end[:-1]) < COLLAPSED)
                found["diverged"][i, j, k] = np.mean(np.isnan(theta_end[:-1]))
                found["end"][i, j, k] = theta_end[-1]
            if progress:
                progress(i * len(RUNS) + j + 1, len(SETTINGS) * len(RUNS), list(RUNS)[j])
    dims = ("setting", "optimiser", "lr")
    data = xr.Dataset(
        {**{name: (dims, values) for name, values in found.items()}, "exact_share": ("setting", exact)},
        coords={"setting": list(SETTINGS), "optimiser": list(RUNS), "lr": np.asarray(step_sizes, dtype=float)},
    )
    toy = find_system("toy")
    data["exact_end"] = float(toy.exact.end(article, {"alpha": 1.0}).values["theta"])  # type: ignore[union-attr]
    about = {**toy.about(), "branch": "stop and full"}
    return stamp(data, flow=about, parameters={"alpha": 1.0}, initial=article, starts=len(grid_phi), span=span)


def _collapses(flow: Flow, p: float, w: float) -> bool:
    """Where the flow itself goes, by its exact rule."""
    assert flow.exact is not None
    end = flow.exact.end({"p1": p, "w1": w}, {"alpha": 1.0})
    return bool(end is not None and end.collapsed)


def verdict(data: xr.Dataset) -> Verdict:
    """Compare small gradient steps with the flow, and name the optimisers that do otherwise."""
    small = data["collapsed"].isel(lr=0)
    plain = small.sel(optimiser="gradient descent")
    far = abs(small - plain).sel(setting=["stop", "full"]).max("setting")
    other = [str(name) for name, gap in zip(data["optimiser"].values, far.values, strict=True) if gap > 0.1]
    shares = ", ".join(
        f"{setting} {float(plain.sel(setting=setting)):.0%} ({float(data['exact_share'].sel(setting=setting)):.0%})"
        for setting in data["setting"].values
    )
    detail = (
        "share of starts that collapse under gradient descent with small steps (in brackets: the flow, exactly): "
        f"{shares}; of the others these differ at the smallest step by more than a tenth of the starts: "
        f"{', '.join(other) or 'none'}"
    )
    told = []
    for setting in ("stop", "full"):
        if setting in data["setting"].values:
            one, exact = small.sel(setting=setting), float(data["exact_share"].sel(setting=setting))
            told.append(f"{setting} {float(one.min()):.0%} to {float(one.max()):.0%} (flow {exact:.0%})")
    headlines = [f"Starts lost by small steps: {', '.join(shown)}" for shown in (told, told[:1])]
    return concluded("measured", headlines, detail)


MARKERS = (
    {"marker": "o", "color": COLOURS["blue"]},
    {"marker": "s", "color": COLOURS["orange"]},
    {"marker": "^", "color": COLOURS["vermilion"]},
    {"marker": "D", "color": COLOURS["purple"]},
)
TITLES = {
    "stop": "with stop-gradient",
    "full": "without stop-gradient",
    "full, noise": "without, views noisy (σ² = 0.1)",
}


def draw(data: xr.Dataset, figure: Any) -> None:
    """With and without stop-gradient, without noise."""
    shown = [name for name in ("stop", "full") if name in data["setting"].values]
    _draw(data, figure, shown)


def draw_full(data: xr.Dataset, figure: Any) -> None:
    """Share of collapsed starts per setting, and where the article's start ends; one row per optimiser."""
    _draw(data, figure, [str(name) for name in data["setting"].values])


def _draw(data: xr.Dataset, figure: Any, settings: list[str]) -> None:
    panels = panel_row(figure, len(settings) + 1, sharey=True)
    rows = np.arange(data.sizes["optimiser"])
    shifts = np.linspace(-0.22, 0.22, data.sizes["lr"])
    for axes, setting in zip(panels, settings, strict=False):
        one = data.sel(setting=setting)
        exact = float(one["exact_share"])
        axes.axvline(exact, color=COLOURS["black"], linewidth=1.0, linestyle="--", zorder=1)
        for style, shift, lr in zip(MARKERS, shifts, data["lr"].values, strict=False):
            share, lost = (one[name].sel(lr=lr) for name in ("collapsed", "diverged"))
            axes.plot(share, rows + shift, linestyle="none", markersize=6, label=f"{lr:g}", **style)
            for row in np.flatnonzero(lost > 0.05):
                axes.annotate(
                    f"{float(lost[row]):.0%} diverge",
                    (1.0, row + shift),
                    xycoords=("axes fraction", "data"),
                    ha="right",
                    va="center",
                    fontsize=7,
                    zorder=1.5,
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
                )
        axes.set(xlim=(-0.05, 1.08), xlabel="share of starts that collapse")
        axes.set_title(TITLES.get(str(setting), str(setting)))
    ends = panels[-1]
    for style, shift, lr in zip(MARKERS, shifts, data["lr"].values, strict=False):
        for setting, fill in (("stop", style["color"]), ("full", "none")):
            values = abs(data["end"].sel(setting=setting, lr=lr))
            ends.plot(values, rows + shift, linestyle="none", markersize=6, markerfacecolor=fill, **style)
    ends.axvline(float(data["exact_end"]), color=COLOURS["black"], linewidth=1.0, linestyle="--", zorder=1)
    ends.set(xlabel="|θ| at the end", xlim=(-0.08, None))
    ends.set_title("from the article's start\n(filled: stop, open: full)")
    panels[0].set_yticks(rows, data["optimiser"].values)
    panels[0].set_ylim(len(rows) - 0.4, -0.6)
    panels[0].legend(title="step size", loc="upper center", bbox_to_anchor=(0.3, -0.2), ncols=3, handletextpad=0.1)
    caption(figure, data, f"Scalar toy, {data.attrs['starts']} starts; collapsed: |θ| < {COLLAPSED:g} after flow time "
            f"{data.attrs['span']:g}. Dashed: the flow, exactly. Right: filled stop, open full")  # fmt: skip


FIGURE = Figure(
    name="optimisers",
    summary="Which optimisers collapse the toy, over starts and steps",
    compute=compute,
    verdict=verdict,
    draw=draw,
    draw_full=draw_full,
    cost=50.0,
    height=3.9,
    full_height=5.3,
    panels=3,
    small={"resolution": (7, 5), "span": 20.0},
    stored=True,
)
