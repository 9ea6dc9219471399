from dataclasses import replace

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

import dynsim
from dynsim import Descend, Flow, first_integrals, gradient_flow, system
from dynsim.analysis.algebra import first_integrals as module
from dynsim.errors import DynsimError
from dynsim.symbolic.sources import as_flow

phi, theta, alpha, t = sympy.symbols("phi theta alpha t")


def flow_of(**velocities):
    """A flow with any right-hand side, given as expressions."""
    symbols = {name: sympy.Symbol(name) for name in velocities}
    rhs = sympy.Matrix([sympy.sympify(value) for value in velocities.values()])
    symbols |= {symbol.name: symbol for symbol in rhs.free_symbols}
    return Flow(tuple(velocities), rhs, symbols)


def derivative(flow, integral):
    """Total time derivative of an integral along the flow, simplified."""
    states = [flow.symbols[name] for name in flow.states]
    moving = sum(integral.diff(s) * v for s, v in zip(states, flow.rhs, strict=True))
    return sympy.simplify(integral.diff(t) + moving)


@pytest.mark.parametrize(
    ("branch", "expected"),
    [
        ("stop", theta**2 - phi**2 / alpha),
        ("full", (1 - phi) ** 2 - alpha * theta**2),
        ("target", 1 - phi - alpha * theta**2 / 2),
    ],
)
@pytest.mark.parametrize("name", ["toy", "scalar"])
def test_the_toy_conserves_what_its_branch_says(name, branch, expected):
    flow = system(name, branch=branch)
    if name == "scalar":
        flow = flow.fix(sigma2=0, eta_p=0, eta_s=0)
    (found,) = first_integrals(flow)
    # The same up to a factor and a constant.
    ratio = sympy.simplify(found.diff(theta) / expected.diff(theta))
    assert not ratio.has(phi, theta)
    assert sympy.simplify(found - ratio * expected).diff(phi) == 0
    assert sympy.denom(sympy.together(found)) == 1


def test_weighted_integrals_have_their_weight_symbolic():
    flow = system("scalar").fix(eta_p="eta", eta_s="eta")
    (found,) = first_integrals(flow)
    eta = sympy.Symbol("eta")
    assert sympy.simplify(found / (sympy.exp(2 * eta * t) * (phi**2 - alpha * theta**2))) in (1, -1)
    assert first_integrals(system("scalar")) == []


def test_noise_leaves_stop_its_integral_and_takes_that_of_the_others():
    noisy = {branch: system("scalar", branch=branch).fix(eta_p=0, eta_s=0) for branch in ("stop", "full", "target")}
    assert len(first_integrals(noisy["stop"])) == 1
    assert first_integrals(noisy["full"]) == first_integrals(noisy["target"]) == []


def test_what_is_not_polynomial_is_no_obstacle():
    psi = sympy.Symbol("psi")
    slope = 1 / (1 + sympy.exp(theta * psi))
    (found,) = first_integrals(flow_of(theta=-psi * slope, psi=theta * slope))
    assert found in (theta**2 + psi**2, -(theta**2) - psi**2)
    x, v = sympy.symbols("x v")
    (energy,) = first_integrals(flow_of(x=v, v=-sympy.sin(x)))
    assert sympy.simplify(energy - (v**2 - 2 * sympy.cos(x))) == 0


@pytest.mark.parametrize(
    ("flow", "count"),
    [
        (gradient_flow("(tanh(p*w) - sg(w))^2/2", ["p", "w"]), 1),
        (gradient_flow("(p^gamma*w - sg(w))^2/2", ["p", "w"]), 1),
        (gradient_flow("(p*v*w - sg(v*w))^2/2", ["p", "v", "w"]), 2),
        (gradient_flow("log(1 + exp(-x*y))", ["x", "y"]), 1),
        (gradient_flow("(a*x + b*y)^4", ["x", "y"]), 1),
        (gradient_flow("sqrt(1 + x^2*y^2)", ["x", "y"], rates={"x": "rho"}), 1),
        (Flow.of({"x": Descend("c*x*y"), "y": Descend("-c*x*y")}), 1),
        (flow_of(x="a*y*z", y="b*z*x", z="c*x*y"), 2),
    ],
)
def test_losses_nobody_foresaw(flow, count):
    found = first_integrals(flow)
    assert len(found) == count
    assert found.complete
    assert all(derivative(flow, integral) == 0 for integral in found)


