"""Where the scalar system ends with weight decay: the rules against long integrations, and against each other."""

import math

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from dynsim import outcome, solve, system

places = st.floats(-1.4, 1.4).map(lambda value: round(value, 2))
sizes = st.floats(0.2, 1.4).map(lambda value: round(value, 2))
decays = st.sampled_from([0.0, 0.1, 0.2, 0.4])


def rested(flow, start, parameters):
    run = solve(flow, start, times=[2e4], parameters=parameters, method="LSODA", rtol=1e-10, events=["rest"])
    return {name: float(run[name][-1]) for name in flow.states}


@settings(max_examples=25, deadline=None)
@given(branch=st.sampled_from(["full", "target"]), phi=places, theta=sizes, noise=decays, eta_p=decays, eta_s=decays)
def test_noise_or_decay_collapses_the_other_branches(branch, phi, theta, noise, eta_p, eta_s):
    if not (noise or eta_p or eta_s):
        return
    flow, start = system("scalar", branch=branch), {"phi": phi, "theta": theta}
    values = {"sigma2": noise, "eta_p": eta_p, "eta_s": eta_s}
    end = flow.exact.end(start, values)
    assert end.collapsed
    if noise or eta_s:  # decay of the predictor alone makes θ fall like a power of time only
        for name, value in end.values.items():
            assert rested(flow, start, values)[name] == pytest.approx(value, abs=1e-4)


@settings(max_examples=25, deadline=None)
@given(phi=places, theta=sizes, noise=decays, eta_p=decays, eta_s=decays)
def test_what_is_stated_of_stop_is_where_runs_end(phi, theta, noise, eta_p, eta_s):
    flow, start = system("scalar"), {"phi": phi, "theta": -theta}
    values = {"sigma2": noise, "eta_p": eta_p, "eta_s": eta_s}
    end = flow.exact.end(start, values)
    threshold = 1 / (4 * (1 + noise))
    if end is None or not (eta_p or eta_s) or abs(eta_s - threshold) < 0.02 or (eta_p and not eta_s):
        return
    for name, value in end.values.items():
        assert rested(flow, start, values)[name] == pytest.approx(value, abs=1e-4), end.reason


FLOWS = [
    *(system("scalar", branch=branch) for branch in ("stop", "full", "target")),
    system("byol"),
    system("eigenmode"),
    system("eigenmode", variant="simsiam"),
]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(FLOWS), st.sampled_from([0.5, 1.0]), decays, decays, decays, st.integers(0, 2**32 - 1))
def test_starts_that_need_not_be_asked_have_no_whole_rule(flow, alpha, noise, eta_p, eta_s, seed):
    """A mask over many starts, on the axes and on the balanced manifold too, misses none that a rule speaks of."""
    rng = np.random.default_rng(seed)
    starts = {name: rng.uniform(-1.5, 1.5, 60) for name in flow.states}
    first, second, *_ = flow.states
    starts[second][::5] = 0.0
    squared = starts[first] ** 2 / alpha
    starts[second][1::3] = (squared if second == "s" else np.sqrt(squared))[1::3]
    values = {"alpha": alpha, "sigma2": noise, "eta_p": eta_p, "eta_s": eta_s}
    values |= {name: 1.0 for name in flow.parameters if name not in values}
    asked = np.broadcast_to(flow.exact.may_know(starts, values), 60)
    for index in np.flatnonzero(~asked):
        rule = flow.exact.end({name: float(row[index]) for name, row in starts.items()}, values)
        assert rule is None or not set(flow.states) <= set(rule.values)


