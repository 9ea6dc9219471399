"""Losses with samples in them: what is averaged exactly, what by quadrature, and how exact that is."""

import itertools
import pickle

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm
from sympy import Rational, Symbol, expand, symbols

from dynsim import (
    Descend,
    Discrete,
    Flow,
    Move,
    Normal,
    ParseError,
    Uniform,
    ensemble,
    gradient_flow,
    parse,
    solve,
    system,
)
from dynsim.errors import DynsimError, InvalidType, InvalidValue
from dynsim.symbolic.averaging import averaged
from dynsim.symbolic.distributions import random_text, read_random
from dynsim.symbolic.expectation import Expectation, NormalNode, TailNode, UniformNode, loops
from dynsim.symbolic.expressions import derivative
from dynsim.symbolic.numeric import evaluate

VIEWS = "x ~ normal(0, λ_d), n1 ~ normal(0, σ²), n2 ~ normal(0, σ²)"
w, p, lambda_d, sigma2, tau = symbols("w p lambda_d sigma2 tau")
lambda_s = lambda_d + sigma2


def function_of(expressions, arguments):
    return lambda *values: evaluate(expressions, dict(zip(arguments, values, strict=True)))


def mean(text, random, states=("w",)):
    return averaged(parse(text), read_random(random), states)


def same(one, other):
    return sympy.simplify(one - other) == 0


@pytest.mark.parametrize("branch", ["stop", "full", "target"])
@pytest.mark.parametrize(
    "outer", ["E((phi*theta*(x+n1) - sg(theta*(x+n2)))^2)/2", "(phi*theta*(x+n1) - sg(theta*(x+n2)))^2/2"]
)
def test_the_scalar_system_comes_out_of_two_noisy_views(branch, outer):
    views = "x ~ normal(0, 1), n1 ~ normal(0, sigma2), n2 ~ normal(0, sigma2)"
    decay = {"phi": "eta_p", "theta": "eta_s"}
    flow = gradient_flow(outer, "phi, theta", random=views, branch=branch, rates={"phi": "alpha"}, decay=decay)
    known = system("scalar", branch=branch)
    assert flow.parameters == known.parameters
    assert [expand(entry) for entry in flow.rhs - known.rhs] == [0, 0]
    assert flow.expectation == 0
    assert flow.expectation.is_exact


@pytest.mark.parametrize(("branch", "second"), [("stop", 0), ("full", 1)])
def test_the_modes_of_the_matrix_flow(branch, second):
    """Aligned modes, p' = w(λ_d v − λ_s p w), w' = p(λ_d v − λ_s p w) [+ λ_d p w − λ_s w]."""
    flow = gradient_flow("E((p*w*(x+n1) - sg(w*(x+n2)))^2)/2", "p, w", random=VIEWS, branch=branch)
    force = lambda_d * w - lambda_s * p * w
    assert same(flow.rhs[0], w * force)
    assert same(flow.rhs[1], p * force + second * (lambda_d * p * w - lambda_s * w))


def test_a_teacher_of_samples():
    flow = gradient_flow("E((p*w*(x+n1) - sg(v*(x+n2)))^2)/2", "p, w, v", random=VIEWS, track={"v": ("w", "beta")})
    v = Symbol("v")
    assert same(flow.rhs[1], p * (lambda_d * v - lambda_s * p * w))
    assert flow.roles["teacher"] == ("v",)


def test_spectral_contrastive():
    """w' = 4w(λ_d − λ_s²w²)."""
    flow = gradient_flow(
        "-2*E(w*(x+n1)*w*(x+n2)) + E((w*(x+n1)*w*y)^2)", "w", random=VIEWS + ", y ~ normal(0, λ_d + σ²)"
    )
    assert same(flow.rhs[0], 4 * w * (lambda_d - lambda_s**2 * w**2))


