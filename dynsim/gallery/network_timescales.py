"""Who is fast, predictor or encoder: every measure, on the toy and on two networks, at three ratios α."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps

from dynsim.analysis.numerics.timescales import timescales
from dynsim.drawing.canvas import panel_row
from dynsim.drawing.labels import label_ends
from dynsim.drawing.measures import draw_seeds
from dynsim.drawing.style import COLOURS, SEQUENCE
from dynsim.drawing.words import caption
from dynsim.gallery.figure import Figure, concluded
from dynsim.gallery.linear_networks import NOISE, linear_experiment
from dynsim.integrate.solve import solve
from dynsim.progress import Progress
from dynsim.records import stamp
from dynsim.systems.catalogue import system
from dynsim.verdict import Verdict

RATIOS = (0.1, 1.0, 10.0)
SUBJECTS = ("toy", "linear network", "hidden layer")
SERIES = ("relative_speed_ratio", "absolute_speed_ratio", "predictor_gap", "predictor_share")
NUMBERS = ("half_life_ratio", "time90_ratio")
_RECORDED = ("relative_speed_ratio", "absolute_speed_ratio", "predictor_gap", "loss_share", "half_life")


def compute(
    progress: Progress | None = None,
    *,
    seeds: int = 5,
    steps: int = 400,
    dim: int = 4,
    t_end: float = 40.0,
    records: int = 40,
) -> xr.Dataset:
    """Measure who is fast, with stop-gradient, at learning-rate ratios 0.1, 1 and 10.

    Parameters
    ----------
    progress : callable, optional
    seeds : int
    steps : int
        Of both trained networks.
    dim : int
        Features of the small linear network whose Jacobian is taken.
    t_end : float
        Flow time of the toy and of that network.
    records : int

    Returns
    -------
    xarray.Dataset
        Over `alpha`, `subject`, `seed`, `record` (share of the run): `relative_speed_ratio`, `absolute_speed_ratio`,
        `predictor_gap` (‖P − P*‖/‖P*‖; |φ − 1| in the toy; NaN for a predictor that is not linear), `predictor_share`,
        the predictor's part of dl/dt in the sum of the sizes of both parts. Without `record`: `half_life_ratio`,
        `time90_ratio`. Over `alpha`, `jacobian_of` (toy, linear network), `record`: `eigenvalue_gap`,
        `zero_eigenvalues`.
    """

    def report(done: int, what: str) -> None:
        if progress:
            progress(done, len(RATIOS) * 3, what)

    rows = []
    for index, alpha in enumerate(RATIOS):
        toy, toy_spectrum = _toy(alpha, t_end, records)
        report(3 * index + 1, f"α = {alpha:g}, spectra")
        spectra = xr.concat([toy_spectrum, _linear_spectrum(alpha, dim, t_end, records)], "jacobian_of")
        report(3 * index + 2, f"α = {alpha:g}, linear network")
        linear = _trained(seeds, steps, records, alpha=alpha, **LINEAR)
        report(3 * index + 3, f"α = {alpha:g}, hidden layer")
        hidden = _trained(seeds, steps, records, alpha=alpha)
        subjects = xr.concat([toy, linear, hidden], xr.DataArray(list(SUBJECTS), dims="subject", name="subject"))
        rows.append(subjects.merge(spectra.assign_coords(jacobian_of=list(SUBJECTS[:2]))))
    data = xr.concat(rows, xr.DataArray(list(RATIOS), dims="alpha", name="alpha"))
    about = {"t_end": t_end, "steps": steps, "sigma2": NOISE**2, "dim": dim, "initial": _START}
    return stamp(data.drop_attrs(), "torch", "scikit-learn", **about)


_START = {"phi": 0.6, "theta": 0.1}
LINEAR = {
    "encoder": "linear",
    "norm": "none",
    "predictor": "linear",
    "objective": "squared",
    "lr": 0.02,
}  # with momentum 0.9 and every augmentation, as the network with a hidden layer


def _toy(alpha: float, t_end: float, records: int) -> tuple[xr.Dataset, xr.Dataset]:
    flow = system("toy")
    run_ = solve(flow, _START, times=np.linspace(0, t_end, records + 1), parameters={"alpha": alpha})
    told = timescales(flow, run_)
    predictor, encoder = told["loss_share_phi"], told["loss_share_theta"]
    told["predictor_gap"] = abs(run_["phi"] - 1)  # the optimal predictor of the toy is φ = 1
    told["predictor_share"] = _share(predictor, encoder)
    found = _by_share_of_the_run(told[[*SERIES, *NUMBERS]], "time")
    return found, _spectrum(told)


def _linear_spectrum(alpha: float, dim: int, t_end: float, records: int) -> xr.Dataset:
    from dynsim.networks import flow, initial_state

    experiment = linear_experiment(dim=dim, alpha=alpha)
    field = flow(experiment)
    moments = np.linspace(0, t_end, min(records, 10) + 1)  # a Jacobian takes a backward pass for every parameter
    told = _spectrum(timescales(field, solve(field, initial_state(experiment), times=moments)))
    return told.reindex(record=np.linspace(0, 1, records + 1), method="nearest", tolerance=0.5 / records)


def _spectrum(told: xr.Dataset) -> xr.Dataset:
    size: xr.DataArray = np.hypot(told["eigenvalue"], told["eigenvalue_imaginary"])  # type: ignore[assignment]
    zero = size <= 1e-7 * size.max("mode")
    moving = size.where(~zero)
    spectrum = xr.Dataset(
        {"eigenvalue_gap": moving.max("mode") / moving.min("mode"), "zero_eigenvalues": zero.sum("mode").astype(float)}
    )
    return _by_share_of_the_run(spectrum, "time")


def _trained(seeds: int, steps: int, records: int, **changes: Any) -> xr.Dataset:
    from dynsim.networks import Experiment, train

    every = max(1, steps // records)
    experiment = Experiment(steps=every * records, measures=_RECORDED, every=every, **changes)
    data = train(experiment, seeds)
    data["predictor_share"] = _share(data["loss_share_predictor"], data["loss_share_encoder"])
    if "predictor_gap" not in data:  # there is no optimal linear predictor to compare with
        data["predictor_gap"] = xr.full_like(data["predictor_share"], np.nan)
    return _by_share_of_the_run(data[[*SERIES, *NUMBERS]].drop_vars("time"), "step")


def _share(predictor: xr.DataArray, encoder: xr.DataArray) -> xr.DataArray:
    """Signed: negative where the predictor's motion lowers the loss."""
    total = abs(predictor) + abs(encoder)
    return (predictor / total).where(total > 0)


