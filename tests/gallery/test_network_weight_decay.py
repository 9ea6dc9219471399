"""A small run of network-weight-decay: the mode equations say which modes live and how large they become."""

import numpy as np
import pytest

pytest.importorskip("torch")

import dynsim
from dynsim.gallery import network_weight_decay
from dynsim.gallery.plotting import stored_file
from dynsim.storage import open_dataset


@pytest.fixture(scope="module")
def data():
    return network_weight_decay.compute(**network_weight_decay.FIGURE.small)


def test_the_threshold_is_where_the_equilibrium_of_the_mode_vanishes(data):
    lambda_d, lambda_s = (network_weight_decay._directions()[0][3] + extra for extra in (0.0, 0.09))
    flow = dynsim.system("modes", k=1)
    for factor, alive in ((0.95, True), (1.05, False)):
        eta = factor * float(data["threshold"][3])
        values = {"lambda_d1": lambda_d, "lambda_s1": lambda_s, "eta_p": eta, "eta_s": eta, "alpha": 1.0}
        end = float(dynsim.solve(flow, {"p1": 1.0, "w1": 1.0}, 3000.0, parameters=values)["w1"][-1])
        theory = float(network_weight_decay._theory((eta,), 4)["size_theory"][0, 3])
        assert end**2 == pytest.approx(theory, abs=1e-5)
        assert (theory > 0) == alive


def test_sizes_are_the_equilibria_where_the_decay_is_strong(data):
    theory = data["size_theory"].sel(decay=0.03).values
    size = data["size"].sel(branch="stop", decay=0.03).values
    alive = theory > 0
    np.testing.assert_allclose(size[:, alive], np.tile(theory[alive], (2, 1)), rtol=0.15)
    assert size[:, ~alive].max() < 0.02


def test_fates(data):
    numbers = network_weight_decay.survives(data).sum("mode")
    assert (numbers.sel(branch="stop", decay=0.2) == 0).all()
    assert (numbers.sel(branch="stop", decay=0.03) == 7).all()
    assert (numbers.sel(branch="stop", decay=0.0) > 25).all()
    assert (numbers.sel(branch=["full", "target"]) == 0).all()


def test_the_stored_run_agrees_with_a_fresh_one(data):
    stored = open_dataset(stored_file("network-weight-decay")).sel(decay=0.03, branch="stop")
    fresh = data["size"].sel(decay=0.03, branch="stop")
    np.testing.assert_allclose(fresh[:, :7], stored["size"].sel(seed=fresh["seed"])[:, :7], rtol=0.15)
    # Another processor's eigenvalues differ by about d·ε·‖Σ‖ = 64 · 2e-16 · 1.5, and the thresholds by less than that.
    np.testing.assert_allclose(data["threshold"], stored["threshold"], rtol=0, atol=1e-12)