def test_infonce_with_the_negatives_inside_the_logarithm():
    """L = −λ_d w²/τ + v²/(2τ²), v = λ_s w²: W' = (2/τ)(WΣ_d − CWΣ_s/τ)."""
    text = "-E(w*(x+n1)*w*(x+n2))/tau + E(log(E(exp(w*(x+n1)*w*y/tau), y)))"
    flow = gradient_flow(text, "w", random=VIEWS + ", y ~ normal(0, λ_d + σ²)")
    assert flow.expectation.is_exact
    assert same(flow.rhs[0], 2 / tau * (w * lambda_d - lambda_s * w**2 * w * lambda_s / tau))


def test_vicreg_of_one_mode():
    """w' = wλ_s[μ/√(v+ε)·1(v+ε<1) − 4sν], ν = σ²/λ_s, at D = 1."""
    hinge = "mu*(relu(1 - sqrt(var({0}) + epsilon)) + relu(1 - sqrt(var({1}) + epsilon)))/2"
    text = "s*E(({0}-{1})^2) + " + hinge
    flow = gradient_flow(text.format("w*(x+n1)", "w*(x+n2)"), "w", random=VIEWS)
    at = {"mu": 25, "s": 25, "epsilon": 1e-4, "lambda_d": 0.8, "sigma2": 0.3}
    for value in (0.2, 0.7, 1.4):
        v = 1.1 * value**2
        expected = value * 1.1 * (25 / np.sqrt(v + 1e-4) * (v + 1e-4 < 1) - 4 * 25 * 0.3 / 1.1)
        assert flow.field(at).f(0, np.array([value]))[0] == pytest.approx(expected, rel=1e-12)


def test_dino_with_two_clusters():
    """a' = −E[σ((a+bX)/τ_s) − σ((A+BX'−c)/τ_t)]/τ_s, b' the same with X inside; P(X = X') = (1+r)/2."""
    u, q = "(a+b*X1)/tau_s", "sg(sigmoid((A+B*X2-c)/tau_t))"
    text = f"-E({q}*log(sigmoid({u})) + (1-{q})*log(sigmoid(-{u})))"
    joint = {("X1", "X2"): Discrete([(1, 1), (1, -1), (-1, 1), (-1, -1)], [f"(1{s}r)/4" for s in "+--+"])}
    rules = {
        "a": Descend(text),
        "b": Descend(text),
        "A": Move("beta*(a-A)"),
        "B": Move("beta*(b-B)"),
        "c": Move("m*(A-c)"),
    }
    flow = Flow.of(rules, random=joint)
    at = {"tau_s": 0.1, "tau_t": 0.04, "r": 0.7, "beta": 1.0, "m": 5.0}
    y = np.array([0.03, 0.2, 0.01, 0.15, -0.02])

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    found = flow.field(at).f(0, y)
    a, b, A, B, c = y
    weights = {(i, j): (1 + i * j * 0.7) / 4 for i in (1, -1) for j in (1, -1)}
    gap = {(i, j): sigmoid((a + b * i) / 0.1) - sigmoid((A + B * j - c) / 0.04) for i, j in weights}
    assert found[0] == pytest.approx(-sum(weights[k] * gap[k] for k in gap) / 0.1, rel=1e-12)
    assert found[1] == pytest.approx(-sum(weights[k] * k[0] * gap[k] for k in gap) / 0.1, rel=1e-12)
    assert flow.expectation.is_exact


POWERS = st.tuples(st.integers(-3, 3), st.integers(0, 3), st.integers(0, 2), st.integers(0, 2))


