"""Limits of polynomial flows from what they conserve: the toy by any name, and any planar flow on its level curve."""

import random

import numpy as np
import pytest
import sympy
from sympy import Rational

import dynsim
from dynsim import Flow, Move
from dynsim.analysis.algebra.level_curves import _limit, algebraic_limit
from dynsim.analysis.numerics.fate import fate_of

STARTS = [(6, 1), (-6, 3), (15, 5), (5, 0), (20, -30), (-10, 10)]


@pytest.mark.parametrize("branch", ["stop", "full", "target"])
def test_a_typed_loss_knows_what_the_toy_knows(branch):
    toy = dynsim.system("toy", branch=branch)
    typed = dynsim.gradient_flow("(p*w - sg(w))^2/2", "p, w", branch=branch, rates={"p": "a"})
    for (phi, theta), alpha in zip(STARTS, [1, Rational(1, 3)] * 3, strict=True):
        phi, theta = Rational(phi, 10), Rational(theta, 10)
        wanted = dynsim.outcome(toy, {"phi": phi, "theta": theta}, {"alpha": alpha})
        found = dynsim.outcome(typed, {"p": phi, "w": theta}, {"a": alpha})
        assert found.exact, (phi, theta, alpha)
        assert found.collapsed == wanted.collapsed
        assert [sympy.simplify(a - b) for a, b in zip(found.limit.values(), wanted.limit.values(), strict=True)] == [
            0,
            0,
        ]


def test_scales_and_floats_change_nothing():
    # With θ = 3v the velocities are nine times those of the toy at α = 1/9.
    typed = dynsim.gradient_flow("(3*p*v - sg(3*v))^2/2", "p, v")
    found = dynsim.outcome(typed, {"p": 0.6, "v": 0.1})
    wanted = dynsim.outcome(dynsim.system("toy"), {"phi": 0.6, "theta": 0.3}, {"alpha": 1 / 9})
    assert found.exact
    assert "is conserved" in found.reason
    assert isinstance(found.limit["v"], float)
    assert found.limit["v"] == pytest.approx(wanted.limit["theta"] / 3, rel=1e-14)


def test_noise_moves_the_line():
    views = "x ~ normal(0, 1), n1 ~ normal(0, sigma2), n2 ~ normal(0, sigma2)"
    typed = dynsim.gradient_flow("E((p*w*(x + n1) - sg(w*(x + n2)))^2)/2", "p, w", random=views)
    found = dynsim.outcome(typed, {"p": Rational(1, 2), "w": 1}, {"sigma2": Rational(1, 4)})
    assert found.exact
    assert found.limit == {"p": Rational(4, 5), "w": sympy.sqrt(139) / 10}  # w² = 1 + (4/5)² − 1/4


def test_what_holds_at_special_values_only():
    typed = dynsim.gradient_flow("(p*w - sg(w))^2/2 + eta*(p^2 + w^2)/2", "p, w")
    start = {"p": 0.6, "w": 0.5}
    assert dynsim.outcome(typed, start, {"eta": 0}).exact
    decaying = dynsim.outcome(typed, start, {"eta": 0.1})
    assert not decaying.exact
    assert decaying.limit["w"] == pytest.approx((1 + np.sqrt(0.6)) / 2, abs=1e-8)


def test_one_state_and_no_encoder():
    found = dynsim.outcome(dynsim.gradient_flow("(w^2 - 2)^2/4", "w"), {"w": Rational(1, 2)})
    assert (found.limit, found.exact, found.collapsed) == ({"w": sympy.sqrt(2)}, True, None)
    assert "roles=" in found.reason
    named = dynsim.gradient_flow("w^4/4", "w", roles={"encoder": "w"})
    assert dynsim.outcome(named, {"w": -2}).collapsed is True
    assert not dynsim.outcome(dynsim.gradient_flow("-w^2/2", "w"), {"w": 1}).exact  # nothing lies ahead


def test_a_run_onto_a_saddle_is_told_from_one_beside_it():
    duffing = Flow.of({"x": Move("y"), "y": Move("x - x^3")})
    onto = dynsim.outcome(duffing, {"x": 1, "y": -sympy.sqrt(2) / 2})
    assert (onto.exact, onto.limit) == (True, {"x": 0, "y": 0})
    round_the_loop = dynsim.outcome(duffing, {"x": 1, "y": sympy.sqrt(2) / 2})  # turns at √2, then goes there too
    assert (round_the_loop.exact, round_the_loop.limit) == (True, {"x": 0, "y": 0})
    beside = dynsim.outcome(duffing, {"x": 1, "y": -0.7})
    assert (beside.exact, beside.kind) == (False, "periodic")


def test_an_asymptote_is_no_way_through():
    # x·y is conserved; at x < 0 the run leaves along y → 0, and the equilibria (1/2, y) lie on the other branch.
    flow = Flow.of({"x": Move("x*(1 - 2*x)"), "y": Move("-y*(1 - 2*x)")})
    assert algebraic_limit(flow, {"x": -1.2, "y": -1.9}, {}) is None
    assert dict(algebraic_limit(flow, {"x": 2, "y": Rational(1, 4)}, {}).values) == {"x": Rational(1, 2), "y": 1}


def test_what_is_no_polynomial_is_left_to_integration():
    assert algebraic_limit(dynsim.gradient_flow("(tanh(p)*w - sg(w))^2/2", "p, w"), {"p": 0.6, "w": 0.1}, {}) is None
    irrational = dynsim.gradient_flow("(p*w - sg(w))^2/2", "p, w", rates={"p": "a"})
    assert algebraic_limit(irrational, {"p": 0.6, "w": 0.1}, {"a": sympy.pi}) is None


FACTORS = ["1", "x", "1 - x", "x*y", "1 - 2*x", "x^2 - 2", "x^2 + y^2 - 1", "x - y"]


def agree(seeds):
    """Of flows that conserve a random polynomial: every exact limit is where the integration rests, or is not done."""
    x, y = sympy.symbols("x y")
    known = 0
    for seed in seeds:
        rng = random.Random(seed)
        terms = [(i, j) for i in range(4) for j in range(4 - i) if i + j]
        law = sum(rng.choice([0, 0, 1, -1, 2, -3]) * x**i * y**j for i, j in terms)
        factor = dynsim.parse(rng.choice(FACTORS))
        rhs = [sympy.expand(factor * law.diff(y)), sympy.expand(-factor * law.diff(x))]
        start = {"x": round(rng.uniform(-2, 2), 1), "y": round(rng.uniform(-2, 2), 1)}
        if 0 in rhs:
            continue
        flow = Flow.of(dict(zip("xy", map(Move, rhs), strict=True)))
        found = _limit(flow, {name: Rational(str(value)) for name, value in start.items()}, {})  # without a budget
        fate = fate_of(flow.field(), np.array(list(start.values())))
        if found is None:
            assert fate.kind != "rest", (law, factor, start)
        elif fate.kind == "rest":
            known += 1
            assert [float(v) for v in found.values.values()] == pytest.approx(fate.state, abs=1e-6), (
                law,
                factor,
                start,
            )
        else:
            # The integration may creep towards a degenerate equilibrium; it may not leave or circle.
            assert fate.kind in ("drifts", "undecided"), (law, factor, start)
    return known


def test_exact_limits_are_where_integration_rests():
    assert agree(range(8)) >= 2


@pytest.mark.long
def test_many_exact_limits_are_where_integration_rests():
    assert agree(range(100, 250)) >= 30
