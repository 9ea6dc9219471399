"""One trajectory by machine code: what SciPy's integrators give, events included."""

import numpy as np
import pytest

from dynsim import BlowUp, DynsimError, Event, Field, Flow, Move, Terminal, ensemble, gradient_flow, solve, system
from dynsim.integrate.compiled_run import compiled_states
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


def test_one_start_gives_the_states_of_the_ensemble_at_any_times():
    flow = system("byol")
    start = {"phi": 0.6, "theta": 0.3, "xi": 0.2}
    times = np.array([0.0, 0.0, 1.0, 2.5, 2.5, 20.0])
    found = compiled_states(flow.field(), np.array([start[name] for name in flow.states]), times, 1e-10, 1e-12)
    runs = ensemble(flow, start, times=np.unique(times), rtol=1e-10, atol=1e-12, method="compiled")
    for row, name in zip(found, flow.states, strict=True):
        np.testing.assert_allclose(row, runs[name].sel(time=times), rtol=1e-9)


def test_one_start_that_stops_early_or_has_no_machine_code_is_left_to_others():
    blows = gradient_flow("-w^4/4", ["w"]).field()
    assert compiled_states(blows, np.array([1.0]), np.array([0.0, 10.0]), 1e-8, 1e-8) is None
    assert compiled_states(Field(("x",), lambda t, y: -y), np.array([1.0]), np.array([1.0]), 1e-8, 1e-8) is None


def test_the_dataset_of_one_member_can_be_written_and_changes_no_other():
    options = {"times": [0.0, 1.0], "method": "compiled"}
    first = ensemble(system("toy"), START, **options)
    first["theta"].attrs["said"], first.attrs["said"] = "something", "something"
    first["theta"].values[:] = 7.0
    first["status"].values[...] = 5
    second = ensemble(system("toy"), START, **options)
    assert "said" not in second.attrs
    assert "said" not in second["theta"].attrs
    assert float(second["theta"][0]) == START["theta"]
    assert int(second["status"]) == Status.OK