def _by_share_of_the_run(data: xr.Dataset, axis: str) -> xr.Dataset:
    return data.drop_vars(axis).rename({axis: "record"}).assign_coords(record=np.linspace(0, 1, data.sizes[axis]))


def verdict(data: xr.Dataset) -> Verdict:
    """Say, per subject and ratio, who is fast by the measures, and where they disagree."""
    told = []
    for subject in data["subject"].values:
        words = []
        for alpha in data["alpha"].values:
            here = data.sel(subject=subject, alpha=alpha)
            start = float(here["relative_speed_ratio"].isel(record=0).mean())
            half = float(here["half_life_ratio"].mean())
            disagree = " (they disagree)" if (start > 1) == (half > 1) else ""
            words.append(f"{start:.2g}|{half:.2g}{disagree}")
        told.append(f"{subject} {', '.join(words)}")
    at_one = int(abs(np.log(data["alpha"])).argmin())
    first = data["relative_speed_ratio"].isel(alpha=at_one, record=0)
    speeds = {str(one): float(first.sel(subject=one).mean()) for one in data["subject"].values}
    detail = (
        "predictor over encoder at α = "
        + "/".join(f"{alpha:g}" for alpha in data["alpha"].values)
        + ", relative speed at the start | half-life: "
        + "; ".join(told)
        + "; a fast predictor is a choice of α, not a given"
    )
    headline = [
        f"Relative speed, predictor/encoder, at the start, α = {float(data['alpha'][at_one]):g}: "
        + ", ".join(f"{one} {speed:.2g}" for one, speed in speeds.items()),
        "Relative speed of predictor over encoder at the start: "
        + ", ".join(f"{speed:.2g}" for speed in speeds.values()),
    ]
    return concluded("measured", headline, detail)


