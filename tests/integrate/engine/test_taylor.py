"""Taylor series in the compiled engine: coefficients are derivatives, steps hold, every ending is told."""

import math

import mpmath
import numpy as np
import pytest
import sympy
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from dynsim.integrate.ensemble import ensemble
from dynsim.integrate.solve import solve
from dynsim.status import Status
from dynsim.symbolic import functions as own
from dynsim.symbolic.sources import as_flow

pytest.importorskip("llvmlite")

from dynsim.integrate.engine import choice
from dynsim.integrate.engine.functions import FUNCTIONS
from dynsim.integrate.engine.program import OneStart
from dynsim.integrate.engine.series import _DERIVATIVES, SeriesRecipe, without_series

X, Y, A, T = sympy.symbols("x y a t", real=True)
PLAIN = {
    "sigmoid": lambda u: 1 / (1 + sympy.exp(-u)),
    "softplus": lambda u: sympy.log(1 + sympy.exp(u)),
    "logcosh": lambda u: sympy.log(sympy.cosh(u)),
}
ARGUMENT = A * X + Y / 2 + T
PARTS = {
    "products": X * Y * (1 + X) - X * Y**2,
    "powers": (X + 2 * Y) ** 2 - Y**5 + X**4,
    "quotient": (1 + A * X) / (2 + Y**2),
    "inverse": A / (1 + X**2) ** 2 + Y**-3,
    "inverse roots": X / sympy.sqrt(X**2 + Y**2) + (1 + X**2) ** sympy.Rational(-1, 3),
    "time": T**3 * X - sympy.sin(A * T) * Y,
    "constant": sympy.sympify(3) + A,
    "one inside another": sympy.tanh(X * sympy.exp(-(Y**2)) + sympy.tanh(A * X)) / 3,
    "the same with another factor": sympy.tanh(X)
    * (sympy.Rational(1, 2) - sympy.tanh(X) ** 2 / 2)
    * (X - Y)
    * (Y - X),
}


def function_of(name):
    return getattr(own, name, None) or getattr(sympy, name)


def plain(expression):
    return expression.replace(lambda e: e.func.__name__ in PLAIN, lambda e: PLAIN[e.func.__name__](*e.args))


class Numbers:
    """Lanes that are one number of many digits: what is emitted is computed."""

    def add(self, a, b):
        return a + b

    def sub(self, a, b):
        return a - b

    def mul(self, a, b):
        return a * b

    def div(self, a, b):
        return a / b

    def neg(self, a):
        return -a

    def const(self, number):
        return mpmath.mpf(number)

    def scale(self, a, number):
        return a * number

    def sum(self, terms):
        return sum(terms)

    def sqrt(self, a):
        return mpmath.sqrt(a)

    def library(self, name, a, b):
        assert name == "pow"
        return a**b


@pytest.mark.parametrize("name", [*PARTS, *_DERIVATIVES])
def test_coefficients_are_those_of_the_solution(name, monkeypatch):
    """Put into the equations the series leaves nothing up to its order, by Cauchy's integral in sixty digits."""
    part = PARTS[name] if name in PARTS else function_of(name)(2 + ARGUMENT**2 if name == "log" else ARGUMENT)
    rhs, order = [part, X - Y], 9
    assert without_series(rhs) == ""
    with mpmath.workdps(60):
        x, y, a, t, unit = map(mpmath.mpf, ("0.3", "-0.4", "0.7", "0.2", "0.5"))
        for function in _DERIVATIVES:
            known = sympy.lambdify(X, plain(function_of(function)(X)), "mpmath")
            monkeypatch.setitem(FUNCTIONS, function, lambda _, u, known=known: known(u))
        recipe = SeriesRecipe(rhs, [X, Y, A, T])
        slope, heads = recipe.heads(Numbers(), t, [x, y], [a])
        assert len(heads) == recipe.functions
        found, _ = recipe.slopes(Numbers(), t, unit, [x, y], [a], heads, order)
        slopes = [[c or 0 for c in coefficients] for coefficients in found]
        velocity = sympy.lambdify([X, Y, A, T], [plain(entry) for entry in rhs], "mpmath")
        circle = [mpmath.mpf("1e-4") * mpmath.expjpi(mpmath.mpf(k) / 8) for k in range(16)]
        along = []
        for s in circle:
            states = [
                start + sum(c * s**n / n for n, c in enumerate(one, 1))
                for start, one in zip((x, y), slopes, strict=True)
            ]
            along.append(velocity(*states, a, t + unit * s))
        for state in range(2):
            assert abs(slope[state] - velocity(x, y, a, t)[state]) < 1e-15
            for n in range(order):
                right = unit * sum(value[state] / s**n for value, s in zip(along, circle, strict=True)) / 16
                assert abs(slopes[state][n] - right) < 1e-13 * (1 + abs(right)), n


@pytest.mark.parametrize(
    "part",
    [
        abs(X),
        sympy.Max(X, Y),
        sympy.sqrt(X),
        sympy.Piecewise((X, X > 0), (Y, True)),
        sympy.asin(X),
        sympy.floor(X),
        X**Y,
        X ** sympy.Rational(4, 3),
        sympy.gamma(X),
    ],
)
def test_what_is_not_analytic_where_it_is_defined_has_no_series(part):
    assert without_series([Y, part])
    assert choice.first_order([X, Y, sympy.tanh(X) + part]) == math.inf


