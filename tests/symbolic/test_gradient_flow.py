"""The three branches of any loss, and what is refused."""

import pickle

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Rational, Symbol, cos, symbols

from dynsim import DynsimError, Flow, gradient_flow, stop_gradient, system
from dynsim.symbolic.rules import Descend, Hold, Move, Track

phi, theta, alpha, eta = symbols("phi theta alpha eta")
TOY = (phi * theta - stop_gradient(theta)) ** 2 / 2


@pytest.mark.parametrize(
    ("branch", "encoder"),
    [("stop", phi * (1 - phi) * theta), ("full", -((1 - phi) ** 2) * theta), ("target", -(1 - phi) * theta)],
)
def test_article_equations(branch, encoder):
    """Su Jianlin (2020): φ' = α(1−φ)θ² in every branch, θ' by branch."""
    flow = gradient_flow(TOY, [phi, theta], branch=branch, rates={phi: alpha})
    assert sympy.expand(flow.rhs[0] - alpha * (1 - phi) * theta**2) == 0
    assert sympy.expand(flow.rhs[1] - encoder) == 0
    assert flow.roles == {"predictor": ("phi",), "encoder": ("theta",), "teacher": ()}


def test_full_is_the_sum_of_the_branches_for_the_encoder():
    flows = {b: gradient_flow(TOY, "phi, theta", branch=b).rhs[1] for b in ("stop", "full", "target")}
    assert sympy.expand(flows["stop"] + flows["target"] - flows["full"]) == 0


monomials = st.tuples(st.integers(-3, 3), st.integers(0, 3), st.integers(0, 3), st.integers(0, 2))


@settings(max_examples=25, deadline=None)
@given(st.lists(monomials, min_size=1, max_size=4))
def test_branches_of_random_losses(terms):
    """`full` ignores the stop-gradients; where a state is stopped, stop + target = full; elsewhere target = stop."""
    loss = sum(c * phi**i * theta**j * stop_gradient(theta) ** k for c, i, j, k in terms) + TOY
    whole = gradient_flow(loss, "phi, theta", branch="full")
    stop = gradient_flow(loss, "phi, theta", branch="stop")
    target = gradient_flow(loss, "phi, theta", branch="target")
    released = loss.replace(stop_gradient, lambda inner: inner)
    assert sympy.expand(whole.rhs[0] + released.diff(phi)) == 0
    assert sympy.expand(whole.rhs[1] + released.diff(theta)) == 0
    assert sympy.expand(stop.rhs[1] + target.rhs[1] - whole.rhs[1]) == 0
    assert sympy.expand(stop.rhs[0] - target.rhs[0]) == 0


def test_the_jacobian_is_that_of_the_resolved_field():
    """½(pw−sg(w))²+η(w²+p²)/2 at the lower interior equilibrium p=w: a saddle, (+0.08730, −0.2).

    Differentiating the loss twice with the stop-gradient inside gives (−0.02540, −0.2), a wrong "stable node".
    """
    p, w = symbols("p w")
    loss = (p * w - stop_gradient(w)) ** 2 / 2 + eta * (w**2 + p**2) / 2
    flow = gradient_flow(loss, [p, w], roles={"encoder": "w", "predictor": "p"}).fix(eta=Rational(1, 10))
    lower = (1 - sympy.sqrt(1 - 4 * Rational(1, 10))) / 2  # p² − p + η = 0 on p = w
    point = {p: lower, w: lower}
    assert all(abs(entry.subs(point).evalf()) < 1e-12 for entry in flow.rhs)
    right = sorted(sympy.re(v.evalf()) for v in flow.jacobian.subs(point).evalf().eigenvals())
    assert right == pytest.approx([-0.2, 0.08730], abs=5e-6)
    gradient = sympy.Matrix([-loss.diff(s) for s in (p, w)])
    unresolved = gradient.jacobian([p, w]).replace(stop_gradient, lambda inner: inner).subs(eta, Rational(1, 10))
    wrong = sorted(sympy.re(v.evalf()) for v in unresolved.subs(point).evalf().eigenvals())
    assert wrong == pytest.approx([-0.2, -0.02540], abs=5e-6)
    assert not flow.jacobian.has(stop_gradient)


def test_rates_multiply_the_gradient_and_not_the_decay():
    flow = gradient_flow("w^2/2", ["w"], rates={"w": "alpha"}, decay={"w": "eta"})
    w = flow.symbols["w"]
    assert sympy.expand(flow.rhs[0] + alpha * w + eta * w) == 0