@pytest.mark.parametrize("phi", [0.5, -0.5, 1.5])
def test_without_decay_of_its_own_the_encoder_grows_without_bound(phi):
    """η_s = 0 < η_p: θ² ≈ 2η_p·t/(α(1+σ²)²) and φ → 1/(1+σ²) (Tian et al. 2021)."""
    flow, start = system("scalar"), {"phi": phi, "theta": -0.4}
    values = {"alpha": 2.0, "sigma2": 0.1, "eta_p": 0.2, "eta_s": 0.0}
    end = outcome(flow, start, values)
    assert end.exact
    assert end.collapsed is False
    assert end.limit == {"phi": pytest.approx(1 / 1.1), "theta": -math.inf}
    run = solve(flow, start, times=[5e3], parameters=values, method="LSODA", rtol=1e-10)
    assert float(run.phi[0]) == pytest.approx(1 / 1.1, abs=2e-3)
    assert float(run.theta[0] ** 2) == pytest.approx(2 * 0.2 * 5e3 / (2.0 * 1.1**2), rel=0.01)
    exactly = outcome(flow, {"phi": 1, "theta": 1}, {"sigma2": 0, "eta_p": 1, "eta_s": 0})
    assert exactly.limit == {"phi": 1, "theta": sympy.oo}


@pytest.mark.parametrize("sign", [1, -1])
def test_on_the_balanced_parabola_the_three_systems_say_the_same(sign):
    """p = φ, s = θ², τ = ξ/θ: scalar, byol with ξ(0) = θ(0), eigenmode."""
    values = {
        "alpha": 4,
        "sigma2": sympy.Rational(1, 10),
        "eta_p": sympy.Rational(1, 5),
        "eta_s": sympy.Rational(1, 5),
    }
    for phi in (sympy.Rational(2, 5), sympy.Rational(1, 5), -sympy.Rational(1, 2)):
        theta = sign * phi / 2  # α θ² = φ²
        scalar = outcome(system("scalar"), {"phi": phi, "theta": theta}, values)
        byol = outcome(system("byol"), {"phi": phi, "theta": theta, "xi": theta}, {**values, "beta": 1})
        mode = outcome(system("eigenmode"), {"p": phi, "s": theta**2, "tau": 1}, {**values, "beta": 1})
        assert scalar.exact
        assert byol.exact
        assert mode.exact
        assert scalar.collapsed == byol.collapsed == mode.collapsed == (phi != sympy.Rational(2, 5))
        assert scalar.limit["phi"] == byol.limit["phi"] == mode.limit["p"]
        assert sympy.simplify(scalar.limit["theta"] ** 2 - mode.limit["s"]) == 0
        assert scalar.limit["theta"] == byol.limit["theta"] == byol.limit["xi"]
        if not scalar.collapsed:
            assert (scalar.limit["theta"] > 0) == (theta > 0)


@pytest.mark.parametrize("beta", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("tau", [0.0, 0.5])
def test_a_slow_teacher_leaves_its_mark_on_the_eigenmode_as_on_byol(beta, tau):
    """The relative teacher τ grows without end where the encoder decays faster than the teacher follows."""
    eta = 0.2
    values = {"eta_p": eta, "eta_s": eta, "beta": beta}
    mode = outcome(system("eigenmode"), {"p": 0.5, "s": 0.25, "tau": tau}, values)
    byol = outcome(system("byol"), {"phi": 0.5, "theta": 0.5, "xi": 0.5 * tau}, values)
    assert mode.collapsed == byol.collapsed
    assert mode.limit["p"] == pytest.approx(byol.limit["phi"], abs=1e-6)
    assert mode.limit["s"] == pytest.approx(byol.limit["theta"] ** 2, abs=1e-6)
    if mode.collapsed:
        assert mode.limit["tau"] == (pytest.approx(beta / (beta - eta)) if beta > eta else math.inf)


def test_modes_have_their_own_clocks():
    """A mode of signal λ_d runs λ_d times as fast, so that its decay counts for less."""
    flow = system("modes", k=2)
    start = {"p1": 0.6, "w1": 0.6, "p2": 0.6, "w2": 0.6}
    values = {"lambda_d1": 1.0, "lambda_s1": 1.1, "lambda_d2": 0.5, "lambda_s2": 0.6, "eta_p": 0.15, "eta_s": 0.15}
    known = outcome(flow, start, {"alpha": 1.0, **values})
    assert known.exact
    found = rested(flow, start, {"alpha": 1.0, **values})
    for name, value in known.limit.items():
        assert found[name] == pytest.approx(value, abs=1e-6)
    assert known.limit["w1"] > 0.5 > known.limit["w2"] == 0  # η_c = λ_d²/(4λ_s): 0.227 and 0.104
