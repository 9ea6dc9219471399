"""Toy, linear network and real network of one configuration on shared axes, with a verdict table."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from dynsim.analysis.numerics.outcome import outcome
from dynsim.analysis.numerics.timescales import speed_ratios
from dynsim.drawing.canvas import panel_row
from dynsim.drawing.measures import draw_seeds
from dynsim.drawing.style import COLOURS
from dynsim.drawing.words import caption, values
from dynsim.errors import bad
from dynsim.gallery.figure import Figure, concluded
from dynsim.integrate.solve import solve
from dynsim.networks.collapse import NORM, SPREAD, collapsed
from dynsim.progress import Progress
from dynsim.records import provenance, stamp
from dynsim.systems.catalogue import system
from dynsim.table import Table
from dynsim.verdict import Verdict

if TYPE_CHECKING:
    from dynsim.networks import Experiment

_LONGEST = 10  # steps of the linear network per step of the real one
START = {"phi": 0.6, "theta": 0.1}  # the article's
_RECORDED = ("spread", "rankme", "norm_ratio", "knn", "relative_speed_ratio", "balance")
_KEPT = ("spread", "rankme", "norm_ratio", "knn", "relative_speed_ratio", "balance_drift", "loss")


def compute(
    progress: Progress | None = None,
    *,
    experiment: Experiment | None = None,
    seeds: Any = 3,
    **changes: Any,
) -> xr.Dataset:
    """Run toy, linear network and real network with the branch, rates, decay, teacher and data of one experiment.

    The toy is the leading mode of the images in the network's own flow time: noise σ² = λ_s/λ_d − 1, decay η/λ_d,
    from the article's start. The linear network has the data, branch, rates, decay and teacher of the
    experiment, and the squared error, without normalisation; where its steps are smaller it takes more of them.

    Parameters
    ----------
    progress : callable, optional
    experiment : Experiment, optional
        Default: the MLP on digits.
    seeds : int or list
    **changes
        Fields of the experiment to change.

    Returns
    -------
    xarray.Dataset
        Toy: `toy_size` = |θ|/|θ(0)|, `toy_loss`, `toy_speed_ratio`, over `time`. Networks: `spread`, `rankme`,
        `norm_ratio`, `knn`, `relative_speed_ratio`, `loss`, `balance_drift` (NaN where the law does not apply) over
        `network` (linear, real), `seed`, `step` (of the real network), with `network_time`. What the toy predicts is
        in the attributes.

    Raises
    ------
    InvalidValue
        An experiment that has no counterpart in the toy.
    """
    from dynsim.networks import Experiment, train

    real = (Experiment() if experiment is None else experiment).but(measures=_RECORDED, **changes)
    _check(real)
    linear = linear_counterpart(real)
    trained = []
    for before, network in enumerate((linear, real)):

        def report(done: int, total: int, what: str, before: int = before) -> None:
            if progress:
                progress(before * total + done, 2 * total, what)

        data = train(network, seeds, progress=report)
        shown = data[[name for name in _KEPT if name in data]].drop_attrs()
        shown = shown.assign_coords(step=data["step"] // (network.steps // real.steps))
        trained.append(shown.rename(time="network_time"))
    # Their times are the same where their steps are: each has its own all the same.
    index = xr.DataArray(["linear", "real"], dims="network", name="network")
    networks = xr.concat(trained, index, join="outer", coords=["network_time"])
    toy, predicted = _toy(real, float(networks["network_time"].max()))
    merged = xr.merge([networks, toy])
    return stamp(
        merged,
        "torch",
        "scikit-learn",
        experiment=real.to_dict(),
        linear=linear.to_dict(),
        digest=real.digest,
        initial=START,
        predicted=predicted,
    )


def linear_counterpart(experiment: Experiment) -> Experiment:
    """Linear encoder and predictor under the squared error, for as long a flow time; else as the experiment has it."""
    if (experiment.encoder, experiment.predictor, experiment.norm) == ("linear", "linear", "none"):
        return experiment.but(objective="squared")
    plain = {"depth": None, "width": None, "bias": None, "predictor_width": None, "init": "default", "init_scale": 1.0}
    # The squared error of digits is stable at 0.02, momentum 0.9 included.
    lr = 0.02 if isinstance(experiment.lr, str) else min(experiment.lr, 0.02)
    longer = _steps_per_step(experiment, lr)
    clock = {"steps": longer * experiment.steps, "every": longer * experiment.every}
    return experiment.but(
        encoder="linear", norm="none", predictor="linear", objective="squared", lr=lr, **clock, **plain
    )


def _steps_per_step(experiment: Experiment, lr: float) -> int:
    """Steps of the linear network per step of the real one: one that is five times as small needs five."""
    rate = experiment.lr
    return 1 if isinstance(rate, str) else max(1, min(_LONGEST, round(rate / lr)))


def _check(experiment: Experiment) -> None:
    if experiment.steps < 1:
        raise bad("steps", experiment.steps, "at least one step", "nothing moves before the first")
    if experiment.objective not in ("cosine", "squared"):
        raise bad(
            "objective", experiment.objective, "'cosine' or 'squared'", "only they have the toy's three branches"
        )
    if experiment.predictor not in ("linear", "mlp"):
        raise bad("predictor", experiment.predictor, "'linear' or 'mlp'", "the toy's predictor φ is learned")


def _toy(experiment: Experiment, t_end: float) -> tuple[xr.Dataset, dict[str, Any]]:
    """The scalar system of the leading mode over the network's flow time, and what it predicts."""
    from dynsim.networks import second_moments
    from dynsim.networks.schedules import teacher_rate

    signal, view = second_moments(experiment)
    q = _first_image_mode(experiment)
    lambda_d, lambda_s = float(q @ signal @ q), float(q @ view @ q)
    start, flow, rates = dict(START), system("scalar", branch=experiment.branch), {}
    beta = teacher_rate(experiment)
    if beta is not None:
        flow = system("byol")
        start["xi"] = 0.0 if experiment.teacher_init == "zero" else start["theta"]
        rates["beta"] = beta / lambda_d
    decay = {"eta_p": float(experiment.eta_p) / lambda_d, "eta_s": float(experiment.eta_s) / lambda_d}
    parameters = {"alpha": float(experiment.alpha), "sigma2": lambda_s / lambda_d - 1, **decay, **rates}
    times = np.concatenate(([0.0], np.geomspace(t_end / 1000, t_end, 200)))
    made = solve(flow, start, times=times * lambda_d, parameters=parameters)
    states = np.stack([made[name].values for name in flow.states])
    speeds = speed_ratios(flow.field(parameters), states)["relative_speed_ratio"]
    toy = xr.Dataset(
        {
            "toy_size": ("time", np.abs(made["theta"].values / start["theta"])),
            "toy_loss": ("time", made["loss"].values),
            "toy_speed_ratio": ("time", speeds),
        },
        {"time": times},
    )
    end = outcome(flow, start, parameters)
    needs = _time_to_decide(flow, start, parameters, end) / lambda_d
    predicted = {
        "needs": needs,
        "collapsed": end.collapsed,
        "reason": end.reason,
        "loss_rises": bool(made["loss"].values.max() > made["loss"].values[0] * (1 + 1e-6)),
        "speed_ratio": float(speeds[0]),
        "parameters": {name: round(value, 6) for name, value in parameters.items()},
        "lambda_d": lambda_d,
    }
    return toy, predicted