@settings(max_examples=20, deadline=None)
@given(st.lists(POWERS, min_size=1, max_size=4))
def test_polynomials_are_averaged_exactly(terms):
    """Against Gauss's rule with enough nodes to be exact: x normal, u uniform, s discrete."""
    random = {"x": Normal(Rational(1, 2), 2), "u": Uniform(-1, 3), "s": Discrete([-1, 2], ["1/3", "2/3"])}
    x, u, s = symbols("x u s")
    polynomial = sum((c * x**i * u**j * s**k for c, i, j, k in terms), sympy.Integer(0))
    gx, gw = np.polynomial.hermite_e.hermegauss(6)
    ux, uw = np.polynomial.legendre.leggauss(6)
    total = 0.0
    for value, share in ((-1, 1 / 3), (2, 2 / 3)):
        grid = sympy.lambdify([x, u, s], polynomial)(0.5 + np.sqrt(2) * gx[:, None], 1 + 2 * ux[None, :], value)
        total += share * np.sum(np.broadcast_to(grid, (6, 6)) * np.outer(gw / gw.sum(), uw / 2))
    assert float(averaged(polynomial, random)) == pytest.approx(total, rel=1e-9, abs=1e-9)


def density(s):
    return np.exp(-(s**2) / 2) / np.sqrt(2 * np.pi)


@pytest.mark.parametrize(
    ("text", "function"),
    [
        ("abs(w*x)", lambda x, v: abs(v * x)),
        ("relu(1 - w*x)", lambda x, v: max(0, 1 - v * x)),
        ("x*sign(w*x - 1/2)", lambda x, v: x * np.sign(v * x - 0.5)),
        ("x^2*max(w*x, 1/3)", lambda x, v: x**2 * max(v * x, 1 / 3)),
        ("relu(w*x - 1)^3", lambda x, v: max(0, v * x - 1) ** 3),
        ("min(w*x, x/2 + 1)", lambda x, v: min(v * x, x / 2 + 1)),
        ("exp(w*x - x^2)*x^2", lambda x, v: np.exp(v * x - x**2) * x**2),
    ],
)
def test_kinks_and_exponentials_in_closed_form(text, function):
    """Value, derivative and second derivative, where the step inside the average moves."""
    result = mean(f"E({text})", "x ~ normal(0, 1)")
    assert not result.has(Expectation)
    first = derivative(result, w)
    computed = function_of([result, first, derivative(first, w)], [w])
    for value in (0.4, 1.3):

        def by_integral(v):
            kinks = sorted({0.5 / v, 1 / v, 1 / 3 / v, 1 / (v - 0.5), 0.0})
            edges = [-9, *kinks, 9]
            parts = itertools.pairwise(edges)
            return sum(
                quad(lambda x: function(x, v) * density(x), *part, epsabs=1e-13, epsrel=1e-12)[0] for part in parts
            )

        h = 1e-3
        values = [by_integral(value + k * h) for k in (-2, -1, 0, 1, 2)]
        found = computed(value)
        assert found[0] == pytest.approx(values[2], abs=1e-9)
        slope = (values[0] - 8 * values[1] + 8 * values[3] - values[4]) / (12 * h)
        assert found[1] == pytest.approx(slope, abs=1e-7)
        curvature = (-values[0] + 16 * values[1] - 30 * values[2] + 16 * values[3] - values[4]) / (12 * h**2)
        assert found[2] == pytest.approx(curvature, abs=1e-4)


def test_a_quadrature_agrees_with_what_is_known_and_is_never_expanded():
    flow = gradient_flow("E(cos(w*x))", "w", random="x ~ normal(0, v)")
    assert flow.rhs[0].count_ops() < 20
    at = np.linspace(-3, 3, 7)
    assert flow.field({"v": 0.7}).f(0, at[None])[0] == pytest.approx(0.7 * at * np.exp(-0.7 * at**2 / 2), abs=1e-13)
    slope = 0.7 * (1 - 0.7 * at**2) * np.exp(-0.7 * at**2 / 2)
    assert flow.field({"v": 0.7}).jacobian(0, at[None])[0, 0] == pytest.approx(slope, abs=1e-12)
    assert 0 < flow.expectation < 1e-10 or flow.expectation == 0
    assert flow.expectation.dimensions == 1
    by_variance = function_of([derivative(flow.rhs[0], flow.symbols["v"])], [w, Symbol("v")])(1.5, 0.7)[0]
    exact = sympy.diff(Symbol("v") * w * sympy.exp(-Symbol("v") * w**2 / 2), "v").subs({w: 1.5, "v": 0.7})
    assert by_variance == pytest.approx(float(exact), rel=1e-10)


