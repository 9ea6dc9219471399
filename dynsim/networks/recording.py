"""From snapshots to a Dataset with dimensions seed and step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import xarray
from torch import Tensor

from dynsim.networks.experiment import Experiment
from dynsim.networks.network import Network, Weights
from dynsim.networks.schedules import flow_times
from dynsim.networks.snapshot import Evaluation, Snapshot
from dynsim.records import stamp
from dynsim.registry import find

__all__ = ["Recorder"]

OK, NOT_FINITE = 0, 1


class Recorder:
    """Measures snapshots of a run, keeps the numbers and watches for seeds that are lost.

    Parameters
    ----------
    network : Network
    evaluation : Evaluation
    seeds : sequence of int
    initial : Weights
        At step 0.
    """

    def __init__(self, network: Network, evaluation: Evaluation, seeds: Sequence[int], initial: Weights) -> None:
        self.experiment: Experiment = network.experiment
        self.network, self.evaluation, self.seeds = network, evaluation, list(seeds)
        names = [name.replace("_", "-") for name in self.experiment.measures]
        self.measures = [find("measure", name, "dynsim.networks.recorded") for name in names]
        self.times = flow_times(self.experiment)
        self.initial = Snapshot(network, initial, evaluation)
        self.steps: list[int] = []
        self.rows: dict[str, list[Tensor]] = {}
        self.stopped = [-1] * len(self.seeds)
        self._losses = initial.encoder.new_empty((self.experiment.measure_every, len(self.seeds)))
        self._noted = 0

    def note(self, losses: Tensor) -> None:
        """Copy the losses of a step, to be looked at with the next record."""
        self._losses[self._noted] = losses
        self._noted += 1

    @property
    def all_stopped(self) -> bool:
        """Whether no seed is left with finite numbers."""
        return min(self.stopped) >= 0

    def record(self, step: int, weights: Weights) -> None:
        """Measure; a seed whose loss or weights are not finite is lost, and all its later values are NaN."""
        self._look_for_lost(step, weights)
        lost = torch.tensor([stopped >= 0 for stopped in self.stopped], device=weights.encoder.device)
        measured = weights.clone()
        for rows, start in (
            (measured.predictor, self.initial.weights.predictor),
            (measured.encoder, self.initial.weights.encoder),
            (measured.teacher, self.initial.weights.teacher),
        ):
            if rows is not None and start is not None:
                rows[lost] = start[lost]  # measures need not cope with NaN
        snapshot = self.snapshot(step, measured)
        measured_values: dict[str, Tensor] = {}
        for module in self.measures:
            measured_values |= module.record(snapshot)
        self.steps.append(step)
        for name, value in {"loss": snapshot.loss, **measured_values}.items():
            kept = value.detach().double().clone()
            kept[lost] = torch.nan
            self.rows.setdefault(name, []).append(kept.cpu())

    def snapshot(self, step: int, weights: Weights) -> Snapshot:
        """The network after so many steps."""
        return Snapshot(self.network, weights, self.evaluation, time=float(self.times[step]), initial=self.initial)

    def _look_for_lost(self, step: int, weights: Weights) -> None:
        finite = weights.encoder.isfinite().all(1) & weights.predictor.isfinite().all(1)
        fine = torch.cat((self._losses[: self._noted].isfinite(), finite[None])).cpu()
        first = step - self._noted
        for seed, column in enumerate(fine.unbind(1)):
            if self.stopped[seed] < 0 and not column.all():
                self.stopped[seed] = first + int((~column).nonzero()[0])
        self._noted = 0

    def state(self) -> dict[str, Any]:
        """A copy of what was recorded."""
        return {
            "steps": list(self.steps),
            "stopped": list(self.stopped),
            "rows": {name: list(rows) for name, rows in self.rows.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.steps, self.stopped = list(state["steps"]), list(state["stopped"])
        self.rows = {name: list(rows) for name, rows in state["rows"].items()}

    def dataset(self) -> xarray.Dataset:
        """Everything recorded so far, with provenance."""
        times = self.times[self.steps]
        recorded = {name: torch.stack(rows, dim=1) for name, rows in self.rows.items()}
        for module in self.measures:
            if hasattr(module, "finish"):
                recorded = module.finish(recorded, torch.as_tensor(times))
        dataset = xarray.Dataset(
            {name: (("seed", "step")[: values.ndim], values.numpy()) for name, values in recorded.items()},
            {"seed": self.seeds, "step": self.steps, "time": ("step", times)},
        )
        dataset["status"] = ("seed", np.array([NOT_FINITE if s >= 0 else OK for s in self.stopped], dtype=np.int8))
        dataset["status"].attrs = {
            "flag_values": np.array([OK, NOT_FINITE], dtype=np.int8),
            "flag_meanings": "ok not_finite",
            "long_name": "why a seed has no values from stopped_step on",
        }
        dataset["stopped_step"] = ("seed", np.array(self.stopped))
        dataset["stopped_step"].attrs["long_name"] = "first step whose loss or weights are not finite, -1 if none"
        dataset["time"].attrs["long_name"] = "flow time"
        e = self.experiment
        return stamp(
            dataset,
            "torch",
            experiment=e.to_dict(),
            digest=e.digest,
            parameters={"alpha": e.alpha, "eta_p": e.eta_p, "eta_s": e.eta_s, "lr": e.lr},
            batch_norm="measures: statistics of the clean training images; loss and speeds: of their own views",
        )