def test_a_teacher_tracks_and_does_not_descend():
    flow = gradient_flow("(phi*theta - sg(xi))^2/2", "phi, theta, xi", track={"xi": ("theta", "beta")})
    assert flow.rhs[2] == Symbol("beta") * (theta - Symbol("xi"))
    assert flow.roles == {"predictor": ("phi",), "encoder": ("theta",), "teacher": ("xi",)}


def test_games_and_held_states():
    game = Flow.of({"x": Descend("x*y"), "y": Descend("-x*y")})
    assert game.loss is None
    assert game.roles == {}
    held = Flow.of({"w": Descend(TOY.subs(theta, Symbol("w"))), "phi": Hold("1/2")})
    assert held.states == ("w",)
    assert held.held == {"phi": Rational(1, 2)}
    circle = {"w": Descend("w^2"), "a": Hold("b"), "b": Hold("a")}
    with pytest.raises(DynsimError, match="circle"):
        Flow.of(circle)


HOSTILE = ["lambda", "b", "I", "E", "S", "N", "Q", "sin", "exp", "class", "x0", "numpy", "y", "array", "O"]


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_is_a_symbol(name):
    """A state and a parameter may have any name: Python keywords, NumPy functions, SymPy's own letters."""
    flow = gradient_flow(f"({name}*w - sg(w))^2/2", [name, "w"], rates={"w": "if"})
    assert flow.parameters == ("if",)
    value = flow.field({"if": 2.0}).f(0.0, [0.5, 3.0])
    assert list(value) == pytest.approx([(1 - 0.5) * 9, 2 * 0.5 * (1 - 0.5) * 3])
    other = gradient_flow(f"{name}*w^2/2", ["w"])
    assert other.parameters == (name,)
    assert other.field({name: 3.0}).f(0.0, [2.0]) == pytest.approx([-6.0])


def test_symbols_match_by_name_whatever_their_assumptions():
    real = Symbol("theta", real=True)
    flow = gradient_flow((phi * real - stop_gradient(real)) ** 2, ["phi", Symbol("theta")])
    assert flow.states == ("phi", "theta")
    with pytest.raises(DynsimError, match="different assumptions"):
        gradient_flow(theta**2 + real, ["theta"])


def test_kinks_differentiate_over_the_reals():
    flow = gradient_flow("abs(w)", ["w"])
    assert flow.field().f(0.0, [2.0]) == pytest.approx([-1.0])
    assert flow.field().jacobian(0.0, [[2.0]][0]).tolist() == [[0.0]]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: gradient_flow(TOY, ["phi", "psi"]), "'psi'"),
        (lambda: gradient_flow(TOY, []), "at least one state"),
        (lambda: gradient_flow(TOY, ["phi", "phi"]), "twice"),
        (lambda: gradient_flow(TOY, ["phi"], branch="half"), "branch"),
        (lambda: gradient_flow(phi**2, ["phi"], branch="target"), "no stop_gradient"),
        (lambda: gradient_flow(TOY, "phi, theta", rates={"psi": 2}), "'psi'"),
        (lambda: gradient_flow(TOY, "phi, theta", decay={"psi": 2}), "'psi'"),
        (lambda: gradient_flow(TOY, "phi, theta", track={"psi": ("phi", 1)}), "'psi'"),
        (lambda: gradient_flow(TOY, "phi, theta", track={"phi": ("psi", 1)}), "'psi'"),
        (lambda: gradient_flow(TOY, "phi, theta", track={"phi": "theta"}), "pair"),
        (lambda: gradient_flow(TOY, "phi, theta", rates={"phi": stop_gradient(theta)}), "unresolved"),
        (lambda: gradient_flow(TOY, "phi, theta", decay={"phi": stop_gradient(alpha)}), "unresolved"),
        (lambda: gradient_flow(sympy.I * phi, ["phi"]), "imaginary"),
        (lambda: gradient_flow(Symbol("z", imaginary=True) * phi, ["phi"]), "not real"),
        (lambda: gradient_flow((-1) ** Rational(1, 3) * phi, ["phi"]), "not real"),
        (lambda: gradient_flow(sympy.Matrix([phi, theta]), ["phi"]), "scalar"),
        (lambda: gradient_flow([phi, theta], ["phi"]), "scalar"),
        (lambda: gradient_flow(phi > theta, ["phi"]), "scalar"),
        (lambda: gradient_flow(sympy.zoo + phi, ["phi"]), "finite"),
        (lambda: gradient_flow(sympy.Function("g")(phi), ["phi"]), "'g'"),
        (lambda: gradient_flow(None, ["phi"]), "loss"),
        (lambda: gradient_flow(TOY, 3), "states"),
        (lambda: gradient_flow(TOY, "phi, theta", roles={"student": "phi"}), "student"),
        (lambda: gradient_flow(TOY, "phi, theta", roles={"encoder": "psi"}), "'psi'"),
        (lambda: Flow.of({}), "rules"),
        (lambda: Flow.of({"x": 3}), "Descend"),
        (lambda: Flow.of({"x": Track("y", 1)}), "'y'"),
        (lambda: Flow.of({"x": Hold(1)}), "at least one state that moves"),
        (lambda: Flow.of({"x": Hold(stop_gradient(phi)), "w": Descend("w^2")}), "unresolved"),
    ],
)
def test_bad_input_is_named(make, words):
    with pytest.raises(DynsimError) as caught:
        make()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_flow_survives_pickling():
    flow = system("scalar")
    copy = pickle.loads(pickle.dumps(flow))
    assert copy.rhs == flow.rhs
    assert copy.exact.end({"phi": 0.6, "theta": 0.1}, {}) is not None