@pytest.mark.parametrize(
    ("text", "dimensions"),
    [
        ("tanh(w*(x+n1))^2", 1),
        ("(tanh(w*(x+n1)) - w*(x+n2))^2", 1),
        ("tanh(w*x + p*n1)", 1),
        ("tanh(w*x)*tanh(p*n1)", 1),
        ("tanh(w*x)*tanh(p*(x+n1))", 2),
        ("log(1 + abs(w*x))", 1),
        ("tanh(w*u)*tanh(w*(u+x))", 2),
        ("log(E(1 + tanh(w*x*n1)^2, n1))", 1),
    ],
)
def test_as_few_dimensions_as_the_loss_has(text, dimensions):
    """And the same value as the mean over a large sample, within five standard errors; at w = p = 0 nothing breaks."""
    random = "x ~ normal(1/5, λ_d), n1 ~ normal(0, σ²), n2 ~ normal(0, σ²), u ~ uniform(-1, 2)"
    result = mean(f"E({text})", random, ("w", "p"))
    assert max(len(node.nodes) for node in result.atoms(Expectation)) == dimensions
    arguments = [w, p, lambda_d, sigma2]
    at = (0.8, 0.6, 0.9, 0.4)
    slopes = [derivative(result, s) for s in arguments]
    value, *found = function_of([result, *slopes], arguments)(*at)
    if "E(" not in text:
        rng = np.random.default_rng(3)
        draws = [rng.normal(0.2, np.sqrt(0.9), 400_000), *(rng.normal(0, np.sqrt(0.4), 400_000) for _ in range(2))]
        names = [*symbols("x n1 n2 u"), w, p]
        sample = sympy.lambdify(names, parse(text))(*draws, rng.uniform(-1, 2, 400_000), 0.8, 0.6)
        assert value == pytest.approx(sample.mean(), abs=5 * sample.std() / np.sqrt(400_000))
    for i, slope in enumerate(found):
        step = np.zeros(4)
        step[i] = 1e-5
        ends = [function_of([result], arguments)(*(np.array(at) + sign * step))[0] for sign in (-1, 1)]
        assert slope == pytest.approx((ends[1] - ends[0]) / 2e-5, abs=1e-6)  # of two dimensions
    assert np.isfinite(function_of([result, *slopes[:2]], arguments)(0.0, 0.0, 0.9, 0.4)).all()


def test_the_threshold_of_a_tail_and_a_half_width_move():
    c = Symbol("c")
    for node, function in ((TailNode("x"), lambda x: sympy.log(1 + x**2) * x), (UniformNode("x"), sympy.cosh)):
        average = Expectation(function(node), node, c)
        found = function_of([average, average.diff(c)], [c])
        h = 1e-5
        assert found(0.3)[1] == pytest.approx((found(0.3 + h)[0] - found(0.3 - h)[0]) / (2 * h), rel=1e-8)
    tail = function_of([Expectation(sympy.Integer(1), TailNode("x"), c)], [c])
    assert tail(0.3)[0] == pytest.approx(quad(density, 0.3, np.inf)[0])


