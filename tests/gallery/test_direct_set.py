"""A small run of direct-set: runs obey the stated rule, threshold and boundary are found where theory has them."""

import numpy as np
import pytest

import dynsim
from dynsim.gallery import direct_set


@pytest.fixture(scope="module")
def data():
    return direct_set.compute(**direct_set.FIGURE.small)


def test_runs_and_the_exact_rule_agree_everywhere(data):
    assert (data["survives"] == data["stated"]).all()
    assert 0.2 < float(data["survives"].mean()) < 0.95


def test_the_threshold_does_not_depend_on_the_power(data):
    exact = data["threshold"].broadcast_like(data["measured_threshold"])
    np.testing.assert_allclose(data["measured_threshold"], exact, atol=2.0 ** -direct_set.FIGURE.small["halvings"])


def test_the_boundary_is_the_lower_equilibrium(data):
    exact = direct_set._equilibria(data["decay"], 1.1, data["a"], -1)
    np.testing.assert_allclose(*(x.transpose("decay", "a") for x in (data["measured_boundary"], exact)), atol=4e-3)
    assert (data["measured_boundary"].diff("a") > 0).all()


def test_direct_pred_is_the_learned_predictor_on_the_balanced_surface(data):
    set_, learned = (data["s"].isel(predictor=index) for index in (0, 2))
    np.testing.assert_allclose(set_, learned, atol=1e-7)


@pytest.mark.parametrize("share", [0.2, 5.0])
def test_off_that_surface_it_is_not(share):
    values = {"eta_p": 0.05, "eta_s": 0.05, "lambda_d1": 0.6, "lambda_s1": 0.7}
    start = {"p1": share * 0.3, "w1": 0.3}
    learned = dynsim.solve(dynsim.system("modes", k=1), start, times=[5.0], parameters=values)
    told = {"lambda_d": 0.6, "lambda_s": 0.7, "eta_s": 0.05}
    set_ = dynsim.solve(dynsim.system("direct-set", variant="direct-pred"), {"s": 0.09}, times=[5.0], parameters=told)
    assert abs(float(learned.w1[-1]) ** 2 - float(set_.s[-1])) > 0.02


def test_direct_copy_asks_for_a_stronger_signal(data):
    kept = data["s_end"] > 1e-4
    pred, copy = (data["signal_fine"].where(kept.isel(predictor=index)).min() for index in (0, 1))
    assert float(copy) > 1.5 * float(pred)
    assert "DirectCopy those ≥" in str(direct_set.verdict(data).facts)
