from __future__ import annotations

import numpy as np
import pytest
import torch

from dynsim.networks import Experiment, Images


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def pictures() -> Images:
    """Forty 6×6 pictures of four classes, a bright quadrant each: small, and easy to tell apart."""
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 4
    x = 0.3 * rng.random((40, 6, 6))
    for image, label in zip(x, labels, strict=True):
        image[3 * (label // 2) : 3 * (label // 2) + 3, 3 * (label % 2) : 3 * (label % 2) + 3] += 0.6
    return Images.of(x, labels, name="quadrants")


@pytest.fixture(scope="session")
def vectors() -> Images:
    """Sixty correlated vectors of five numbers."""
    rng = np.random.default_rng(1)
    return Images.of(rng.normal(size=(60, 5)) @ rng.normal(size=(5, 5)), name="vectors")


@pytest.fixture
def small(pictures):
    """Experiment on the pictures, in float64, with small nets and no measures; keywords change it."""

    def make(**changes) -> Experiment:
        fields = {
            "data": pictures, "augmentation": {"noise": 0.2}, "dtype": "float64", "dim": 4, "width": 6,
            "predictor_width": 5, "batch": 8, "steps": 6, "measures": (), "every": 2, "lr": 0.05,
        }  # fmt: skip
        return Experiment(**{**fields, **changes})

    return make


@pytest.fixture
def linear(vectors):
    """The exactly solvable experiment on the vectors; keywords change it."""

    def make(**changes) -> Experiment:
        fields = {
            "data": vectors, "augmentation": {"noise": 0.5}, "encoder": "linear", "predictor": "linear",
            "objective": "squared", "dim": 3, "dtype": "float64", "measures": (), "batch": "full", "momentum": 0.0,
        }  # fmt: skip
        return Experiment(**{**fields, **changes})

    return make