def smooth_flow(name):
    """Two states, bounded."""
    inner = "2 + (x - y)^2" if name == "log" else "x - y/2 + t/4"
    return as_flow(f"x' = {name}({inner})/4 - x; y' = x - y/3")


@pytest.mark.parametrize("name", [name for name in _DERIVATIVES if name != "erf"])
@pytest.mark.parametrize("when", [{"t_end": 3.0}, {"times": np.linspace(0.0, 3.0, 41)}], ids=["end", "times"])
def test_every_function_is_integrated_as_by_scipy(name, when):
    flow = smooth_flow(name)
    assert choice.first_order(flow.rhs) == 8
    start = {"x": ("m", np.linspace(-1.0, 1.0, 21)), "y": ("m", np.linspace(0.8, -0.5, 21))}
    start = xr.Dataset(start)
    one = ensemble(flow, start, method="compiled", rtol=1e-11, atol=1e-12, **when)
    other = ensemble(flow, start, method="scipy", rtol=1e-12, atol=1e-13, **when)
    for state in flow.states:
        np.testing.assert_allclose(one[state].transpose(*other[state].dims), other[state], rtol=3e-10, atol=3e-10)
    assert (one.status == Status.OK).all()


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-4, 1e-7, 1e-10, 1e-12]))
def test_errors_are_of_the_size_of_the_tolerance(seed, rtol):
    """Of a contracting network with weights of any signs, in whose past errors are forgotten."""
    rng = np.random.default_rng(seed)
    weights = rng.uniform(-1.0, 1.0, (3, 3)).round(2)
    equations = (
        f"x{i}' = -x{i} + {' + '.join(f'({w})*tanh(x{j})' for j, w in enumerate(row))}/4 + sin(t)/2"
        for i, row in enumerate(weights)
    )
    flow = as_flow("; ".join(equations).replace("+ (", "+ ("))
    start = xr.Dataset({f"x{i}": ("m", rng.uniform(-2, 2, 9)) for i in range(3)})
    one = ensemble(flow, start, 6.0, method="compiled", rtol=rtol, atol=rtol)
    other = ensemble(flow, start, 6.0, method="scipy", rtol=1e-13, atol=1e-13)
    for state in flow.states:
        assert abs(one[state] - other[state]).max() < 20 * rtol + 1e-12


def test_a_first_integral_stays():
    """x'' = −sin x keeps v²/2 − cos x, through two hundred turns."""
    flow = as_flow("x' = v; v' = -sin(x)")
    run = ensemble(
        flow, {"x": np.linspace(0.1, 3.0, 30), "v": 0.0}, times=np.linspace(0.0, 1000.0, 11), method="compiled"
    )
    energy = run.v**2 / 2 - np.cos(run.x)
    assert abs(energy - energy.isel(time=0)).max() < 1e-7


ACCIDENTS = {
    "all coefficients of the step vanish": ("y' = tanh(30*t^13)", lambda t: np.tanh(30 * t**13)),
    "the last two of them do": ("y' = sin(20*t^3)", lambda t: np.sin(20 * t**3)),
    "a pulse far away": ("y' = exp(-200*(t - 4)^2)", lambda t: np.exp(-200 * (t - 4) ** 2)),
}


@pytest.mark.parametrize("name", ACCIDENTS)
def test_steps_hold_where_the_last_coefficients_vanish(name):
    """Fails without the comparison of velocities at the end of the step."""
    from scipy.integrate import quad

    equation, velocity = ACCIDENTS[name]
    flow, end = as_flow(equation), 6.0 if "pulse" in name else 1.5
    run = ensemble(flow, {"y": [0.0, 1.0]}, end, method="compiled", rtol=1e-9, atol=1e-9)
    right = quad(velocity, 0.0, end, points=[min(4.0, end / 2)], epsabs=1e-12, limit=500)[0]
    np.testing.assert_allclose(run.y, [right, 1.0 + right], atol=1e-7)


