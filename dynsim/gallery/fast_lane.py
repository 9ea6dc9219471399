"""Is the second branch a fast lane for the encoder, and the predictor the fast part? Networks and toy, three branches.

One run serves two figures: `fast-lane` compares branches, `network-timescales` the two blocks, by every measure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from textwrap import fill
from typing import Any

import numpy as np
import xarray as xr

from dynsim.analysis.numerics.timescales import timescales
from dynsim.drawing.canvas import panel_row
from dynsim.drawing.measures import draw_seeds
from dynsim.drawing.rows import branch_legend, draw_rows
from dynsim.drawing.style import BRANCH_STYLE, COLOURS
from dynsim.drawing.words import caption
from dynsim.errors import unknown
from dynsim.gallery.figure import Figure, concluded
from dynsim.integrate.solve import solve
from dynsim.progress import Progress
from dynsim.records import provenance, stamp
from dynsim.symbolic.flow import BRANCHES
from dynsim.systems.catalogue import system
from dynsim.verdict import Verdict, Word

TOY = "toy"
# Every other field is that of the default network: MLP, batch normalisation, MLP predictor, cosine loss.
NETWORKS: dict[str, dict[str, Any]] = {
    "linear": {"encoder": "linear", "norm": "none", "predictor": "linear", "objective": "squared", "lr": 0.02},
    "MLP": {"norm": "none", "predictor_norm": "none"},
    "MLP, BN": {},
    "deep MLP, BN": {"depth": 4},
    "MLP, BN, linear predictor": {"predictor": "linear"},
    "CNN, BN": {"encoder": "cnn"},
}
SPEEDS = ("relative_speed", "absolute_speed")
FACTORS = (1.0, 1.25, 2.0)  # by how much one must be faster to count; the verdict takes the first
JUDGED = ("spread", "rankme", "norm_ratio", "knn")
_BLOCKS = {"predictor": "phi", "encoder": "theta"}
_START = {"phi": 0.6, "theta": 0.1}


def compute(
    progress: Progress | None = None,
    *,
    seeds: int = 5,
    steps: int = 600,
    records: int = 60,
    alpha: float = 1.0,
    data: Any = "digits",
    networks: Sequence[str] = tuple(NETWORKS),
    t_end: float = 80.0,
) -> xr.Dataset:
    """Train every network in every branch from the same starts, and measure how fast its two blocks move.

    Parameters
    ----------
    progress : callable, optional
    seeds, steps, records : int
        Of every network; the toy is integrated once and stands in every seed.
    alpha : float
        Factor of the predictor's learning rate.
    data : str
        Images, as `dynsim.networks.Experiment` takes them.
    networks : sequence of str
        Of `NETWORKS`.
    t_end : float
        Flow time of the toy, from φ = 0.6, θ = 0.1.

    Returns
    -------
    xarray.Dataset
        Over `network` (the toy first), `branch`, `seed` and `record`, the share of the run:
        ``relative_speed_encoder`` ‖Ẇ‖/‖W‖, ``absolute_speed_encoder`` ‖Ẇ‖ and the same of the predictor, per unit of
        flow time; `predictor_share`, the predictor's part of dl/dt in the sum of the sizes of both parts. Without
        `record`: flow times until ``half_life_encoder`` half and ``time90_encoder`` 90 % of the block's displacement
        over the run is done, the same of the predictor, and what judges collapse at the end.
    """
    names = list(networks)
    for name in names:
        if name not in NETWORKS:
            raise unknown("network", name, tuple(NETWORKS))
    every = max(1, steps // records)
    shares = np.linspace(0, 1, steps // every + 1)
    subjects = [_toys(alpha, t_end, shares).expand_dims(seed=np.arange(seeds))]
    experiment = None
    for index, name in enumerate(names):
        branches = []
        for place, branch in enumerate(BRANCHES):
            experiment = _experiment(name, branch=branch, steps=every * (len(shares) - 1), every=every,
                                     alpha=alpha, data=data)  # fmt: skip
            branches.append(_measured(experiment, seeds, shares))
            if progress:
                progress(index * len(BRANCHES) + place + 1, len(names) * len(BRANCHES), f"{name}, {branch}")
        subjects.append(_beside(branches))
    found = xr.concat(subjects, xr.DataArray([TOY, *names], dims="network", name="network"), coords="minimal")
    found = found.transpose("network", "branch", "seed", "record").astype("float32")
    found = found.assign_coords(record=shares)
    about = experiment.to_dict() if experiment else {"data": "none"}
    settings = {name: NETWORKS[name] for name in names}
    return stamp(found.drop_attrs(), "torch", "scikit-learn", experiment={**about, "branch": "all"},
                 settings=settings, steps=steps, alpha=alpha, initial=_START, t_end=t_end)  # fmt: skip


def _experiment(name: str, **fields: Any) -> Any:
    from dynsim.networks import Experiment

    return Experiment(measures=("velocities", "loss_share", "half_life", *JUDGED), **{**NETWORKS[name], **fields})


def _measured(experiment: Any, seeds: int, shares: np.ndarray) -> xr.Dataset:
    from dynsim.networks import train
    from dynsim.networks.collapse import collapsed

    run = train(experiment, seeds)
    over_run = [f"{speed}_{block}" for speed in SPEEDS for block in _BLOCKS]
    found = run[over_run].drop_vars("time", errors="ignore").rename(step="record").assign_coords(record=shares)
    parts = [run[f"loss_share_{block}"].values for block in _BLOCKS]
    found["predictor_share"] = (found[over_run[0]].dims, _share(*parts))
    for name in ("half_life", "time90"):
        for block in _BLOCKS:
            found[f"{name}_{block}"] = run[f"{name}_{block}"]
    for name in JUDGED:
        if name in run:
            found[name] = run[name].isel(step=-1, drop=True).drop_vars("time", errors="ignore")
    found["collapsed"] = ("seed", np.asarray(collapsed(run), dtype=float))
    return found.drop_attrs()


def _share(predictor: np.ndarray, encoder: np.ndarray) -> np.ndarray:
    """Signed: negative where the predictor's motion lowers the loss."""
    total = np.abs(predictor) + np.abs(encoder)
    return np.divide(predictor, total, out=np.full_like(total, np.nan), where=total > 0)


