"""Curves of Hopf points against closed forms, and what happens on them."""

import numpy as np
import pytest

from dynsim import DynsimError, Flow, Move, continuation, hopf_curve, provenance
from dynsim.methods.prototype_bifurcations import hopf, hopf_lyapunov


def flow_of(**velocities):
    return Flow.of({name: Move(text) for name, text in velocities.items()})


def special(curve):
    return provenance(curve)["special"]


BRUSSELATOR = flow_of(x="a + x^2*y - (b+1)*x", y="b*x - x^2*y")
DINO = flow_of(
    a="-(tanh((a+b)/(2*tau_s)) + tanh((a-b)/(2*tau_s)) - tanh((a+b-c)/(2*tau_t)) - tanh((a-b-c)/(2*tau_t)))/(4*tau_s)",
    b="-(tanh((a+b)/(2*tau_s)) - tanh((a-b)/(2*tau_s)) - r*(tanh((a+b-c)/(2*tau_t)) - tanh((a-b-c)/(2*tau_t))))"
    "/(4*tau_s)",
    c="m*(a-c)",
).fix(tau_s=0.1)


def test_the_brusselator_from_the_point_that_a_continuation_found():
    """b = 1 + a² with the frequency a, supercritical everywhere."""
    (found,) = continuation(BRUSSELATOR, "b", (1.5, 3), parameters={"a": 1.2}, initial={"x": 1.2, "y": 1.25}).hopf
    curve = hopf_curve(BRUSSELATOR, ("b", "a"), found, span={"a": (0.5, 2), "b": (1, 6)})
    np.testing.assert_allclose(curve.b, 1 + curve.a**2, rtol=1e-9)
    np.testing.assert_allclose(curve.hopf_frequency, curve.a, rtol=1e-9)
    np.testing.assert_allclose(curve.x, curve.a, rtol=1e-9)
    assert float(curve.a.min()) < 0.55
    assert float(curve.a.max()) > 1.95
    assert (curve.lyapunov < 0).all()
    assert (curve.unstable_others == 0).all()
    assert special(curve) == []


def test_dino_with_an_instant_teacher():
    """m = (1/τ_t − 1/τ_s)/(4τ_s); a third eigenvalue, the pattern's, crosses 0 at τ_t = rτ_s."""
    start = {"a": 0, "b": 0, "c": 0, "m": 37.5, "tau_t": 0.04}
    curve = hopf_curve(DINO, ("m", "tau_t"), start, parameters={"r": 0.7}, span={"m": (1, 60), "tau_t": (0.02, 0.1)})
    expected = np.array([hopf(0.1, float(tau)) for tau in curve.tau_t])
    np.testing.assert_allclose(curve.m, expected[:, 0], rtol=1e-8)
    np.testing.assert_allclose(curve.hopf_frequency, expected[:, 1], rtol=1e-8)
    (point,) = special(curve)
    assert point["kind"] == "zero-Hopf"
    assert point["tau_t"] == pytest.approx(0.07, rel=1e-9)
    assert point["m"] == pytest.approx(10.7142857, rel=1e-7)
    np.testing.assert_array_equal(curve.unstable_others, curve.tau_t < 0.07)
    ratio = curve.lyapunov / [hopf_lyapunov(0.1, float(tau)) for tau in curve.tau_t]
    assert (ratio > 0).all()


def test_bogdanov_and_takens_end_the_curve():
    flow = flow_of(x="y", y="p + q*x + x^2 - x*y")
    curve = hopf_curve(flow, ("p", "q"), {"x": 0, "y": 0, "p": 0, "q": -1}, span={"p": (-1, 1), "q": (-2, 2)})
    np.testing.assert_allclose(curve.hopf_frequency, np.sqrt(-curve.q), atol=1e-7)
    np.testing.assert_allclose(curve.p, 0, atol=1e-10)
    (point,) = special(curve)
    assert point["kind"] == "Bogdanov-Takens"
    assert point["q"] == pytest.approx(0, abs=1e-9)
    assert "Bogdanov-Takens" in provenance(curve)["ended"][1]
    shifted = flow_of(x="y - 3", y="p + q*x + x^2 - x*(y-3) + 5*(y-3)")  # Hopf at x = 5: p = −5q − 25, ω² = −q − 10
    start = {"x": 5, "y": 3, "p": 30, "q": -11}
    curve = hopf_curve(shifted, ("p", "q"), start, span={"p": (0, 60), "q": (-20, 0)})
    (point,) = special(curve)
    assert (point["p"], point["q"], point["x"]) == pytest.approx((25, -10, 5), abs=1e-6)


