"""What is computed: the network against the matrix equations, in flow and in training."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from dynsim.field import Field
from dynsim.gallery.figure import concluded
from dynsim.gallery.linear_networks import NOISE, image_moments, linear_experiment
from dynsim.integrate.solve import solve
from dynsim.progress import Progress
from dynsim.records import stamp
from dynsim.symbolic.flow import BRANCHES
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
    progress: Progress | None = None,
    *,
    seeds: int = 5,
    data: Any = "digits",
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
    data : str or images
        As `dynsim.networks.Experiment` takes them.
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
    experiment = linear_experiment(data=data, dim=dim, lr=lr)
    parts = [
        _against_theory(experiment, t_end, _after(progress, 0)),
        _balance_of_the_flow(experiment, t_end, _after(progress, 1)),
        _balance_of_training(experiment, seeds, t_end, records, _after(progress, 2)),
        _order(experiment, seeds, t_end / 4, halvings, _after(progress, 3)),
    ]
    found = xr.merge(parts, combine_attrs="drop")
    return stamp(found, "torch", "scikit-learn", experiment=experiment.to_dict(), t_end=t_end, sigma2=NOISE**2)


def _after(progress: Progress | None, part: int) -> Callable[[float, str], None]:
    """Progress within one of four parts."""

    def report(share: float, what: str) -> None:
        if progress:
            progress(round(100 * (part + share)), 400, what)

    return report


def _theory(experiment: Experiment) -> Field:
    signal, view = image_moments(experiment.data)
    alpha, eta_p, eta_s = (float(rate) for rate in (experiment.alpha, experiment.eta_p, experiment.eta_s))
    return matrix_flow(signal, view, experiment.dim, branch=experiment.branch, alpha=alpha, eta_p=eta_p, eta_s=eta_s)


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
        lr = float(experiment.lr)
        given = {**changes, "lr": lr * changes.get("lr", 1.0)}
        time_of_a_step = given["lr"] / (1 - given.get("momentum", 0.0)) if "optimiser" not in given else lr
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
    steps = [round(t_end / (2 * float(experiment.lr))) * 2**i for i in range(halvings)]
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
