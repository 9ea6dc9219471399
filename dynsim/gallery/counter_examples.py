"""Where stop-gradient does not save the network: four measures, none of which sees all, and what the toy foretold."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from dynsim.drawing.style import COLOURS
from dynsim.drawing.words import caption
from dynsim.gallery.counter_settings import HIDDEN, LINEAR, CounterSetting, by_matrix_flow, by_modes, toy_outcome
from dynsim.gallery.figure import Figure, concluded
from dynsim.gallery.linear_networks import NOISE, linear_experiment
from dynsim.gallery.trained_networks import hidden_layer, seed_count
from dynsim.networks.collapse import judge_run
from dynsim.progress import Progress
from dynsim.records import stamp
from dynsim.verdict import Verdict

MEASURES = ("spread", "rankme", "norm_ratio", "knn")


FACTORS = (0.8, 1.25)  # on each measure: other thresholds that are as reasonable


def compute(
    progress: Progress | None = None,
    *,
    seeds: int | None = None,
    steps: int = 600,
    linear_steps: int = 2000,
    data: Any = None,
    full: bool = False,
) -> xr.Dataset:
    """Train every setting, always with stop-gradient, and ask the toy and the mode equations.

    Parameters
    ----------
    progress : callable, optional
    seeds : int, optional
        5 by default.
    steps : int
        Of the networks with hidden layer; two settings under squared error take more, in proportion.
    linear_steps : int
    data : str or images, optional
        As `dynsim.networks.Experiment` takes them; the digits by default, in full MNIST.
    full : bool
        10 seeds, and MNIST for the networks with hidden layer.

    Returns
    -------
    xarray.Dataset
        Over `setting` (coordinate `network`: linear or hidden layer), `seed` and `moment` (start, end): `spread`,
        `rankme`, `norm_ratio`, `knn`; over `setting`, `seed` `norm_growth`, the factor of the norm over the last
        quarter. Over `setting`, `seed`, at the end and for linear networks only: the same four with prefix `modes_`
        (every direction by its scalar equation) and `flow_` (the matrix equations). Over `setting`: `toy_collapses`
        (0 or 1) and `usual`, 1 for the settings that the others are compared with.
    """
    seeds = seed_count(seeds, full)
    rows: list[xr.Dataset] = []
    total = len(LINEAR) + len(HIDDEN)

    def report(name: str) -> None:
        if progress:
            progress(len(rows), total, name.strip())

    base = linear_experiment(
        data="digits" if data is None else data,
        dim=32,
        lr=0.01,
        momentum=0.9,
        batch=64,
        dtype="float32",
        steps=linear_steps,
        measures=MEASURES,
        every=max(1, linear_steps // 4),
    )
    for name, setting in LINEAR.items():
        rows.append(_linear(name, setting, base, seeds))
        report(f"linear, {name}")
    for name, setting in HIDDEN.items():
        taken = max(1, round(setting.longer * steps))
        changes = {**setting.network, "steps": taken, "every": max(1, taken // 4)}
        rows.append(
            _row(name, "hidden layer", setting, _ends(hidden_layer(full, data, measures=MEASURES, **changes), seeds))
        )
        report(f"hidden layer, {name}")
    found = xr.concat(rows, "setting")
    found["setting"] = found["setting"].astype(str)
    about = {"sigma2": NOISE**2, "steps": steps, "linear_steps": linear_steps}
    return stamp(found, "torch", "scikit-learn", experiment=hidden_layer(full, data).to_dict(), **about)


def _ends(experiment: Any, seeds: int) -> xr.Dataset:
    from dynsim.networks import train

    return _two_moments(train(experiment, seeds))


def _two_moments(run_: xr.Dataset) -> xr.Dataset:
    two = run_[list(MEASURES)].isel(step=[0, -1]).drop_vars("time").rename(step="moment")
    two["norm_growth"] = run_["norm_ratio"].isel(step=-1, drop=True) / run_["norm_ratio"].isel(step=-2, drop=True)
    return two.assign_coords(moment=["start", "end"]).drop_vars("time", errors="ignore").drop_attrs()


def _row(name: str, network: str, setting: CounterSetting, data: xr.Dataset) -> xr.Dataset:
    for prefix in ("modes", "flow"):
        for measure in MEASURES:
            if f"{prefix}_{measure}" not in data:
                data[f"{prefix}_{measure}"] = ("seed", np.full(data.sizes["seed"], np.nan))
    data["toy_collapses"] = int(bool(toy_outcome(setting).collapsed))
    data["usual"] = int(setting.usual)
    return data.expand_dims(setting=[f"{network}: {name}"]).assign_coords(network=("setting", [network]))


def _linear(name: str, setting: CounterSetting, base: Any, seeds: int) -> xr.Dataset:
    """The network, and its measures if its weights were those that theory foretells."""
    from dynsim.networks import fit, initial_state

    experiment = base.but(**setting.network)
    trained = fit(experiment, seeds)
    data = _two_moments(trained.dataset)
    time = float(trained.dataset["time"][-1])
    starts = [initial_state(experiment, seed) for seed in range(seeds)]
    for prefix, theory in (("modes", by_modes), ("flow", by_matrix_flow)):
        weights = np.array([theory(experiment, start, time) for start in starts])
        for measure, values in trained.measured(W=weights).items():
            data[f"{prefix}_{measure}"] = ("seed", values)
    return _row(name, "linear", setting, data)


def judged(data: xr.Dataset) -> xr.DataArray:
    """A `Judgement` of every setting and seed; kNN is compared with the first usual setting of the same network."""
    names = [*MEASURES, *(["norm_growth"] if "norm_growth" in data else [])]
    usual, network = data["usual"].values == 1, data["network"].values
    firsts = [int(np.flatnonzero(usual & (network == one))[0]) if (usual & (network == one)).any() else i
              for i, one in enumerate(network)]  # fmt: skip
    ends = data["knn"].sel(moment="end", drop=True).mean("seed")
    reference = ends.copy(data=ends.values[firsts])
    runs = data[names].rename(moment="record").assign_attrs(data.attrs)
    return judge_run(runs, reference=reference)


def alarms(data: xr.Dataset) -> xr.DataArray:
    """Which of the four measures does not call every seed healthy; over `setting`, `measure`.

    A run that ended in infinities sets off every alarm.
    """
    found = judged(data).transpose("setting", "seed").values
    ill = [[any(one.says(name) != "healthy" for one in seeds) for name in MEASURES] for seeds in found]
    return xr.DataArray(
        ill, dims=("setting", "measure"), coords={"setting": data["setting"], "measure": list(MEASURES)}
    ).transpose("measure", "setting")


def scaled(data: xr.Dataset, name: str, factor: float) -> xr.Dataset:
    """The same with one measure's ends multiplied, which is its thresholds divided: what the count hangs on."""
    measured = data[name].copy()
    measured.loc[{"moment": "end"}] *= factor
    return data.assign({name: measured})


