"""Where runs end: the exact rules against long integrations, over the whole plane."""

import math

import pytest
import sympy
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import special
from sympy import Rational, sqrt

from dynsim import DynsimError, Flow, Move, gradient_flow, outcome, solve, system

BRANCHES = ("stop", "full", "target")
value = st.floats(-2.0, 2.0).map(lambda v: round(v, 3))
ratio = st.sampled_from([0.2, 0.5, 1.0, 2.0, 5.0])


def distance_to_boundary(branch, phi, theta, alpha):
    """How far a start is from the separatrix of collapse, in the units of the conserved quantity."""
    if branch == "stop":
        return abs(phi**2 - alpha * theta**2 - (1 if phi > 0 else 0))
    if branch == "full":
        return abs((1 - phi) ** 2 - alpha * theta**2)
    return abs(2 * (1 - phi) - alpha * theta**2) if phi < 1 else 1.0


@pytest.mark.parametrize("branch", BRANCHES)
@settings(max_examples=40, deadline=None)
@given(phi=value, theta=value, alpha=ratio)
def test_exact_limit_is_where_a_long_integration_ends(branch, phi, theta, alpha):
    # On a separatrix the approach is algebraic: no integration reaches it. θ₀ = 0 is exact by definition.
    assume(distance_to_boundary(branch, phi, theta, alpha) > 0.05)
    assume(theta == 0 or abs(theta) > 0.02)
    flow = system("toy", branch=branch)
    start = {"phi": phi, "theta": theta}
    told = outcome(flow, start, {"alpha": alpha})
    assert told.exact
    run = solve(flow, start, times=[4000.0], parameters={"alpha": alpha}, method="LSODA", rtol=1e-11)
    assert float(run.phi[0]) == pytest.approx(told.limit["phi"], abs=2e-6)
    assert float(run.theta[0]) == pytest.approx(told.limit["theta"], abs=2e-6)
    assert told.collapsed == (abs(float(run.theta[0])) < 1e-4)


@pytest.mark.parametrize("branch", BRANCHES)
@settings(max_examples=40, deadline=None)
@given(phi=value, theta=value, alpha=ratio)
def test_the_limit_is_an_equilibrium_on_the_same_level(branch, phi, theta, alpha):
    """The conserved quantities of the three branches: θ² − φ²/α, u² − αθ², u − αθ²/2 with u = 1 − φ."""
    flow = system("toy", branch=branch)
    told = outcome(flow, {"phi": phi, "theta": theta}, {"alpha": alpha})
    end = [told.limit["phi"], told.limit["theta"]]
    assert flow.field({"alpha": alpha}).f(0.0, end) == pytest.approx([0, 0], abs=1e-9)
    level = {
        "stop": lambda p, q: q**2 - p**2 / alpha,
        "full": lambda p, q: (1 - p) ** 2 - alpha * q**2,
        "target": lambda p, q: (1 - p) - alpha * q**2 / 2,
    }[branch]
    assert level(*end) == pytest.approx(level(phi, theta), abs=1e-9)
    assert told.limit["theta"] * theta >= 0  # θ never changes sign


@pytest.mark.parametrize(
    ("branch", "start", "limit", "collapsed"),
    [
        ("stop", (Rational(3, 5), Rational(1, 10)), (1, sqrt(65) / 10), False),
        ("full", (Rational(3, 5), Rational(1, 10)), (1 - sqrt(15) / 10, 0), True),
        ("target", (Rational(3, 5), Rational(1, 10)), (Rational(605, 1000), 0), True),
        ("stop", (-Rational(1, 2), Rational(1, 2)), (0, 0), True),  # φ² = θ² with φ ≤ 0: the boundary collapses
        ("stop", (sqrt(2), 1), (1, 0), True),  # φ² − θ² = 1 exactly: the boundary collapses
        ("stop", (2, 1), (sqrt(3), 0), True),
        ("stop", (0, 1), (1, sqrt(2)), False),
        ("stop", (Rational(1, 3), 0), (Rational(1, 3), 0), True),
        ("stop", (1, -2), (1, -2), False),
        ("full", (0, 1), (1, 0), True),  # θ² = u²: the boundary collapses
        ("full", (0, 2), (1, sqrt(3)), False),
        ("full", (2, Rational(1, 2)), (1 + sqrt(3) / 2, 0), True),
        ("target", (Rational(1, 2), 1), (1, 0), True),  # θ² = 2u: the boundary collapses
        ("target", (2, -1), (1, -sqrt(3)), False),
    ],
)
def test_exact_in_gives_exact_out(branch, start, limit, collapsed):
    told = outcome(system("toy", branch=branch), dict(zip(("phi", "theta"), start, strict=True)))
    assert [sympy.simplify(told.limit[n] - v) for n, v in zip(("phi", "theta"), limit, strict=True)] == [0, 0]
    assert all(isinstance(v, sympy.Basic) for v in told.limit.values())
    assert told.collapsed is collapsed
    assert told.exact


