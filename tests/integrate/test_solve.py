"""One trajectory: exact ends, events, blow-up, provenance, what is refused."""

import json

import numpy as np
import pytest
import xarray as xr

import dynsim
from dynsim import BlowUp, DynsimError, StepLimit, Terminal, gradient_flow, provenance, solve, system
from dynsim.field import Field
from dynsim.integrate.stepping import SOLVERS as METHODS

START = {"phi": 0.6, "theta": 0.1}
# Su Jianlin's run: the exact ends follow from the conserved θ²−φ², u²−θ², u−θ²/2 with u = 1−φ.
ENDS = {"stop": (1.0, 0.65**0.5), "full": (1 - 0.15**0.5, 0.0), "target": (0.605, 0.0)}


@pytest.mark.parametrize("branch", ENDS)
def test_article_run_ends_where_it_must(branch):
    run = solve(system("toy", branch=branch), START, 200.0)
    assert float(run.phi[-1]) == pytest.approx(ENDS[branch][0], abs=1e-9)
    assert float(run.theta[-1]) == pytest.approx(ENDS[branch][1], abs=1e-9)
    assert run.sizes == {"time": 201}


@pytest.mark.parametrize("method", METHODS)
def test_every_method_agrees(method):
    run = solve(system("toy"), START, 10.0, method=method, rtol=1e-8, atol=1e-10)
    best = solve(system("toy"), START, 10.0)
    assert float(abs(run.theta - best.theta).max()) < 3e-6


def test_implicit_methods_get_the_analytic_jacobian():
    calls = []
    field = system("toy").field()
    spy = Field(field.names, field.function, lambda t, y: calls.append(t) or field.jacobian(t, y))
    solve(spy, START, 1.0, method="Radau")
    assert calls


def test_times_and_observables():
    times = [0.0, 0.5, 7.0]
    run = solve(system("toy"), START, times=times)
    assert run.time.values.tolist() == times
    assert np.allclose(run.loss, 0.5 * (run.phi * run.theta - run.theta) ** 2, atol=1e-15)
    assert np.allclose(run.predictor_gap, abs(1 - run.phi))
    late = solve(system("toy"), START, times=[7.0])
    assert float(late.theta[0]) == pytest.approx(float(run.theta[-1]), abs=1e-12)
    now = solve(system("toy"), START, times=[0.0])
    assert float(now.theta[0]) == START["theta"]


def test_rest_holds_and_terminal_stops():
    rested = solve(system("toy"), START, 500.0, events=["rest"])
    assert rested.attrs["end_reason"] == "rest"
    assert rested.attrs["end_time"] < 100
    assert float(rested.theta[-1]) == pytest.approx(0.65**0.5, abs=1e-9)
    stopped = solve(system("toy"), START, 30.0, events=[Terminal("theta - 1/2"), "phi - 7/10"])
    assert stopped.attrs["end_reason"] == "terminal"
    assert np.isnan(stopped.theta[-1])
    assert stopped.event_index.values.tolist() == [1, 0]
    assert float(stopped.event_theta[1]) == pytest.approx(0.5, abs=1e-10)
    assert float(stopped.event_phi[0]) == pytest.approx(0.7, abs=1e-10)


def test_rest_before_the_first_recorded_time():
    run = solve(system("toy"), START, times=[1e4, 2e4], events=["rest"])
    assert run.theta.values == pytest.approx([0.65**0.5] * 2, abs=1e-9)


def test_a_start_at_rest_rests_at_once():
    run = solve(system("toy"), {"phi": 0.3, "theta": 0.0}, 10.0, events=["rest"])
    assert run.attrs["end_time"] == 0.0
    assert (run.phi == 0.3).all()


def test_a_tiny_encoder_is_not_taken_for_rest():
    run = solve(system("toy"), {"phi": 0.6, "theta": 1e-9}, 400.0, events=["rest"])
    assert float(run.theta[-1]) == pytest.approx((1 - 0.36) ** 0.5, abs=1e-6)