def _toys(alpha: float, t_end: float, shares: np.ndarray) -> xr.Dataset:
    found = []
    for branch in BRANCHES:
        flow = system("toy", branch=branch)
        run = solve(flow, _START, times=shares * t_end, parameters={"alpha": alpha})
        told = timescales(flow, run)
        slopes = flow.field({"alpha": alpha}).f
        points = np.column_stack([run[name].values for name in flow.states])
        speed = np.abs([slopes(0.0, point) for point in points])
        part = xr.Dataset(coords={"record": shares})
        for block, state in _BLOCKS.items():
            moved = speed[:, list(flow.states).index(state)]
            part[f"absolute_speed_{block}"] = ("record", moved)
            part[f"relative_speed_{block}"] = ("record", moved / np.abs(run[state].values))
            for name in ("half_life", "time90"):
                part[f"{name}_{block}"] = float(told[f"{name}_{state}"])
        part["predictor_share"] = ("record", _share(told["loss_share_phi"].values, told["loss_share_theta"].values))
        part["collapsed"] = float(abs(run["theta"][-1]) < 0.1 * abs(run["theta"][0]))
        found.append(part)
    return _beside(found)


def _beside(branches: list[xr.Dataset]) -> xr.Dataset:
    return xr.concat(branches, xr.DataArray(list(BRANCHES), dims="branch", name="branch"))


def ratio(data: xr.Dataset, measure: str) -> xr.DataArray:
    """Predictor over encoder: speeds above 1, times below 1 where the predictor is ahead; NaN where nothing moves.

    Parameters
    ----------
    data : xarray.Dataset
        Of `compute`.
    measure : {"relative_speed", "absolute_speed", "half_life", "time90"}
    """
    encoder = data[f"{measure}_encoder"]
    return (data[f"{measure}_predictor"] / encoder).where(encoder > 0)


def slowed(
    data: xr.Dataset, speed: str = "relative_speed", factor: float = 1.0, *, start: bool = True
) -> xr.DataArray:
    """Whether stop-gradient makes the encoder slower than both branches do, in every seed.

    At the same start, or at most records of the run.
    """
    encoder = data[f"{speed}_encoder"]
    slower = factor * encoder.sel(branch="stop", drop=True) < encoder.sel(branch="full", drop=True)
    return (slower.isel(record=0, drop=True) if start else slower.mean("record") > 0.5).all("seed")