def test_floats_in_floats_out():
    told = outcome(system("toy"), {"phi": 0.6, "theta": 0.1})
    assert all(type(v) is float for v in told.limit.values())
    assert told.limit["theta"] == pytest.approx(0.8062257748298549, abs=1e-15)
    mixed = outcome(system("toy"), {"phi": Rational(3, 5), "theta": 0.1})
    assert all(type(v) is float for v in mixed.limit.values())


@settings(max_examples=10, deadline=None)
@given(phi=value, theta=value, sigma2=st.sampled_from([0.05, 0.2, 1.0]))
def test_noise_moves_the_line_and_closes_the_escape(phi, theta, sigma2):
    """With σ² > 0 `stop` keeps its rule with 1 replaced by 1/(1+σ²); `full` and `target` always collapse."""
    assume(abs(theta) > 0.05)
    line = 1 / (1 + sigma2)
    assume(abs(phi**2 - theta**2 - (line**2 if phi > 0 else 0)) > 0.05)
    start, parameters = {"phi": phi, "theta": theta}, {"sigma2": sigma2}
    told = outcome(system("scalar"), start, parameters)
    run = solve(system("scalar"), start, times=[2000.0], parameters=parameters, method="LSODA")
    assert told.exact
    assert float(run.theta[0]) == pytest.approx(told.limit["theta"], abs=1e-6)
    for branch in ("full", "target"):
        assert outcome(system("scalar", branch=branch), start, parameters).collapsed is True


def test_a_typed_loss_that_no_law_decides_is_integrated_and_says_so():
    typed = gradient_flow("(phi*theta - sg(theta))^2/2 + (phi^2 + theta^2)/20", "phi, theta")
    told = outcome(typed, {"phi": 0.6, "theta": 0.5})
    assert not told.exact
    assert "integrated" in told.reason
    assert told.collapsed is False
    assert told.limit["theta"] == pytest.approx((1 + 0.6**0.5) / 2, abs=1e-7)


def test_undecided_is_said():
    on_the_boundary = gradient_flow("(sin(phi)*theta - theta)^2/2", "phi, theta", roles={"encoder": "theta"})
    told = outcome(on_the_boundary, {"phi": 0.0, "theta": 2**0.5})
    assert told.collapsed is None
    assert "still moving" in told.reason
    assert outcome(gradient_flow("w^2", ["w"]), {"w": 1.0}).collapsed is None  # no encoder, no collapse
    diverging = outcome(gradient_flow("-w^4", ["w"], roles={"encoder": "w"}), {"w": 1.0})
    assert diverging.collapsed is None
    assert "diverges" in diverging.reason
    assert math.isnan(diverging.limit["w"])


def test_a_start_next_to_a_repelling_line_leaves_it_however_small_it_is(monkeypatch):
    """θ′ vanishes with θ, so θ keeps its relative accuracy: from 1e-14 it grows back, and from 1e-200 too."""
    monkeypatch.setattr("dynsim.analysis.algebra.level_curves._BUDGET", 1.0)  # exact arithmetic gives 1e-200 up
    typed = gradient_flow("(phi*theta - sg(theta))^2/2", "phi, theta")
    for theta in (1e-14, -1e-200):
        told, rule = (outcome(flow, {"phi": 0.6, "theta": theta}) for flow in (typed, system("toy")))
        assert told.collapsed is rule.collapsed is False
        assert told.limit["theta"] == pytest.approx(rule.limit["theta"], rel=1e-7)


def test_negative_alpha_has_no_rule():
    told = outcome(system("toy"), {"phi": 0.6, "theta": 0.1}, {"alpha": -1.0})
    assert not told.exact


@pytest.mark.parametrize(
    ("start", "parameters", "words"),
    [
        ({"phi": 1}, None, "missing: theta"),
        ({"phi": 1, "theta": sympy.Symbol("x")}, None, "not a symbol"),
        ({"phi": 1, "theta": float("inf")}, None, "finite"),
        ({"phi": 1, "theta": "a"}, None, "real number"),
        ({"phi": 1, "theta": 1}, {"beta": 2}, "'beta'"),
        ({"phi": 1, "theta": 1}, {"alpha": sympy.I}, "real number"),
    ],
)
def test_bad_input_is_named(start, parameters, words):
    with pytest.raises(DynsimError, match=words):
        outcome(system("toy"), start, parameters)


