"""One trajectory by machine code: what SciPy's integrators give, events included."""

import numpy as np
import pytest

from dynsim import BlowUp, DynsimError, Event, Field, Flow, Move, Terminal, ensemble, gradient_flow, solve, system
from dynsim.errors import MissingExtra
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


def test_what_cannot_be_compiled_is_said(monkeypatch):
    odd = Flow.of({"x": Move("-erf(x)")})
    monkeypatch.setattr("dynsim.integrate.engine.program._obstacles", {odd: "no machine code for 'erf'"})
    with pytest.raises(DynsimError, match="'erf'; take method='DOP853'"):
        solve(odd, {"x": 1.0}, 1.0, method="compiled")
    monkeypatch.setattr("dynsim.integrate.engines.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="fast"):
        solve(odd, {"x": 1.0}, 1.0, method="compiled")


def test_a_start_out_of_the_domain_is_refused():
    for end in ({"t_end": 1.0}, {"times": [0.0]}):
        with pytest.raises(DynsimError, match="initial"):
            solve(Flow.of({"x": Move("log(x)")}), {"x": -1.0}, **end, method="compiled")


def test_a_run_of_no_time_rests_where_the_field_vanishes():
    for method in ("compiled", "DOP853"):
        found = [int(solve("toy", START | {"phi": x}, times=[0.0], method=method).status) for x in (1.0, 0.6)]
        assert found == [Status.AT_REST, Status.OK]


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


@pytest.mark.parametrize("theta", [1e-3, 1e-200, -1e-200])
def test_a_small_state_keeps_its_sign_and_its_relative_accuracy(theta):
    """θ′ vanishes with θ: from 1e-200 it grows two-million-fold, and everything else goes as without it."""
    one, other = (solve(system("toy"), START | {"theta": theta}, 60.0, method=m) for m in ("compiled", "DOP853"))
    np.testing.assert_allclose(one.theta, other.theta, rtol=1e-9)
    np.testing.assert_allclose(one.phi, other.phi, rtol=1e-9)
    assert (np.sign(one.theta) == np.sign(theta)).all()
    fixed = solve(system("toy"), START | {"theta": theta}, 60.0, method="compiled", atol=1e-13)
    assert abs(theta) == 1e-3 or not np.allclose(fixed.theta, other.theta, rtol=1e-9, atol=0)


def test_states_that_decay_do_so_as_in_the_other_solvers():
    """The prey falls to 4e-16 and returns; a cascade decays by 50 orders; an exact 0 stays one."""
    hunt = Flow.of({"x": Move("x*(1-x/15) - x*y/(1+x)"), "y": Move("x*y/(2*(1+x)) - y/5")})
    cascade = Flow.of({"x": Move("-x + y/1000"), "y": Move("-2*y"), "z": Move("1 - z"), "o": Move("o*(x - 2)")})
    for flow, start, end in ((hunt, {"x": 1.0, "y": 1.0}, 400.0), (cascade, {"x": 1, "y": 1, "z": 0, "o": 0}, 60.0)):
        one, other = (solve(flow, start, end, method=method) for method in ("compiled", "DOP853"))
        for name in flow.states:
            np.testing.assert_allclose(one[name], other[name], rtol=1e-6 if flow is hunt else 1e-9, atol=0)
    assert (one.o == 0).all()


def test_a_difference_of_large_numbers_asks_for_no_digits_that_rounding_has_eaten():
    from dynsim.integrate.engine.program import OneStart

    turned = Flow.of({"u": Move("-(u + v)/2"), "v": Move("-(u + v)/2")})  # u + v decays, u − v stays
    y0, end = np.array([1.0, 0.3]), 100.0
    follows, fixed = (OneStart(turned, y0, {}, end, 1e-11, atol) for atol in (None, 1e-13))
    for run in (follows, fixed):
        np.testing.assert_allclose(run(np.array([end]))[:, 0], [0.35, -0.35], rtol=1e-10)
    assert follows.steps < 3 * fixed.steps


def test_a_member_that_struggles_gets_a_fixed_tolerance():
    """A state of 1e-200 that swings fast has its say for so many steps only."""
    from dynsim.integrate.batch import STRUGGLE
    from dynsim.integrate.engine.program import OneStart

    swing = Flow.of({"x": Move("1e-200*cos(100*t)"), "y": Move("0*x")})
    half, whole = (OneStart(swing, np.array([1e-200, 1.0]), {}, end, 1e-11, None) for end in (200.0, 2000.0))
    for run in (half, whole):
        run(np.array([1.0]))
    assert half.steps > STRUGGLE / 4
    assert STRUGGLE < whole.steps < 1.1 * STRUGGLE


def test_a_run_that_stops_at_what_leaves_no_relative_accuracy_goes_on_with_a_fixed_tolerance():
    """The force jumps on a state near zero: the compiled run ends where the others end."""
    held = gradient_flow("abs(w) + (v-1)^2/2", ["w", "v"])
    one, other = (solve(held, {"w": 1.0, "v": 0.0}, 3.0, method=method) for method in ("compiled", "DOP853"))
    assert one.status == other.status
    np.testing.assert_allclose(one.w, other.w, atol=1e-9)
    np.testing.assert_allclose(one.v, other.v, rtol=1e-9)