def ahead(
    data: xr.Dataset, measure: str = "relative_speed", factor: float = 1.0, *, start: bool = True
) -> xr.DataArray:
    """Whether the predictor is ahead of the encoder in every seed: at the start, or at most records of the run.

    A time is one number for the run, and below 1 where the predictor is ahead.
    """
    found = ratio(data, measure)
    if "record" not in found.dims:
        return (found * factor < 1).all("seed")
    faster = found > factor
    return (faster.isel(record=0, drop=True) if start else faster.mean("record") > 0.5).all("seed")


def networks_of(data: xr.Dataset) -> xr.Dataset:
    """Without the toy."""
    return data.sel(network=[str(name) for name in data["network"].values if name != TOY])


def _numbers(values: xr.DataArray) -> str:
    """Mean over seeds in every branch, and the range where seeds differ."""
    words = []
    for branch in values["branch"].values:
        one = values.sel(branch=branch).values
        one = one[np.isfinite(one)]
        if not one.size:
            words.append(f"{branch} none")
        elif one.max() - one.min() > 1e-3 * abs(one.mean()):
            words.append(f"{branch} {one.mean():.3g} ({one.min():.3g} to {one.max():.3g})")
        else:
            words.append(f"{branch} {one.mean():.3g}")
    return ", ".join(words)


def _counts(data: xr.Dataset, test: Callable[..., xr.DataArray], measure: str, **options: Any) -> str:
    counts = []
    for factor in FACTORS:
        passed = test(data, measure, factor, **options)
        counts.append(str(int((passed.sel(branch="stop") if "branch" in passed.dims else passed).sum())))
    return ", ".join(counts)


def facts(data: xr.Dataset) -> list[str]:
    """Speeds and times of every network, and how the counts depend on measure and threshold."""
    told = []
    for name in data["network"].values:
        here = data.sel(network=name)
        start = here.isel(record=0)
        told.append(f"{name}: relative speed of the encoder at the start: {_numbers(start['relative_speed_encoder'])}")
        for measure, words in (("relative_speed", "relative speed"), ("absolute_speed", "absolute speed")):
            told.append(f"{name}: {words}, predictor over encoder, at the start: {_numbers(ratio(start, measure))}")
        for measure, words in (("half_life", "half-way"), ("time90", "90 %")):
            told.append(f"{name}: {words} time, predictor over encoder: {_numbers(ratio(here, measure))}")
        dead = here["collapsed"].mean("seed")
        told.append(f"{name}: share of seeds collapsed at the end: {_numbers(dead)}")
    networks = networks_of(data)
    many = f"of {networks.sizes['network']} networks, in every seed, at factors {', '.join(f'{f:g}' for f in FACTORS)}"
    for speed in SPEEDS:
        words = speed.replace("_", " ")
        for at_start, when in ((True, "at the start"), (False, "over most of the run")):
            for test, who in ((slowed, "encoder slower"), (ahead, "predictor faster")):
                counts = _counts(networks, test, speed, start=at_start)
                told.append(f"{who} with stop-gradient, {words} {when}: {counts} {many}")
    for measure, words in (("half_life", "half of its way"), ("time90", "90 % of its way")):
        told.append(f"predictor first to {words} with stop-gradient: {_counts(networks, ahead, measure)} {many}")
    dead = (networks["collapsed"].sel(branch="stop") == 1).any("seed")
    told.append(f"slowed by stop-gradient and collapsed all the same: {_listed(slowed(networks) & dead)}")
    first = ratio(data.isel(record=0), "relative_speed").sel(branch="stop").mean("seed") / float(data.attrs["alpha"])
    equal = ", ".join(f"{name} {1 / float(first.sel(network=name)):.3g}" for name in data["network"].values)
    told.append(f"α at which both blocks start with the same relative speed, with stop-gradient: {equal}")
    return told


def _listed(which: xr.DataArray) -> str:
    return " and ".join(str(name) for name in which["network"].values[which.values]) or "none"