def test_exact_input_gives_sympy_numbers_back_and_floats_give_floats():
    """Also where no rule is known, and where a rule settles a part only."""
    typed = gradient_flow("(phi*theta - sg(theta))^2/2 + (phi^2 + theta^2)/20", "phi, theta")
    noisy = system("scalar", branch="full")
    for flow in (typed, noisy):
        exact = outcome(flow, {"phi": Rational(3, 5), "theta": 1})
        assert all(isinstance(value, sympy.Basic) for value in exact.limit.values())
        assert not exact.exact
        floats = outcome(flow, {"phi": 0.6, "theta": 1.0})
        assert all(type(value) is float for value in floats.limit.values())
        for name, value in floats.limit.items():
            assert float(exact.limit[name]) == pytest.approx(value, abs=1e-9)
    assert exact.limit["theta"] is sympy.S.Zero  # by the rule
    diverges = outcome(gradient_flow("-w^4", ["w"]), {"w": 1})
    assert diverges.limit["w"] is sympy.nan


def flow_of(**velocities):
    return Flow.of({name: Move(text) for name, text in velocities.items()})


def test_growth_is_named_and_never_a_limit():
    """On φ → ∞ the loss tends to zero like e^{−4φ}θ²: φ grows like log t and θ like √t (here from (0.3, 0.4))."""
    told = outcome(gradient_flow("(tanh(phi)*theta - sg(theta))^2/2", "phi,theta"), {"phi": 0.3, "theta": 0.4})
    assert told.kind == "grows"
    assert math.isinf(told.limit["theta"])
    assert "theta like t^0.50" in told.reason
    assert "phi like log t" in told.reason
    assert told.collapsed is False


@pytest.mark.parametrize(
    ("velocity", "start", "kind", "words"),
    [
        ("1 + 0*x", 1.0, "grows", "x like t^1.00"),
        ("exp(-x)", 0.0, "grows", "x like log t"),
        ("x", 1e-3, "grows", "exponentially"),
        ("x^3", 1.0, "diverges", "diverges at flow time 0.5"),
        ("-sin(x)^3", 1.0, "drifts", "slow drift"),
    ],
)
def test_what_has_no_limit_is_told_apart(velocity, start, kind, words):
    told = outcome(flow_of(x=velocity), {"x": start})
    assert told.kind == kind
    assert words in told.reason
    assert not math.isfinite(told.limit["x"])


@pytest.mark.parametrize("turning", [1.0, 1e-3, 1e-6])
def test_a_spiral_outwards_has_no_direction(turning):
    """x + iy = e^{(1/5 + iω)t}: with ω = 10⁻⁶ not even one sign has changed when the run is given up."""
    told = outcome(flow_of(x="x/5-w*y", y="w*x+y/5").fix(w=turning), {"x": 1.0, "y": 0.0})
    assert told.kind == "grows"
    assert "changes its sign again and again" in told.reason
    assert all(math.isnan(value) for value in told.limit.values())


@pytest.mark.parametrize("size", [1e-8, 1.0, 1e8])
def test_fates_do_not_depend_on_the_unit(size):
    """x = size·u: u′ = u(1−u)(u−2)… rests at 2, whatever the unit."""
    told = outcome(flow_of(x="-x*(x/s-1)*(x/s-2)").fix(s=size), {"x": 1.1 * size})
    assert told.kind == "rest"
    assert told.limit["x"] == pytest.approx(2 * size, rel=1e-8)


def test_closed_orbits_circle_for_ever():
    """Dirac-GAN, γ = 0: every circle is an orbit, of period 2π(1 + I₀(R²/2)) (from θ² + ψ² = R² conserved)."""
    told = outcome(system("dirac-gan"), {"theta": 0.6, "psi": 0.6})
    assert told.kind == "periodic"
    assert "circles for ever" in told.reason
    assert told.period == pytest.approx(2 * math.pi * (1 + float(special.i0(0.72 / 2))), rel=1e-6)
    assert all(math.isnan(value) for value in told.limit.values())


def test_a_cycle_that_nearly_reaches_zero_is_periodic():
    """Rosenzweig–MacArthur: the prey falls to 4e-16 of one; in its logarithm the same cycle has the same period."""
    values = {"r": 1, "K": 15, "b": 1, "h": 1, "e": 0.5, "m": 0.2}
    told = outcome(flow_of(x="r*x*(1-x/K)-b*x*y/(1+h*b*x)", y="e*b*x*y/(1+h*b*x)-m*y"), {"x": 1.0, "y": 1.0}, values)
    logs = flow_of(u="r*(1-exp(u)/K)-b*exp(v)/(1+h*b*exp(u))", v="e*b*exp(u)/(1+h*b*exp(u))-m")
    same = outcome(logs, {"u": 0.0, "v": 0.0}, values)
    assert told.kind == same.kind == "periodic"
    assert told.period == pytest.approx(same.period, rel=1e-6)
    assert "periodic, period 91.45" in told.reason


