"""The eigenmode in p = φ, s = θ², τ = ξ/θ: the same runs as the scalar system, and what is exact about them."""

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

import dynsim
from dynsim import equilibria, first_integrals, outcome, solve, system

ETA_C = 1 / (4 * 1.1)
positive = st.floats(0.05, 1.4)


def rested(flow, start, parameters):
    run = solve(flow, start, times=[3e4], parameters=parameters, method="LSODA", rtol=1e-10, events=["rest"])
    return {name: float(run[name][-1]) for name in flow.states}


def test_it_is_the_byol_system_in_other_coordinates():
    values = {"alpha": 2.0, "beta": 0.7, "sigma2": 0.2, "eta_p": 0.05, "eta_s": 0.08}
    theta, xi = 0.4, 0.1
    original = solve(system("byol"), {"phi": 0.6, "theta": theta, "xi": xi}, 20.0, parameters=values)
    turned = solve(system("eigenmode"), {"p": 0.6, "s": theta**2, "tau": xi / theta}, 20.0, parameters=values)
    np.testing.assert_allclose(turned.p, original.phi, atol=1e-9)
    np.testing.assert_allclose(turned.s, original.theta**2, atol=1e-9)
    np.testing.assert_allclose(turned.tau, original.xi / original.theta, atol=1e-8)
    np.testing.assert_allclose(turned.loss, original.loss, atol=1e-9)


def test_a_teacher_that_sticks_to_the_encoder_is_simsiam():
    start = {"p": 0.6, "s": 0.16}
    simsiam = solve(system("eigenmode", variant="simsiam"), start, 10.0)
    byol = solve(system("eigenmode"), {**start, "tau": 1.0}, 10.0, parameters={"beta": 1e6}, method="Radau", rtol=1e-9)
    np.testing.assert_allclose(byol.p, simsiam.p, atol=1e-5)


@pytest.mark.parametrize("variant", ["byol", "simsiam"])
def test_the_weighted_integral_is_found(variant):
    (found,) = first_integrals(system("eigenmode", variant=variant).fix(eta_p="eta", eta_s="eta"))
    p, s, alpha, eta, t = sympy.symbols("p s alpha eta t")
    assert sympy.simplify(found / ((s - p**2 / alpha) * sympy.exp(2 * eta * t))).free_symbols <= {alpha}


@given(st.floats(0.01, 0.4), st.floats(0.1, 3.0), st.floats(0.0, 0.5))
@settings(max_examples=10, deadline=None)
def test_the_fold_depends_on_the_decay_of_the_encoder_only(eta_s, eta_p, sigma2):
    flow = system("eigenmode", variant="simsiam")
    values = {
        name: sympy.Rational(round(100 * value), 100)
        for name, value in (("eta_s", eta_s), ("eta_p", eta_p), ("sigma2", sigma2))
    }
    threshold = 1 / (4 * (1 + values["sigma2"]))
    alive = [item for item in equilibria(flow, values) if item.point["s"] > 0]
    assert len(alive) == 1 + sympy.sign(threshold - values["eta_s"])
    for item in alive:
        p, s = (float(item.point[name]) for name in ("p", "s"))
        assert s == pytest.approx(float(values["eta_p"] / values["eta_s"]) * p**2)


@given(positive, st.booleans(), st.floats(0.02, 0.3), st.sampled_from(["byol", "simsiam"]))
@settings(max_examples=15, deadline=None)
def test_the_balanced_rule_is_where_runs_end(p, negative, eta, variant):
    flow = system("eigenmode", variant=variant)
    start = {"p": -p if negative else p, "s": p**2, **({"tau": 1.0} if variant == "byol" else {})}
    values = {"eta_p": eta, "eta_s": eta}
    end = flow.exact.end(start, values)
    root = np.sqrt(max(0.0, 1 - eta / ETA_C))
    near_boundary = abs(p - (1 - root) / 2.2) < 1e-3 or abs(eta - ETA_C) < 1e-2
    assert end is not None
    if not near_boundary:
        for name, value in rested(flow, start, values).items():
            if name in end.values:
                assert value == pytest.approx(float(end.values[name]), abs=1e-5)


@given(positive, positive, st.floats(0.0, 0.4), st.floats(0.0, 0.4))
@settings(max_examples=10, deadline=None)
def test_the_other_rules_are_where_runs_end(p, s, eta_p, eta_s):
    flow = system("eigenmode", variant="simsiam")
    for values in ({"eta_p": 0.0, "eta_s": 0.0}, {"eta_p": 0.0, "eta_s": eta_s}, {"eta_p": eta_p, "eta_s": 0.25}):
        end = flow.exact.end({"p": p, "s": s}, values)
        if end is None or (0 < values["eta_s"] < 0.02) or (0 < values["eta_p"] < 0.02):
            continue
        found = rested(flow, {"p": p, "s": s}, values)
        for name, value in end.values.items():
            assert found[name] == pytest.approx(float(value), abs=1e-4), (values, end.reason)


def test_a_cold_teacher_can_collapse_below_the_fold():
    flow, values = system("eigenmode"), {"eta_p": 0.2, "eta_s": 0.2, "beta": 0.3}
    warm = outcome(flow, {"p": 0.5, "s": 0.25, "tau": 1.0}, values)
    cold = outcome(flow, {"p": 0.5, "s": 0.25, "tau": 0.0}, values)
    assert (warm.collapsed, cold.collapsed) == (False, True)
    assert warm.exact


def test_exact_numbers_stay_exact():
    start = {"p": sympy.Rational(1, 2), "s": sympy.Rational(1, 4)}
    end = outcome(system("eigenmode", variant="simsiam"), start)
    assert sympy.simplify(end.limit["p"] - (5 + sympy.sqrt(14)) / 11) == 0
    at_saddle = {"p": (5 - sympy.sqrt(14)) / 11, "s": ((5 - sympy.sqrt(14)) / 11) ** 2}
    assert outcome(system("eigenmode", variant="simsiam"), at_saddle).limit["p"] == at_saddle["p"]


def test_where_nothing_is_known_nothing_is_claimed():
    simsiam, byol = system("eigenmode", variant="simsiam"), system("eigenmode")
    assert simsiam.exact.end({"p": 0.5, "s": 0.1}, {}) is None
    assert byol.exact.end({"p": 0.5, "s": 0.25, "tau": 1.0}, {"beta": 0.0}) is None
    assert byol.exact.end({"p": 0.5, "s": 0.25, "tau": 0.2}, {}) is None
    assert byol.exact.end({"p": 0.5, "s": -0.1, "tau": 1.0}, {}) is None
    assert dynsim.outcome(byol, {"p": 0.5, "s": 0.0, "tau": 1.0}).collapsed
