"""Every function of the compiled engine against NumPy and SciPy, over its whole domain."""

import ctypes

import numpy as np
import pytest
import scipy.special
import sympy

ir = pytest.importorskip("llvmlite.ir")

from dynsim.integrate.engine import machine  # noqa: E402
from dynsim.integrate.engine.lanes import POINTER, Lanes  # noqa: E402
from dynsim.integrate.engine.lowering import Recipe  # noqa: E402
from dynsim.symbolic.functions import logcosh, logsumexp, sigmoid, softplus  # noqa: E402

RNG = np.random.default_rng(0)
MODERATE = np.concatenate([RNG.uniform(-30, 30, 400), RNG.normal(size=400), np.linspace(-1, 1, 41)])
TINY = np.concatenate([[0.0, 5e-324, 1e-310, 1e-300, 1e-20], 10.0 ** RNG.uniform(-300, 0, 200)])
POSITIVE = np.concatenate([TINY[1:], 10.0 ** RNG.uniform(0, 300, 200), 1 + RNG.normal(size=200) * 1e-3])
STABLE = {function.__name__: function for function in (sigmoid, softplus, logcosh, logsumexp)}
FAR = np.concatenate([MODERATE, np.linspace(-800, 800, 99)])


def _logcosh(a):
    """From the hyperbolic sine near 0, where log(cosh(a)) is rounding alone."""
    size = np.abs(a)
    return np.where(
        size < 5, np.log1p(2 * np.sinh(np.minimum(size, 5) / 2) ** 2), size + np.log1p(np.exp(-2 * size)) - np.log(2)
    )


PRIMITIVE = [
    f"{name}(a)" for name in ("exp", "log", "tanh", "sin", "cos", "sinh", "cosh", "sqrt", "Abs", "atan", "erf")
]