@pytest.mark.parametrize(
    ("loss", "start", "end", "time"),
    [
        ("abs(w)", 1.0, 0.0, 1.0),
        ("2.5*w^2+25*max(0,1-abs(w))", 0.5, 1.0, math.log((5 - 0.5) / (5 - 1)) / 5),  # w' = 25 − 5w up to the kink
    ],
)
def test_sliding_is_said_with_its_time(loss, start, end, time):
    told = outcome(gradient_flow(loss, ["w"], roles={"encoder": "w"}), {"w": start})
    assert told.kind == "slides to rest"
    assert told.limit["w"] == pytest.approx(end, abs=1e-9)
    assert told.time == pytest.approx(time, rel=1e-6)
    assert told.collapsed is (end == 0.0)
    assert "sliding" in told.reason


def test_the_edge_of_a_domain_is_no_divergence():
    """x = (1 − t/2)² reaches 0 at t = 2, where the field −√x ends or rests, as rounding has it."""
    told = outcome(flow_of(x="-sqrt(x)"), {"x": 1.0})
    assert "diverges" not in told.reason
    assert told.time == pytest.approx(2.0, abs=1e-3)


def test_chaos_is_undecided():
    told = outcome(flow_of(x="10*(y-x)", y="x*(28-z)-y", z="x*y-8/3*z"), {"x": 1.0, "y": 1.0, "z": 1.0})
    assert told.kind == "undecided"
    assert "no period" in told.reason


def test_tolerances_are_taken():
    typed = gradient_flow("log(cosh(phi*theta - sg(theta)))", "phi, theta")  # the toy's orbits, in another time
    rough, fine = (outcome(typed, {"phi": 0.6, "theta": 0.1}, rtol=rtol) for rtol in (1e-4, 1e-11))
    exact = math.sqrt(0.65)
    assert abs(fine.limit["theta"] - exact) < 1e-9 < abs(rough.limit["theta"] - exact)
    with pytest.raises(DynsimError, match="rtol"):
        outcome(typed, {"phi": 0.6, "theta": 0.1}, rtol=-1)


def test_it_prints_in_two_lines():
    told = outcome(system("toy"), {"phi": 0.6, "theta": 0.1})
    assert len(str(told).splitlines()) == 2
    assert "no collapse" in told._repr_html_()


@pytest.mark.parametrize(
    ("equations", "start", "end"),
    [
        ("y' = -sqrt(y)", {"y": 1.0}, {"y": 0.0}),
        ("y' = -sqrt(abs(y))*sign(y)", {"y": 1.0}, {"y": 0.0}),
        ("y' = -sqrt(y); x' = y", {"y": 1.0, "x": 0.0}, {"y": 0.0, "x": 2 / 3}),
    ],
)
def test_a_rest_reached_in_finite_time_is_said_to_be_one(equations, start, end):
    """√y = 1 − t/2: the run is there at t = 2, and Newton's step from next to it overshoots to −y."""
    told = outcome(equations, start)
    assert told.kind == "rest"
    assert told.limit["y"] == 0.0
    assert told.limit == pytest.approx(end, abs=1e-9)
    assert "at flow time 2 and rests there, where the field has no derivative" in told.reason


def test_a_state_that_decays_for_ever_is_not_said_to_arrive():
    assert "tends to the next zero" in outcome("y' = -y", {"y": 1.0}).reason
    assert "integrated until every state rests" in outcome("y' = -sin(y)", {"y": 1.0}).reason


def test_a_power_that_fades_has_an_exact_limit():
    """An integration of y′ = −y³ drifts like 1/√t and never rests; the velocity says where it goes."""
    told = outcome("y' = -y^3", {"y": 1.0})
    assert (told.exact, told.kind, told.limit["y"]) == (True, "rest", 0.0)


def test_a_loss_without_an_encoder_says_how_to_name_one():
    loss, start = "(phi*theta - 1)^2/2", {"phi": 0.6, "theta": 0.1}
    silent = outcome(gradient_flow(loss, "phi, theta"), start)
    assert silent.collapsed is None
    assert "roles=" in silent.reason
    told = outcome(gradient_flow(loss, "phi, theta", roles={"encoder": "theta"}), start)
    assert told.collapsed is False
    assert "roles=" not in told.reason
    game = Flow.of({"x": Move("-x"), "y": Move("-y")})
    assert "roles=" not in outcome(game, {"x": 1.0, "y": 1.0}).reason


def test_a_start_beyond_the_largest_float_is_refused_in_plain_words():
    typed = gradient_flow("(phi*theta - sg(theta))^2/2", "phi, theta")
    with pytest.raises(DynsimError, match=r"initial\['phi'\]: got inf, expected a finite value"):
        outcome(typed, {"phi": 10**400, "theta": 0.1})
