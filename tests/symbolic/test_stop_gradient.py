"""stop_gradient: the identity in value, a constant under differentiation, whatever SymPy does to it."""

import copy
import pickle

import pytest
import sympy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dynsim import stop_gradient
from dynsim.errors import InvalidType
from dynsim.symbolic.functions import has_stop_gradient, release

sg = stop_gradient
phi, theta, alpha = sympy.symbols("phi theta alpha")
LOSS = (phi * theta - sg(theta)) ** 2 / 2

SETTINGS = {"deadline": None, "derandomize": True, "suppress_health_check": list(HealthCheck)}
POLYNOMIALS = st.recursive(
    st.sampled_from([phi, theta, alpha, sympy.Integer(2), sympy.Rational(1, 3)]),
    lambda inner: st.one_of(
        st.builds(lambda a, b: a + b, inner, inner),
        st.builds(lambda a, b: a * b, inner, inner),
        st.builds(lambda a: a**2, inner),
        st.builds(sympy.sin, inner),
        st.builds(sg, inner),
    ),
    max_leaves=8,
)


def test_its_derivative_is_zero_of_every_order_and_in_every_symbol():
    for inner in (theta, theta**2, phi * theta, sympy.exp(theta) / phi):
        assert sg(inner).diff(theta) == 0
        assert sg(inner).diff(theta, 2) == 0
        assert sg(inner).diff(phi, theta) == 0
        assert sympy.diff(sg(inner), alpha) == 0


def test_the_branch_it_removes_is_the_one_of_simsiam():
    assert sympy.factor(release(LOSS.diff(theta))) == phi * theta * (phi - 1)
    assert sympy.factor(release(LOSS).diff(theta)) == theta * (phi - 1) ** 2
    assert LOSS.diff(phi) == theta * (phi * theta - sg(theta))


def test_several_and_compound_uses_are_each_constant():
    expression = sg(theta) * theta + phi * sg(theta**2 + phi) ** 3 + sg(phi) / sg(theta)
    assert expression.diff(theta) == sg(theta)
    assert expression.diff(phi) == sg(theta**2 + phi) ** 3
    assert sympy.Matrix([expression]).jacobian([phi, theta]) == sympy.Matrix([[sg(theta**2 + phi) ** 3, sg(theta)]])


def test_of_nested_uses_the_outermost_counts():
    assert sg(sg(theta)) == sg(theta)
    assert sg(phi + sg(theta**2 + sg(alpha))) == sg(phi + theta**2 + alpha)
    assert sg(theta).subs(theta, sg(phi)) == sg(phi)


@pytest.mark.parametrize("number", [2, -0.5, sympy.Rational(1, 3), sympy.pi, sympy.sqrt(2), sympy.Float("0.1", 30)])
def test_numbers_pass_through(number):
    assert sg(number) == number
    assert sg(theta).subs(theta, number) == number
    assert not has_stop_gradient(sg(theta).subs(theta, number))


def test_it_takes_one_argument():
    for arguments in ((), (phi, theta)):
        with pytest.raises(TypeError, match="argument"):
            sg(*arguments)


@pytest.mark.parametrize(
    "argument", ["theta", "__import__('os').getpid()", [theta], None, sympy.Matrix([theta]), theta > 0]
)
def test_what_is_no_scalar_expression_is_named(argument):
    with pytest.raises(InvalidType, match=r"expression: got .* expected a scalar SymPy expression"):
        sg(argument)


def test_it_survives_substitution():
    assert LOSS.subs(theta, alpha) == (phi * alpha - sg(alpha)) ** 2 / 2
    assert LOSS.xreplace({theta: alpha}) == (phi * alpha - sg(alpha)) ** 2 / 2
    assert LOSS.replace(phi, alpha) == (alpha * theta - sg(theta)) ** 2 / 2
    assert LOSS.free_symbols == {phi, theta}


def test_it_survives_algebra():
    assert sympy.expand(sg(theta) * (phi + 1)) == phi * sg(theta) + sg(theta)
    assert sympy.factor(phi * sg(theta) + sg(theta)) == (phi + 1) * sg(theta)
    assert sympy.simplify(phi * sg(theta) - sg(theta) * phi + sg(theta)) == sg(theta)
    assert sympy.simplify(theta / sg(theta)) == theta / sg(theta)
    assert sympy.cancel(sg(theta) ** 2 / sg(theta)) == sg(theta)
    assert sympy.collect(sg(theta) * phi + sg(theta) * alpha, sg(theta)) == (alpha + phi) * sg(theta)
    assert sympy.together(1 / sg(theta) + 1) == (sg(theta) + 1) / sg(theta)
    assert sympy.Poly(LOSS, phi).degree() == 2
    assert sympy.nsimplify(sg(theta) / 2) == sg(theta) / 2
    assert (sg(theta) * phi).coeff(phi) == sg(theta)
    assert sympy.lambdify([phi], release(sg(phi) ** 2))(3) == 9
    assert float(sg(theta).evalf(subs={theta: 2})) == 2


@pytest.mark.parametrize(
    "how", [copy.copy, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e)), lambda e: e.func(*e.args)]
)
def test_it_survives_copying(how):
    again = how(LOSS)
    assert again == LOSS
    assert hash(again) == hash(LOSS)
    assert again.diff(theta) == LOSS.diff(theta)
    assert has_stop_gradient(again)


def test_it_prints_as_sg():
    assert str(LOSS) == "(phi*theta - sg(theta))**2/2"
    assert sympy.latex(sg(theta)) == r"\operatorname{sg}\left(\theta\right)"
    assert sympy.latex(sg(theta) ** 2) == r"\operatorname{sg}^{2}\left(\theta\right)"
    assert sympy.pretty(sg(theta), use_unicode=True) == "sg(θ)"
    assert sympy.pretty(sg(theta) ** 2, use_unicode=False) == "  2       \nsg (theta)"


def test_what_is_known_of_the_value_is_known_of_it():
    positive = sympy.Symbol("p", positive=True)
    real = sympy.Symbol("r", real=True)
    assert sg(positive).is_positive
    assert sg(-positive).is_negative
    assert sg(real).is_real
    assert sg(real).is_positive is None
    assert sg(theta).is_real is None
    assert sympy.sqrt(sg(positive) ** 2) == sg(positive)
    assert sympy.Abs(sg(real)) == sympy.Abs(sg(real))


@settings(max_examples=300, **SETTINGS)
@given(POLYNOMIALS)
def test_released_it_is_gone_and_the_value_has_not_changed(expression):
    released = release(expression)
    assert not has_stop_gradient(released)
    point = {phi: sympy.Rational(3, 5), theta: sympy.Rational(1, 10), alpha: 2}
    assert float(expression.subs(point)) == pytest.approx(float(released.subs(point)), rel=1e-12)


@settings(max_examples=300, **SETTINGS)
@given(POLYNOMIALS)
def test_its_gradient_is_that_with_the_stopped_parts_frozen(expression):
    frozen = {node: sympy.Dummy() for node in expression.atoms(stop_gradient)}
    by_hand = expression.xreplace(frozen).diff(theta).xreplace({dummy: node for node, dummy in frozen.items()})
    assert sympy.expand(expression.diff(theta) - by_hand) == 0