@given(st.integers(1, 3), st.integers(1, 3), st.integers(-3, 3).filter(bool), st.integers(-3, 3), st.booleans())
@settings(max_examples=15, deadline=None)
def test_any_loss_of_a_product_conserves_a_combination_of_squares(m, n, a, b, decays):
    """A loss that sees the states only through p^m w^n conserves n p² − m w², whatever its shape."""
    shape = f"({a}*(p^{m}*w^{n})^2 + ({b})*p^{m}*w^{n} - sg(w)^2)"
    flow = gradient_flow(f"{shape}^2", ["p", "w"], branch="stop", decay={"p": "eta", "w": "eta"} if decays else None)
    p, w, eta = sympy.symbols("p w eta")
    expected = (n * p**2 - m * w**2) * (sympy.exp(2 * eta * t) if decays else 1)
    assert any(sympy.simplify(i / expected).is_number for i in first_integrals(flow))


def test_plain_integrals_are_preferred_and_products_of_them_dropped():
    flow = flow_of(x="x", y="-y")
    x, y = sympy.symbols("x y")
    found = first_integrals(flow)
    assert x * y in found
    assert len(found) == 2
    assert all(derivative(flow, integral) == 0 for integral in found)


def test_a_search_that_grows_too_large_says_so(monkeypatch):
    flow = flow_of(x="a*x + b*y", y="c*x + d*y")
    found = first_integrals(flow)
    assert not found.complete
    assert "up to degree" in found.note
    assert found.note in repr(found)
    assert all(derivative(flow, integral) == 0 for integral in found)
    monkeypatch.setattr(module, "_BUDGET", -1.0)
    cut = first_integrals(system("toy"))
    assert cut == []
    assert "out of time" in repr(cut)


def test_integrals_stay_constant_along_runs():
    for branch in ("stop", "full", "target"):
        flow = system("toy", branch=branch)
        run = dynsim.solve(flow, {"phi": 0.6, "theta": 0.1}, 60.0)
        (integral,) = first_integrals(flow)
        values = sympy.lambdify((phi, theta), integral.subs(alpha, 1))(run.phi.values, run.theta.values)
        assert np.ptp(values) < 1e-11


def test_names_with_assumptions_and_the_symbol_t():
    flow = system("toy")
    positive = {s: sympy.Symbol(s.name, positive=True) for s in flow.rhs.free_symbols}
    odd = replace(flow, rhs=flow.rhs.xreplace(positive), symbols={s.name: s for s in positive.values()})
    (found,) = first_integrals(odd)
    assert found.free_symbols == set(positive.values())
    with pytest.raises(DynsimError, match="autonomous"):
        first_integrals(flow_of(x="-t*x"))


def moves(**velocities):
    return Flow.of({name: dynsim.Move(velocity) for name, velocity in velocities.items()})


@pytest.mark.parametrize(
    ("flow", "expected"),
    [
        (
            gradient_flow("-(p1*w1+p2*w2)/(sqrt(p1^2+p2^2)*sqrt(w1^2+w2^2))", "p1,p2,w1,w2"),
            ["p1**2 + p2**2", "w1**2 + w2**2"],
        ),
        (gradient_flow("(v*abs(u) - 1)^2/2", "u,v"), ["u**2 - v**2"]),
        (gradient_flow("(v*relu(u*x) - y)^2/2", "u,v"), ["u**2 - v**2"]),
        (gradient_flow("(v*max(0,u*x) - y)^2/2 + (v*max(0,-u) - z)^2", "u,v"), ["u**2 - v**2"]),
        (moves(x="v", v="-sign(x)"), ["2*Abs(x) + v**2"]),
        (moves(x="v", v="-sin(x) - sin(2*x)/3"), ["3*v**2 - 2*cos(x)**2 - 6*cos(x)"]),
        (moves(x="v", v="-x*abs(x)"), ["3*v**2 + 2*x**2*Abs(x)"]),
        (
            moves(x="u", y="v", u="-x/(x^2+y^2)^(3/2)", v="-y/(x^2+y^2)^(3/2)"),
            [
                "-u*y + v*x",
                "u**2 + v**2 - 2/sqrt(x**2 + y**2)",
                "-u**2*y + u*v*x + y/sqrt(x**2 + y**2)",
            ],
        ),
    ],
)
def test_integrals_are_found_modulo_the_identities_of_what_occurs(flow, expected):
    found = first_integrals(flow)
    assert {sympy.sympify(text) for text in expected} == set(found)
    assert found.complete


def test_found_integrals_are_constant_along_runs_across_kinks_and_beside_singularities():
    orbit = {"x": 1.0, "y": 0.2, "u": -0.1, "v": 0.8}
    for flow, start, t_end in [
        (moves(x="v", v="-x*abs(x)"), {"x": -0.7, "v": 0.9}, 9.0),
        (moves(x="u", y="v", u="-x/(x^2+y^2)^(3/2)", v="-y/(x^2+y^2)^(3/2)"), orbit, 9.0),
    ]:
        drift = dynsim.conservation(flow, dynsim.solve(flow, start, t_end)).drift
        assert drift.sizes["integral"] == len(flow.states) - 1
        assert float(drift.max()) < 1e-8