def verdict(data: xr.Dataset) -> Verdict:
    """In how many networks stop-gradient slows the encoder, and in how many the predictor is the fast part."""
    networks = networks_of(data)
    number = networks.sizes["network"]
    slow, first = slowed(networks), ahead(networks).sel(branch="stop")
    word: Word = "open"
    if number:
        both = slow & first
        some = bool((slow | first).any())
        word = "holds" if bool(both.all()) else "holds under conditions" if some else "does not hold"
    headline = (
        f"Stop-gradient slows the encoder's start in {int(slow.sum())} of {number} networks; predictor faster in "
        f"{int(first.sum())}"
    )
    return concluded(word, headline, "; ".join(facts(data)))


RESTING = 1e-6  # speeds below it, per unit of flow time, are rounding of single precision and are not drawn
DRAWN = 30  # records of a small panel, beside the last
LEAST = 1e-2  # of predictor over encoder: the toy's falls for ever


def draw(data: xr.Dataset, figure: Any) -> None:
    """Three panels: the encoder against itself with stop-gradient at the start and later, predictor over encoder."""
    panels = panel_row(figure, 3)
    encoder = data["relative_speed_encoder"]
    against = encoder.sel(branch=["full", "target"]) / encoder.sel(branch="stop", drop=True)
    moving = against.where(encoder.sel(branch="stop", drop=True) > RESTING)
    draw_rows(
        panels,
        [
            ("encoder's speed at the start\n÷ with stop-gradient", moving.isel(record=0)),
            ("the same over the run\n(median)", moving.median("record")),
            ("predictor's speed at the start\n÷ encoder's", ratio(data, "relative_speed").isel(record=0)),
        ],
    )
    branch_legend(panels[-1], [str(one) for one in data["branch"].values])
    _say(data, figure, "Relative speeds, ‖Ẇ‖/‖W‖. Left and middle, right of 1: stop-gradient slows the encoder. "
         "Right panel, right of 1: the predictor is the fast part")  # fmt: skip


def draw_full(data: xr.Dataset, figure: Any) -> None:
    """Relative speeds along the run: the encoder's above, predictor over encoder below, a column per network."""
    names = [str(one) for one in data["network"].values]
    data = data.isel(record=slice(None, None, max(1, data.sizes["record"] // DRAWN)))
    grid = figure.subplots(2, len(names), sharey="row", sharex=True, squeeze=False)
    encoder, over = data["relative_speed_encoder"], ratio(data, "relative_speed")
    moving = encoder.where(encoder > RESTING)
    for column, name in enumerate(names):
        for axes, values in zip(grid[:, column], (moving, over.where(encoder > RESTING)), strict=True):
            for branch in data["branch"].values:
                one = values.sel(network=name, branch=branch)
                draw_seeds(axes, data["record"], one, BRANCH_STYLE[str(branch)])
            axes.set(yscale="log", xlim=(0, 1))
            axes.minorticks_off()
        grid[0, column].set_title(fill(name, 12))
        grid[1, column].axhline(1.0, color=COLOURS["black"], linewidth=0.8)
    grid[0, 0].set_ylabel("encoder")
    grid[1, 0].set_ylabel("predictor / encoder")
    grid[1, len(names) // 2].set_xlabel("share of the run")
    grid[1, 0].set_ylim(bottom=LEAST)
    for one in data["branch"].values:
        grid[0, -1].plot([], [], label=str(one), **BRANCH_STYLE[str(one)])
    grid[0, -1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    _say(
        data, figure, "Relative speeds, ‖Ẇ‖/‖W‖ per unit of flow time. Below, above 1: the predictor is the fast part"
    )


def _say(data: xr.Dataset, figure: Any, how: str) -> None:
    about = provenance(data)["experiment"]
    seeds = data.sizes["seed"]
    caption(
        figure, data, how, f"Data: {about['data']}, same starts in all branches; mean and range over {seeds} seeds"
    )


FIGURE = Figure(
    name="fast-lane",
    summary="Does stop-gradient slow the encoder? Networks in the three branches",
    compute=compute,
    verdict=verdict,
    draw=draw,
    draw_full=draw_full,
    cost=140.0,
    height=3.3,
    full_height=4.2,
    panels=3,
    needs=("networks",),
    small={"seeds": 2, "steps": 12, "records": 4, "networks": ("linear", "MLP, BN")},
)
