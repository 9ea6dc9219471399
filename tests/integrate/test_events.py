"""Events along runs, against zeros that are known."""

from importlib.util import find_spec
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sympy import symbols

from dynsim import DynsimError, Event, Field, Flow, Move, Terminal, gradient_flow, solve, system
from dynsim.integrate.zeros import changes_of_sign, sign_changes
from dynsim.symbolic.expressions import expression
from dynsim.symbolic.numeric import evaluate

METHODS = ("DOP853", "compiled") if find_spec("llvmlite") else ("DOP853",)
OSCILLATOR = Flow.of({"x": Move("v"), "v": Move("-x")})
SWING = {"x": 1.0, "v": 0.0}


def test_several_zeros_within_one_step_are_all_found():
    """y is a cubic in s with the zeros −6, −2, 2; a step of the method takes it in one go."""
    flow = Flow.of({"y": Move("3*s^2 + 12*s - 4"), "s": Move("1")})
    run = solve(flow, {"y": -120.0, "s": -8.0}, 12.0, events=["y"])
    np.testing.assert_allclose(run.event_s, [-6.0, -2.0, 2.0], atol=1e-9)


def test_close_pairs_of_zeros_are_found_at_every_turn():
    run = solve(OSCILLATOR, SWING, 200.0, events=["x - 0.9999"])
    half = np.arccos(0.9999)
    turns = 2 * np.pi * np.arange(32)
    expected = np.sort(np.concatenate([turns + half, turns - half]))
    np.testing.assert_allclose(run.event_time, expected[(expected > 0) & (expected < 200)], rtol=1e-8)


def test_a_product_vanishes_where_its_factors_do():
    both = solve(system("toy"), {"phi": 0.6, "theta": 0.1}, 30.0, events=["(theta - 1/2)*(theta - 0.501)"])
    each = solve(system("toy"), {"phi": 0.6, "theta": 0.1}, 30.0, events=["theta - 1/2", "theta - 0.501"])
    np.testing.assert_allclose(both.event_time, each.event_time, rtol=1e-9)
    assert both.sizes["event"] == 2


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=7, unique=True), st.floats(-6, 6), st.booleans())
def test_zeros_of_polynomials(roots, shift, backward):
    roots = np.sort(np.array(roots))
    roots = roots[np.concatenate([[True], np.diff(roots) > 1e-3])]
    start, end = (1.5, -1.5) if backward else (-1.5, 1.5)
    found = sign_changes(
        lambda t: np.prod([np.subtract(t - shift, r) for r in roots], axis=0), [start + shift, end + shift]
    )
    expected = (roots + shift)[:: -1 if backward else 1]
    assert len(found) == len(expected)
    np.testing.assert_allclose([t for t, _ in found], expected, atol=1e-8)
    assert all(one * other < 0 for (_, one), (_, other) in pairwise(found))


def test_touching_zero_is_no_change_of_sign_and_a_zero_at_the_start_does_not_count():
    assert sign_changes(lambda t: t**2, [-1.0, 1.0]) == []
    assert sign_changes(lambda t: t, [0.0, 1.0]) == []
    assert sign_changes(lambda t: t, [-1.0, 0.0]) == [(0.0, 1.0)]


def test_directions_are_those_of_scipy():
    up, down, both = (
        solve(OSCILLATOR, SWING, 12.0, events=[Event("x", direction=d)]).event_time.values for d in (1, -1, 0)
    )
    np.testing.assert_allclose(down, [np.pi / 2, 5 * np.pi / 2], rtol=1e-9)
    np.testing.assert_allclose(up, [3 * np.pi / 2, 7 * np.pi / 2], rtol=1e-9)
    np.testing.assert_allclose(both, np.sort([*up, *down]), rtol=1e-12)


def test_an_event_may_end_the_run_at_its_second_time():
    run = solve(OSCILLATOR, SWING, 12.0, events=["v", Event("x", terminal=2)])
    assert run.attrs["end_reason"] == "terminal"
    assert run.attrs["end_time"] == pytest.approx(3 * np.pi / 2, rel=1e-9)
    assert run.attrs["event_counts"] == "[1, 2]"
    assert int(run.status) == 5
    once = solve(OSCILLATOR, SWING, 12.0, events=[Terminal("x")])
    assert once.attrs["end_time"] == pytest.approx(np.pi / 2, rel=1e-9)


def test_events_in_time_and_backward():
    run = solve(OSCILLATOR, SWING, -12.0, events=["x", "t + 1"])
    expected = [-1.0, *(-np.pi * (np.arange(4) + 0.5))]
    np.testing.assert_allclose(run.event_time, expected, rtol=1e-9)
    np.testing.assert_allclose(run.x, np.cos(run.time), atol=1e-9)


def test_a_state_that_decays_keeps_its_sign():
    flow = system("scalar", branch="full")
    start = {name: flow.defaults[name] for name in flow.states}
    run = solve(flow, start, 200.0, parameters={"sigma2": 0.3}, events=["theta"])
    assert run.sizes["event"] == 0
    assert (run.theta > 0).all()


@pytest.mark.parametrize(
    "make", [lambda: Event("x", terminal=-1), lambda: Event("x", terminal="yes"), lambda: Event("x", direction="up")]
)
def test_an_event_that_makes_no_sense_is_refused(make):
    with pytest.raises(DynsimError):
        make()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=6, unique=True), st.booleans())
def test_intervals_find_together_what_one_finds(roots, backward):
    roots = np.sort(np.array(roots))
    roots = roots[np.concatenate([[True], np.diff(roots) > 1e-3])]
    edges = [-1.5, -0.37, 0.1, 0.11, 1.5][:: -1 if backward else 1]
    found = sign_changes(lambda t: np.prod([np.subtract(t, r) for r in roots], axis=0), edges)
    np.testing.assert_allclose([t for t, _ in found], roots[:: -1 if backward else 1], atol=1e-8)
    assert all(one * other < 0 for (_, one), (_, other) in pairwise(found))


