"""Fields that jump: crossing and sliding, against solutions in closed form."""

import json

import numpy as np
import pytest

from dynsim import Flow, Move, gradient_flow, solve
from dynsim.status import Status


def test_an_absolute_value_is_reached_and_kept():
    run = solve(gradient_flow("abs(w)", "w"), {"w": 1.0}, 3.0, events=["w - 1/2"])
    np.testing.assert_allclose(run.w, np.maximum(1 - run.time, 0), atol=1e-10)
    assert int(run.status) == Status.SLIDING
    (slide,) = json.loads(run.attrs["sliding"])
    assert slide["along"] == "w"
    assert slide["from"] == pytest.approx(1.0)
    assert float(run.event_time[0]) == pytest.approx(0.5)


@pytest.mark.parametrize("method", ["DOP853", "RK23", "Radau", "LSODA"])
def test_the_hinge_holds_the_run_at_its_corner(method):
    run = solve(gradient_flow("2.5*w^2+25*max(0,1-abs(w))", "w"), {"w": 2.0}, 1.0, method=method, rtol=1e-8)
    np.testing.assert_allclose(run.w, np.maximum(2 * np.exp(-5 * run.time), 1.0), rtol=1e-6)


def test_decay_by_the_absolute_value_stops_each_weight_at_its_own_time():
    """w' = −w − sign(w): w = 2e^{−t} − 1 from 1; from −3: −4e^{−t} + 1."""
    flow = gradient_flow("(u^2+v^2)/2 + abs(u) + abs(v)", "u,v")
    run = solve(flow, {"u": 1.0, "v": -3.0}, 5.0)
    np.testing.assert_allclose(run.u, np.maximum(2 * np.exp(-run.time) - 1, 0), atol=1e-9)
    np.testing.assert_allclose(run.v, np.minimum(1 - 4 * np.exp(-run.time), 0), atol=1e-9)
    assert [item["from"] for item in json.loads(run.attrs["sliding"])] == pytest.approx([np.log(2), np.log(4)])


def test_a_surface_that_is_crossed_is_crossed_exactly():
    """x' = 1 below 0 and 2 above: x = −1 + t, then 2(t − 1)."""
    run = solve(Flow.of({"x": Move("1 + heaviside(x)")}), {"x": -1.0}, 3.0)
    np.testing.assert_allclose(run.x, np.where(run.time < 1, run.time - 1, 2 * (run.time - 1)), atol=1e-10)
    assert int(run.status) == Status.OK
    assert "sliding" not in run.attrs


def test_sliding_follows_the_surface_and_leaves_it_where_the_field_does():
    """x' = −sign(x) + y, y' = 1: on x = 0 while |y| < 1, off it from y = 1 on."""
    run = solve(Flow.of({"x": Move("-sign(x) + y"), "y": Move("1")}), {"x": 0.5, "y": 0.0}, 4.0)
    meets = 1.0 - np.sqrt(1 - 2 * 0.5 + 1e-300)  # 0.5 − t + t²/2 = 0 at t = 1
    assert meets == pytest.approx(1.0, abs=1e-6)
    late = run.sel(time=slice(1.2, None))
    np.testing.assert_allclose(late.x, (late.time - 1) ** 2 / 2, atol=1e-6)


def test_sliding_with_motion_along_the_surface():
    """x' = −3·sign(x) + cos(y), y' = 2 + sign(x): on x = 0 the equivalent σ is cos(y)/3, so y' = 2 + cos(y)/3."""
    flow = Flow.of({"x": Move("-3*sign(x) + cos(y)"), "y": Move("2 + sign(x)")})
    run = solve(flow, {"x": 0.0, "y": 0.0}, 5.0)
    smooth = solve(Flow.of({"y": Move("2 + cos(y)/3")}), {"y": 0.0}, 5.0)
    np.testing.assert_allclose(run.y, smooth.y, rtol=1e-9)
    np.testing.assert_allclose(run.x, 0.0, atol=1e-9)


def test_pulses_in_time_are_met_however_short():
    run = solve(Flow.of({"x": Move("heaviside(t-3)*heaviside(3.001-t) - x/10")}), {"x": 0.0}, 10.0)
    assert float(run.x[-1]) == pytest.approx(10 * (np.exp(-0.6999) - np.exp(-0.7)), rel=1e-6)


def test_a_long_horizon_after_sliding_costs_nothing():
    run = solve(gradient_flow("abs(w) + (v-1)^2/2", "w,v"), {"w": 1.0, "v": 0.0}, 1e6)
    assert float(run.v[-1]) == pytest.approx(1.0)
    assert float(run.w[-1]) == 0.0


def test_what_jumps_sample_by_sample_does_not_jump_on_average():
    text = "E(abs(w*x - v)) + (w - 1)^2 + (v - 3/10)^2"
    run = solve(gradient_flow(text, "w, v", random="x ~ uniform(-1, 2)"), {"w": 0.5, "v": 0.5}, 1.0)
    # E|wx − v| over x uniform on (−1, 2), v inside the range of wx: ((2w − v)² + (w + v)²)/(6w)
    closed = gradient_flow("((2*w - v)^2 + (w + v)^2)/(6*w) + (w - 1)^2 + (v - 3/10)^2", "w, v")
    known = solve(closed, {"w": 0.5, "v": 0.5}, 1.0)
    for name in ("w", "v"):
        assert float(run[name][-1]) == pytest.approx(float(known[name][-1]), abs=0.01)
