"""A linear network on real digits lies on the matrix flow: runs, differences, balance law, order."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from dynsim.drawing.canvas import panel_row
from dynsim.drawing.measures import draw_seeds
from dynsim.drawing.style import BRANCH_STYLE, COLOURS
from dynsim.drawing.words import caption
from dynsim.field import Field
from dynsim.gallery.figure import Figure, concluded
from dynsim.gallery.linear_networks import NOISE, digit_moments, linear_experiment
from dynsim.integrate.solve import solve
from dynsim.records import stamp
from dynsim.symbolic.branches import BRANCHES
from dynsim.systems.matrix_flow import matrix_flow
from dynsim.verdict import Verdict

if TYPE_CHECKING:
    from dynsim.networks import Experiment

STATES = ("P", "W")
DECAY = 0.05
RECIPE = {"rotation": 15.0, "scale": 0.15, "shift": 1.0, "contrast": 0.3, "noise": 0.1, "erasing": 3.0}
MONITORED: dict[str, dict[str, Any]] = {
    "SGD": {},
    "SGD, half the lr": {"lr": 0.5},
    "SGD with decay": {"eta_p": DECAY, "eta_s": DECAY},
    "momentum 0.9": {"lr": 0.1, "momentum": 0.9},
    "Adam": {"lr": 0.02, "optimiser": "adam", "momentum": 0.9},
}  # lr relative to that of plain SGD


def compute(
    progress: Callable[[int, int, str], None] | None = None,
    *,
    seeds: int = 5,
    dim: int = 8,
    t_end: float = 40.0,
    lr: float = 0.1,
    records: int = 40,
    halvings: int = 5,
) -> xr.Dataset:
    """Confront autograd and training with the matrix equations.

    Parameters
    ----------
    progress : callable, optional
    seeds : int
        Of training; the integrated runs start where seed 0 starts.
    dim : int
        Features.
    t_end : float
        Flow time of every run.
    lr : float
        Of the runs that monitor the balance law; the largest of those that approach the flow is twice that.
    records : int
        Moments at which training is measured.
    halvings : int
        Learning rates at which training is compared with the flow, each half the one before.

    Returns
    -------
    xarray.Dataset
        Over `branch`: `field_error`, largest relative difference of the two fields at random states. Over `branch`,
        `time`: `norm_theory`, `norm_network` (‖W‖), `difference` of the integrated runs, relative. Over `decay`,
        `time`: `balance_left`, `balance_error` of the integrated network. Over `monitored`, `seed`, `record`:
        `balance_drift`. Over `lr`, `seed`: `descent_error` of the full batch, `sgd_error` of minibatches.
    """
    experiment = linear_experiment(dim=dim, lr=lr)
    parts = [
        _against_theory(experiment, t_end, _after(progress, 0)),
        _balance_of_the_flow(experiment, t_end, _after(progress, 1)),
        _balance_of_training(experiment, seeds, t_end, records, _after(progress, 2)),
        _order(experiment, seeds, t_end / 4, halvings, _after(progress, 3)),
    ]
    data = xr.merge(parts, combine_attrs="drop")
    return stamp(data, "torch", "scikit-learn", experiment=experiment.to_dict(), t_end=t_end, sigma2=NOISE**2)


def _after(progress: Callable[[int, int, str], None] | None, part: int) -> Callable[[float, str], None]:
    """Progress within one of four parts."""

    def report(share: float, what: str) -> None:
        if progress:
            progress(round(100 * (part + share)), 400, what)

    return report


def _theory(experiment: Experiment) -> Field:
    signal, view = digit_moments()
    rates = {"alpha": experiment.alpha, "eta_p": experiment.eta_p, "eta_s": experiment.eta_s}
    return matrix_flow(signal, view, experiment.dim, branch=experiment.branch, **rates)


def _against_theory(experiment: Experiment, t_end: float, report: Callable[[float, str], None]) -> xr.Dataset:
    from dynsim.networks import flow, initial_state

    parts = []
    start = initial_state(experiment)
    for index, branch in enumerate(BRANCHES):
        here = experiment.but(branch=branch, alpha=2.0, eta_p=0.3, eta_s=0.1)
        error = _field_error(flow(here), _theory(here))
        here = experiment.but(branch=branch)
        network, theory = solve(flow(here), start, t_end), solve(_theory(here), start, t_end)
        difference = sum(((network[name] - theory[name]) ** 2).sum(_axes(theory[name])) for name in STATES)
        size = sum((theory[name] ** 2).sum(_axes(theory[name])) for name in STATES)
        parts.append(
            xr.Dataset(
                {
                    "field_error": error,
                    "norm_theory": theory["norm"],
                    "norm_network": np.sqrt((network["W"] ** 2).sum(_axes(network["W"]))),
                    "difference": np.sqrt(difference / size),
                }
            )
        )
        report((index + 1) / len(BRANCHES), f"integrating branch {branch}")
    return xr.concat(parts, xr.DataArray(list(BRANCHES), dims="branch", name="branch"))


def _axes(values: xr.DataArray) -> list[Any]:
    return [axis for axis in values.dims if axis != "time"]


def _field_error(network: Field, theory: Field, states: int = 8) -> float:
    """Largest difference of two fields at random states, relative to the largest entry of each block."""
    rng = np.random.default_rng(0)
    start = {name: rng.normal(size=(*theory.shape(name), states)) / 2 for name in STATES}
    both = []
    for field in (network, theory):
        y = np.concatenate([start[name].reshape(-1, states) for name in field.names])
        both.append(field.split(field.f(0.0, y)))
    errors = [np.abs(both[0][name] - both[1][name]).max() / np.abs(both[1][name]).max() for name in STATES]
    return float(max(errors))


def _balance_of_the_flow(experiment: Experiment, t_end: float, report: Callable[[float, str], None]) -> xr.Dataset:
    """What is left of WWᵀ − PᵀP/α along the integrated network, and how far that is from e^{−2ηt}."""
    from dynsim.networks import flow, initial_state

    decays, parts = (0.0, DECAY), []
    for index, eta in enumerate(decays):
        here = experiment.but(eta_p=eta, eta_s=eta)
        data = solve(flow(here), initial_state(here), t_end)
        w, p = data["W"].values, data["P"].values
        matrix = w @ w.mT - p.mT @ p / here.alpha
        time = data["time"].values
        size = np.linalg.norm(matrix[0])
        law = np.exp(-2 * eta * time)
        parts.append(
            xr.Dataset(
                {
                    "balance_left": ("time", np.linalg.norm(matrix, axis=(1, 2)) / size),
                    "balance_error": (
                        "time",
                        np.linalg.norm(matrix - law[:, None, None] * matrix[0], axis=(1, 2)) / size,
                    ),
                },
                {"time": time},
            )
        )
        report((index + 1) / len(decays), "balance law along the flow")
    return xr.concat(parts, xr.DataArray(list(decays), dims="decay", name="decay"))


def _balance_of_training(
    experiment: Experiment, seeds: int, t_end: float, records: int, report: Callable[[float, str], None]
) -> xr.Dataset:
    """The balance law monitored while minibatch training runs, with every augmentation."""
    from dynsim.networks import train

    parts = []
    for index, (name, changes) in enumerate(MONITORED.items()):
        given = {**changes, "lr": experiment.lr * changes.get("lr", 1.0)}
        time_of_a_step = given["lr"] / (1 - given.get("momentum", 0.0)) if "optimiser" not in given else experiment.lr
        steps = records * max(1, round(t_end / time_of_a_step / records))
        here = experiment.but(
            augmentation=RECIPE,
            batch=64,
            steps=steps,
            measures=("balance",),
            every=steps // records,
            **given,
        )
        data = train(here, seeds)
        drift = data["balance_drift"].drop_vars(["step", "time"]).rename(step="record")
        parts.append(drift.assign_coords(record=np.linspace(0, t_end, records + 1)))
        report((index + 1) / len(MONITORED), f"training: {name}")
    return xr.concat(parts, xr.DataArray(list(MONITORED), dims="monitored", name="monitored")).to_dataset()


def _order(
    experiment: Experiment, seeds: int, t_end: float, halvings: int, report: Callable[[float, str], None]
) -> xr.Dataset:
    """Distance of gradient descent from the flow at `t_end`, over the learning rate."""
    from dynsim.networks import fit, flow, initial_state

    ends = []
    for seed in range(seeds):
        last = solve(flow(experiment), initial_state(experiment, seed), times=[0.0, t_end]).isel(time=-1)
        ends.append({name: last[name].values for name in STATES})
    steps = [round(t_end / (2 * experiment.lr)) * 2**i for i in range(halvings)]
    rates = [t_end / number for number in steps]
    full, mini = [], []
    for index, (number, rate) in enumerate(zip(steps, rates, strict=True)):
        here = experiment.but(lr=rate, steps=number, every=number)
        full.append(_away(fit(here, seeds), ends))
        mini.append(_away(fit(here.but(batch=64), seeds), ends))
        report((index + 1) / halvings, f"descending with learning rate {rate:.3g}")
    return xr.Dataset(
        {"descent_error": (("lr", "seed"), full), "sgd_error": (("lr", "seed"), mini)},
        {"lr": rates, "seed": np.arange(seeds)},
    )


def _away(trained: Any, ends: list[dict[str, np.ndarray]]) -> list[float]:
    """Distance of the trained weights of every seed from where the flow ends, relative to the size of the latter."""
    return [
        float(np.sqrt(sum(((trained.parameters(seed)[name] - end[name]) ** 2).sum() for name in STATES)))
        / float(np.sqrt(sum((end[name] ** 2).sum() for name in STATES)))
        for seed, end in enumerate(ends)
    ]


def order(data: xr.Dataset, name: str) -> float:
    """Slope of the logarithm of an error, averaged over seeds, over that of the learning rate."""
    return float(np.polyfit(np.log(data["lr"]), np.log(data[name].mean("seed")), 1)[0])


def verdict(data: xr.Dataset) -> Verdict:
    """Say how exactly the network is the matrix flow."""
    drift = data["balance_drift"].isel(record=-1)
    told = {name: float(drift.sel(monitored=name).mean()) for name in ("SGD", "SGD, half the lr", "Adam")}
    detail = (
        f"autograd's field is the matrix flow's to {float(data['field_error'].max()):.0e}, their runs agree to "
        f"{float(data['difference'].max()):.0e}; along the flow the balance law holds to "
        f"{float(data['balance_error'].max()):.0e}, at the end of minibatch SGD to {told['SGD']:.1%} (half the lr: "
        f"{told['SGD, half the lr']:.1%}), under Adam to {told['Adam']:.0%}; gradient descent approaches the "
        f"flow with order {order(data, 'descent_error'):.2f}, minibatch SGD, whose noise is a random walk, with order "
        f"{order(data, 'sgd_error'):.2f} seed by seed"
    )
    exact = float(data["field_error"].max()) < 1e-10
    headline = (
        f"A linear network's field {'is' if exact else 'is not'} the matrix flow's; "
        f"SGD keeps the balance law to {told['SGD']:.1%}"
    )
    return concluded("holds" if exact else "does not hold", headline, detail)


_MONITORED: dict[str, dict[str, Any]] = {
    "SGD": {"color": COLOURS["blue"], "linestyle": "-"},
    "SGD, half the lr": {"color": COLOURS["sky"], "linestyle": "--"},
    "SGD with decay": {"color": COLOURS["green"], "linestyle": "-."},
    "momentum 0.9": {"color": COLOURS["orange"], "linestyle": (0, (1, 1))},
    "Adam": {"color": COLOURS["vermilion"], "linestyle": (0, (5, 1, 1, 1, 1, 1))},
}


def draw(data: xr.Dataset, figure: Any) -> None:
    """Theory under network, the balance law in training, the order in the learning rate."""
    runs, balance, order_ = panel_row(figure, 3)
    _draw_runs(data, runs)
    _draw_balance(data, balance)
    _draw_order(data, order_)
    caption(
        figure,
        data,
        "Bias-free linear encoder W and predictor P on digits, squared error. Lines left: matrix "
        "equations, "
        f"rings: autograd. Bands: range over {data.sizes['seed']} seeds",
    )


def draw_full(data: xr.Dataset, figure: Any) -> None:
    """Four panels: theory under network, their difference, the balance law, the order in the learning rate."""
    grid = figure.subplots(2, 2)
    _draw_runs(data, grid[0, 0])
    _draw_differences(data, grid[0, 1])
    _draw_balance(data, grid[1, 0])
    _draw_order(data, grid[1, 1])
    caption(
        figure,
        data,
        "Lower left: minibatches with every augmentation, drift relative to the start; right: order in "
        f"the learning rate. Bands: range over {data.sizes['seed']} seeds",
    )


def _draw_runs(data: xr.Dataset, axes: Any) -> None:
    few = slice(None, None, max(1, data.sizes["time"] // 16))
    for branch in data["branch"].values:
        one, style = data.sel(branch=branch), BRANCH_STYLE[str(branch)]
        axes.plot(one["time"], one["norm_theory"], label=str(branch), **style)
        axes.plot(one["time"][few], one["norm_network"][few], "o", color=style["color"], ms=5, mfc="white", zorder=3)
    axes.plot([], [], "o", color=COLOURS["grey"], mfc="white", label="network, by autograd")
    axes.set(xlabel="flow time t", ylabel="‖W‖", title="lines: matrix equations, rings: the network's flow")
    axes.set_ylim(0, None)
    axes.legend()


def _draw_differences(data: xr.Dataset, axes: Any) -> None:
    for branch in data["branch"].values:
        one, style = data.sel(branch=branch), BRANCH_STYLE[str(branch)]
        error = one["difference"]
        axes.plot(one["time"], error.where(error > 0), label=str(branch), **style)
    worst = float(data["field_error"].max())
    axes.annotate(
        f"the two fields themselves, at random states: at most {worst:.0e}",
        (0.98, 0.9),
        xycoords="axes fraction",
        ha="right",
    )
    axes.axhline(1e-11, color=COLOURS["grey"], linewidth=1, linestyle="--")
    axes.annotate(
        "tolerance of the integrator",
        (0.98, 1e-11),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right",
        color=COLOURS["grey"],
    )
    axes.set(
        xlabel="flow time t", yscale="log", ylim=(1e-17, 1e-9), title="relative difference of the integrated runs"
    )
    axes.legend(loc="lower right")


def _draw_balance(data: xr.Dataset, axes: Any) -> None:
    time = data["time"]
    decay = float(data["decay"][-1])
    axes.plot(time, data["balance_left"].isel(decay=-1), color=COLOURS["black"], linewidth=1, linestyle=":")
    axes.annotate(
        f"what the law leaves under decay, e$^{{−2ηt}}$ (η = {decay:g})",
        (0.02, 3.0),
        xycoords=("axes fraction", "data"),
        xytext=(0, 4),
        textcoords="offset points",
    )
    moments = data["record"].values[1:]
    for name in data["monitored"].values:
        drift = data["balance_drift"].sel(monitored=name).isel(record=slice(1, None))
        draw_seeds(axes, moments, drift, {"linewidth": 1.7} | _MONITORED[str(name)], label=str(name))
    error = data["balance_error"].max("decay")
    axes.plot(time, error.where(error > 1e-16), color=COLOURS["black"], linewidth=1.4)
    axes.annotate(
        "the network's flow, with and without decay",
        (0.02, float(error.max())),
        xycoords=("axes fraction", "data"),
        xytext=(0, 4),
        textcoords="offset points",
    )
    axes.set(xlabel="flow time t (Adam: the same number of steps)", yscale="log", ylim=(1e-15, 1e3))
    axes.set_title("drift of the balance law W Wᵀ − Pᵀ P/α = C·e$^{−2ηt}$")
    axes.legend(ncols=2, loc="center right", bbox_to_anchor=(1.0, 0.52))


def _draw_order(data: xr.Dataset, axes: Any) -> None:
    rates = data["lr"].values
    shown = (
        (
            "descent_error",
            {"color": COLOURS["blue"], "linestyle": "-", "marker": "o"},
            "gradient descent, full batch",
            1,
        ),
        ("sgd_error", {"color": COLOURS["vermilion"], "linestyle": "--", "marker": "s"}, "SGD, batches of 64", 0.5),
    )
    for name, style, label, power in shown:
        draw_seeds(axes, rates, data[name].transpose("seed", "lr"), {**style, "markersize": 5}, label=label)
        reference = float(data[name].mean("seed")[0]) * (rates / rates[0]) ** power
        axes.plot(rates, 0.7 * reference, color=COLOURS["grey"], linewidth=1, linestyle=":")
        slope = float(np.polyfit(np.log(rates), np.log(data[name].mean("seed")), 1)[0])
        middle = len(rates) // 2
        axes.annotate(
            f"order {slope:.2f} (dotted: {power:g})",
            (rates[middle], float(data[name].mean("seed")[middle])),
            xytext=(10, -22),
            textcoords="offset points",
            color=style["color"],
        )
    axes.set(xlabel="learning rate", xscale="log", yscale="log")
    axes.set_xticks(rates, [f"{rate:g}" for rate in rates])
    axes.set_xticks([], minor=True)
    axes.set_title("distance from the flow at a fixed time")
    axes.legend()


FIGURE = Figure(
    name="matrix-flow",
    summary="A linear network against the matrix flow: field, balance law, order",
    compute=compute,
    verdict=verdict,
    draw=draw,
    draw_full=draw_full,
    cost=30.0,
    height=3.2,
    full_height=6.2,
    panels=3,
    needs=("networks",),
    small={"seeds": 2, "dim": 2, "t_end": 6.0, "records": 4, "halvings": 3},
)
