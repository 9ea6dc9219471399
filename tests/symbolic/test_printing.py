"""Expressions as text that reads back, as LaTeX, and as one line."""

import cmath
from operator import add, mul, pow, sub

import numpy as np
import pytest
import sympy
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from matplotlib.mathtext import MathTextParser
from sympy import E, Float, I, Rational, S, Symbol, exp, pi, sqrt

from dynsim import ParseError, gradient_flow, parse, stop_gradient
from dynsim.errors import InvalidValue
from dynsim.names import LETTERS
from dynsim.symbolic.functions import CLASSES
from dynsim.symbolic.printing import latex, latex_name, python_source, text, unicode_name, unicode_text

x, y, z, phi, theta, alpha, sigma2, phi0 = sympy.symbols("x y z phi theta alpha sigma2 phi0")
NAMES = ["x", "theta", "sigma2", "lambda", "E", "I", "S", "N", "Q", "beta", "gamma", "zeta", "eta_p", "phi0"]
SETTINGS = {"deadline": None, "derandomize": True, "suppress_health_check": list(HealthCheck)}

TEXTS = {
    E * x + E: "exp(1)*x + exp(1)",
    exp(2) - exp(-x): "exp(2) - exp(-x)",
    Symbol("E") * E - Symbol("I"): "exp(1)*E - I",
    Rational(-2, 3) * x: "-2*x/3",
    x ** Rational(-1, 3): "x**(-1/3)",
    sqrt(2) * pi / sqrt(x): "sqrt(2)*pi/sqrt(x)",
    Rational(2, 3) ** x: "(2/3)**x",
    (-x) ** y: "(-x)**y",
    stop_gradient(x + y) ** 2: "sg(x + y)**2",
    sympy.Max(x, 0) * sympy.Heaviside(x - y): "Heaviside(x - y)*Max(0, x)",
    x / (2 * z) / (x + y): "x/(2*z*(x + y))",
    Float(0.1) * x: "0.1*x",
    Float(-1e-7): "-1e-07",
    S.Zero: "0",
}


@pytest.mark.parametrize("expression", TEXTS, ids=str)
def test_text_is_plain_and_reads_back(expression):
    assert text(expression) == TEXTS[expression]
    assert parse(text(expression)) == sympy.nsimplify(expression, rational=True)


@pytest.mark.parametrize("name", NAMES)
def test_a_symbol_prints_as_its_name_whatever_sympy_calls_so(name):
    assert text(Symbol(name)) == name
    assert parse(text(Symbol(name, real=True))) == Symbol(name)


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e280, max_value=1e280))
def test_a_float_reads_back_as_the_decimal_of_the_same_double(value):
    assume(value == 0 or abs(value) > 1e-280)
    read = parse(text(Float(value)))
    assert isinstance(read, Rational)
    assert float(read) == value
    assert float(parse(text(Float(value) * x)).subs(x, 1)) == value


def test_what_the_parser_has_no_word_for_prints_as_sympy_prints_it():
    piecewise = sympy.Piecewise((x, x > 0), (0, True))
    assert text(piecewise) == str(piecewise)
    assert text(Symbol("two words")) == "two words"


def of_numbers(values):
    return st.sampled_from([sympy.sympify(value) for value in values])


SYMBOLS = st.sampled_from([Symbol(name, real=True) for name in NAMES])
NUMBERS = of_numbers([0, 1, 2, -1, 3, 10, Rational(1, 2), Rational(-3, 7), Rational(1, 1000), pi, E, sqrt(2), 2**70])
EXPONENTS = st.one_of(of_numbers([2, 3, -1, -2, Rational(1, 2), Rational(-3, 2), 3 * x]), SYMBOLS)
OF_ONE = [f for f in CLASSES if f not in {sympy.Max, sympy.Min, sympy.DiracDelta, sympy.Heaviside}]


def applied(function, inner):
    """A function of symbols only: nothing here would stop exp(exp(exp(exp(10))))."""
    return function(inner) if inner.free_symbols else inner


EXPRESSIONS = st.recursive(
    st.one_of(SYMBOLS, NUMBERS),
    lambda inner: st.one_of(
        st.builds(add, inner, inner),
        st.builds(sub, inner, inner),
        st.builds(mul, inner, inner),
        st.builds(pow, inner, EXPONENTS),
        st.builds(applied, st.sampled_from(OF_ONE), inner),
        st.builds(lambda a, b: sympy.Max(a, b, 0), SYMBOLS, SYMBOLS),
    ),
    max_leaves=7,
)


def at_one_point(expression):
    point = {name: Float(0.3 + 0.1 * k) for k, name in enumerate(NAMES)}
    return complex(expression.xreplace({symbol: point[symbol.name] for symbol in expression.free_symbols}).evalf())


def reads_back(expression):
    """Whether the text gives the expression, or, where SymPy would rebuild it in another form, its value."""
    if expression.has(I, S.NaN, S.ComplexInfinity, S.Infinity, sympy.Piecewise):
        return True
    try:
        read = parse(text(expression))
    except ParseError as error:
        return "finite real" in str(error) or "constant exponents" in str(error)
    plain = expression.xreplace({symbol: Symbol(symbol.name) for symbol in expression.free_symbols})
    return read == plain or cmath.isclose(at_one_point(read), at_one_point(plain), rel_tol=1e-9)


def derivatives_read_back(expression):
    assume(expression.free_symbols)
    state = min(expression.free_symbols, key=str)
    slope = expression.diff(state)
    return reads_back(slope) and reads_back(slope.diff(state))