def _first_image_mode(experiment: Experiment) -> np.ndarray:
    """Leading eigenvector of the images themselves.

    That of the views' moments may be their common offset, which is the same in every image and says nothing of them.
    """
    from dynsim.networks.datasets import load_images

    images = np.asarray(load_images(experiment).train, dtype=float)
    x = (images - images.mean(axis=0)).reshape(len(images), -1)
    return np.linalg.eigh(x.T @ x)[1][:, -1]


def _time_to_decide(flow: Any, start: dict[str, float], parameters: dict[str, float], end: Any) -> float:
    """Flow time at which the toy's θ has fallen below `NORM` of its start, or done 90 % of its way; else ∞."""
    times = np.concatenate(([0.0], np.geomspace(1e-2, 1e5, 2000)))
    theta = solve(flow, start, times=times, parameters=parameters)["theta"].values
    if end.collapsed:
        reached = abs(theta) < NORM[0] * abs(start["theta"])
    elif end.collapsed is None or not np.isfinite(float(end.limit["theta"])):
        return np.inf
    else:
        way = float(end.limit["theta"]) - start["theta"]
        reached = abs(theta - start["theta"]) >= 0.9 * abs(way)
    return float(times[reached.argmax()]) if reached.any() else np.inf


def verdict_table(data: xr.Dataset) -> Table:
    """Predicted by the toy, observed on the networks, agrees?"""
    predicted = provenance(data)["predicted"]
    # A fate is a limit: runs that end before the toy itself is decided neither confirm nor refute it.
    needs = float(predicted["needs"])
    ends = {str(name): float(data["network_time"].sel(network=name).max()) for name in data["network"].values}
    fate = "the encoder collapses"
    questions = [
        (fate, predicted["collapsed"], _collapsed(data)),
        ("the loss rises at first", predicted["loss_rises"], _rises(data)),
        ("the encoder is the faster at first", predicted["speed_ratio"] < 1, _encoder_faster(data)),
    ]
    if "balance_drift" in data and provenance(data)["experiment"]["branch"] == "stop":
        kept = data["balance_drift"].isel(step=-1)
        questions.append(("the first integral is kept to 5 %", True, (kept < 0.05).where(kept.notnull())))
    rows = []
    for question, expected, observed in questions:
        row: dict[str, Any] = {"question": question, "toy": {True: "yes", False: "no", None: "undecided"}[expected]}
        late = max(ends.values()) < needs
        if question == fate and late and expected is not None:
            row["toy"] = f"undecided: the runs end at t = {max(ends.values()):.3g}, the toy needs {needs:.3g}"
        for network in ("linear", "real"):
            seen = _compared(expected, observed.sel(network=network), network)
            if question == fate and ends[network] < needs and expected is not None:
                said = f"undecided: its runs end at t = {ends[network]:.3g}"
                seen[f"{network} agrees"] = "no prediction" if late else said
            row |= seen
        rows.append(row)
    return Table(rows)