def test_loops_are_data():
    """Two averages over the same nodes share one table; the terms do not grow with it."""
    x = NormalNode("x")
    one, two = Expectation(sympy.tanh(w * x), x, p), Expectation(sympy.tanh(w * x) ** 2, x, p)
    shorter, (loop,) = loops([one + 2 * two, two**2])
    assert len(loop.placeholders) == len(loop.terms) == 2
    square = loop.placeholders.index(next(iter(shorter[1].free_symbols)))
    assert shorter[1] == loop.placeholders[square] ** 2
    assert loop.table.shape[1] == len(loop.columns) == 2
    assert loops([one], refine=2)[1][0].table.shape[0] == 2 * loop.table.shape[0] - 1
    assert all(term.count_ops() < 10 for term in loop.terms)
    # what the contract says, written out
    columns = loop.table.T
    spread = float(loop.before[0][1].subs(p, 0.49))
    values = [*columns, spread, 0.8]
    names = [*loop.columns, loop.before[0][0], w]
    total = sympy.lambdify(names, loop.terms[square])(*values).sum()
    assert total == pytest.approx(float(two.subs({w: 0.8, p: 0.49})), rel=1e-12)


QUADRATURE = {
    "loss": "E((tanh(phi*theta*(x+n1)) - sg(theta*(x+n2)))^2)/2 + eta*(phi^2+theta^2)/2",
    "states": "phi, theta",
    "random": "x ~ normal(0, 1), n1 ~ normal(0, sigma2), n2 ~ normal(0, sigma2)",
}


def test_a_flow_with_averages_pickles_prints_and_integrates():
    flow = gradient_flow(**QUADRATURE)
    again = pickle.loads(pickle.dumps(flow))
    assert again == flow
    assert again.random == flow.random
    assert "E[" in str(flow)
    assert r"\mathbb{E}" in flow.latex()
    assert flow.about()["random"] == QUADRATURE["random"]
    at = {"sigma2": 0.1, "eta": 0.05}
    field, y, h = flow.field(at), np.array([0.6, 0.3]), 1e-6
    numeric = np.stack([(field.f(0, y + h * e) - field.f(0, y - h * e)) / (2 * h) for e in np.eye(2)], axis=1)
    assert field.jacobian(0, y) == pytest.approx(numeric, abs=1e-8)
    start = {"phi": 0.6, "theta": 0.3}
    run = solve(flow, start, 20.0, parameters=at)
    both = ensemble(flow, {name: [value] for name, value in start.items()}, 20.0, parameters=at)
    assert float(run.theta[-1]) == pytest.approx(float(both.theta.squeeze()), rel=1e-5)


def test_what_is_inexact_says_so_wherever_the_flow_is_told():
    rough = gradient_flow("E(tanh(30*w*x)^2)", "w", random="x ~ normal(0, 1)")
    fine = gradient_flow("E(tanh(w*x)^2)", "w", random="x ~ normal(0, 1)")
    assert rough.expectation > 1e-6 > fine.expectation
    assert "quadrature" in str(rough)
    assert "quadrature" not in str(fine)
    assert "quadrature" in rough.about()["expectation"]
    assert "expectation" not in fine.about()
    assert pickle.loads(pickle.dumps(rough.expectation)).nodes == rough.expectation.nodes


def test_a_stop_gradient_acts_on_each_sample():
    """d/dw of E[sg(w x)·w x] is E[x²]·w: half of the derivative of E[(w x)²]."""
    flow = gradient_flow("E(sg(tanh(w*x))*w*x)", "w", random="x ~ normal(0, 1)")
    whole = gradient_flow("E(tanh(w*x)*w*x)", "w", random="x ~ normal(0, 1)")
    at = np.array([0.9])
    inside = quad(lambda x: -np.tanh(0.9 * x) * x * density(x), -9, 9)[0]
    assert flow.field().f(0, at)[0] == pytest.approx(inside, rel=1e-9)
    assert abs(whole.field().f(0, at)[0] - inside) > 0.1
    assert gradient_flow("var(sg(w*x))*w", "w", random="x ~ normal(0, v)").rhs[0] == -Symbol("v") * w**2