def test_a_pulse_beside_a_state_that_moves():
    """Fails without the comparison on the way where the time is in the equations: z alone would allow longer steps."""
    flow = as_flow("y' = exp(-1000*(t - 1/2)^2); z' = -z")
    run = ensemble(flow, {"y": [0.0, 1.0], "z": 1.0}, 60.0, method="compiled", rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(run.y, np.array([0.0, 1.0]) + math.sqrt(math.pi / 1000), atol=1e-7)


def test_a_blow_up_ends_where_time_no_longer_advances():
    """Not thousands of steps later, where numbers overflow."""
    flow = as_flow("x' = x^2; y' = x*y; z' = -z")
    run = ensemble(flow, {"x": [1.0, 2.0], "y": 1.0, "z": 1.0}, 3.0, method="compiled")
    assert (run.status == Status.BLOW_UP).all()
    assert (run.steps < 400).all()


def test_states_that_begin_at_zero_do_not_begin_with_tiny_steps():
    """Of relative accuracy alone, as `solve` keeps it: the tolerance of such a state is that of what it gains."""
    flow = as_flow("x' = 1 - tanh(x); y' = x - y; z' = exp(-z) - y")
    fast = OneStart(flow, np.zeros(3), {}, 5.0, 1e-11, None)
    other = solve(flow, dict.fromkeys("xyz", 0.0), 5.0, method="DOP853", rtol=1e-12)
    found = fast(np.array([5.0]))[:, 0]
    np.testing.assert_allclose(found, [float(other[state][-1]) for state in "xyz"], rtol=1e-9)
    assert fast.steps < 60


@pytest.mark.parametrize("rtol", [1e-6, 1e-8, 1e-10, 1e-12])
def test_a_hump_that_a_state_crosses(rtol):
    """As in the gradient of a steep tanh, without the time: fails unless velocities are compared on the way there."""
    flow = as_flow("y' = 50*z*(1 - tanh(100*(z - 1/2))^2); z' = -z")
    start = np.linspace(0.8, 3.0, 64)
    run = ensemble(flow, {"y": 0.0, "z": start}, 4.0, method="compiled", rtol=rtol, atol=rtol)
    ends = [np.tanh(100 * (z - 0.5)) / 2 for z in (start, start * math.exp(-4.0))]
    np.testing.assert_allclose(run.y, ends[0] - ends[1], atol=30 * rtol + 1e-11)


def test_sizes_and_speeds_of_any_magnitude():
    """Coefficients are counted in units of the step before: neither 1e±90 nor rates of 1e±12 overflow."""
    flow = as_flow("x' = -a*x*(1 + tanh(x/s)^2); y' = -a*y").describe(defaults={"a": 1.0, "s": 1.0})
    size = np.array([1e-90, 1e-3, 1e3, 1e90])
    for rate in (1e-12, 1.0, 1e12):
        start = xr.Dataset({"x": ("m", size), "y": ("m", 2 * size)})
        parameters = {"a": rate, "s": xr.DataArray(size, dims="m")}
        run = ensemble(flow, start, 3.0 / rate, parameters=parameters, method="compiled", rtol=1e-10, atol=1e-120)
        np.testing.assert_allclose(run.y / start.y, math.exp(-3), rtol=1e-8)
        np.testing.assert_allclose(run.x / size, run.x[0] / size[0], rtol=1e-8)


def test_endings():
    flow = as_flow("x' = exp(x) - 1 + a").describe(defaults={"a": 0.0})
    run = ensemble(flow, {"x": [-40.0, 0.0, 1.0, np.nan, 800.0]}, 20.0, method="compiled")
    assert run.status.values.tolist() == [
        Status.OK,
        Status.AT_REST,
        Status.BLOW_UP,
        Status.INVALID_START,
        Status.INVALID_START,
    ]
    assert np.isnan(run.x.values[2:]).all()
    np.testing.assert_allclose(run.x.values[0], -math.log1p(math.expm1(40.0) * math.exp(20.0)))


def test_a_stiff_flow_goes_to_an_implicit_method():
    flow = as_flow("x' = -k*(x - tanh(t)); y' = x - y").describe(defaults={"k": 1.0})
    run = ensemble(flow, {"x": 1.0, "y": 0.0}, 30.0, parameters={"k": [1.0, 1e9]})
    assert (run.status <= Status.AT_REST).all()
    assert run.attrs["stiff_members"] == 1
    np.testing.assert_allclose(run.x[1], np.tanh(30.0), rtol=1e-6)


def test_times_and_company_do_not_matter():
    """200 times or the end alone, one member or many: the steps are the same."""
    flow = as_flow("x' = tanh(y) - x/3; y' = sin(t) - x*y/2; z' = exp(-z) - x")
    start = np.random.default_rng(2).uniform(-1, 1, (3, 33))
    members = xr.Dataset({s: ("m", row) for s, row in zip("xyz", start, strict=True)})
    times = np.linspace(0.0, 5.0, 200)
    end = ensemble(flow, members, 5.0, method="compiled", workers=1)
    path = ensemble(flow, members, times=times, method="compiled", workers=1)
    alone = ensemble(flow, members.isel(m=[17]), times=times, method="compiled")
    fine = ensemble(flow, members, times=times, method="scipy", rtol=1e-12, atol=1e-13)
    for state in flow.states:
        np.testing.assert_allclose(path[state].isel(time=-1), end[state], rtol=1e-13)
        np.testing.assert_array_equal(path[state].isel(m=[17]), alone[state])
        np.testing.assert_allclose(path[state].transpose(*fine[state].dims), fine[state], atol=2e-9)


def test_flows_of_many_products_are_left_to_dop853():
    """Where the series would take more machine code."""
    states = sympy.symbols("x0:12")
    many = [sum((x * y - 1) ** 2 * y for y in states) for x in states]
    for velocity, name in ((many, "DOP853Method"), ([sympy.tanh(x) for x in states], "Taylor")):
        assert choice.first_order(velocity) == 8
        method, _ = choice.chosen(velocity, [*states, T], 10, 8)
        assert type(method).__name__ == name