def test_blow_up_says_when_and_keeps_the_run():
    flow = gradient_flow("-w^4/4", ["w"])  # w' = w³ from 1: w = 1/√(1−2t)
    with pytest.raises(BlowUp) as caught:
        solve(flow, {"w": 1.0}, 10.0)
    assert caught.value.time == pytest.approx(0.5, abs=1e-6)
    data = caught.value.dataset
    early = data.sel(time=slice(None, 0.46))
    assert early.sizes["time"] == 10
    assert np.allclose(early.w, 1 / np.sqrt(1 - 2 * early.time), rtol=1e-8)
    assert isinstance(caught.value, ArithmeticError)
    assert isinstance(caught.value, DynsimError)


@pytest.mark.parametrize("method", METHODS)
def test_blow_up_ends_with_every_method(method):
    with pytest.raises(BlowUp) as caught:
        solve(gradient_flow("-w^4/4", ["w"]), {"w": 1.0}, 10.0, method=method, rtol=1e-6, atol=1e-8)
    assert caught.value.time == pytest.approx(0.5, abs=1e-3)
    assert caught.value.dataset.sizes["time"] >= 10


@pytest.fixture
def at_most(monkeypatch):
    def limit(steps):
        for module in ("solver", "solve"):
            monkeypatch.setattr(f"dynsim.integrate.{module}.MOST_STEPS", steps)

    return limit


@pytest.mark.parametrize("method", METHODS)
def test_a_run_of_too_many_steps_says_how_far_it_came_and_keeps_that(at_most, method):
    options = {"method": method, "rtol": 1e-8, "atol": 1e-10, "events": ["phi - 7/10"]}
    whole = solve(system("toy"), START, 100.0, **options)
    at_most(15)
    with pytest.raises(StepLimit, match=r"15 steps reach flow time .* of 100 only.*rest.*Radau") as caught:
        solve(system("toy"), START, 100.0, **options)
    data = caught.value.dataset
    assert 0 < caught.value.time < 100
    assert data.attrs["end_reason"] == "step-limit"
    assert data.time.values[-1] == caught.value.time == data.attrs["end_time"]
    recorded = data.isel(time=slice(None, -1))
    xr.testing.assert_equal(recorded[["phi", "theta"]], whole[["phi", "theta"]].sel(time=recorded.time))
    assert data.sizes["event"] == int((whole.event_time <= caught.value.time).sum())
    # the state reached is one of the same run: going on from there ends where the whole run ends
    at_most(10_000)
    on = solve(system("toy"), {name: data[name][-1] for name in START}, 100.0 - caught.value.time)
    assert float(on.theta[-1]) == pytest.approx(float(whole.theta[-1]), abs=1e-5)


def test_the_last_step_may_be_the_last_allowed_one(at_most):
    at_most(20)
    with pytest.raises(StepLimit) as caught:
        solve(system("toy"), START, 100.0)
    end = caught.value.time
    run = solve(system("toy"), START, end)
    assert run.attrs["end_reason"] == "t_end"
    assert float(run.theta[-1]) == pytest.approx(float(caught.value.dataset.theta[-1]), rel=1e-12)
    at_most(19)
    with pytest.raises(StepLimit):
        solve(system("toy"), START, end)


def test_however_far_a_run_is_to_go_it_ends(at_most):
    at_most(3000)
    with pytest.raises(StepLimit):  # what creeps never rests
        solve(gradient_flow("w^4/4", ["w"]), {"w": 1.0}, 1e300)
    for ends in ({}, {"events": ["rest"]}, {"method": "Radau", "rtol": 1e-8}):
        run = solve(system("toy"), START, 1e300, **ends)
        assert float(run.theta[-1]) == pytest.approx(0.65**0.5, abs=1e-9)


