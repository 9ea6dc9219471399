"""A small run of matrix-flow: the network is the matrix flow, and what training adds shrinks with its steps."""

import numpy as np
import pytest

pytest.importorskip("torch")

from dynsim.gallery import matrix_flow as room
from dynsim.gallery.matrix_flow import comparison as matrix_flow


@pytest.fixture(scope="module")
def data():
    return matrix_flow.compute(**room.FIGURE.small)


@pytest.mark.long
def test_autograd_is_the_matrix_flow(data):
    assert float(data["field_error"].max()) < 1e-12


def test_a_field_of_another_branch_is_noticed():
    from dynsim.networks import flow

    here = matrix_flow.linear_experiment(dim=2)
    wrong = matrix_flow._theory(here.but(branch="full"))
    assert matrix_flow._field_error(flow(here), wrong) > 0.1


@pytest.mark.long
def test_integrated_runs_agree_to_the_integrators_tolerance(data):
    assert float(data["difference"].max()) < 1e-10
    assert float(abs(data["norm_network"] - data["norm_theory"]).max()) < 1e-10


@pytest.mark.long
def test_the_balance_law_holds_along_the_flow(data):
    np.testing.assert_allclose(data["balance_left"].sel(decay=0.0), 1.0, rtol=0, atol=1e-10)
    law = np.exp(-2 * matrix_flow.DECAY * data["time"])
    np.testing.assert_allclose(data["balance_left"].sel(decay=matrix_flow.DECAY), law, rtol=0, atol=1e-10)
    assert float(data["balance_error"].max()) < 1e-10


@pytest.mark.long
def test_training_keeps_the_law_to_order_one_and_adam_does_not(data):
    end = data["balance_drift"].isel(record=-1).mean("seed")
    whole, half = float(end.sel(monitored="SGD")), float(end.sel(monitored="SGD, half the lr"))
    assert whole / half == pytest.approx(2.0, rel=0.25)
    assert float(end.sel(monitored="SGD with decay")) < 0.02
    assert float(end.sel(monitored="Adam")) > 10 * whole


@pytest.mark.long
def test_descent_converges_to_the_flow_with_order_one(data):
    assert matrix_flow.order(data, "descent_error") == pytest.approx(1.0, abs=0.1)
    assert 0.3 < matrix_flow.order(data, "sgd_error") < 0.8


@pytest.mark.long
def test_only_stop_gradient_keeps_the_encoder(data):
    kept = data["norm_network"].isel(time=-1) / data["norm_network"].isel(time=0)
    assert float(kept.sel(branch="stop")) > 0.7
    assert float(kept.sel(branch=["full", "target"]).max()) < 0.6
    assert "1.0" in str(matrix_flow.verdict(data).facts)
