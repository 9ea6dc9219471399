"""Closed forms in time beyond the contract's: the laws behind them, and structures the defaults do not reach."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dynsim
from dynsim.errors import DynsimError
from dynsim.systems.laws import passage, power_logistic

TIMES = np.linspace(0.0, 4.0, 9)


@given(st.floats(1e-4, 0.999), st.floats(0.0, 20.0), st.floats(1.0, 9.0))
@settings(max_examples=60, deadline=None)
def test_the_time_that_passes_is_the_time_that_was_given(start, time, power):
    y = float(power_logistic(time, start, 1.0, power))
    assert start * (1 - 1e-14) <= y <= 1
    if 1 - y > 1e-6:  # closer to the end y forgets how long it took
        rounding = 1e-12 * start ** (1 - power)  # of a clock that starts where y hardly moves
        assert float(passage(start, y, power)) == pytest.approx(time, rel=1e-8, abs=rounding)


@given(st.floats(1.001, 30.0), st.floats(1e-3, 5.0), st.floats(1.0, 6.0))
@settings(max_examples=50, deadline=None)
def test_from_above_the_law_is_that_of_the_reciprocal(start, time, power):
    here, step = power_logistic(np.array([time, 1.0001 * time]), start, 1.0, power), 1e-4 * time
    velocity = (here[1] - here[0]) / step
    middle = here.mean()
    assert velocity == pytest.approx(middle**power * (1 - middle), rel=1e-2, abs=1e-9)
    assert 1 <= here[1] <= here[0] <= start


def test_whole_powers_are_elementary():
    y0, y = 0.1, 0.7
    assert passage(y0, y, 1.0) == pytest.approx(np.log(y / (1 - y)) - np.log(y0 / (1 - y0)), rel=1e-14)
    assert passage(y0, y, 2.0) == pytest.approx(passage(y0, y, 1.0) + 1 / y0 - 1 / y, rel=1e-14)
    assert passage(y0, y, 2.0 + 1e-13) == pytest.approx(float(passage(y0, y, 2.0)), rel=1e-11)


def test_starts_that_stay_and_times_without_end():
    y = power_logistic(np.array([0.0, 1.0, np.inf]), np.array([0.0, 1e-200, 1.0, 2.0, np.nan])[:, None], 1.0, 3.0)
    np.testing.assert_array_equal(y[0], 0)
    np.testing.assert_allclose(y[1], [1e-200, 1e-200, 1], rtol=1e-11)
    np.testing.assert_array_equal(y[2], 1)
    assert 1 < y[3, 1] < 2
    assert np.isnan(y[4]).all()


@pytest.mark.parametrize("name", ["jepa", "mae"])
def test_deep_networks_of_any_depth_from_below_and_from_above(name):
    flow = dynsim.system(name)
    depths = np.array([1.0, 1.5, 2.0, 5.0])
    starts = np.array([0.05, 0.4, 1.3])
    values = {"L": depths, "rho": 0.8, "lambda_d": 1.7}
    runs = dynsim.ensemble(flow, {"w": starts}, times=TIMES, parameters=values, rtol=1e-12, atol=1e-14)
    told = flow.exact(TIMES, {"w": starts[:, None, None]}, {**values, "L": depths[:, None]})
    np.testing.assert_allclose(runs.w.transpose("w0", "L", "time"), told["w"], rtol=1e-9)


@pytest.mark.parametrize("L", [1, 2, 3, 4])
def test_deep_supervised_networks_of_any_depth(L):
    flow = dynsim.system("deep-linear", L=L)
    for u in (0.02, 2.4):
        run = dynsim.solve(flow, {"u": u}, times=TIMES, parameters={"s": 1.5})
        np.testing.assert_allclose(flow.exact(TIMES, {"u": u}, {"s": 1.5})["u"], run.u, rtol=1e-9)


@pytest.mark.parametrize(
    ("variant", "branch"), [("isoloss", "stop"), *(("predictor", branch) for branch in ("stop", "full", "target"))]
)
def test_a_frozen_spectrum_is_exponential(variant, branch):
    flow = dynsim.system("euclidean", variant=variant, branch=branch, spectrum="frozen")
    values, start = {"lambda1": 1.4, "lambda2": 0.3}, {"z1": 0.5, "z2": 0.2}
    run = dynsim.solve(flow, start, times=TIMES, parameters=values)
    told = flow.exact(TIMES, start, values)
    for name in flow.states:
        np.testing.assert_allclose(told[name], run[name], rtol=1e-9)


def test_a_frozen_mode_ends_only_where_it_does_not_grow():
    flow = dynsim.system("euclidean", spectrum="frozen")
    assert flow.exact.end({"z1": 0.5, "z2": 0.2}, {"lambda1": 0.5, "lambda2": 2.0}) is None
    end = flow.exact.end({"z1": 0.5, "z2": 0.2}, {"lambda1": 1.0, "lambda2": 2.0})
    assert end.values == {"z1": 0.5, "z2": 0.0}
    assert not end.collapsed


def test_the_noisy_scalar_system_reaches_its_stated_end_at_infinite_time():
    flow, start = dynsim.system("scalar"), {"phi": 0.2, "theta": 0.4}
    values = {"sigma2": 0.3, "alpha": 2.0}
    told, end = flow.exact(np.inf, start, values), flow.exact.end(start, values)
    for name in flow.states:
        assert float(told[name]) == pytest.approx(float(end.values[name]), rel=1e-12)


@pytest.mark.parametrize(
    ("name", "which", "parameters", "named"),
    [
        ("scalar", {}, {"eta_s": 0.1}, "eta_s"),
        ("scalar", {"branch": "full"}, {"sigma2": 0.1}, "sigma2"),
        ("modes", {"k": 1}, {"eta_p": 0.1}, "eta_p"),
        ("modes", {"k": 1}, {"lambda_d1": 0.0}, "lambda_d1"),
        ("modes", {"k": 2, "branch": "target"}, {}, "lambda_s1"),
        ("eigenmode", {"variant": "simsiam"}, {}, "eta_p"),
        ("xbar", {"variant": "predictor"}, {"lambda_s": -1.0}, "lambda_s"),
        ("jepa", {}, {"L": 0.5}, "L"),
        ("mae", {}, {"rho": 0.0}, "rho"),
        ("deep-linear", {"L": 3}, {"s": -1.0}, "s"),
        ("direct-set", {}, {"eta_s": 0.1}, "eta_s"),
    ],
)
def test_where_no_closed_form_holds_the_parameter_is_named(name, which, parameters, named):
    flow = dynsim.system(name, **which)
    with pytest.raises(DynsimError, match=rf"^{named}: got "):
        flow.exact(1.0, {state: flow.defaults[state] for state in flow.states}, parameters)