def computed(expression, values):
    """Value of an expression of a, by machine code made for nothing else."""
    a = sympy.Symbol("a")
    recipe = Recipe([sympy.sympify(expression, locals={"a": a, **STABLE})], [a])
    module = ir.Module()
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [POINTER, POINTER]), "evaluate")
    lanes = Lanes(ir.IRBuilder(function.append_basic_block()), machine.width())
    source, target = function.args
    (result,) = recipe.emit(lanes, [lanes.builder.load(source, typ=lanes.real, align=8)])
    lanes.builder.store(result, target, align=8)
    lanes.builder.ret_void()
    address, _keep = machine.load(machine.compiled(module), "evaluate")
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(address)
    padded = np.resize(np.asarray(values, dtype=float), (-(-len(values) // lanes.width), lanes.width))
    found = np.empty_like(padded)
    for row, out in zip(padded, found, strict=True):
        call(row.ctypes.data, out.ctypes.data)
    return found.ravel()[: len(values)]


@pytest.mark.parametrize(
    ("expression", "function", "values"),
    [
        ("exp(a)", np.exp, np.concatenate([MODERATE, np.linspace(-745, 709.7, 500)])),
        ("log(a)", np.log, POSITIVE),
        ("tanh(a)", np.tanh, np.concatenate([MODERATE, TINY, -TINY])),
        ("sin(a)", np.sin, np.concatenate([MODERATE, 10.0 ** RNG.uniform(0, 15, 200)])),
        ("cos(a)", np.cos, np.concatenate([MODERATE, -(10.0 ** RNG.uniform(0, 15, 200))])),
        ("tan(a)", np.tan, MODERATE),
        ("sinh(a)", np.sinh, np.concatenate([MODERATE, TINY])),
        ("cosh(a)", np.cosh, np.concatenate([MODERATE, [0.0, 710.0, -710.0]])),
        ("sqrt(a)", np.sqrt, POSITIVE),
        ("a**(-3/2)", lambda a: a**-1.5, 10.0 ** RNG.uniform(-100, 100, 99)),
        ("a**0.3", lambda a: a**0.3, POSITIVE),
        ("a**7 - 2/a**3", lambda a: a**7 - 2 / a**3, MODERATE[MODERATE != 0]),
        ("Abs(a)", np.abs, MODERATE),
        ("sign(a)", np.sign, np.concatenate([MODERATE, [0.0, -0.0]])),
        ("Heaviside(a)", lambda a: np.heaviside(a, 0.5), np.concatenate([MODERATE, [0.0]])),
        ("Max(a, 0.5, -a)", lambda a: np.maximum(np.maximum(a, 0.5), -a), MODERATE),
        ("Min(a, 0.5)", lambda a: np.minimum(a, 0.5), MODERATE),
        ("floor(a)", np.floor, MODERATE),
        ("atan(a)", np.arctan, MODERATE),
        ("atan2(a, 2)", lambda a: np.arctan2(a, 2), MODERATE),
        ("asin(a/31)", lambda a: np.arcsin(a / 31), MODERATE),
        ("acos(a/31)", lambda a: np.arccos(a / 31), MODERATE),
        ("asinh(a)", np.arcsinh, MODERATE),
        ("acosh(1+a**2)", lambda a: np.arccosh(1 + a**2), MODERATE),
        ("atanh(a/31)", lambda a: np.arctanh(a / 31), MODERATE),
        ("erf(a)", scipy.special.erf, MODERATE),
        ("softplus(a)", lambda a: np.logaddexp(0, a), np.concatenate([MODERATE, TINY, -TINY, FAR])),
        ("sigmoid(a)", scipy.special.expit, np.concatenate([TINY, FAR[FAR > -700]])),
        ("logcosh(a)", _logcosh, np.concatenate([MODERATE, TINY, FAR])),
        ("logsumexp(a, 2*a, 3)", lambda a: scipy.special.logsumexp([a, 2 * a, 3 + 0 * a], axis=0), FAR),
        ("erfc(a)", scipy.special.erfc, np.linspace(-5, 20, 99)),
        ("gamma(a)", scipy.special.gamma, np.linspace(0.1, 20, 99)),
        (
            "Piecewise((a, a < -1), (a**2, (a >= -1) & (a < 1)), (3, True))",
            lambda a: np.where(a < -1, a, np.where(a < 1, a**2, 3.0)),
            MODERATE,
        ),
        ("Piecewise((1, Ne(a, 0)), (2, True))", lambda a: np.where(a != 0, 1.0, 2.0), MODERATE),
        ("Piecewise((1, ~((a > 0) | (a < -2))), (0, True))", lambda a: ((a <= 0) & (a >= -2)) * 1.0, MODERATE),
        ("log(1 + exp(a))/(1 + exp(-a))", lambda a: np.logaddexp(0, a) / (1 + np.exp(-a)), RNG.uniform(-5, 30, 99)),
        ("pi*a/3 + E", lambda a: np.pi * a / 3 + np.e, MODERATE),
    ],
)
def test_values_agree_to_a_few_units_in_the_last_place(expression, function, values):
    found, expected = computed(expression, values), function(values)
    scale = np.maximum(np.abs(expected), 1e-300)
    # compound expressions lose digits where they cancel, in NumPy as well
    assert np.max(np.abs(found - expected) / scale) < (6e-16 if expression in PRIMITIVE else 3e-14)


@pytest.mark.parametrize(
    ("expression", "function"),
    [("exp(a)", np.exp), ("log(a)", np.log), ("tanh(a)", np.tanh), ("sin(a)", np.sin), ("cos(a)", np.cos),
     ("sqrt(a)", np.sqrt), ("1/a", np.reciprocal), ("a**0.3", lambda a: a**0.3), ("cosh(a)", np.cosh),
     ("sigmoid(a)", scipy.special.expit)],
)  # fmt: skip
def test_infinities_nan_and_zero_are_those_of_numpy(expression, function):
    special = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e308, -1e308, 710.0, -710.0, -1.0, 5e-324])
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(computed(expression, special), function(special), rtol=6e-16, atol=5e-324)


@pytest.mark.parametrize(
    ("expression", "function"), [("exp(a)", "exp"), ("tanh(a)", "tanh"), ("sigmoid(a)", "sigmoid")]
)
def test_the_exponentials_are_within_two_units_of_fifty_digits(expression, function):
    """At the seams of the reduction, at both ends of the range, among denormals and at moderate numbers."""
    import mpmath

    seams = np.log(2) * np.arange(-40, 41) / 4
    ends = np.concatenate([np.linspace(-709, -690, 60), np.linspace(690, 709.7, 60), [709.43, 709.78, -708.3]])
    near = np.concatenate([np.nextafter(seams, 99), np.nextafter(seams, -99), seams])
    values = np.concatenate([near, ends, MODERATE[:200], TINY[:60], -TINY[:60], [18.9, 19.1, 20.0, 22.0, 1e300]])
    values = values[(values < 709.78) | (function != "exp")]
    exact = {"exp": mpmath.exp, "tanh": mpmath.tanh, "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x))}[function]
    found = computed(expression, values)
    with mpmath.workdps(50):
        expected = [exact(mpmath.mpf(value)) for value in values.tolist()]
        errors = [abs(mpmath.mpf(one) - right) for one, right in zip(found.tolist(), expected, strict=True)]
    units = np.array([float(e) for e in errors]) / np.spacing(np.abs([float(right) for right in expected]))
    normal = np.abs([float(right) for right in expected]) >= 2.0**-1022
    assert units[normal | (function != "sigmoid")].max() <= 2.0
    assert (np.abs(found[~normal]) < 2.0**-1022).all()


def test_lanes_do_not_see_each_other():
    values = RNG.uniform(-30, 30, 64)
    values[::5] = 10.0 ** RNG.uniform(5, 12, 13)  # beyond what the polynomials are trusted with
    for expression in ("sin(a)", "exp(-a**2)*cos(a)"):
        np.testing.assert_array_equal(computed(expression, values)[::-1], computed(expression, values[::-1].copy()))