_LINES = ("-", "--", "-.")


def draw(data: xr.Dataset, figure: Any) -> None:
    """Relative speed of predictor over encoder along the run, a panel per subject."""
    subjects = [str(name) for name in data["subject"].values]
    colours = colormaps[SEQUENCE](np.linspace(0.0, 0.82, data.sizes["alpha"]))
    for axes, subject in zip(panel_row(figure, len(subjects), sharey=True), subjects, strict=True):
        ends = []
        for alpha, colour, line in zip(data["alpha"].values, colours, _LINES, strict=False):
            one = data["relative_speed_ratio"].sel(subject=subject, alpha=alpha)
            draw_seeds(axes, data["record"], one, {"color": tuple(colour), "linestyle": line})
            known = one.mean("seed").values
            known = known[np.isfinite(known)]
            ends.append((float(known[-1]) if known.size else np.nan, f"α = {alpha:g}", tuple(colour)))
        axes.axhline(1.0, color=COLOURS["grey"], linewidth=0.8)
        axes.set(yscale="log", xlabel="share of the run", title=subject, xlim=(0, 1))
        label_ends(axes, ends)
    figure.supylabel("relative speed, predictor / encoder")
    caption(
        figure,
        data,
        "Above 1 the predictor is faster; α multiplies its learning rate, stop-gradient everywhere. "
        "Bands: "
        f"range over {data.sizes['seed']} seeds. Other measures disagree: --full",
    )


def draw_full(data: xr.Dataset, figure: Any) -> None:
    """Above and below one column per subject; between them gap, eigenvalues and times of displacement."""
    grid = figure.subplots(3, 3)
    alphas = data["alpha"].values
    colours = colormaps[SEQUENCE](np.linspace(0.0, 0.82, len(alphas)))
    styles = [{"color": tuple(c), "linestyle": line} for c, line in zip(colours, _LINES, strict=False)]
    for column, subject in enumerate(data["subject"].values):
        _draw_speeds(data.sel(subject=subject), grid[0, column], styles, str(subject))
        _draw_shares(data.sel(subject=subject), grid[2, column], styles, str(subject))
    _draw_gap(data, grid[1, 0], styles)
    _draw_eigenvalues(data, grid[1, 1], styles)
    _draw_times(data, grid[1, 2], styles)
    grid[0, 0].legend(title="α")
    caption(
        figure,
        data,
        "α multiplies the predictor's learning rate, stop-gradient everywhere. Middle row: distance, "
        "eigenvalues, times of displacement. Bands and bars: "
        f"range over {data.sizes['seed']} seeds",
    )


def _draw_speeds(data: xr.Dataset, axes: Any, styles: list[dict[str, Any]], subject: str) -> None:
    for alpha, style in zip(data["alpha"].values, styles, strict=True):
        one = data.sel(alpha=alpha)
        draw_seeds(axes, data["record"], one["relative_speed_ratio"], {**style, "linewidth": 2.0}, label=f"{alpha:g}")
        draw_seeds(axes, data["record"], one["absolute_speed_ratio"], {**style, "linewidth": 0.9})
    axes.axhline(1.0, color=COLOURS["grey"], linewidth=0.8)
    axes.set(yscale="log", xlabel="share of the run")
    if subject == "toy":
        axes.set_ylabel("← encoder faster   predictor faster →")
    axes.set_title(f"{subject}: speed of predictor/encoder\nrelative (thick), absolute (thin)")


def _draw_gap(data: xr.Dataset, axes: Any, styles: list[dict[str, Any]]) -> None:
    for subject, width in (("toy", 0.9), ("linear network", 2.0)):
        for alpha, style in zip(data["alpha"].values, styles, strict=True):
            values = data["predictor_gap"].sel(subject=subject, alpha=alpha)
            draw_seeds(axes, data["record"], values.where(values > 0), {**style, "linewidth": width})
    axes.set(yscale="log", xlabel="share of the run", ylim=(1e-4, None))
    axes.set_title(
        "distance to the slow manifold ‖P − P*‖/‖P*‖\nlinear network (thick), toy |φ − 1| (thin)", fontsize=9.5
    )