def test_a_zero_on_an_inner_edge_counts_once_and_one_that_only_touches_does_not():
    assert sign_changes(lambda t: t, [-1.0, 0.0, 1.0]) == [(0.0, 1.0)]
    assert sign_changes(lambda t: t**2, [-1.0, 0.0, 1.0]) == []


def test_where_only_rounding_is_left_the_search_still_ends():
    def steps(t):
        return np.where(t < 0.3, -1e-17, 1e-17)

    np.testing.assert_allclose(changes_of_sign(steps, [0.0], [1.0], [None]), [0.3], rtol=1e-12)


def test_an_event_may_read_a_parameter_that_depends_on_the_time():
    rates = {"alpha": "1 + beta*t", "beta": 0.1}
    flow = gradient_flow("alpha*(x-1)^2/2 + beta*x^2", "x")
    for method in METHODS:
        found = solve(flow, {"x": 0.0}, 10.0, parameters=rates, events=["alpha - 3/2", "t - 2*beta"], method=method)
        np.testing.assert_allclose(found.event_time, [0.2, 5.0], rtol=1e-12)
    described = Field(("x",), lambda t, y: -y, about={"parameters": {"kind": "linear", "rate": 1.0}})
    assert solve(described, {"x": 1.0}, 2.0, events=["x - rate/2"]).event_time.item() == pytest.approx(np.log(2))
    with pytest.raises(DynsimError, match="kind"):
        solve(described, {"x": 1.0}, 2.0, events=["x - kind"])


@st.composite
def events_of_an_oscillator(draw):
    """Polynomials in states and time whose zeros along x = cos t, v = −sin t are simple and apart, as far as drawn."""
    a, b, c = (draw(st.floats(-1.2, 1.2).map(lambda number: round(number, 3))) for _ in range(3))
    form = draw(
        st.sampled_from(
            [
                "x - {a}",
                "x*v - {a}/3",
                "(x - {a})*(x - {b})",
                "x^3 - {a}*v + {b}/9",
                "t - 3*{a} - 5",
                "x - {a} + {c}*t/9",
            ]
        )
    )
    return form.format(a=f"({a})", b=f"({b})", c=f"({c})")


@settings(max_examples=40, deadline=None)
@given(events_of_an_oscillator(), st.sampled_from([-1, 0, 1]), st.sampled_from([0, 1, 3]))
def test_every_method_finds_the_zeros_that_a_dense_look_finds(text, direction, terminal):
    """Of the exact solution, at so many times, no round numbers, that only a pair within 1e-3 could be missed."""
    t = np.linspace(0.0, 12.0, 100_003)
    known = {"x": np.cos(t), "v": -np.sin(t), "t": t}
    values = evaluate([expression("event", text)], {symbols(name): known[name] for name in known})[0]
    sign = np.sign(values)
    # Pairs nearer than a hundred looks, touches and zeros at an end are the business of other tests.
    crossing = np.flatnonzero(sign[1:] * sign[:-1] < 0)
    slopes = np.abs(np.gradient(values, t))
    near = np.abs(values) < 1e-3
    assume(not (near & (slopes < 1e-1)).any() and abs(values[0]) > 1e-3 and abs(values[-1]) > 1e-3)
    kept = crossing[sign[crossing + 1] * direction >= 0][: terminal or None]
    looked_for = Event(text, direction=direction, terminal=terminal)
    for method in METHODS:
        run = solve(OSCILLATOR, SWING, 12.0, events=[looked_for], method=method)
        assert run.sizes["event"] == len(kept)
        np.testing.assert_allclose(run.event_time, t[kept], atol=1.3e-4)
        np.testing.assert_allclose(run.event_x, np.cos(run.event_time), atol=1e-8)
        assert (run.attrs["end_reason"] == "terminal") == (0 < terminal == len(kept))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("start", [{"phi": 0.6, "theta": 0.1}, {"phi": 1.0, "theta": 0.1}])
def test_what_waits_for_a_time_happens_while_the_state_rests(method, start):
    """The toy rests at t = 42, or from the start; a clock goes on."""
    run = solve(system("toy"), start, 1000.0, events=["sin(t/50)", Terminal("t - 900")], method=method)
    np.testing.assert_allclose(run.event_time, [*(50 * np.pi * np.arange(1, 6)), 900.0], rtol=1e-12)
    assert run.attrs["end_reason"] == "terminal"
    assert run.attrs["end_time"] == pytest.approx(900.0)
    resting = run.theta.values[run.time.values <= 900.0]
    assert np.isfinite(resting).all()
    assert np.isnan(run.theta.values[run.time.values > 900.0]).all()


def test_a_clock_goes_on_backward_too():
    run = solve(Flow.of({"x": Move("0*x")}), {"x": 2.0}, -25.0, events=["t + 7"])
    assert run.event_time.values == pytest.approx([-7.0])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("event", "expected"),
    [("sqrt(x) - 1/2", [0.25]), ("log(x - 15)*(x - 17)", [16.0, 17.0]), ("log(-x)", [-1.0]), ("asin(x - 3)", [3.0])],
)
def test_an_event_that_is_not_defined_everywhere_is_seen_where_it_is(event, expected, method):
    """x' = 1 from −20: one long step holds the edge of the domain and the zeros beside it."""
    run = solve(Flow.of({"x": Move("1 + 0*x")}), {"x": -20.0}, 40.0, events=[event], method=method)
    np.testing.assert_allclose(run.event_x, expected, rtol=1e-9)
