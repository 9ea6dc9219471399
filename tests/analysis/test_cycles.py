"""Limit cycles against closed forms and against long integrations."""

import numpy as np
import pytest
from scipy import special

from dynsim import DynsimError, Flow, Move, basins, continuation, gradient_flow, limit_cycles, outcome, solve, system


def flow_of(**velocities):
    return Flow.of({name: Move(text) for name, text in velocities.items()})


VAN_DER_POL = flow_of(x="y", y="mu*(1-x^2)*y - x")


@pytest.mark.parametrize("sign", [1, -1])
def test_a_circle_that_attracts_and_one_that_repels(sign):
    """r' = ±(r − r³), turning at unit speed: period 2π, multiplier e^{∓4π}; backward time finds the second."""
    flow = flow_of(x="s*(x - x*(x^2+y^2)) - y", y="s*(y - y*(x^2+y^2)) + x").fix(s=sign)
    (cycle,) = limit_cycles(flow, starts=4)
    assert cycle.period == pytest.approx(2 * np.pi, rel=1e-9)
    assert cycle.multipliers[1].real == pytest.approx(np.exp(-sign * 4 * np.pi), rel=1e-6)
    assert cycle.stable is (sign == 1)
    np.testing.assert_allclose(cycle.orbit.x**2 + cycle.orbit.y**2, 1.0, atol=1e-8)


@pytest.mark.parametrize(
    ("flow", "parameters", "start"),
    [
        (VAN_DER_POL, {"mu": 1.0}, {"x": 1.0, "y": 0.0}),
        (flow_of(x="a + x^2*y - (b+1)*x", y="b*x - x^2*y"), {"a": 1.0, "b": 3.0}, {"x": 1.5, "y": 1.5}),  # Brusselator
        (flow_of(v="v - v^3/3 - w + I", w="(v + 0.7 - 0.8*w)*0.08"), {"I": 0.5}, {"v": 1.0, "w": 0.0}),  # FitzHugh
        (  # Morris–Lecar, the Hopf set of Rinzel & Ermentrout
            flow_of(
                V="(I - 2*(V+60) - 8*n*(V+84) - 2.2*(1+tanh((V+1.2)/18))*(V-120))/20",
                n="0.04*((1+tanh((V-2)/30))/2 - n)*cosh((V-2)/60)",
            ),
            {"I": 100.0},
            {"V": -20.0, "n": 0.3},
        ),
    ],
)
def test_published_oscillators_against_zeros_of_a_long_run(flow, parameters, start):
    """Period from upward crossings of a coordinate's mean; the multiplier is exp(∫ div) over the orbit."""
    (cycle,) = limit_cycles(flow, parameters, initial=start)
    name = flow.states[0]
    level = float(cycle.orbit[name].mean())
    run = solve(flow, start, 40 * cycle.period, parameters=parameters, events=[f"{name} - ({level!r})"])
    period = float(run.event_time[-1] - run.event_time[-9]) / 4  # up and down once each
    assert cycle.period == pytest.approx(period, rel=1e-7)
    field = flow.field(parameters)
    path = np.array([cycle.orbit[state].values for state in flow.states])
    divergence = np.trapezoid(np.trace(field.jacobian(0.0, path)), cycle.orbit.time)
    assert np.log(cycle.multipliers[1].real) == pytest.approx(divergence, rel=2e-3)
    assert cycle.stable


def test_from_a_hopf_point_with_the_amplitude_of_the_normal_form():
    """DINO's centre: r² = (m_H − m)/(2|ℓ₁|), ℓ₁ = −410.15625: .0214 at m = .99 m_H."""
    flow = flow_of(a="-(tanh(a/0.2) - tanh((a-c)/0.08))/0.2", c="m*(a-c)")
    (hopf,) = continuation(flow, "m", (30, 45), initial={"a": 0, "c": 0}).hopf
    (cycle,) = limit_cycles(flow, {"m": 0.99 * 37.5}, hopf=hopf)
    assert float(cycle.orbit.a.max()) == pytest.approx(np.sqrt(0.375 / (2 * 410.15625)), rel=0.02)
    assert cycle.stable


def test_a_family_of_closed_orbits_is_followed_only_where_it_is_asked_for():
    """Dirac-GAN, γ = 0: period 2π(1 + I₀(R²/2)) on the circle of radius R; no circle is isolated."""
    game = system("dirac-gan")
    (orbit,) = limit_cycles(game, initial={"theta": 0.6, "psi": 0.6})
    assert orbit.period == pytest.approx(2 * np.pi * (1 + special.i0(0.36)), rel=1e-8)
    assert not orbit.stable
    assert limit_cycles(game, starts=2) == []


def test_where_there_can_be_none_it_is_said():
    with pytest.raises(DynsimError, match="gradient"):
        limit_cycles(gradient_flow("x^2*y^2 + x", "x,y"))
    with pytest.raises(DynsimError, match="one state"):
        limit_cycles(gradient_flow("x^2", ["x"]))
    with pytest.raises(DynsimError, match="flow"):
        limit_cycles(3)


def test_basins_learn_a_cycle():
    grid = np.linspace(-2, 2, 5)
    found = basins(VAN_DER_POL, {"x": grid, "y": grid}, {"mu": 1.0}, t_end=100.0)
    reached = found.kind.values[found.attractor.values]
    assert (reached == "limit cycle").sum() == 24  # all but the equilibrium itself
    assert float(found.period.max()) == pytest.approx(
        outcome(VAN_DER_POL, {"x": 1.0, "y": 0.0}, {"mu": 1.0}).period, rel=1e-6
    )


def test_basins_learn_equilibria_that_no_search_knew():
    """A well at (40, 0), outside every default box, is found because runs rest there."""
    flow = flow_of(x="-(x)*(x-1)*(x-40)/40", y="-y + 0*tanh(x)")
    found = basins(flow, {"x": np.array([-1.0, 0.5, 2.0]), "y": np.array([0.3])}, box={"x": (-2, 2), "y": (-1, 1)})
    assert (found.attractor.values >= 0).all()
    assert found.limit_x.values.ravel() == pytest.approx([0.0, 0.0, 40.0], abs=1e-6)


def test_sets_of_dimension_two_decide():
    """Two uncoupled toys rest on a product of two lines."""
    flow = gradient_flow("((a*b-sg(b))^2 + (c*d-sg(d))^2)/2", "a,b,c,d")
    from dynsim.analysis.algebra.equilibrium import Equilibria
    from dynsim.analysis.numerics.attractors import Attractors

    field = flow.field()
    attractors = Attractors(flow, field, Equilibria([], False), 1.0)
    ends = np.array([[1.0, 1.0], [0.5, 0.7], [1.0, 1.0], [0.3, 0.9]])
    assert attractors.learn_rests(ends, 1e3) == 1
    assert attractors.described()["kind"][1].tolist() == ["surface of dimension 2"]
    index, places = attractors.assign(ends, 1e-6, after=1e3)
    assert index.tolist() == [0, 0]
    np.testing.assert_allclose(places, ends, atol=1e-12)


def test_van_der_pol_for_small_damping():
    """T = 2π(1 + μ²/16 − 5μ⁴/3072 + O(μ⁶)) (Strogatz, section 7.6, and its next term); approached slowly."""
    told = outcome(VAN_DER_POL, {"x": 2.0, "y": 0.0}, {"mu": 0.1})
    assert told.period == pytest.approx(2 * np.pi * (1 + 0.01 / 16 - 5e-4 / 3072), abs=1e-6)