def _collapsed(data: xr.Dataset) -> xr.DataArray:
    return collapsed(data[[name for name in _KEPT if name in data and "network" in data[name].dims]])


def _rises(data: xr.Dataset) -> xr.DataArray:
    loss = data["loss"]
    scale = abs(loss.isel(step=0)).clip(min=1e-12)
    half = loss.isel(step=slice(0, 1 + data.sizes["step"] // 2))
    return half.max("step") - loss.isel(step=0) > 0.01 * scale


def _encoder_faster(data: xr.Dataset) -> xr.DataArray:
    ratio = data["relative_speed_ratio"].isel(step=0)
    return (ratio < 1).where(ratio.notnull())


def _compared(expected: bool | None, observed: xr.DataArray, network: str) -> dict[str, str]:
    """How many seeds say yes, and whether they say what the toy says."""
    values = observed.values.astype(float)
    if np.isnan(values).all():
        return {network: "-", f"{network} agrees": "not defined"}
    yes, number = int(np.nansum(values)), int(np.isfinite(values).sum())
    said = f"{yes} of {number} seeds"
    if expected is None:
        return {network: said, f"{network} agrees": "no prediction"}
    agreeing = yes if expected else number - yes
    return {network: said, f"{network} agrees": {number: "yes", 0: "no"}.get(agreeing, "in part")}


def verdict(data: xr.Dataset) -> Verdict:
    """Say on how much toy, linear and real network agree."""
    table = verdict_table(data)
    told = []
    for network in ("linear", "real"):
        answers = {row["question"]: row[f"{network} agrees"] for row in table}
        asked = [question for question, answer in answers.items() if answer in ("yes", "no", "in part")]
        wrong = [f"'{question}'" for question in asked if answers[question] != "yes"]
        but = f", not (or only in part) on {' and '.join(wrong)}" if wrong else ""
        told.append(
            f"the {network} network agrees with it on {len(asked) - len(wrong)} of {len(asked)} questions{but}"
        )
    fate = {True: "collapses", False: "does not collapse", None: "is undecided"}[
        provenance(data)["predicted"]["collapsed"]
    ]
    detail = f"the toy of this configuration {fate}; " + "; ".join(told)
    said = [row[f"{network} agrees"] for row in table for network in ("linear", "real")]
    asked = [answer for answer in said if answer in ("yes", "no", "in part")]
    seen = ", ".join(f"{network} network {table[0][network]}" for network in ("linear", "real")).replace(" seeds", "")
    seen = f"toy {table[0]['toy'].partition(':')[0]}, {seen}"
    headlines = [
        f"Collapse: {seen}; {asked.count('yes')} of {len(asked)} answers agree",
        f"Collapse: {seen}",
    ]
    return concluded("measured", headlines, detail)


FLOOR = 1e-3  # what has fallen so far falls on, and would press all else together
_TOY = {"color": COLOURS["black"], "linestyle": "-"}
_STYLES = {
    "linear": {"color": COLOURS["sky"], "linestyle": "--"},
    "real": {"color": COLOURS["purple"], "linestyle": "-."},
}


def draw(data: xr.Dataset, figure: Any) -> None:
    """Size, speeds and spread over flow time."""
    size, speed, spread = panel_row(figure, 3)
    _draw_size(size, data)
    _draw_speed(speed, data)
    _draw_spread(spread, data)
    _say(figure, data)


def draw_full(data: xr.Dataset, figure: Any) -> None:
    """Draw the loss as well, and under all four what was predicted and what was seen."""
    grid = figure.add_gridspec(2, 4, height_ratios=(1.35, 1))
    size, loss, speed, spread = (figure.add_subplot(grid[0, column]) for column in range(4))
    _draw_size(size, data)
    _draw_speed(speed, data)
    _draw_spread(spread, data)
    loss.plot(data["time"], data["toy_loss"] / data["toy_loss"][0], **_TOY)
    for network, style in _STYLES.items():
        one = data.sel(network=network)
        draw_seeds(loss, one["network_time"].values, _relative_loss(one["loss"], data, network), style)
    loss.set(title="loss / at start", yscale="log", xlabel="flow time t", xlim=(0, float(data["time"][-1])))
    _draw_table(data, figure.add_subplot(grid[1, :]))
    _say(figure, data)


def _draw_size(axes: Any, data: xr.Dataset) -> None:
    axes.plot(data["time"], data["toy_size"].where(data["toy_size"] > FLOOR), **_TOY)
    for network, style in _STYLES.items():
        one = data.sel(network=network)
        draw_seeds(axes, one["network_time"].values, one["norm_ratio"], style)
    axes.axhline(NORM[0], color=COLOURS["grey"], linewidth=0.8, linestyle=":")
    axes.set(title="size / at start", yscale="log", xlabel="flow time t", xlim=(0, float(data["time"][-1])))


def _draw_speed(axes: Any, data: xr.Dataset) -> None:
    axes.plot(data["time"], data["toy_speed_ratio"].where(data["toy_speed_ratio"] > FLOOR), label="toy", **_TOY)
    for network, style in _STYLES.items():
        one = data.sel(network=network)
        draw_seeds(axes, one["network_time"].values, one["relative_speed_ratio"], style, label=f"{network} network")
    axes.axhline(1.0, color=COLOURS["grey"], linewidth=0.8, linestyle=":")
    axes.set(title="relative speed, predictor / encoder", yscale="log", xlabel="flow time t")
    axes.set_xlim(0, float(data["time"][-1]))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.24), ncols=3)