def test_words_of_averages_stay_ordinary_symbols():
    flow = gradient_flow("E*w^2/2 + N*I*S*var*lambda*w", "w")
    assert flow.parameters == ("E", "I", "N", "S", "lambda", "var")
    moved = gradient_flow("E*E(w*x)^2 + w^2", "w", random="x ~ normal(m, 1)")
    assert moved.parameters == ("E", "m")


def test_distributions_read_back():
    text = "x ~ normal(0, lambda_d), (a, b) ~ discrete([(1, 1), (-1, 0)], [1/3, 2/3]), u ~ uniform(-1, c)"
    assert random_text(read_random(text)) == text
    assert read_random("φ ~ Normal(0, σ²); n~normal(0,1)") == {"phi": Normal(0, "sigma2"), "n": Normal(0, 1)}
    assert gradient_flow("E(w*x)^2 + w", "w", random={"x": Normal("m", "v")}).fix(m=2).random == {"x": Normal(2, "v")}


REFUSED = [
    ("E(w*x)^2", None, "position 0", "declare what is random"),
    ("w + E(w*x)^2", None, "position 4", "random"),
    ("E(w*x)^2", "x ~ normal(0, 1), n ~ normal(0, 1)", "random", "'n' is declared"),
    ("E(w*x)^2", "x ~ normal(0, 1), w ~ normal(0, 1)", "random", "'w' is a state"),
    ("E(w*x)^2", "x ~ normal(0, w^2)", "random", "'w' is a state"),
    ("w*x + var(w)", "x ~ normal(0, 1)", "position 10", "not random"),
    ("w*x + cov(x, w)", "x ~ normal(0, 1)", "position 13", "not random"),
    ("w*E(x, w)", "x ~ normal(0, 1)", "position 7", "random symbol"),
    ("w + E(exp(w*x^4))", "x ~ normal(0, 1)", "position 4", "grows faster"),
    ("w + E(exp(x^2))", "x ~ normal(0, 1)", "position 4", "grows faster"),
    ("w*E(1/x)", "x ~ normal(0, 1)", "position 2", "pole"),
    ("w*E(log(x))", "x ~ normal(0, 1)", "position 2", "no finite real value"),
    ("w*E(1/(1-x))", "x ~ discrete([1, 2], [1/2, 1/2])", "position 2", "not finite"),
    ("w*x", "x ~ normal(0, -1)", "position 4", "variance"),
    ("w*x", "x ~ gauss(0, 1)", "position 4", "normal(mean, variance)"),
    ("w*x", "x = 3", "position 2", "an"),
    ("w*x", "x ~ normal(0)", "position 4", "2 parameters"),
    ("w*x", "x ~ uniform(1, 1)", "position 4", "low end"),
    ("w*x", "x ~ discrete([1, 2], [1/2, 1/3])", "position 4", "add up to 1"),
    ("w*x", "x ~ normal(0, 1), x ~ normal(0, 2)", "position 18", "once"),
    ("w*t", "t ~ normal(0, 1)", "position 0", "flow time"),
    ("w*x", "(x, y) ~ normal(0, 1)", "position 0", "2 values"),
    ("w*x*n", "x ~ normal(0, n), n ~ normal(0, 1)", "random", "not random"),
]


@pytest.mark.parametrize(("loss", "random", "place", "why"), REFUSED)
def test_bad_input_is_one_line_with_its_position(loss, random, place, why):
    with pytest.raises((ParseError, InvalidValue)) as caught:
        gradient_flow(loss, "w", random=random)
    message = str(caught.value)
    assert place in message
    assert why in message
    assert "\n" not in message
    assert len(message) < 400


@pytest.mark.parametrize("random", [3, {"x": 3}, {3: Normal(0, 1)}, {"x": "normal"}])
def test_what_declares_nothing_is_named(random):
    with pytest.raises(InvalidType, match="random"):
        gradient_flow("w*x", "w", random=random)


