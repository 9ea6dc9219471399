"""DINO on digits: networks over the same temperatures and centre momenta, K = 64, a moving-average teacher."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from dynsim.gallery.dino.regions import STARTS
from dynsim.methods.prototype_clusters import assignments, fate

TAUS = (0.02, 0.04, 0.06, 0.08, 0.1)
MOMENTA = (0.0, 0.9, 0.96, 0.99, 0.999, 1.0)
FINE_TAUS = (0.06, 0.065, 0.07, 0.075, 0.08)
TEACHER, PUBLISHED_TEACHER = 0.98, 0.996
TRAINED = {"tau_t": 0.04, "centre_momentum": 0.9}  # what a warm start has been trained with
RAMP = "0.04 + ({0} - 0.04)*min(1, step/({1}))"
PROTOTYPES = 64
RECORDS, LAST = 30, 10  # records of a run, and those at its end that decide
SAMPLES = 400


def published(steps: int) -> dict[str, dict[str, Any]]:
    """The settings of the published ablation (Caron et al. 2021, section 5.3 and appendix D), by name."""
    ramp = round(0.3 * steps)
    temperatures: dict[str, Any] = {f"τ_t = {tau:g}": tau for tau in (0.02, 0.06, 0.07, 0.08)}
    temperatures |= {f"τ_t .04 to {tau}": RAMP.format(tau, ramp) for tau in (0.07, 0.08)}
    rows = {f"centre {m:g}": {"centre_momentum": m, "tau_t": 0.04} for m in (0.0, 0.9, 0.99, 0.999)}
    return rows | {name: {"centre_momentum": 0.9, "tau_t": tau} for name, tau in temperatures.items()}


def experiment(steps: int, teacher: float = TEACHER, data: Any = "digits") -> Any:
    """The network: an MLP on images under the default augmentation, plain gradient descent."""
    from dynsim.networks import Experiment

    fields: Mapping[str, Any] = {"prototypes": PROTOTYPES, "batch": 48, "lr": 1.0, "momentum": 0.0, "measures": ()}
    return Experiment(objective="dino", encoder="mlp", teacher=teacher, steps=steps, every=steps, data=data, **fields)


class Digits:
    """Runs of networks that start alike, and what their assignments are on the way."""

    def __init__(self, seeds: int, data: Any = "digits") -> None:
        from dynsim.networks.datasets import load_images
        from dynsim.networks.torch_settings import device_of

        self.seeds, self.device = range(seeds), device_of("cpu")
        self.data = data
        self.images = load_images(self.plan(1))
        self.pairs = self._run(self.plan(1)).pairs(SAMPLES)

    def plan(self, steps: int, teacher: float = TEACHER) -> Any:
        """The experiment on these images."""
        return experiment(steps, teacher, self.data)

    def _run(self, plan: Any) -> Any:
        from dynsim.networks.run import Run

        return Run(plan, self.images, self.seeds, self.device)

    def go(
        self, plan: Any, settings: Mapping[str, Any], state: Any = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Train on from `state`; what was seen, (record, seed), and the state at the end."""
        from dynsim.networks.torch_settings import deterministic, one_thread

        run = self._run(plan.but(centre_momentum=settings["centre_momentum"], knobs={"tau_t": settings["tau_t"]}))
        if state is not None:
            run.restore({**state, "step": 0})
        marks = set(np.linspace(0, plan.steps, RECORDS + 1).round().astype(int)[1:].tolist())
        seen: dict[str, list[Any]] = {name: [] for name in ("told", "spread", "leader", "agreement", "loss")}
        losses = []
        with deterministic(True, self.device), one_thread():
            while run.step < plan.steps:
                losses.append(run.advance().numpy())
                if run.step in marks:
                    for name, values in self._look(run).items():
                        seen[name].append(values)
                    seen["loss"].append(np.mean(losses, 0))
                    losses = []
        return {name: np.array(values) for name, values in seen.items()}, run.state()

    def _look(self, run: Any) -> dict[str, np.ndarray]:
        from dynsim.networks import measures

        one, other = run.prototype_scores(self.pairs)
        told, spread, leader = assignments(one, run.network.objective.knobs["tau_s"])
        agreement = np.asarray(measures.agreement(one, other))
        return {"told": told, "spread": spread, "leader": leader, "agreement": agreement}