def test_bautin_is_where_the_coefficient_changes_sign():
    s = "(s*(x^2+y^2) - (x^2+y^2)^2)"
    flow = flow_of(x=f"mu*x - y + {s}*x", y=f"x + mu*y + {s}*y")
    curve = hopf_curve(flow, ("mu", "s"), {"x": 0, "y": 0, "mu": 0, "s": -0.5}, span={"mu": (-1, 1), "s": (-1, 1)})
    np.testing.assert_allclose(curve.mu, 0, atol=1e-12)
    np.testing.assert_array_equal(np.sign(curve.lyapunov), np.sign(curve.s))
    (point,) = special(curve)
    assert point["kind"] == "Bautin"
    assert point["s"] == pytest.approx(0, abs=1e-6)


def test_two_pairs_that_cross_together():
    flow = flow_of(x="mu*x - y - x^3", y="x + mu*y - y^3", u="nu*u - 2*v - u^3", v="2*u + nu*v - v^3")
    point = dict.fromkeys("xyuv", 0) | {"mu": 0, "nu": -0.5}
    curve = hopf_curve(flow, ("mu", "nu"), point, span={"mu": (-1, 1), "nu": (-1, 1)})
    (crossing,) = special(curve)
    assert crossing["kind"] == "double Hopf"
    assert crossing["nu"] == pytest.approx(0, abs=1e-9)
    np.testing.assert_array_equal(curve.unstable_others, np.where(curve.nu > 0, 2, 0))


def test_a_closed_curve_is_gone_round_once():
    flow = flow_of(x="(m^2 + n^2 - 1)*x - y - x^3", y="x + (m^2 + n^2 - 1)*y - y^3")
    start = {"x": 0, "y": 0, "m": 1, "n": 0}
    curve = hopf_curve(flow, ("m", "n"), start, span={"m": (-2, 2), "n": (-2, 2)})
    np.testing.assert_allclose(curve.m**2 + curve.n**2, 1, rtol=1e-9)
    assert provenance(curve)["ended"] == ["closed", "closed"]
    steps = np.hypot(np.diff(curve.m), np.diff(curve.n))
    assert steps.sum() == pytest.approx(2 * np.pi, rel=1e-2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pair": ("b", "b")}, "different"),
        ({"pair": ("b", "z")}, "'z'"),
        ({"pair": "b"}, "pair"),
        ({"hopf": 3}, "hopf"),
        ({"hopf": {"x": 1, "y": 2, "b": 2}}, "value for a"),
        ({"hopf": {"x": 1, "y": 2, "a": 1, "b": 0.1}}, "Hopf point"),
        ({"hopf": {"x": 1, "y": 2, "a": 1, "b": 2, "w": 0}}, "'w'"),
        ({"span": {"b": (3, 1)}}, "smaller"),
        ({"flow": flow_of(x="a - x"), "pair": ("a", "a")}, "different"),
        ({"flow": flow_of(x="a - b*x"), "hopf": {"x": 0, "a": 0, "b": 1}}, "two states"),
        ({"flow": flow_of(x="a*y - t", y="b - x")}, "t"),
    ],
)
def test_bad_input_is_named(change, words):
    given = {"flow": BRUSSELATOR, "pair": ("b", "a"), "hopf": {"x": 1, "y": 2, "a": 1, "b": 2}} | change
    with pytest.raises(DynsimError, match=words) as caught:
        hopf_curve(**given)
    assert "\n" not in str(caught.value)
