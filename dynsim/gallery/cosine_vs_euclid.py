"""Cosine against Euclidean loss with a closed-form predictor: who collapses, who equalises, what is conserved."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps

from dynsim.choices import Branch
from dynsim.drawing.canvas import panel_row
from dynsim.drawing.style import COLOURS, SEQUENCE
from dynsim.drawing.words import caption
from dynsim.errors import bad
from dynsim.gallery.figure import Figure, concluded
from dynsim.integrate.ensemble import ensemble
from dynsim.records import stamp
from dynsim.systems.catalogue import system as find_system
from dynsim.systems.laws import passage
from dynsim.verdict import Verdict

LOSSES = ("euclidean", "cosine")
SPECTRUM = (0.8, 0.3, 0.1, 0.03)
# Label → variant and branch.
CASES: dict[str, tuple[str, Branch]] = {
    "stop": ("predictor", "stop"),
    "full": ("predictor", "full"),
    "target": ("predictor", "target"),
    "no predictor": ("no-predictor", "stop"),
    "IsoLoss": ("isoloss", "stop"),
}
GONE, SAME = 1e-2, 1e-6


def compute(
    progress: Any = None,
    *,
    spectrum: Any = SPECTRUM,
    spectra: int = 24,
    points: int = 241,
    t_end: float = 2000.0,
    seed: int = 0,
) -> xr.Dataset:
    """Run every variant from the shown spectrum λ_m and from random ones of the same sum."""
    shown = np.asarray(spectrum, dtype=float)
    if shown.ndim != 1 or len(shown) < 2 or not ((shown > 0) & (shown < 1)).all() or shown.mean() > 0.5:
        raise bad("spectrum", spectrum, "two variances or more, between 0 and 1, of mean 0.5 at most")
    variances = np.array([shown, *drawn(shown, spectra, seed)])
    initial = {f"z{m + 1}": xr.DataArray(np.sqrt(column), dims="spectrum") for m, column in enumerate(variances.T)}
    times = np.concatenate([[0.0], np.geomspace(0.02, t_end, points - 1)])
    found = np.empty((len(LOSSES), len(CASES), *variances.shape, points))
    for i, loss in enumerate(LOSSES):
        for j, (variant, branch) in enumerate(CASES.values()):
            flow = find_system(loss, variant=variant, branch=branch, k=len(shown))
            runs = ensemble(flow, initial, times=times)
            for m, name in enumerate(flow.states):
                found[i, j, :, m] = runs[name].transpose("spectrum", "time").values ** 2
            if progress:
                progress(i * len(CASES) + j + 1, len(LOSSES) * len(CASES), f"{loss}, {list(CASES)[j]}")
    data = xr.Dataset(
        {"variance": (("loss", "case", "spectrum", "mode", "time"), found)},
        coords={"loss": list(LOSSES), "case": list(CASES), "mode": np.arange(len(shown)) + 1, "time": times},
    )
    total = data["variance"].sum("mode")
    data["norm"] = np.sqrt(total / total.isel(time=0))
    # Participation ratio: the number of modes among which the variance is shared. It is blind to the norm.
    data["modes_used"] = (total**2 / (data["variance"] ** 2).sum("mode")).where(total > 0)
    data["half_time"] = _half_time(data["variance"])
    flow = find_system("cosine")
    about = {**flow.about(), "name": "euclidean and cosine", "rhs": None, "loss": None}
    started = {f"lambda{m + 1}": float(value) for m, value in enumerate(shown)}
    return stamp(data, flow=about, parameters={}, initial=started, seed=seed, spectra=spectra)


def drawn(shown: np.ndarray, count: int, seed: int) -> list[np.ndarray]:
    """Random spectra of the sum of `shown`, each from its own generator: more of them change no earlier one."""
    return [_drawn(child, shown) for child in np.random.SeedSequence(seed).spawn(count)]


def _drawn(seed: np.random.SeedSequence, shown: np.ndarray) -> np.ndarray:
    """Variances log-uniform over a factor of 50, scaled to the sum of `shown`, all of them below 1; largest first."""
    generator = np.random.default_rng(seed)
    while True:
        values = 50.0 ** generator.uniform(-1, 0, len(shown))
        values *= shown.sum() / values.sum()
        if values.max() < 0.95:
            return -np.sort(-values)


def _half_time(variance: xr.DataArray) -> xr.DataArray:
    """Time at which a mode that grows fourfold or more reaches half of its end, between recorded times by log-log."""
    end = variance.isel(time=-1)
    grows = end > 4.0 * variance.isel(time=0)
    half = (end / 2).transpose(*variance.dims[:-1]).values
    values, times = variance.values, variance["time"].values
    after = np.argmax(values >= half[..., None], axis=-1)
    before = np.maximum(after - 1, 1)  # the first recorded time after 0
    low, high = (np.log(np.take_along_axis(values, k[..., None], -1)[..., 0]) for k in (before, after))
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(high > low, (np.log(half) - low) / (high - low), 0.0)
    first, last = (np.log(times[np.maximum(k, 1)]) for k in (before, after))
    told = np.exp(first + share * (last - first))
    return xr.where(grows, xr.DataArray(told, dims=variance.dims[:-1]), np.nan)


def fates(data: xr.Dataset) -> xr.DataArray:
    """What a variant does to all spectra alike, "mixed" where they differ."""
    end = data.isel(time=-1)
    moved = abs(data["variance"] - data["variance"].isel(time=0)).max(("time", "mode"))
    equal = end["modes_used"] > 0.999 * data.sizes["mode"]
    fewer = end["modes_used"] < 0.99 * data["modes_used"].isel(time=0)
    words = xr.where(equal, "equalises", xr.where(fewer, "concentrates", "mixed"))
    words = xr.where(end["norm"] < GONE, "collapses", words)
    words = xr.where(moved < SAME, "stands still", words)
    first = words.isel(spectrum=0)
    return xr.where((words == first).all("spectrum"), first, "mixed")


def verdict(data: xr.Dataset) -> Verdict:
    """Say what every variant does, whether the norm is conserved, and how long the small modes take."""
    told = fates(data)
    sentences = []
    for loss in data["loss"].values:
        grouped: dict[str, list[str]] = {}
        for case in data["case"].values:
            grouped.setdefault(str(told.sel(loss=loss, case=case).item()), []).append(str(case))
        words = ", ".join(f"{fate}: {' and '.join(names)}" for fate, names in grouped.items())
        sentences.append(f"{loss} {words}")
    plain = data["norm"].sel(loss="cosine", case=["stop", "full", "target"])
    drift = float(abs(plain - 1).max())
    iso = float(abs(data["norm"].sel(loss="cosine", case="IsoLoss") - 1).max())
    left = data["modes_used"].sel(loss="cosine", case=["full", "target"]).isel(time=-1)
    slopes = {case: ", ".join(_slope(data, loss, case) for loss in LOSSES) for case in ("stop", "IsoLoss")}
    detail = (
        f"{'; '.join(sentences)}; of {data.sizes['mode']} modes the latter leave {float(left.min()):.2g} to "
        f"{float(left.max()):.2g}; the cosine loss conserves ‖ẑ‖ within {drift:.1g} in its three branches, with "
        f"IsoLoss it changes by up to {iso:.0%}; a mode is learned in a time like λ(0)^−p, p = {slopes['stop']} "
        f"(Euclidean, cosine) with stop-gradient, {slopes['IsoLoss']} with IsoLoss"
    )
    headline = [
        "; ".join(
            f"{loss}: {told.sel(loss=loss, case='stop').item()} with stop-gradient, "
            f"{told.sel(loss=loss, case='full').item()} without"
            for loss in data["loss"].values
        ),
        "; ".join(
            f"{loss}: stop {told.sel(loss=loss, case='stop').item()}, full {told.sel(loss=loss, case='full').item()}"
            for loss in data["loss"].values
        ),
    ]
    return concluded("measured", headline, detail)


def _slope(data: xr.Dataset, loss: str, case: str) -> str:
    value = slowing(data, loss, case)
    return f"{value:.2f}" if np.isfinite(value) else "unknown (too short)"


def slowing(data: xr.Dataset, loss: str, case: str) -> float:
    """Exponent p of the learning time λ(0)^−p, fitted over all modes that grow."""
    time = data["half_time"].sel(loss=loss, case=case).values
    start = data["variance"].sel(loss=loss, case=case).isel(time=0).values
    grows = np.isfinite(time) & (time > 0)
    if grows.sum() < 2:  # the run is too short for a slope
        return np.nan
    return -float(np.polyfit(np.log(start[grows]), np.log(time[grows]), 1)[0])


STYLES = ("-", "--", "-.", ":")
TITLES = {"euclidean": "Euclidean", "cosine": "cosine"}
CASE_STYLE: dict[str, dict[str, Any]] = {
    "stop": {"color": COLOURS["blue"], "marker": "o"},
    "full": {"color": COLOURS["vermilion"], "marker": "s"},
    "target": {"color": COLOURS["green"], "marker": "^"},
    "no predictor": {"color": COLOURS["grey"], "marker": "x"},
    "IsoLoss": {"color": COLOURS["purple"], "marker": "D"},
}
LEAST = 4e-4


def _below(panels: Any, data: xr.Dataset) -> None:
    """Norm, number of modes in use and learning times, over all spectra."""
    norm, used, speed = panels
    _over_time(norm, data["norm"])
    _over_time(used, data["modes_used"].where(data["norm"] > 0.03), bands_of_both=False)
    norm.set(xscale="log", xlabel="flow time t", ylabel="‖ẑ‖ over its start", title="norm")
    used.set(xscale="log", xlabel="flow time t", ylabel="(Σλ)²/Σλ²", title="number of modes in use")
    norm.locator_params(axis="y", nbins=4)
    norm.legend(loc="upper center", bbox_to_anchor=(0.5, -0.24), ncols=2, columnspacing=0.8, handlelength=1.8)
    _learning(speed, data)


def draw(data: xr.Dataset, figure: Any) -> None:
    """Norm, number of modes in use, and learning times, for every variant."""
    _below(panel_row(figure, 3), data)
    caption(figure, data, "Eigenmodes of the representation, the predictor set to their covariance. Solid: cosine, "
            f"dashed: Euclidean; {data.sizes['spectrum']} spectra, mean and range")  # fmt: skip


def draw_full(data: xr.Dataset, figure: Any) -> None:
    """Modes over time under every variant of both losses; below, norm, number of modes in use, learning times."""
    losses, cases = data["loss"].values, data["case"].values
    upper, lower = figure.add_gridspec(2, 1, height_ratios=[1.5, 1.0])
    grid = upper.subgridspec(len(losses), len(cases))
    shades = colormaps[SEQUENCE](np.linspace(0.0, 0.85, data.sizes["mode"]))
    told = fates(data)
    shown = data["variance"].isel(spectrum=0, time=slice(1, None))
    shared = None
    for row, loss in enumerate(losses):
        for column, case in enumerate(cases):
            axes = figure.add_subplot(grid[row, column], sharex=shared, sharey=shared)
            shared = shared or axes
            one = shown.sel(loss=loss, case=case)
            for index, mode in enumerate(one["mode"].values):
                start = float(data["variance"].sel(loss=loss, case=case, mode=mode).isel(spectrum=0, time=0))
                look = {"color": shades[index], "linestyle": STYLES[index % len(STYLES)]}
                axes.plot(one["time"], one.sel(mode=mode), linewidth=1.6, label=f"{start:g}", **look)
            axes.set(xscale="log", yscale="log", ylim=(LEAST, 2.0))
            axes.set_title(f"{case}:\n{told.sel(loss=loss, case=case).item()}").set_in_layout(False)
            axes.tick_params(labelleft=column == 0, labelbottom=row == len(losses) - 1)
            if column == 0:
                axes.set_ylabel(f"{TITLES[str(loss)]}: variance λ")
            if row == len(losses) - 1:
                axes.set_xlabel("flow time t")
            if row == 0 and case == "no predictor":
                axes.legend(title="λ(0)", loc="lower left", handlelength=1.8)

    norm, used, speed = (figure.add_subplot(place) for place in lower.subgridspec(1, 3))
    _below((norm, used, speed), data)
    caption(
        figure,
        data,
        "Eigenmodes of the representation, identical views, the predictor set to their covariance. "
        "Above: one spectrum. "
        f"Below: {data.sizes['spectrum']} spectra, mean and range",
    )


def _over_time(axes: Any, values: xr.DataArray, bands_of_both: bool = True) -> None:
    """Mean over the spectra as a line, their range as a band; one colour per variant, one dash per loss."""
    for case, look in CASE_STYLE.items():
        for loss, style in (("cosine", "-"), ("euclidean", "--")):
            one = values.sel(loss=loss, case=case).isel(time=slice(1, None))
            known = one.notnull().all("spectrum").values
            one = one.isel(time=known)
            colour = look["color"]
            label = case if loss == "cosine" else None
            marks = {"marker": look["marker"], "markersize": 4, "markevery": max(1, one.sizes["time"] // 6)}
            lines = {"color": colour, "linestyle": style, "linewidth": 1.6, **marks}
            axes.plot(one["time"], one.mean("spectrum"), label=label, **lines)
            if case == "no predictor" or (loss == "euclidean" and not bands_of_both):
                continue
            low, high = one.min("spectrum"), one.max("spectrum")
            axes.fill_between(one["time"], low, high, color=colour, alpha=0.12, linewidth=0)


def _learning(axes: Any, data: xr.Dataset) -> None:
    """Time to half of the end over the start, with the closed form of the Euclidean loss."""
    for case in ("stop", "IsoLoss"):
        look = CASE_STYLE[case]
        for loss, face in (("cosine", look["color"]), ("euclidean", "none")):
            start = data["variance"].sel(loss=loss, case=case).isel(time=0).values.ravel()
            time = data["half_time"].sel(loss=loss, case=case).values.ravel()
            axes.plot(
                start,
                time,
                look["marker"],
                color=look["color"],
                markerfacecolor=face,
                markersize=4,
                linestyle="none",
                label=f"{TITLES[loss]}, {case}",
            )
    fine = np.geomspace(0.01, 0.25, 60)
    for case, power, style in (("stop", 2.0, "-"), ("IsoLoss", 1.0, "--")):
        axes.plot(fine, passage(fine, 0.5, power) / 2, color=CASE_STYLE[case]["color"], linestyle=style, linewidth=1.0)
    axes.set(xscale="log", yscale="log", xlabel="λ(0) of the mode", ylabel="time to half of its end")
    axes.set_title("learning time of a mode")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.24), ncols=1, columnspacing=0.8, handlelength=1.8)


FIGURE = Figure(
    name="cosine-vs-euclid",
    summary="Cosine against Euclidean loss with a closed-form predictor",
    compute=compute,
    verdict=verdict,
    draw=draw,
    draw_full=draw_full,
    cost=6.0,
    height=3.7,
    full_height=8.1,
    panels=3,
    small={"spectra": 3, "points": 61},
)
