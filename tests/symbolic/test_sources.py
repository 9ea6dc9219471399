"""Whatever names a flow is read at one place, and a flow is a value: it compares, hashes, pickles, prints."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import sympy

import dynsim
from dynsim import DynsimError, Field, Flow, Move, gradient_flow, system
from dynsim.errors import InvalidValue
from dynsim.names import RESERVED, canonical, unicode_name
from dynsim.symbolic.numeric import VectorFunction
from dynsim.symbolic.printing import latex_name
from dynsim.symbolic.sources import as_field, as_flow
from dynsim.symbolic.zero_test import are_equal
from dynsim.systems.catalogue import SYSTEMS, entry_of

TOY = "(phi*theta - sg(theta))^2/2"
START = {"phi": 0.6, "theta": 0.1}


SOURCES = ["toy", TOY, "(φ·θ − sg(θ))²/2", dynsim.parse(TOY), gradient_flow(TOY, "phi, theta")]


@pytest.mark.parametrize("source", SOURCES)
def test_everything_that_means_the_toy_runs_like_it(source):
    run = dynsim.solve(source, START, 3.0)
    assert np.allclose(run.theta, dynsim.solve(system("toy"), START, 3.0).theta, rtol=1e-12)
    ends = dynsim.ensemble(source, START, 3.0)
    assert np.isclose(ends.theta, run.theta[-1], rtol=1e-6)


def test_equations_as_text_are_a_game():
    written = as_flow("x' = y; y' = -sin(x)")
    assert written == Flow.of({"x": Move("y"), "y": Move("-sin(x)")})


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("toi", "did you mean 'toy'"),
        ("vicreg", "method('vicreg').flow()"),
        ("a*b", "a, b"),
        (3, "a Flow"),
        (Field(("x",), lambda t, y: -y), "a Field only has numbers"),
        ("x' = y; x' = 2", "position 8: got \"x' = 2\", expected one equation per state; x' stands twice"),
        ("x' = y;\n  x + 1 = 2", "position 10: got 'x + 1 = 2', expected name' = expression"),
    ],
)
def test_what_is_no_flow_is_told_what_to_do(source, words):
    with pytest.raises(DynsimError) as caught:
        as_flow(source)
    assert words in str(caught.value)


def test_a_flow_keeps_its_branch():
    with pytest.raises(InvalidValue, match="chosen when it was made"):
        as_flow(system("toy", branch="full"), branch="stop")


def test_a_field_passes_where_a_velocity_suffices():
    field = Field(("x",), lambda t, y: [-y[0]])
    assert as_field(field) is field
    assert np.isclose(dynsim.solve(field, {"x": 1.0}, 1.0).x[-1], np.exp(-1.0), rtol=1e-7)


@pytest.mark.parametrize("answer", [lambda t, y: [1.0, 2.0], lambda t, y: np.ones((3, 2)), lambda t, y: None])
def test_a_field_of_another_shape_is_named(answer):
    with pytest.raises(InvalidValue, match="function of the Field"):
        Field(("x",), answer).f(0.0, np.array([1.0]))


def test_a_used_flow_pickles_and_equals_its_like():
    flow = gradient_flow(TOY, "phi, theta").describe(observables={"c": "theta^2 - phi^2"})
    field = flow.field()
    y = np.array([0.6, 0.1])
    field.f(0.0, y), field.jacobian(0.0, y), flow.is_gradient
    again, moved = pickle.loads(pickle.dumps(flow)), pickle.loads(pickle.dumps(field))
    assert again == flow
    assert hash(again) == hash(flow)
    assert "compiled" not in again.__dict__
    assert np.array_equal(moved.f(0.0, y), field.f(0.0, y))
    assert np.array_equal(moved.jacobian(0.0, y), field.jacobian(0.0, y))
    assert again != gradient_flow(TOY, "phi, theta")
    assert gradient_flow(TOY, "phi, theta") != gradient_flow(TOY, "phi, theta", branch="full")


def _catalogue():
    for name in SYSTEMS:
        entry = entry_of(name)
        for branch in entry.branches:
            for variant in (None, *entry.variants):
                only_stop = variant in {"byol", "isoloss"}
                if branch == "stop" or not only_stop:
                    yield name, branch, variant


@pytest.mark.parametrize("which", list(_catalogue()), ids=str)
def test_a_used_flow_of_the_catalogue_pickles_with_its_closed_forms(which):
    name, branch, variant = which
    flow = system(name, branch=branch, variant=variant)
    start = {state: flow.defaults[state] for state in flow.states}
    y = np.array([float(value) for value in start.values()])
    velocity = flow.field().f(0.0, y)
    again = pickle.loads(pickle.dumps(flow))
    assert again == flow
    assert np.array_equal(again.field().f(0.0, y), velocity)
    if flow.exact is not None:
        assert again.exact.end(start, flow.values()) == flow.exact.end(start, flow.values())


def test_a_flow_prints_two_lines_without_addresses():
    for flow in (system("modes"), gradient_flow(TOY, "phi, theta"), system("toy").field()):
        assert len(repr(flow).splitlines()) == 2
        assert "0x" not in repr(flow)
    page = system("toy").describe(conserved=["theta^2 - phi^2/alpha"])._repr_html_()
    assert r"\dot{\varphi}" in page
    assert "conserved" in page


def test_what_is_not_conserved_is_refused():
    with pytest.raises(InvalidValue, match="conserved"):
        system("toy").describe(conserved=["theta^2 + phi^2/alpha"])


@pytest.mark.parametrize("name", ["phi", "sigma2", "eta_p", "phi0", "lambda_d", "epsilon", "lr", "xi"])
def test_printed_names_are_accepted_as_keys(name):
    assert canonical(unicode_name(name)) == name


@pytest.mark.parametrize("name", ["phi", "eta_p", "lambda_d", "epsilon", "xi"])
def test_typeset_names_are_accepted_as_keys(name):
    assert canonical(latex_name(name)) == name


def test_greek_keys_reach_states_and_parameters():
    run = dynsim.solve("toy", {"φ": 0.6, "θ": 0.1}, 3.0, parameters={"α": 2.0})
    assert np.array_equal(run.phi, dynsim.solve("toy", START, 3.0, parameters={"alpha": 2.0}).phi)
    phi, theta = sympy.symbols("φ θ")
    assert gradient_flow((phi * theta - dynsim.stop_gradient(theta)) ** 2 / 2, [phi, theta]).states == ("phi", "theta")
    with pytest.raises(InvalidValue, match="stands twice"):
        system("toy").values({"α": 1.0, "alpha": 2.0})


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_reserved_names_are_refused(name):
    with pytest.raises(InvalidValue, match="reserved"):
        Flow.of({name: Move(f"-{name}")})
    with pytest.raises(InvalidValue, match="reserved"):
        Field((name,), lambda t, y: -y)


def test_t_is_the_time_in_every_text():
    flow = gradient_flow("(w - sin(t))^2/2", "w", rates={"w": "1 + t"}, decay={"w": "eta*t"})
    assert flow.parameters == ("eta",)
    assert not flow.is_autonomous
    y = np.array([0.3])
    expected = -(1 + 2.0) * (0.3 - np.sin(2.0)) - 0.5 * 2.0 * 0.3
    assert np.isclose(flow.field({"eta": 0.5}).f(2.0, y)[0], expected, rtol=1e-14)
    frozen = flow.at(2)
    assert frozen.is_autonomous
    assert np.isclose(frozen.field({"eta": 0.5}).f(9.0, y)[0], expected, rtol=1e-14)
    for question in (dynsim.equilibria, dynsim.first_integrals, dynsim.portrait):
        with pytest.raises(InvalidValue, match="time t"):
            question(flow.fix(eta=1))


def test_parameters_that_move_share_what_is_compiled():
    flow = gradient_flow("eta*w^2/2", "w")
    one, two = (flow.with_parameters({"eta": f"{a} + {b}*t"}) for a, b in ((0.2, 1e-4), (0.7, 3e-5)))
    assert one.flow == two.flow
    assert one.given == {"eta": "0.2 + 0.0001*t"}
    assert np.isclose(one.field().f(10.0, np.array([2.0]))[0], -2.0 * (0.2 + 1e-3), rtol=1e-14)
    assert np.isclose(two.field().f(10.0, np.array([2.0]))[0], -2.0 * (0.7 + 3e-4), rtol=1e-14)
    assert one.field().origin() == flow.about()
    with pytest.raises(InvalidValue, match="leads back"):
        flow.with_parameters({"eta": "eta*t"})
    with pytest.raises(DynsimError, match="'w'"):
        flow.with_parameters({"eta": "w*t"})
    with pytest.raises(InvalidValue, match="depends on t"):
        flow.values({"eta": "0.2 + t"})


def test_a_field_that_moves_in_time_is_found_out():
    Field(("x",), lambda t, y: -y).require_autonomous("a limit")
    with pytest.raises(InvalidValue, match="autonomous"):
        Field(("x",), lambda t, y: -y + np.sin(t)).require_autonomous("a limit")


def test_the_curl_test_ends():
    nested = "(sigmoid(a*sigmoid(b*sigmoid(phi*theta)))-sg(theta))^2"
    assert gradient_flow(nested, "phi, theta").is_gradient is False
    assert gradient_flow(nested, "phi, theta", branch="full").is_gradient is True


def test_equality_is_proven_or_refuted_or_left_open():
    a, b = sympy.symbols("a b")
    assert are_equal((a + b) ** 3, sympy.expand((a + b) ** 3)) is True
    assert are_equal(a, a + sympy.Rational(1, 10**7)) is False
    assert are_equal(sympy.sin(a) ** 2 + sympy.cos(a) ** 2, sympy.S.One) is True
    hard = sum(sympy.exp(sympy.sin(k * a)) for k in range(1, 9))
    left = (hard + sympy.sin(a) ** 2) * (hard + sympy.cos(a) ** 2)
    right = left.subs(sympy.sin(a) ** 2, 1 - sympy.cos(a) ** 2)
    assert are_equal(left, right) in (None, True)


def test_a_vector_function_broadcasts_what_does_not_depend_on_the_state():
    x, p = sympy.symbols("x p")
    function = pickle.loads(pickle.dumps(VectorFunction(sympy.Matrix([[p, x], [1, p * x]]), [x], [p])))
    assert function(0.0, np.zeros((1, 3)), [np.array([1.0, 2.0, 3.0])]).shape == (2, 2, 3)


def test_a_typed_loss_walks_to_its_field_through_few_files():
    """Files of dynsim in which a function is entered: what averages, quadratures and games need is not among them."""
    import sys

    root = str(Path(dynsim.__file__).parent)
    gradient_flow("w^2/2", "w").field()
    entered = set()

    def watch(frame, event, argument):
        name = frame.f_code.co_filename
        if event == "call" and name.startswith(root) and frame.f_code.co_name != "<module>":
            entered.add(name[len(root) + 1 :])

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        gradient_flow("(phi*theta - sg(theta))^2/2 + w^4", "phi, theta, w").field()
    finally:
        sys.setprofile(before)
    assert len(entered) <= 13, sorted(entered)
    assert not any(word in name for name in entered for word in ("averaging", "distributions", "quadrature"))


def test_what_is_drawn_is_not_offered_as_a_state():
    with pytest.raises(DynsimError, match=r"symbols w; .* --states"):
        as_flow("E((w*(x + n) - 1)^2)", None, random="x ~ normal(0, 1), n ~ normal(0, 1/4)")
