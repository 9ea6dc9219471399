"""The two clean demonstrations on real digits: what stop-gradient does to a network, with seeds."""

from __future__ import annotations

import pytest

from dynsim.networks import Experiment, train
from dynsim.networks.objectives import BRANCHES


@pytest.mark.slow
def test_a_network_with_batch_norm_collapses_without_stop_gradient():
    runs = {b: train(Experiment(branch=b, steps=200, every=100, measures=("spread", "knn")), 3) for b in BRANCHES}
    spread = {branch: run.spread[:, -1] for branch, run in runs.items()}
    assert (spread["stop"] > 0.7).all()
    assert (spread["full"] < 0.1).all()
    assert (spread["target"] < 0.1).all()
    knn = {branch: run.knn[:, -1] for branch, run in runs.items()}
    assert float(knn["stop"].min()) > 0.1 + float(max(knn["full"].max(), knn["target"].max()))
    assert (runs["full"].loss[:, -1] < runs["stop"].loss[:, -1]).all()  # the loss is not a collapse metric


def test_a_linear_network_shrinks_without_stop_gradient():
    fields = {
        "encoder": "linear", "predictor": "linear", "objective": "squared", "lr": 0.02, "every": 300,
        "measures": ("norm_ratio", "spread"),
    }  # fmt: skip
    runs = {branch: train(Experiment(branch=branch, **fields), 3) for branch in BRANCHES}
    norm = {branch: run.norm_ratio[:, -1] for branch, run in runs.items()}
    assert (norm["stop"] > 0.6).all()
    assert (norm["full"] < 0.2).all()
    assert (norm["target"] < 0.2).all()
    assert (runs["full"].spread[:, -1] > 0.9).all()  # blind to scale