def worse(data: xr.Dataset) -> xr.DataArray:
    """Whether a setting's features serve less than untrained ones: kNN below that at the start, in every seed."""
    return (data["knn"].sel(moment="end") < data["knn"].sel(moment="start")).all("seed")


def fates(data: xr.Dataset) -> xr.DataArray:
    """1 where seeds of a setting have collapsed, 0 where all are healthy, NaN where some are unsure."""
    found = judged(data).transpose("setting", "seed").values
    numbers = [1.0 if any(s.collapsed for s in seeds) else 0.0 if all(s.collapsed is False for s in seeds) else np.nan
               for seeds in found]  # fmt: skip
    return xr.DataArray(numbers, dims="setting", coords={"setting": data["setting"]})


def verdict(data: xr.Dataset) -> Verdict:
    """Say which settings fail, which measure notices, and how often the toy had said so."""
    found, alarm, fate = judged(data).transpose("setting", "seed"), alarms(data), fates(data)
    toy = data["toy_collapses"] == 1
    told = []
    for network in ("linear", "hidden layer"):
        here = np.flatnonzero((data["network"] == network).values)
        names = []
        for index in here:
            kinds = sorted({one.kinds[0] for one in found.values[index]} - {"healthy"})
            if kinds:
                noticed = ", ".join(alarm["measure"].values[alarm.values[:, index]])
                name = str(data["setting"].values[index]).split(": ", 1)[1].strip()
                names.append(f"{name} ({', '.join(kinds)}: {noticed})")
        told.append(f"{network}: {', '.join(names) or 'none'}")
    failed, decided = fate == 1, fate.notnull()
    noticed = ", ".join(f"{name} {int((alarm.sel(measure=name) & failed).sum())}" for name in MEASURES)
    right = int(((toy == failed) & decided).sum())
    close = _closeness(data)
    detail = (
        f"settings that fail or are in doubt in spite of stop-gradient (kind: measures that notice), {'. '.join(told)}"
        f"; of {int(failed.sum())} failures each measure alone notices: {noticed}; the toy is right in {right} of the "
        f"{int(decided.sum())} settings that are decided; were those in doubt failures, "
        f"{int((fate != 0).sum())} would fail; size of the linear networks' features "
        f"at the end, median factor between network and theory: matrix flow {close['flow']:.2f}, modes one by one "
        f"{close['modes']:.2f}"
    )
    doubt = int((~decided).sum())
    counts = {int(failed.sum())}
    for name in ("spread", "rankme", "norm_ratio"):
        other = [int((fates(scaled(data, name, factor)) == 1).sum()) for factor in FACTORS]
        counts |= set(other)
        counted = ", ".join(
            f"{count} at its thresholds over {factor:g}" for count, factor in zip(other, FACTORS, strict=True)
        )
        detail += f"; if {name} were judged otherwise, {counted} would fail"
    poor = failed & worse(data)
    spared = [str(name).strip() for name in data["setting"].values[(failed & ~worse(data)).values]]
    detail += (
        f"; of the failures {int(poor.sum())} have worse features than untrained ones in every seed (kNN), not so: "
    )
    detail += " and ".join(spared) or "none"
    number = f"{min(counts)} to {max(counts)}" if len(counts) > 1 else f"{min(counts)}"
    headline = (
        f"{number} of {failed.size} settings collapse in spite of stop-gradient"
        + (f", {doubt} in doubt" if doubt else "")
        + f"; toy right in {right}"
    )
    return concluded("measured", headline, detail)