@pytest.mark.parametrize(
    "text", ["abs(log(p+w))", "abs(log(w)*p)", "abs(sqrt(w)-(w-p))", "max(p, w, 1/3)*p^2", "sign(p-w)*p"]
)
def test_kinks_differentiate_by_one_rule_whatever_sympy_assumes(text):
    """Against differences at points off the kinks, with no point mass and nothing complex left."""
    expression = parse(text)
    slope = derivative(expression, p)
    assert not slope.has(sympy.DiracDelta, sympy.Derivative, sympy.re, sympy.im, sympy.arg)
    assert not derivative(slope, p).has(sympy.DiracDelta)
    function = function_of([expression, slope], [p, w])
    for a, b in ((0.4, 0.9), (1.3, 0.2), (2.5, 1.7)):
        difference = (function(a + 1e-6, b)[0] - function(a - 1e-6, b)[0]) / 2e-6
        assert function(a, b)[1] == pytest.approx(difference, abs=1e-8)


def test_maxima_of_constants_and_states_broadcast():
    flow = gradient_flow("(p*w - sg(w))^2/2 + max(p, a, 1/3)", "p, w")
    many = flow.field({"a": 0.5}).f(0, np.ones((2, 5)) * 0.3)
    assert many.shape == (2, 5)
    assert np.isnan(gradient_flow("relu(s-acosh(s))*p", "p").field({"s": 0.7}).f(0, np.zeros((1, 3)))).all()


@pytest.mark.parametrize("at", [-800.0, -40.0, -1e-9, 0.0, 1e-9, 3.0, 40.0, 800.0])
def test_what_can_overflow_is_stable_with_its_derivatives(at):
    texts = [
        "softplus(w)",
        "-softplus(-w)",
        "log(sigmoid(w))",
        "log(1+exp(w))",
        "1/(1+exp(-w))",
        "log(cosh(w))",
        "logsumexp(w, 0, 1)",
    ]
    texts += ["exp(w)/(1+exp(w))", "dot(softmax([w, 1]), logsoftmax([1, w]))"]
    for text in texts:
        first = derivative(parse(text), w)
        values = function_of([parse(text), first, derivative(first, w)], [w])(at)
        assert np.isfinite(values).all(), text
        exact = sympy.lambdify(w, [e.rewrite(sympy.exp) for e in (parse(text), first)], "mpmath")
        import mpmath

        with mpmath.workdps(800):
            expected = [float(v) for v in exact(mpmath.mpf(at))]
        assert values[:2] == pytest.approx(expected, rel=1e-12, abs=1e-300), text


def test_the_error_of_an_average_that_moves_in_time_is_known():
    flow = gradient_flow("E(tanh(w*x + t)^2) + w^2", ["w"], random="x ~ normal(0, 1)")
    assert 0 <= flow.expectation < 1e-3
    still = gradient_flow("E(tanh(w*x)^2)", ["w"], random="x ~ normal(0, 1)")
    assert flow.expectation.nodes == still.expectation.nodes


FOLDED = {
    "relu(1 - abs(w*x))": lambda u: max(1 - abs(u), 0.0),
    "min(1, abs(w*x))": lambda u: min(1.0, abs(u)),
    "abs(abs(w*x - 1) - 2)": lambda u: abs(abs(u - 1) - 2),
    "relu(relu(w*x) - 1/2)": lambda u: max(max(u, 0.0) - 0.5, 0.0),
    "min((w*x)^2, 1)": lambda u: min(u * u, 1.0),
    "relu(abs(w*x - 1) - 1/2)^2": lambda u: max(abs(u - 1) - 0.5, 0.0) ** 2,
    "max(w^2*x^2, 2)": lambda u: max(u * u, 2.0),
    "relu(-1 - abs(w*x)) + (w*x)^2": lambda u: u * u,
    "heaviside(1 - abs(w*x))*(w*x)^2/2 + heaviside(abs(w*x) - 1)*(abs(w*x) - 1/2)": lambda u: (
        u * u / 2 if abs(u) < 1 else abs(u) - 0.5
    ),
}


