"""From snapshots to a Dataset with dimensions seed and step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import xarray
from torch import Tensor

from dynsim.networks.experiment import Experiment
from dynsim.networks.network import Network, Weights
from dynsim.networks.snapshot import Evaluation, Snapshot
from dynsim.records import stamp
from dynsim.registry import find

__all__ = ["Recorder"]


class Recorder:
    """Measures snapshots of a run and keeps the numbers."""

    def __init__(self, experiment: Experiment, network: Network, evaluation: Evaluation, seeds: Sequence[int]) -> None:
        self.experiment, self.network, self.evaluation, self.seeds = experiment, network, evaluation, seeds
        names = (name.replace("_", "-") for name in experiment.measures)
        self.measures = [find("measure", name, "dynsim.networks.recorded") for name in names]
        self.steps: list[int] = []
        self.rows: dict[str, list[Tensor]] = {}
        self.initial: Snapshot | None = None

    def record(self, step: int, weights: Weights) -> None:
        """Measure."""
        snapshot = Snapshot(self.network, weights, self.evaluation, self.initial)
        self.initial = snapshot.initial
        self.steps.append(step)
        values = {"loss": snapshot.loss}
        for module in self.measures:
            values |= module.record(snapshot)
        for name, value in values.items():
            self.rows.setdefault(name, []).append(value.double().cpu())

    def dataset(self) -> xarray.Dataset:
        """Dataset."""
        e = self.experiment
        step = np.array(self.steps)
        data = {name: (("seed", "step"), torch.stack(rows, dim=1).numpy()) for name, rows in self.rows.items()}
        dataset = xarray.Dataset(
            data, {"seed": list(self.seeds), "step": step, "time": ("step", step * e.lr / (1 - e.momentum))}
        )
        return stamp(dataset, "torch", experiment=e.to_dict(), digest=e.digest)
