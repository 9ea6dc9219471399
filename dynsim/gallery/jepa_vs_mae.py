"""JEPA against MAE: predicting features favours what views leave alone, predicting the input what is strong."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps

from dynsim.drawing.canvas import panel_row
from dynsim.drawing.style import COLOURS, SEQUENCE
from dynsim.drawing.words import caption
from dynsim.errors import bad
from dynsim.gallery.figure import Figure, concluded
from dynsim.integrate.ensemble import ensemble
from dynsim.integrate.solve import solve
from dynsim.records import provenance, stamp
from dynsim.systems.catalogue import system as find_system
from dynsim.systems.deep_linear import learning_time
from dynsim.verdict import Verdict

OBJECTIVES = ("jepa", "mae")
RHOS = (0.95, 0.8, 0.65, 0.5)
STARTS = (1e-2, 1e-4, 1e-6)
AHEAD = 0.25  # of its own end: a feature that starts beyond has little left to learn
# λ_d and ρ of a strong feature that the views disturb and of a weak one that they leave alone.
CONTEST = {"strong, noisy": (1.0, 0.5), "weak, robust": (0.7, 0.95)}


def compute(
    progress: Any = None,
    *,
    depths: Any = (1, 2, 3, 4),
    start: float = 0.01,
    resolution: int = 61,
    t_end: float = 2e4,
) -> xr.Dataset:
    """Run features of one λ_d and several ρ at every depth; learning times over ρ, L and the start in closed form.

    A feature counts as learned at half of its own end. Its handicap is its learning time over that of the most robust
    feature at the same λ_d: as time goes like 1/λ_d, a feature has to be so many times stronger to be as early.
    """
    deepest, best = max(depths), max(RHOS)
    least = min(min(RHOS) ** float(_power(objective, deepest)) for objective in OBJECTIVES)
    if not 0 < start < 0.5 * least:
        raise bad("start", start, f"above 0 and below {0.5 * least:.3g}, half of where the least feature ends")
    rho = xr.DataArray(list(RHOS), dims="rho", coords={"rho": list(RHOS)})
    pace = np.linspace(0.0, 2.0, 401)
    fine = np.linspace(min(RHOS), best, resolution)
    layers = np.linspace(1.0, 10.0, 4 * resolution)
    parts = []
    for objective in OBJECTIVES:
        flow = find_system(objective)
        values = {"lambda_d": 1.0, "rho": rho, "L": float(deepest)}
        slowest = float(learning_time(objective, start, {**values, "rho": np.array(min(RHOS))}))
        runs = ensemble(flow, {"w": start}, times=slowest * pace, parameters=values)
        part = xr.Dataset({"w": (("rho", "pace"), runs["w"].transpose("rho", "time").values)}, coords={"rho": rho})
        part["time"] = ("pace", slowest * pace)
        told = [{"lambda_d": one[0], "rho": one[1], "L": float(deepest)} for one in CONTEST.values()]
        learned = [float(learning_time(objective, start, one)) for one in told]
        pair = [ensemble(flow, {"w": start}, times=learned[0] * pace, parameters=one)["w"].values for one in told]
        ends = [one[1] ** _power(objective, deepest) for one in CONTEST.values()]
        part["contest"] = (("feature", "pace"), np.array(pair) / np.array(ends)[:, None])
        part["contest_time"] = ("feature", learned)
        measured = [[_measured(flow, start, r, depth, t_end) for r in RHOS] for depth in depths]
        part["measured_time"], part["measured_end"] = (
            (("depth", "rho"), np.array(measured)[..., index]) for index in (0, 1)
        )
        exact = {"lambda_d": 1.0, "rho": fine, "L": np.array(depths, dtype=float)[:, None]}
        part["learning_time"] = (("depth", "rho_fine"), learning_time(objective, start, exact))
        part["end"] = (("depth", "rho_fine"), fine ** _power(objective, exact["L"]))
        part["handicap"] = part["learning_time"] / learning_time(objective, start, {**exact, "rho": np.array(best)})
        deep = {"lambda_d": 1.0, "rho": np.array([min(RHOS), best])[:, None, None], "L": layers}
        starts = np.array(STARTS)[:, None]
        noisy, robust = learning_time(objective, starts, deep)
        small = starts <= AHEAD * min(RHOS) ** _power(objective, layers)
        part["handicap_over_depth"] = (("start", "layers"), np.where(small, noisy / robust, np.nan))
        parts.append(part.drop_attrs())
        if progress:
            progress(len(parts), len(OBJECTIVES), objective)
    data = xr.concat(parts, xr.DataArray(list(OBJECTIVES), dims="objective", name="objective"))
    data = data.assign_coords(
        pace=pace, depth=list(depths), rho_fine=fine, layers=layers, start=list(STARTS), feature=list(CONTEST)
    )
    flow = find_system("jepa")
    about = {**flow.about(), "name": "jepa and mae", "rhs": None, "loss": None}
    return stamp(
        data, flow=about, parameters={"lambda_d": 1.0}, initial={"w": start}, contest=CONTEST, deepest=deepest
    )


def _power(objective: str, layers: Any) -> Any:
    """Exponent of the exact end ρ^L (JEPA) and ρ^(L/(L + 1)) (MAE)."""
    return layers if objective == "jepa" else layers / (layers + 1)


def _measured(flow: Any, start: float, rho: float, depth: float, t_end: float) -> tuple[float, float]:
    """Time of an integrated run at half of its end, and its end."""
    values = {"lambda_d": 1.0, "rho": rho, "L": float(depth)}
    end = float(flow.exact.end({"w": start}, values).values["w"])
    once = solve(
        flow, {"w": start}, times=[t_end], parameters=values, events=[f"w - {end / 2!r}"], method="LSODA", rtol=1e-10
    )
    when = once["event_time"].values.ravel()
    return float(when[0]) if when.size else np.nan, float(once["w"][-1])


def verdict(data: xr.Dataset) -> Verdict:
    """Say by how much noise delays a feature, who wins the contest, and how well the ends are those of the theory."""
    handicap = data["handicap"].isel(rho_fine=0)
    noisy, best = float(data["rho"].min()), float(data["rho"].max())
    shares = []
    for objective in data["objective"].values:
        told = ", ".join(f"{float(value):.2f}" for value in handicap.sel(objective=objective))
        shares.append(f"{objective.upper()} {told}")
    first = {
        str(o): str(data["feature"].values[int(data["contest_time"].sel(objective=o).values.argmin())])
        for o in data["objective"].values
    }
    exact = xr.concat(
        [data["rho"] ** _power(str(o), data["depth"]) for o in data["objective"].values], data["objective"]
    )
    error = float(abs(data["measured_end"] - exact).max())
    late = int(data["measured_time"].isnull().sum())
    depths = ", ".join(str(depth) for depth in data["depth"].values)
    detail = (
        f"how many times stronger a feature of ρ = {noisy:g} must be to be learned as early as one of ρ = {best:g}, "
        f"at depth {depths}: {'; '.join(shares)}; of a strong noisy and a weak robust feature JEPA of depth "
        f"{data.attrs['deepest']:g} learns the {first['jepa']} one first, MAE the {first['mae']} one; the runs end at "
        f"ρ^L and ρ^(L/(L+1)) within {error:.1g}; {late} of {data['measured_time'].size} runs end before half of it"
    )
    headline = (
        f"JEPA of depth {data.attrs['deepest']:g} learns the {first['jepa']} feature first, MAE the {first['mae']} one"
    )
    return concluded("measured", headline, detail)


LOOK = {
    "jepa": {"color": COLOURS["blue"], "linestyle": "-"},
    "mae": {"color": COLOURS["vermilion"], "linestyle": "--"},
}
STYLES = ("-", "--", "-.", ":")


def _features(jepa: Any, mae: Any, data: xr.Dataset) -> None:
    """Features of one strength and several robustnesses over time."""
    deepest = data.attrs["deepest"]
    shades = colormaps[SEQUENCE](np.linspace(0.0, 0.85, data.sizes["rho"]))
    for axes, objective, power in ((jepa, "jepa", "ρ^L"), (mae, "mae", "ρ^(L/(L+1))")):
        one = data.sel(objective=objective)
        for shade, style, rho in zip(shades, STYLES, data["rho"].values, strict=True):
            run = one.sel(rho=rho)
            axes.plot(run["time"], run["w"], color=shade, linestyle=style, label=f"{rho:g}")
            half = float(run["measured_time"].sel(depth=deepest))
            axes.plot(half, float(run["measured_end"].sel(depth=deepest)) / 2, "o", color=shade, markersize=5)
        axes.set(xlim=(0, one["time"][-1]), ylim=(0, 1), xlabel="flow time t", ylabel="encoder w of the feature")
        axes.set_title(f"{objective.upper()}, L = {deepest}: w → {power}")
    jepa.legend(
        title="robustness ρ",
        loc="upper center",
        bbox_to_anchor=(0.5, -0.24),
        ncols=2,
        columnspacing=0.8,
        handlelength=1.8,
    )


def _contest(contest: Any, data: xr.Dataset) -> None:
    """A strong, noisy against a weak, robust feature."""
    deepest = data.attrs["deepest"]
    marks = ("o", "s")
    for objective, look in LOOK.items():
        one = data.sel(objective=objective)
        learned = one["contest_time"] / one["contest_time"][0]
        for index, feature in enumerate(data["feature"].values):
            width = {"linewidth": 2.4 if index else 1.2}
            label = f"{objective.upper()}: {feature}"
            contest.plot(data["pace"], one["contest"].sel(feature=feature), **look, **width, label=label)
            contest.plot(float(learned[index]), 0.5, marks[index], color=look["color"], markersize=6, zorder=4)
    contest.set(xlim=(0, 2), xlabel="time, in that of the strong one", ylabel="w as a share of its end")
    contest.set_title(f"a contest, L = {deepest}")
    contest.legend(loc="upper center", bbox_to_anchor=(0.5, -0.24), ncols=1, columnspacing=0.8, handlelength=1.8)


def draw(data: xr.Dataset, figure: Any) -> None:
    """Features over time under both objectives, and a contest."""
    jepa, mae, contest = panel_row(figure, 3)
    _features(jepa, mae, data)
    _contest(contest, data)
    strong, weak = provenance(data)["contest"].values()
    caption(
        figure,
        data,
        "One mode of a balanced deep linear network each; ρ: share of a feature's variance that both "
        f"views have; dots: half of its end. Contest: λ_d = {strong[0]:g}, ρ = {strong[1]:g} (thin) "
        "against "
        f"λ_d = {weak[0]:g}, ρ = {weak[1]:g}",
    )


def draw_full(data: xr.Dataset, figure: Any) -> None:
    """Features over time under both; their ends; who is delayed by noise, and who wins a contest."""
    (jepa, mae, ends), (delay, depth, contest) = figure.subplots(2, 3)
    data.attrs["deepest"]
    _features(jepa, mae, data)

    fine = data["rho_fine"]
    tones = colormaps[SEQUENCE](np.linspace(0.85, 0.0, data.sizes["depth"]))
    for objective, style in (("jepa", "-"), ("mae", "--")):
        one = data.sel(objective=objective)
        for tone, layers in zip(tones, data["depth"].values, strict=True):
            told = one.sel(depth=layers)
            named = {"label": f"{layers:g}"} if objective == "jepa" else {}
            ends.plot(fine, told["end"], color=tone, linestyle=style, linewidth=1.5, **named)
            ends.plot(data["rho"], told["measured_end"], "o", color=tone, markersize=4, markerfacecolor="white")
            delay.plot(fine, told["handicap"], color=tone, linestyle=style, linewidth=1.5)
            ratio = told["measured_time"] / told["measured_time"].sel(rho=float(data["rho"].max()))
            delay.plot(data["rho"], ratio, "o", color=tone, markersize=4, markerfacecolor="white")
    ends.set(xlabel="robustness ρ", ylabel="w at the end", title="ends: solid JEPA, dashed MAE")
    ends.set_ylim(0, 1)
    ends.legend(title="depth L", loc="lower right", ncols=2)
    delay.axhline(1.0, color=COLOURS["grey"], linewidth=0.8, zorder=1)
    delay.set(xlabel="robustness ρ", ylabel="handicap", title="handicap of noise: solid JEPA, dashed MAE")

    for style, start in zip(STYLES, data["start"].values, strict=False):
        for objective, look in LOOK.items():
            curve = data["handicap_over_depth"].sel(objective=objective, start=start)
            label = f"JEPA, {start:g}" if objective == "jepa" else None
            if objective == "mae" and start == data["start"].values[0]:
                label = "MAE, the same"
            depth.plot(data["layers"], curve, color=look["color"], linestyle=style, linewidth=1.5, label=label)
    depth.axhline(1.0, color=COLOURS["grey"], linewidth=0.8, zorder=1)
    depth.set(xlabel="depth L", ylabel="handicap", title=f"handicap of ρ = {float(data['rho'].min()):g}")
    depth.legend(title="start w(0)", loc="upper left")

    _contest(contest, data)
    caption(
        figure,
        data,
        "One mode of a balanced deep linear network each; ρ: share of a feature's variance that both "
        "views have. Handicap: "
        "how many times stronger a feature must be to be as early as the most robust. Lines: closed "
        "form, circles: runs",
    )


FIGURE = Figure(
    name="jepa-vs-mae",
    summary="Deep linear JEPA against MAE: which features, in which order",
    compute=compute,
    verdict=verdict,
    draw=draw,
    draw_full=draw_full,
    cost=4.0,
    height=3.6,
    full_height=7.7,
    panels=3,
    small={"depths": (1, 3), "resolution": 5},
)