def _draw_eigenvalues(data: xr.Dataset, axes: Any, styles: list[dict[str, Any]]) -> None:
    zeros = []
    for subject, width in (("toy", 0.9), ("linear network", 2.0)):
        for alpha, style in zip(data["alpha"].values, styles, strict=True):
            one = data.sel(jacobian_of=subject, alpha=alpha)
            gap = one["eigenvalue_gap"].where(one["zero_eigenvalues"] == 0)
            known = np.isfinite(gap)  # of the network the Jacobian is taken at a few moments only
            axes.plot(data["record"][known], gap[known], **{**style, "linewidth": width})
            zeros.append(f"{float(one['zero_eigenvalues'].isel(record=-1)):.0f}")
    half = len(zeros) // 2
    axes.annotate(
        f"zero eigenvalues at the end, by α:\ntoy {', '.join(zeros[:half])}; linear network {', '.join(zeros[half:])}",
        (0.98, 0.03),
        xycoords="axes fraction",
        ha="right",
        va="bottom",
    )
    axes.set(yscale="log", xlabel="share of the run", ylim=(0.03, None))
    axes.set_title("eigenvalues of the Jacobian, |λ|max/|λ|min\nlinear network (thick), toy (thin)")


def _draw_times(data: xr.Dataset, axes: Any, styles: list[dict[str, Any]]) -> None:
    subjects = data["subject"].values.tolist()
    for column, (alpha, style) in enumerate(zip(data["alpha"].values, styles, strict=True)):
        for name, marker, face in (("half_life_ratio", "o", "white"), ("time90_ratio", "s", style["color"])):
            for row, subject in enumerate(subjects):
                values = data[name].sel(alpha=alpha, subject=subject).values
                y = row + 0.22 * (column - 1) + (0.07 if name == "time90_ratio" else -0.03)
                axes.plot([values.min(), values.max()], [y, y], color=style["color"], linewidth=1)
                axes.plot(values.mean(), y, marker, color=style["color"], markerfacecolor=face, markersize=5.5)
    axes.axvline(1.0, color=COLOURS["grey"], linewidth=0.8)
    both = np.concatenate([data[name].values.ravel() for name in ("half_life_ratio", "time90_ratio")])
    low, high = min(0.9 * np.nanmin(both), 0.9), max(1.1 * np.nanmax(both), 1.1)
    axes.set_xscale("log")
    ticks = [tick for tick in (0.05, 0.1, 0.2, 0.5, 0.7, 1.0, 1.4, 2.0, 5.0, 10.0, 20.0) if low < tick < high]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set(
        xlim=(low, high), ylim=(len(subjects) - 0.5, -0.5), xlabel="predictor/encoder (left of 1: predictor faster)"
    )
    axes.set_yticks(range(len(subjects)), subjects)
    axes.set_title("time until 50 % (rings) and 90 % (squares)\nof the displacement is done")


def _draw_shares(data: xr.Dataset, axes: Any, styles: list[dict[str, Any]], subject: str) -> None:
    for alpha, style in zip(data["alpha"].values, styles, strict=True):
        draw_seeds(axes, data["record"], data["predictor_share"].sel(alpha=alpha), {**style, "linewidth": 1.8})
    axes.axhline(0.0, color=COLOURS["grey"], linewidth=0.8)
    axes.set(ylim=(-1.05, 1.05), xlabel="share of the run")
    axes.set_title(f"{subject}: the predictor's part of dl/dt\nrelative to |its part| + |the encoder's|")


FIGURE = Figure(
    name="network-timescales",
    summary="Speeds of predictor and encoder on the toy and on networks",
    compute=compute,
    verdict=verdict,
    draw=draw,
    draw_full=draw_full,
    cost=30.0,
    height=3.0,
    full_height=8.6,
    panels=3,
    needs=("networks",),
    small={"seeds": 2, "steps": 30, "dim": 2, "t_end": 10.0},
)