def _closeness(data: xr.Dataset) -> dict[str, float]:
    linear = data.isel(setting=(data["network"] == "linear").values)
    network = np.log(linear["norm_ratio"].sel(moment="end").clip(1e-6).values)
    sizes = {name: np.log(linear[f"{name}_norm_ratio"].clip(1e-6).values) for name in ("flow", "modes")}
    return {name: float(np.exp(np.median(abs(network - size)))) for name, size in sizes.items()}


_PANELS = (
    ("spread", "spread std(z/|z|)·√d", "linear"),
    ("rankme", "RankMe", "linear"),
    ("norm_ratio", "norm of z / norm at start", "log"),
    ("knn", "kNN accuracy (augmented)", "linear"),
)
_SMALLEST = 1e-3  # sizes below are drawn here


def draw(data: xr.Dataset, figure: Any) -> None:
    """The toy's word beside two measures at the end, one row per setting."""
    panels = figure.subplots(1, 3, sharey=True, width_ratios=(0.5, 1, 1))
    linear = int((data["network"] == "linear").sum())
    rows = np.arange(data.sizes["setting"]) + 1.2 * (np.arange(data.sizes["setting"]) >= linear)
    alarm = alarms(data)
    _draw_toy(data, panels[0], rows)
    chosen = [panel for panel in _PANELS if panel[0] in ("norm_ratio", "knn")]
    for axes, (name, title, scale) in zip(panels[1:], chosen, strict=True):
        _draw_measure(data, axes, rows, name, alarm.sel(measure=name).values)
        axes.set(xscale=scale, title=title)
    networks = data["network"].values
    labels = [f"{network}: {str(name).split(': ', 1)[1].strip()}"
              for network, name in zip(networks, data["setting"].values, strict=True)]  # fmt: skip
    panels[0].set_yticks(rows, labels, fontsize=7)
    panels[0].set_ylim(rows[-1] + 0.7, -0.9)
    caption(
        figure,
        data,
        "Open: start, filled: end, red square: alarm by this measure (others behind --full); crosses: "
        f"matrix flow and modes; lines: range over {data.sizes['seed']} seeds",
    )


