"""A small run of optimisers-network: stop-gradient decides, whatever takes the steps."""

import numpy as np
import pytest

pytest.importorskip("torch")

from dynsim.gallery import optimisers_network
from dynsim.gallery.linear_networks import image_moments, linear_experiment
from dynsim.gallery.plotting import stored_file
from dynsim.storage import open_dataset
from dynsim.systems.matrix_flow import matrix_flow

BRANCHES = ("stop", "full", "target")


@pytest.fixture(scope="module")
def data():
    return optimisers_network.compute(**optimisers_network.FIGURE.small)


@pytest.mark.parametrize("branch", BRANCHES)
def test_the_residuals_are_those_of_the_network(branch):
    from dynsim.networks import flow, initial_state

    rates = {"alpha": 2.0, "eta_p": 0.3, "eta_s": 0.1}
    experiment = linear_experiment(dim=3, branch=branch, **rates)
    network, field = flow(experiment), matrix_flow(*image_moments(), 3, branch=branch, **rates)
    start = initial_state(experiment)
    y = np.concatenate([start[name].ravel() for name in field.names])
    values, jacobian = field.residuals_function(y, y)
    slope = field.split(jacobian.T @ values)
    velocity = network.split(network.f(0.0, np.concatenate([start[name].ravel() for name in network.names])))
    np.testing.assert_allclose(2 * slope["P"], -velocity["P"], atol=1e-12)
    np.testing.assert_allclose(slope["W"], -velocity["W"], atol=1e-12)


def test_stop_gradient_decides_whatever_the_gradient_optimiser(data):
    gone = optimisers_network.collapsed(data)["linear"].sel(size="small")
    for name in optimisers_network.FIGURE.small["optimisers"]:
        if name == "Gauss–Newton":  # no gradient method: its norm grows beyond every bound
            continue
        assert (gone.sel(optimiser=name, branch="stop") == 0).all(), name
        assert (gone.sel(optimiser=name, branch=["full", "target"]) == 1).all(), name


def test_the_toy_is_the_article_s(data):
    toy = data["toy"].sel(branch="stop") * 0.1
    assert float(toy.sel(optimiser="SGD", size="small")) == pytest.approx((0.01 + 1.1**-2 - 0.36) ** 0.5, abs=2e-3)
    assert float(toy.sel(optimiser="exact, P first", size="small")) == pytest.approx(0.1, abs=1e-12)
    assert float(toy.sel(optimiser="exact, W first", size="small")) == pytest.approx(0.1 / 0.6 / 1.1, abs=1e-12)
    assert optimisers_network._toy(optimisers_network.RUNS["Newton"], "stop", 1.0) < 1e-3


def test_what_is_not_run_is_nan(data):
    gone = optimisers_network.collapsed(data)
    assert gone["hidden"].sel(optimiser="Gauss–Newton").isnull().all()
    assert gone["toy"].sel(optimiser="L-BFGS").isnull().all()
    assert gone["linear"].sel(size="small").notnull().all()


def test_the_stored_run_says_the_same_of_the_linear_network(data):
    stored = open_dataset(stored_file("optimisers-network"))
    pick = {"optimiser": ["Gauss–Newton", "exact, P first", "exact, W first"], "branch": "stop", "size": "small"}
    for run in (data, stored):
        assert (run["linear_norm_ratio"].sel(moment="end").sel(pick) > 0.5).all()
    start = {"optimiser": "SGD", "size": "small", "branch": "stop", "moment": "start", "seed": [0, 1]}
    np.testing.assert_allclose(data["hidden_knn"].sel(start), stored["hidden_knn"].sel(start), atol=0.02)