def test_matrix_states_are_two_dimensional():
    field = Field(("W", "b"), lambda t, y: -y, shapes={"W": (2, 3)})
    start = np.arange(6.0).reshape(2, 3)
    run = solve(field, {"W": start, "b": 1.0}, 2.0)
    assert run.W.dims == ("time", "W_row", "W_column")
    assert np.allclose(run.W[-1], start * np.exp(-2.0), atol=1e-10)
    assert run.b.dims == ("time",)


def test_provenance_and_netcdf_round_trip(tmp_path):
    run = solve(system("toy"), START, 3.0, events=["rest", "theta - 1/9"])
    about = provenance(run)
    assert about["parameters"] == {"alpha": 1.0}
    assert about["initial"] == START
    assert about["flow"]["name"] == "toy"
    assert {"dynsim", "numpy", "scipy", "sympy", "python", "xarray"} <= set(about["versions"])
    assert all(isinstance(value, str | int | float) for value in run.attrs.values())
    assert json.loads(run.attrs["versions"])["dynsim"] == dynsim.__version__
    path = tmp_path / "run.nc"
    run.to_netcdf(path)
    with xr.open_dataset(path) as back:
        xr.testing.assert_identical(back.load(), run)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"initial": {"phi": 0.6}}, "missing: theta"),
        ({"initial": {"phi": 0.6, "theta": 0.1, "psi": 1}}, "'psi'"),
        ({"initial": {"phi": 0.6, "theta": "x"}}, "real number"),
        ({"initial": {"phi": 0.6, "theta": [1, 2]}}, "ensemble"),
        ({"initial": {"phi": 0.6, "theta": float("nan")}}, "finite"),
        ({"initial": 3}, "mapping"),
        ({"t_end": None}, "exactly one"),
        ({"t_end": 1.0, "times": [1.0]}, "exactly one"),
        ({"t_end": 0.0}, "other than 0"),
        ({"t_end": float("inf")}, "finite"),
        ({"t_end": None, "times": [1.0, 0.5]}, "increasing"),
        ({"t_end": None, "times": []}, "at least one"),
        ({"t_end": None, "times": [-1.0, 2.0]}, "non-negative"),
        ({"t_end": None, "times": [-1.0, -0.5]}, "increasing"),
        ({"t_end": 10**400}, "finite"),
        ({"initial": {"phi": 0.6, "theta": 10**400}}, "finite"),
        ({"initial": {"phi": 0.6, "theta": np.ma.masked_array(1.0, True)}}, "masked"),
        ({"rtol": 1e-300}, "at least"),
        ({"max_step": -1.0}, "max_step"),
        ({"breakpoints": [float("nan")]}, "breakpoints"),
        ({"events": [dynsim.Event("psi")]}, "psi"),
        ({"method": "Euler"}, "DOP853"),
        ({"rtol": 0}, "rtol"),
        ({"atol": "small"}, "atol"),
        ({"parameters": {"beta": 1}}, "'beta'"),
        ({"parameters": {"alpha": float("inf")}}, "alpha"),
        ({"parameters": {"alpha": "x"}}, "alpha"),
        ({"parameters": [1]}, "parameters"),
        ({"events": ["psi - 1"]}, "'psi'"),
        ({"events": [3.5]}, "events"),
        ({"flow": 3}, "Flow"),
    ],
)
def test_bad_input_is_named(change, words):
    arguments = {"flow": system("toy"), "initial": START, "t_end": 1.0, **change}
    flow, initial, t_end = (arguments.pop(key) for key in ("flow", "initial", "t_end"))
    with pytest.raises(DynsimError) as caught:
        solve(flow, initial, t_end, **arguments)
    assert words in str(caught.value)


def test_a_parameter_without_a_value_is_named():
    with pytest.raises(DynsimError, match="a value for lambda"):
        solve(gradient_flow("lambda*w^2", ["w"]), {"w": 1.0}, 1.0)


def test_a_start_outside_the_domain_is_refused():
    with pytest.raises(DynsimError, match="finite"):
        solve(gradient_flow("log(w)", ["w"]), {"w": 0.0}, 1.0)
