"""Rest found early, what is not rest, and how runs end that cannot go on."""

import numpy as np
import pytest

from dynsim import BlowUp, Flow, Move, gradient_flow, solve, system
from dynsim.errors import SolverFailure
from dynsim.field import Field
from dynsim.integrate.events import distance_from_rest
from dynsim.integrate.stepping import SOLVERS as METHODS
from dynsim.status import Status

START = {"phi": 0.6, "theta": 0.1}


@pytest.fixture
def few_steps(monkeypatch):
    for module in ("solver", "solve"):
        monkeypatch.setattr(f"dynsim.integrate.{module}.MOST_STEPS", 3000)


@pytest.mark.parametrize("branch", ["stop", "full", "target"])
@pytest.mark.parametrize("t_end", [1e6, 1e300])
def test_a_long_horizon_costs_nothing(few_steps, branch, t_end):
    run = solve(system("toy", branch=branch), START, t_end)
    near = solve(system("toy", branch=branch), START, 500.0)
    assert float(run.phi[-1]) == pytest.approx(float(near.phi[-1]), rel=1e-10)
    assert float(run.theta[-1]) == pytest.approx(float(near.theta[-1]), rel=1e-10, abs=1e-30)
    assert (run.theta > 0).all()
    assert int(run.status) == Status.AT_REST


def test_a_slow_creep_is_not_taken_for_rest(few_steps):
    """y' = −y³ from 1: y = 1/√(1 + 2t), and never at rest."""
    run = solve(Flow.of({"y": Move("-y^3")}), {"y": 1.0}, 1e8, method="Radau", rtol=1e-9)
    np.testing.assert_allclose(run.y, 1 / np.sqrt(1 + 2 * run.time), rtol=1e-6)


def test_passing_a_saddle_is_not_taken_for_rest():
    """From 1e-14 beside the saddle x = 1 the run leaves it after ln(1e14)."""
    run = solve(Flow.of({"x": Move("(x-1)*(2-x)"), "y": Move("-y")}), {"x": 1 + 1e-13, "y": 1.0}, 200.0)
    assert float(run.x[-1]) == pytest.approx(2.0)


def test_a_field_that_may_depend_on_time_is_not_held():
    pulse = Field(("x",), lambda t, y: 1.0 * (t > 900) * (t < 901) - 0.1 * y)
    run = solve(pulse, {"x": 1.0}, 1000.0, max_step=0.5)
    assert float(run.x.sel(time=905)) > 0.5


def test_no_step_crosses_a_breakpoint():
    pulse = Field(("x",), lambda t, y: np.where((t >= 900) & (t <= 901), 1.0, 0.0) + 0 * y)
    run = solve(pulse, {"x": 0.0}, 1000.0, breakpoints=[900.0, 901.0])
    assert float(run.x[-1]) == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_only_growth_is_called_a_blow_up(method):
    with pytest.raises(SolverFailure) as caught:
        solve(Flow.of({"y": Move("-sqrt(y)")}), {"y": 1.0}, 3.0, method=method)
    assert caught.value.time <= 2.0 + 1e-6
    assert int(caught.value.dataset.status) in (Status.NOT_FINITE, Status.SOLVER_FAILED)
    assert not isinstance(caught.value, BlowUp)


@pytest.mark.parametrize("method", METHODS)
def test_a_field_that_jumps_is_said_to_slide(method):
    with pytest.raises(SolverFailure, match="slides") as caught:
        solve(Field(("w",), lambda t, y: -np.sign(y)), {"w": 1.0}, 3.0, method=method, rtol=1e-6, atol=1e-8)
    assert caught.value.time == pytest.approx(1.0, abs=1e-3)
    assert int(caught.value.dataset.status) == Status.SLIDING


@pytest.mark.parametrize("rhs", ["exp(y)", "y^2 + 1", "y"])
def test_growth_is_a_blow_up_whether_in_finite_time_or_beyond_all_numbers(rhs):
    with pytest.raises(BlowUp):
        solve(Flow.of({"y": Move(rhs)}), {"y": 1.0}, 1e4)


def test_what_the_field_raises_is_not_hidden():
    def broken(t, y):
        if t > 0.5:
            raise ValueError("mine")
        return -y

    with pytest.raises(ValueError, match="mine"):
        solve(Field(("x",), broken), {"x": 1.0}, 1.0)


def test_a_difference_of_large_numbers_does_not_stop_the_run():
    """In turned coordinates the decaying part is a difference, whose relative accuracy rounding takes."""
    c, s = np.cos(1.0), np.sin(1.0)
    turn = np.array([[c, -s], [s, c]])
    matrix = turn @ np.diag([-1.0, 0.0]) @ turn.T
    field = Field(("x", "y"), lambda t, y: matrix @ y)
    run = solve(field, {"x": 1.0, "y": 0.3}, 100.0)
    end = turn @ np.diag([0.0, 1.0]) @ turn.T @ [1.0, 0.3]
    np.testing.assert_allclose([run.x[-1], run.y[-1]], end, rtol=1e-10)


def test_predator_and_prey_stay_positive():
    """Rosenzweig–MacArthur with a prey that falls to 4e-16: an absolute tolerance would decide its sign."""
    flow = Flow.of({"x": Move("x*(1-x/15) - x*y/(1+x)"), "y": Move("x*y/(2*(1+x)) - y/5")})
    run = solve(flow, {"x": 1.0, "y": 1.0}, 400.0)
    assert float(run.x.min()) > 0
    assert float(run.x.max()) > 10


def test_flow_of_a_hinge_does_not_take_for_ever():
    with pytest.raises(SolverFailure):
        solve(Field(("w",), gradient_flow("2.5*w^2+25*max(0,1-abs(w))", ["w"]).field().function), {"w": 2.0}, 3.0)


def test_rest_has_a_relative_and_an_absolute_part():
    """A state rests when |y′| ≤ 1e-10·|y| + atol, each of its states by itself."""
    slow = Field(("x", "y"), lambda t, z: np.array([1e-11 * z[0], 0 * z[1]]))
    assert distance_from_rest(slow, 0.0)(0.0, np.array([5.0, 0.0])) <= 0
    fast = Field(("x", "y"), lambda t, z: np.array([1e-9 * z[0], 0 * z[1]]))
    assert distance_from_rest(fast, 0.0)(0.0, np.array([5.0, 1e9])) > 0
    steady = Field(("x", "y"), lambda t, z: np.array([0 * z[0], 1e-12 + 0 * z[1]]))
    assert distance_from_rest(steady, 1e-13)(0.0, np.array([0.0, 0.0])) > 0
    assert distance_from_rest(steady, 1e-11)(0.0, np.array([0.0, 0.0])) <= 0