@pytest.mark.parametrize("text", FOLDED)
@pytest.mark.parametrize("w", [0.4, -1.3])
def test_kinks_of_even_forms_are_split_at_both_thresholds(text, w):
    """Against adaptive quadrature of the loss between its kinks, differentiated by differences of high order."""
    flow = gradient_flow(f"E({text})", ["w"], random="x ~ normal(0, 1)")
    levels = (-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 2**0.5, -(2**0.5))

    def loss(w):
        edges = np.unique(np.clip([-10.0, 10.0, *(level / w for level in levels)], -10, 10))
        return sum(
            quad(lambda x: FOLDED[text](w * x) * np.exp(-x * x / 2), a, b, epsabs=1e-13)[0]
            for a, b in itertools.pairwise(edges)
        ) / np.sqrt(2 * np.pi)

    h = 1e-2
    slope = (8 * (loss(w + h) - loss(w - h)) - (loss(w + 2 * h) - loss(w - 2 * h))) / (12 * h)
    assert flow.compiled.field({}).f(0.0, np.array([w]))[0] == pytest.approx(-slope, abs=1e-6)
    assert flow.expectation < 1e-9
    assert not flow.expectation.kinked


@pytest.mark.parametrize(
    ("stopped", "held"),
    [
        ("E(w*tanh(sg(w)*x))", "E(w*tanh(c*x))"),
        ("E((tanh((w + sg(w))*x) - x)^2)", "E((tanh((w + c)*x) - x)^2)"),
        ("E(sigmoid(sg(w)*x)*softplus(w*x))", "E(sigmoid(c*x)*softplus(w*x))"),
        ("E(w*abs(sg(w)*x - 1))", "E(w*abs(c*x - 1))"),
    ],
)
def test_a_stopped_state_inside_a_quadrature_is_a_number_while_one_differentiates(stopped, held):
    one, other = (gradient_flow(text, ["w"], random="x ~ normal(0, 1)") for text in (stopped, held))
    for w in (0.4, -1.2):
        values = one.compiled.field({}).f(0.0, np.array([w])), other.compiled.field({"c": w}).f(0.0, np.array([w]))
        assert values[0][0] == pytest.approx(values[1][0], rel=1e-10)


def test_a_jump_that_moves_through_a_quadrature_is_refused():
    """d/dw P(tanh(wx) > 1/2) is not the average of a derivative, which is zero; along an affine form it is known."""
    known = gradient_flow("E(heaviside(w*x - 1))", ["w"], random="x ~ normal(0, 1)")
    density = np.exp(-0.5 / 0.49) / np.sqrt(2 * np.pi)
    assert known.compiled.field({}).f(0.0, np.array([0.7]))[0] == pytest.approx(-density / 0.49)
    with pytest.raises(DynsimError, match="moves with a state"):
        gradient_flow("E(heaviside(tanh(w*x) - 1/2))", ["w"], random="x ~ normal(0, 1)")
    stopped = gradient_flow("E(w*heaviside(tanh(sg(w)*x) - 1/2))", ["w"], random="x ~ normal(0, 1)")
    expected = norm.sf(np.arctanh(0.5) / 0.7)
    assert stopped.compiled.field({}).f(0.0, np.array([0.7]))[0] == pytest.approx(-expected, rel=0.1)


def test_kinks_that_move_and_averages_that_cancel_are_said_to():
    moving = gradient_flow("E(abs(tanh(w*x) - 1/2))", ["w"], random="x ~ normal(0, 1)").expectation
    assert moving.kinked
    assert "kinks move" in str(moving)
    nothing = gradient_flow("E(erf(w*x)) + w^2", ["w"], random="x ~ normal(0, 1)").expectation
    assert nothing < 1e-6  # by symmetry the average is zero: what is left of it is rounding