def draw_full(data: xr.Dataset, figure: Any) -> None:
    """One row per setting, one panel per measure; on the left what the toy says."""
    panels = figure.subplots(1, 5, sharey=True, width_ratios=(0.42, 1, 1, 1, 1))
    linear = int((data["network"] == "linear").sum())
    rows = np.arange(data.sizes["setting"]) + 1.2 * (np.arange(data.sizes["setting"]) >= linear)
    alarm = alarms(data)
    _draw_toy(data, panels[0], rows)
    for axes, (name, title, scale) in zip(panels[1:], _PANELS, strict=True):
        _draw_measure(data, axes, rows, name, alarm.sel(measure=name).values)
        axes.set(xscale=scale)
        axes.set_title(title)
    panels[1].set_xlim(-0.05, 1.05)
    panels[3].set_xlim(_SMALLEST / 1.6, None)
    labels = [str(name).split(": ", 1)[1] for name in data["setting"].values]
    panels[0].set_yticks(rows, labels)
    panels[0].set_ylim(rows[-1] + 0.7, -1.9)
    for row, words in ((-0.95, "linear network"), (linear + 0.35, "hidden layer")):
        place = {"xycoords": ("axes fraction", "data"), "ha": "right", "va": "center", "annotation_clip": False}
        panels[0].annotate(words, (-0.03, row), fontweight="bold", **place)
    panels[4].plot([], [], "o", color=COLOURS["grey"], mfc="white", ms=5, label="start")
    panels[4].plot([], [], "o", color=COLOURS["blue"], ms=6, label="end")
    panels[4].plot([], [], "s", color=COLOURS["vermilion"], ms=6, label="end, alarm")
    panels[4].plot([], [], "+", color=COLOURS["black"], ms=8, mew=1.5, label="matrix flow")
    panels[4].plot([], [], "x", color=COLOURS["green"], ms=6, mew=1.5, label="modes one by one")
    panels[4].legend(loc="center right", bbox_to_anchor=(1.0, 0.245))
    caption(
        figure,
        data,
        "Alarm: this measure does not call every seed healthy, kNN if less than half of the usual setting's gain is "
        f"left; lines: range over {data.sizes['seed']} seeds. Crosses: matrix flow and modes",
    )


def _draw_toy(data: xr.Dataset, axes: Any, rows: np.ndarray) -> None:
    for row, collapses, usual, fate in zip(
        rows, data["toy_collapses"].values == 1, data["usual"].values, fates(data).values, strict=True
    ):
        right = np.isnan(fate) or collapses == (fate == 1)
        axes.annotate(
            ("collapses" if collapses else "lives") + ("" if right else " ≠"),
            (0.5, row),
            xycoords=("axes fraction", "data"),
            ha="center",
            va="center",
            color=COLOURS["black"] if right else COLOURS["vermilion"],
            fontweight="bold" if usual else "normal",
        )
    axes.set_title("the toy\n(≠: the network\ndoes otherwise)")
    axes.set_xticks([])
    axes.grid(False)
    axes.plot([], [])


def _draw_measure(data: xr.Dataset, axes: Any, rows: np.ndarray, name: str, alarm: np.ndarray) -> None:
    least = _SMALLEST if name == "norm_ratio" else -np.inf
    start = data[name].sel(moment="start").mean("seed")
    axes.plot(start, rows, "o", color=COLOURS["grey"], mfc="white", ms=5, zorder=2)
    end = data[name].sel(moment="end").clip(least)
    low, middle, high = end.min("seed"), end.mean("seed"), end.max("seed")
    for row, a, m, b, bad in zip(rows, low.values, middle.values, high.values, alarm, strict=True):
        colour, marker = (COLOURS["vermilion"], "s") if bad else (COLOURS["blue"], "o")
        axes.plot([a, b], [row, row], color=colour, linewidth=1.6, zorder=3)
        axes.plot(m, row, marker, color=colour, ms=6, zorder=4)
    for prefix, style in (
        ("modes", {"marker": "x", "color": COLOURS["green"], "ms": 6, "mew": 1.5}),
        ("flow", {"marker": "+", "color": COLOURS["black"], "ms": 9, "mew": 1.3}),
    ):
        theory = data[f"{prefix}_{name}"].mean("seed").clip(least)
        axes.plot(theory, rows, linestyle="none", zorder=5, **style)
    axes.set_xlabel("at the end")


FIGURE = Figure(
    name="counter-examples",
    summary="Settings in which stop-gradient may not save the network",
    compute=compute,
    verdict=verdict,
    draw=draw,
    draw_full=draw_full,
    cost=65.0,
    height=5.4,
    full_height=8.0,
    panels=3,
    needs=("networks",),
    small={"seeds": 2, "steps": 40, "linear_steps": 300},
)