def _fates(seen: Mapping[str, np.ndarray]) -> np.ndarray:
    """Of every seed, from the last records."""
    last = [seen[name][-LAST:] for name in ("told", "spread", "leader")]
    return np.array([fate(*(values[:, seed] for values in last)) for seed in range(last[0].shape[1])], dtype=np.int8)


def plane(
    seeds: int,
    steps: int,
    note: Callable[[str], None],
    taus: Sequence[float] = TAUS,
    momenta: Sequence[float] = MOMENTA,
    data: Any = "digits",
) -> xr.Dataset:
    """Fates over τ_t and the centre's momentum, from random weights and from trained ones."""
    digits = Digits(seeds, data)
    plan = digits.plan(steps)
    _, trained = digits.go(plan, TRAINED)
    dims = ("tau_t", "momentum", "start", "seed")
    found = np.zeros((len(taus), len(momenta), 2, seeds), dtype=np.int8)
    agreement, told = np.zeros(found.shape), np.zeros(found.shape)
    for i, tau in enumerate(taus):
        for j, momentum in enumerate(momenta):
            note(f"digits, τ_t = {tau:g}, centre momentum {momentum:g}")
            for k, state in enumerate((None, trained)):
                seen, _ = digits.go(plan, {"tau_t": tau, "centre_momentum": momentum}, state)
                found[i, j, k] = _fates(seen)
                agreement[i, j, k], told[i, j, k] = seen["agreement"][-1], seen["told"][-1]
    return xr.Dataset(
        {"fate": (dims, found), "agreement": (dims, agreement), "told": (dims, told)},
        {"tau_t": list(taus), "momentum": list(momenta), "start": list(STARTS), "seed": range(seeds)},
    )


def hysteresis(
    seeds: int, steps: int, note: Callable[[str], None], taus: Sequence[float] = FINE_TAUS, data: Any = "digits"
) -> xr.Dataset:
    """Long runs across the fold, cold against warm, centre momentum 0.9."""
    digits = Digits(seeds, data)
    _, trained = digits.go(digits.plan(max(2, steps // 3)), TRAINED)
    told, ends = [], []
    for tau in taus:
        note(f"digits, long runs, τ_t = {tau:g}")
        pair = [digits.go(digits.plan(steps), {**TRAINED, "tau_t": tau}, state)[0] for state in (None, trained)]
        told.append([seen["told"] for seen in pair])
        ends.append([_fates(seen) for seen in pair])
    dims = ("long_tau_t", "start", "seed")
    return xr.Dataset(
        {
            "long_fate": (dims, np.array(ends)),
            "long_told": (("long_tau_t", "start", "record", "seed"), np.array(told)),
        },
        {"long_tau_t": list(taus), "start": list(STARTS), "seed": range(seeds)},
    )


def ablation(
    seeds: int,
    steps: int,
    note: Callable[[str], None],
    names: Sequence[str] | None = None,
    data: Any = "digits",
) -> xr.Dataset:
    """The published settings, with the published teacher."""
    digits, rows = Digits(seeds, data), published(steps)
    chosen = list(rows) if names is None else list(names)
    loss, told, ends = [], [], []
    for name in chosen:
        note(f"digits, published: {name}")
        seen, _ = digits.go(digits.plan(steps, PUBLISHED_TEACHER), rows[name])
        loss.append(seen["loss"])
        told.append(seen["told"][-1])
        ends.append(_fates(seen))
    return xr.Dataset(
        {
            "published_loss": (("setting", "record", "seed"), np.array(loss)),
            "published_told": (("setting", "seed"), np.array(told)),
            "published_fate": (("setting", "seed"), np.array(ends)),
        },
        {"setting": chosen, "seed": range(seeds)},
    )