@settings(max_examples=150, **SETTINGS)
@given(EXPRESSIONS)
def test_what_sympy_makes_reads_back(expression):
    assert reads_back(expression)


@settings(max_examples=80, **SETTINGS)
@given(EXPRESSIONS)
def test_derivatives_read_back(expression):
    assert derivatives_read_back(expression)


@pytest.mark.long
@settings(max_examples=1_000, **SETTINGS)
@given(EXPRESSIONS)
def test_much_of_what_sympy_makes_reads_back(expression):
    assert reads_back(expression)
    assert derivatives_read_back(expression)


LATEX_NAMES = {
    "phi": r"\varphi",
    "phi0": r"\varphi_0",
    "sigma2": r"\sigma^2",
    "sigma2_x": r"\sigma_x^2",
    "eta_p": r"\eta_p",
    "lambda_d": r"\lambda_d",
    "theta_phi": r"\theta_{\varphi}",
    "lambda": r"\lambda",
    "Gamma": r"\Gamma",
    "Alpha": r"\mathrm{A}",
    "w_12": "w_{12}",
    "W1": "W_1",
    "x": "x",
    "lr": r"\mathrm{lr}",
    "half_life_phi": r"\mathrm{half}_{\mathrm{life},\varphi}",
}


@pytest.mark.parametrize("name", LATEX_NAMES)
def test_a_name_in_latex(name):
    assert latex_name(name) == LATEX_NAMES[name]
    assert latex(Symbol(name)) == LATEX_NAMES[name]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (stop_gradient(theta) ** 2, r"\operatorname{sg}^{2}\left(\theta\right)"),
        (sigma2**2 / phi0, r"\frac{\left(\sigma^2\right)^{2}}{\varphi_0}"),
        (sympy.Heaviside(x), r"H\left(x\right)"),
        (sympy.Heaviside(x) ** 2, r"H^{2}\left(x\right)"),
        (sympy.Eq(phi, sigma2), r"\varphi = \sigma^2"),
        (sympy.Matrix([phi0, x]), r"\left[\begin{matrix}\varphi_0\\x\end{matrix}\right]"),
        (Symbol("two words"), r"two words"),
    ],
    ids=str,
)
def test_an_expression_in_latex(expression, expected):
    assert latex(expression) == expected


def test_matplotlib_can_draw_every_name_and_function():
    drawn = MathTextParser("path")
    for name in [*LETTERS, *LATEX_NAMES]:
        drawn.parse(f"${latex_name(name)}$")
    for function in OF_ONE:
        drawn.parse(f"${latex(function(phi0 * sigma2) ** 2 / function(theta))}$")


UNICODE_NAMES = {
    "phi": "φ",
    "sigma2": "σ²",
    "eta_p": "η_p",
    "phi0": "φ₀",
    "theta_phi": "θ_φ",
    "theta12": "θ₁₂",
    "Lambda": "Λ",
    "lr": "lr",
    "w1": "w1",
    "loss_share_phi": "loss_share_φ",
}


@pytest.mark.parametrize("name", UNICODE_NAMES)
def test_a_name_on_one_line(name):
    assert unicode_name(name) == UNICODE_NAMES[name]


@pytest.mark.parametrize("name", LETTERS)
def test_every_greek_letter_reads_as_its_name(name):
    symbol = pi if name == "pi" else Symbol(name)
    assert parse(LETTERS[name]) == symbol
    assert unicode_text(symbol) == LETTERS[name]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (theta**2 - phi**2 / alpha, "θ² − φ²/α"),
        (2 * phi * theta, "2·φ·θ"),
        ((phi + 1) ** 12 / x, "(φ + 1)¹²/x"),
        (sigma2**2, "(σ²)²"),
        (sigma2 ** Rational(1, 3), "(σ²)^(1/3)"),
        ((x**y) ** 2, "x^(2·y)"),
        (sympy.sin(theta) ** 2, "sin(θ)²"),
        (1 / x**2, "x^(−2)"),
        (sqrt(theta) * exp(-pi * x), "sqrt(θ)·exp(−π·x)"),
        (stop_gradient(phi) - Rational(1, 2), "sg(φ) − 1/2"),
    ],
    ids=str,
)
def test_an_expression_on_one_line(expression, expected):
    assert unicode_text(expression) == expected


def test_one_line_reads_back():
    expression = parse("(phi0*theta - sg(theta))^2/2 - eta_p*sqrt(theta^3)*exp(-pi/lambda_d)")
    assert parse(unicode_text(expression)) == expression
    for expression in (sigma2, Symbol("sigma") ** 2, sigma2**2 * Symbol("sigma") ** 3):
        assert parse(unicode_text(expression)) == expression


def test_source_computes_the_same_far_out():
    """What is kept in stable form is so in the source, too; a quadrature is no formula and is refused."""
    flow = gradient_flow("softplus(w) + logsumexp(w, 2*w, 0) + log(cosh(w)) + w*log(sigmoid(-w))", "w")
    names = {}
    exec(python_source(flow), names)
    for at in (-800.0, 0.3, 800.0):
        assert names["rhs"](0, [at]) == pytest.approx(flow.field().f(0, np.array([at])), rel=1e-12)
    with pytest.raises(InvalidValue, match="quadrature"):
        python_source(gradient_flow("E(tanh(w*x)^2)", "w", random="x ~ normal(0, 1)"))