@pytest.mark.parametrize(
    ("flow", "words"),
    [
        (moves(x="erf(x)*y", y="erf(y)"), "identities of erf"),
        (moves(x="sqrt(x*y) + sqrt(x)", y="sqrt(y)*x"), "roots that may depend"),
        (moves(x="log(x)*log(y)", y="log(x*y)"), "exponentials or logarithms that may depend"),
        (moves(x="sqrt(2)*x + y", y="x"), "roots of constants"),
    ],
)
def test_where_identities_may_be_missed_nothing_is_called_complete(flow, words):
    found = first_integrals(flow)
    assert not found.complete
    assert words in found.note


def test_multiples_of_one_exponent_share_a_generator():
    from dynsim.analysis.algebra.polynomial_field import polynomial_field

    flow = gradient_flow("theta^2/2 - tanh(theta/0.3)*sg(theta)", "theta")
    field = polynomial_field(flow)
    assert len(field.ring.gens) - len(field.inverses) == 2
    assert max(field.denominator.degrees()) <= 4  # of cosh², not of its hundredth power


@pytest.mark.parametrize(
    ("arguments", "options"), [((3,), {}), ((system("toy"),), {"degree": 0}), ((system("toy"),), {"degree": 1.5})]
)
def test_bad_input(arguments, options):
    with pytest.raises(DynsimError, match=r"flow|degree"):
        first_integrals(*arguments, **options)


@pytest.mark.parametrize(
    ("text", "states", "expected"),
    [
        ("(w*tanh(u)-1)^2/2", "u, w", "sinh(u)^2 - w^2"),
        ("(w*tanh(u)-sg(tanh(u)))^2/2", "u, w", "sinh(u)^2 - w^2"),
        ("(exp(u)+exp(v)-1)^2/2", "u, v", "exp(-u) - exp(-v)"),
        ("(w*tanh(x*u)-1)^2/2", "u, w", "sinh(x*u)^2 - x^2*w^2"),
    ],
)
def test_exponentials_come_with_their_inverses(text, states, expected):
    flow = dynsim.gradient_flow(text, states)
    (found,) = first_integrals(flow)
    wanted = sympy.sympify(expected.replace("^", "**")).subs({sympy.Symbol(n): s for n, s in flow.symbols.items()})
    gradients = sympy.Matrix([[value.diff(flow.symbols[name]) for name in flow.states] for value in (found, wanted)])
    assert sympy.simplify(gradients.det().rewrite(sympy.exp)) == 0
    assert sympy.simplify((gradients[0, :] * flow.rhs)[0].rewrite(sympy.exp)) == 0


LOGARITHMS = {
    "Lotka and Volterra": ("x' = x*(a - b*y); y' = y*(d*x - c)", "d*x - c*log(x) + b*y - a*log(y)"),
    "an epidemic": ("s' = -b*s*i; i' = b*s*i - g*i; r' = g*i", "b*(s + i) - g*log(s)"),
    "the force 1/r": ("x' = u; y' = v; u' = -x/(x^2 + y^2); v' = -y/(x^2 + y^2)", "u^2 + v^2 + log(x^2 + y^2)"),
    "saturated growth": ("x' = x*(1 - y)/(1 + x); y' = y*(x - 1)", "x^2/2 + y - log(x) - log(y)"),
}


@pytest.mark.parametrize("name", LOGARITHMS)
def test_logarithms_of_states_and_of_denominators(name):
    equations, expected = LOGARITHMS[name]
    flow = as_flow(equations)
    found = first_integrals(flow)
    assert found.complete
    plain = {*flow.symbols.values(), *flow.rhs.free_symbols}
    symbols = {symbol: sympy.Symbol(symbol.name, positive=True) for symbol in plain}
    right = sympy.sympify(expected.replace("^", "**"), locals={s.name: p for s, p in symbols.items()})
    states = [symbols[flow.symbols[state]] for state in flow.states]
    gradients = sympy.Matrix(
        [[sympy.diff(one, x) for x in states] for one in [right, *(i.xreplace(symbols) for i in found)]]
    )
    place = {symbol: sympy.Rational(7 + 5 * k, 11) for k, symbol in enumerate(sorted(symbols.values(), key=str))}
    assert gradients.subs(place).rank() == len(found) < len(states)
    velocity = flow.rhs.xreplace(symbols)
    for one in found:
        rate = sum(sympy.diff(one.xreplace(symbols), x) * v for x, v in zip(states, velocity, strict=True))
        assert sympy.simplify(rate) == 0
