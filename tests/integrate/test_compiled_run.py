"""One trajectory by machine code: what SciPy's integrators give, events included."""

import numpy as np
import pytest

from dynsim import BlowUp, DynsimError, Event, Field, Flow, Move, Terminal, gradient_flow, solve, system
from dynsim.status import Status

pytest.importorskip("llvmlite")

START = {"phi": 0.6, "theta": 0.1}


@pytest.mark.parametrize("when", [{"t_end": 30.0}, {"times": [0.5, 7.0]}, {"times": [0.0, 30.0]}])
def test_the_compiled_run_is_the_run(when):
    one, other = (solve(system("toy"), START, **when, method=method) for method in ("compiled", "DOP853"))
    np.testing.assert_allclose(one.theta, other.theta, rtol=1e-8)
    np.testing.assert_allclose(one.loss, other.loss, atol=1e-9)
    assert one.sizes == other.sizes


def test_its_events_are_those_of_the_others():
    events = ["(theta-1/2)*(theta-0.501)", Event("phi - 7/10", direction=1), "rest"]
    one, other = (solve(system("toy"), START, 300.0, events=events, method=m) for m in ("compiled", "DOP853"))
    assert one.event_index.values.tolist() == other.event_index.values.tolist()
    np.testing.assert_allclose(one.event_time[:3], other.event_time[:3], rtol=1e-7)
    assert one.attrs["end_reason"] == other.attrs["end_reason"] == "rest"
    stopped = solve(system("toy"), START, 30.0, events=[Terminal("theta - 1/2")], method="compiled")
    assert int(stopped.status) == Status.EVENT
    assert np.isnan(stopped.theta[-1])


def test_its_endings_are_those_of_the_others():
    with pytest.raises(BlowUp):
        solve(gradient_flow("-w^4/4", ["w"]), {"w": 1.0}, 10.0, method="compiled")
    slid = solve(gradient_flow("abs(w)", "w"), {"w": 1.0}, 3.0, method="compiled")
    assert int(slid.status) == Status.SLIDING
    assert float(slid.w[-1]) == 0.0


def test_a_registered_name_is_compiled_too():
    one, other = (solve("toy", START, 3.0, method=method) for method in ("compiled", "DOP853"))
    np.testing.assert_allclose(one.phi, other.phi, rtol=1e-9)


def test_time_dependence():
    flow = Flow.of({"x": Move("cos(t)")})
    run = solve(flow, {"x": 0.0}, 10.0, events=["x"], method="compiled")
    np.testing.assert_allclose(run.x, np.sin(run.time), atol=1e-10)
    np.testing.assert_allclose(run.event_time, [np.pi, 2 * np.pi, 3 * np.pi], rtol=1e-9)


@pytest.mark.parametrize("change", [{"t_end": -1.0}, {"max_step": 0.1}, {"breakpoints": [0.5]}])
def test_what_it_does_not_do_is_refused(change):
    with pytest.raises(DynsimError, match="DOP853"):
        solve(system("toy"), START, **{"t_end": 1.0, **change}, method="compiled")
    with pytest.raises(DynsimError, match="Flow"):
        solve(Field(("x",), lambda t, y: -y), {"x": 1.0}, 1.0, method="compiled")
