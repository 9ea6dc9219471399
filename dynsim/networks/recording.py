"""From snapshots to a Dataset with dimensions seed and step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import xarray
from torch import Tensor

from dynsim.errors import bad
from dynsim.networks.experiment import Experiment
from dynsim.networks.measures import MEASURES
from dynsim.networks.measures.recorded import Measure, own_measure
from dynsim.networks.network import Network, Weights
from dynsim.networks.schedules import at_step, flow_times
from dynsim.networks.snapshot import Evaluation, Snapshot
from dynsim.records import stamp
from dynsim.status import Status, status_attributes

__all__ = ["Recorder"]


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
        self.experiment: Experiment = network.plan
        self.network, self.evaluation, self.seeds = network, evaluation, list(seeds)
        self.measures, self.left_out = _measures_for(self.experiment, evaluation.labels is not None)
        self.times = flow_times(self.experiment)
        self.initial = Snapshot(network, initial, evaluation)
        self.steps: list[int] = []
        self.rows: dict[str, list[Tensor]] = {}
        self.stopped = [-1] * len(self.seeds)
        self._losses = initial.encoder.new_empty((self.experiment.every, len(self.seeds)))
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
        measured_values: dict[str, Any] = {}
        for name, measure in self.measures.items():
            values = measure.record(snapshot)
            measured_values |= values
            if self.experiment.head and measure.of_features:
                behind = measure.record(snapshot.behind_head)
                measured_values |= {f"{variable}_head": value for variable, value in behind.items()}
            if not values:
                self.left_out[name] = "it makes no sense for this network"
        self.steps.append(step)
        for name, value in {"loss": snapshot.loss, **measured_values}.items():
            kept = torch.as_tensor(value).detach().to("cpu", torch.float64, copy=True)
            kept[lost.cpu()] = torch.nan
            self.rows.setdefault(name, []).append(kept)

    def snapshot(self, step: int, weights: Weights) -> Snapshot:
        """The network after so many steps."""
        self.network.experiment = at_step(self.experiment, step)
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
        for measure in self.measures.values():
            if measure.finish is not None:
                recorded = measure.finish(recorded, torch.as_tensor(times))
        dataset = xarray.Dataset(
            {name: (("seed", "step")[: values.ndim], values.numpy()) for name, values in recorded.items()},
            {"seed": self.seeds, "step": self.steps, "time": ("step", times)},
        )
        status = [Status.NOT_FINITE if stopped >= 0 else Status.OK for stopped in self.stopped]
        dataset["status"] = ("seed", np.array(status, dtype=np.int8), status_attributes())
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
            kind="training",
            **({"not_recorded": self.left_out} if self.left_out else {}),
            evaluation=(
                "features: of one view of every test image, made by the experiment's augmentation; kNN and probe "
                "compare them with clean training images; batch normalisation uses the statistics of two views of "
                "training images there, and those of their own views in loss and speeds"
            ),
        )


def _measures_for(experiment: Experiment, labelled: bool) -> tuple[dict[str, Measure], dict[str, str]]:
    """Measures of an experiment that its data allow, and those left out, with the reason.

    Raises
    ------
    InvalidValue
        Measures that were asked for by name need labels, and there are none.
    """
    chosen = {
        (one.__name__ if callable(one) else one): (own_measure(one) if callable(one) else MEASURES[one])
        for one in experiment.measures
    }
    without = [name for name, measure in chosen.items() if measure.labels and not labelled]
    if without and "measures" in experiment.changed:
        raise bad("measures", without, "measures that need no labels", "the data have none: give (images, labels)")
    kept = {name: measure for name, measure in chosen.items() if name not in without}
    return kept, dict.fromkeys(without, "the data have no labels")