def _draw_spread(axes: Any, data: xr.Dataset) -> None:
    for network, style in _STYLES.items():
        one = data.sel(network=network)
        draw_seeds(axes, one["network_time"].values, one["spread"], style)
    axes.axhline(SPREAD[0], color=COLOURS["grey"], linewidth=0.8, linestyle=":")
    axes.set(title="spread of directions", ylim=(0, 1.05), xlabel="flow time t")
    axes.set_xlim(0, float(data["time"][-1]))


def _say(figure: Any, data: xr.Dataset) -> None:
    about = provenance(data)
    real, predicted = about["experiment"], about["predicted"]
    caption(
        figure,
        data,
        f"Branch '{real['branch']}'. Toy: first mode of the images, {values(predicted['parameters'])}, times λ_d = "
        f"{predicted['lambda_d']:.3g}",
        f"Bands: range over {data.sizes['seed']} seeds; dotted: below it a run has collapsed",
    )


def _relative_loss(loss: xr.DataArray, data: xr.Dataset, network: str) -> xr.DataArray:
    cosine = network == "real" and provenance(data)["experiment"]["objective"] == "cosine"
    shifted = loss + 1 if cosine else loss
    return shifted / shifted.isel(step=0)


def _draw_table(data: xr.Dataset, axes: Any) -> None:
    table = verdict_table(data)
    axes.set_axis_off()
    cells = [[textwrap.fill(str(row[name]), 34) for name in table.columns] for row in table]
    drawn = axes.table(cells, colLabels=list(table.columns), loc="center", cellLoc="center", edges="horizontal",
                       colWidths=[0.3, 0.12, 0.14, 0.15, 0.14, 0.15])  # fmt: skip
    drawn.auto_set_font_size(False)
    drawn.set_fontsize(7)
    drawn.scale(1, 1.5)
    for (row, column), cell in drawn.get_celld().items():
        if column == 0:
            cell.set_text_props(ha="left")
        if row == 0 or (table.columns[column].endswith("agrees") and cells[row - 1][column] != "yes"):
            cell.set_text_props(weight="bold")


FIGURE = Figure(
    name="compare",
    summary="Toy, linear and real network of one configuration on shared axes",
    compute=compute,
    verdict=verdict,
    draw=draw,
    draw_full=draw_full,
    cost=20.0,
    height=3.3,
    full_height=5.0,
    panels=3,
    needs=("networks",),
    small={"seeds": 2, "steps": 40},
    stored=True,
)