def test_latex_prints_greek():
    assert r"\dot{\varphi}" in system("toy").latex()
    assert r"\operatorname{sg}" in sympy.latex(TOY)
    assert cos(phi).diff(phi) == -sympy.sin(phi)


def test_rules_that_share_one_loss_are_the_gradient_flow_of_that_loss():
    """No game: the same right-hand side, loss and roles as `gradient_flow` gives."""
    loss = "(phi*theta - sg(xi))^2/2"
    named = gradient_flow(loss, "phi, theta, xi", rates={"phi": "alpha"}, track={"xi": ("theta", "beta")})
    ruled = Flow.of(
        {"phi": Descend(loss, rate="alpha"), "theta": Descend(loss), "xi": Track("theta", "beta")},
    )
    assert ruled.rhs == named.rhs
    assert ruled.loss == named.loss
    assert ruled.roles == named.roles == {"predictor": ("phi",), "encoder": ("theta",), "teacher": ("xi",)}


def test_held_states_are_resolved_to_the_end():
    held = {"a": Hold("b + 1"), "b": Hold("2*c"), "c": Hold("d"), "d": Hold("x^2")}
    flow = Flow.of({"x": Move("-a"), **held})
    assert flow.rhs[0].expand() == -2 * flow.symbols["x"] ** 2 - 1
    assert all({symbol.name for symbol in value.free_symbols} == {"x"} for value in flow.held.values())


def test_schedules_are_resolved_to_the_end():
    flow = gradient_flow("(a + b + c + d)*w^2/2", "w")
    run = flow.with_parameters({"a": "b + 1", "b": "2*c", "c": "3*d", "d": "t"})
    values = {name: run.values[name] for name in run.flow.parameters}
    velocity = run.flow.rhs[0].subs({run.flow.symbols[name]: value for name, value in values.items()})
    assert float(velocity.subs({"t": 2, "w": 1})) == -(6 * 2 + 1 + 6 * 2 + 3 * 2 + 2)


def test_of_two_defaults_the_first_tied_wins():
    flow = gradient_flow("(p*w - sg(w))^2/2", "p, w", decay={"p": "eta_p", "w": "eta_s"})
    flow = flow.describe(defaults={"eta_p": 0.1, "eta_s": 0.2}, ranges={"eta_p": (0, 1), "eta_s": (0, 2)})
    one, other = flow.fix(eta_p="eta", eta_s="eta"), flow.fix(eta_s="eta", eta_p="eta")
    assert (one.defaults, one.ranges) == ({"eta": 0.1}, {"eta": (0, 1)})
    assert (other.defaults, other.ranges) == ({"eta": 0.2}, {"eta": (0, 2)})
    kept = flow.fix(eta_p="eta_s")  # a name that has a default of its own keeps it
    assert kept.defaults == {"eta_s": 0.2}
    assert flow.values({"eta_p": 0.5}) == {"eta_p": 0.5, "eta_s": 0.2}
