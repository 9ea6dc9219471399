"""Closed forms in time beyond the contract's: the laws behind them, and structures the defaults do not reach."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dynsim
from dynsim.errors import DynsimError
from dynsim.systems.laws import log_linear, passage, power_logistic

TIMES = np.linspace(0.0, 4.0, 9)


@given(st.floats(1e-4, 0.999), st.floats(0.0, 20.0), st.floats(1.0, 9.0))
@settings(max_examples=60, deadline=None)
def test_the_time_that_passes_is_the_time_that_was_given(start, time, power):
    y = float(power_logistic(time, start, 1.0, power))
    assert start * (1 - 1e-14) <= y <= 1
    if 1 - y > 1e-6:  # closer to the end y forgets how long it took
        rounding = 1e-12 * start ** (1 - power)  # of a clock that starts where y hardly moves
        assert float(passage(start, y, power)) == pytest.approx(time, rel=1e-8, abs=rounding)


@given(st.floats(1.001, 30.0), st.floats(1e-3, 5.0), st.floats(1.0, 6.0))
@settings(max_examples=50, deadline=None)
def test_from_above_the_law_is_that_of_the_reciprocal(start, time, power):
    here, step = power_logistic(np.array([time, 1.0001 * time]), start, 1.0, power), 1e-4 * time
    velocity = (here[1] - here[0]) / step
    middle = here.mean()
    assert velocity == pytest.approx(middle**power * (1 - middle), rel=1e-2, abs=1e-9)
    assert 1 <= here[1] <= here[0] <= start


def test_whole_powers_are_elementary():
    y0, y = 0.1, 0.7
    assert passage(y0, y, 1.0) == pytest.approx(np.log(y / (1 - y)) - np.log(y0 / (1 - y0)), rel=1e-14)
    assert passage(y0, y, 2.0) == pytest.approx(passage(y0, y, 1.0) + 1 / y0 - 1 / y, rel=1e-14)
    assert passage(y0, y, 2.0 + 1e-13) == pytest.approx(float(passage(y0, y, 2.0)), rel=1e-11)


def test_starts_that_stay_and_times_without_end():
    y = power_logistic(np.array([0.0, 1.0, np.inf]), np.array([0.0, 1e-200, 1.0, 2.0, np.nan])[:, None], 1.0, 3.0)
    np.testing.assert_array_equal(y[0], 0)
    np.testing.assert_allclose(y[1], [1e-200, 1e-200, 1], rtol=1e-11)
    np.testing.assert_array_equal(y[2], 1)
    assert 1 < y[3, 1] < 2
    assert np.isnan(y[4]).all()


@pytest.mark.parametrize("name", ["jepa", "mae"])
def test_deep_networks_of_any_depth_from_below_and_from_above(name):
    flow = dynsim.system(name)
    depths = np.array([1.0, 1.5, 2.0, 5.0])
    starts = np.array([0.05, 0.4, 1.3])
    values = {"L": depths, "rho": 0.8, "lambda_d": 1.7}
    runs = dynsim.ensemble(flow, {"w": starts}, times=TIMES, parameters=values, rtol=1e-12, atol=1e-14)
    told = flow.exact(TIMES, {"w": starts[:, None, None]}, {**values, "L": depths[:, None]})
    np.testing.assert_allclose(runs.w.transpose("w0", "L", "time"), told["w"], rtol=1e-9)


@pytest.mark.parametrize("L", [1, 2, 3, 4])
def test_deep_supervised_networks_of_any_depth(L):
    flow = dynsim.system("deep-linear", L=L)
    for u in (0.02, 2.4):
        run = dynsim.solve(flow, {"u": u}, times=TIMES, parameters={"s": 1.5})
        np.testing.assert_allclose(flow.exact(TIMES, {"u": u}, {"s": 1.5})["u"], run.u, rtol=1e-9)


@pytest.mark.parametrize(
    ("variant", "branch"), [("isoloss", "stop"), *(("predictor", branch) for branch in ("stop", "full", "target"))]
)
def test_a_frozen_spectrum_is_exponential(variant, branch):
    flow = dynsim.system("euclidean", variant=variant, branch=branch, spectrum="frozen")
    values, start = {"lambda1": 1.4, "lambda2": 0.3}, {"z1": 0.5, "z2": 0.2}
    run = dynsim.solve(flow, start, times=TIMES, parameters=values)
    told = flow.exact(TIMES, start, values)
    for name in flow.states:
        np.testing.assert_allclose(told[name], run[name], rtol=1e-9)


def test_a_frozen_mode_ends_only_where_it_does_not_grow():
    flow = dynsim.system("euclidean", spectrum="frozen")
    assert flow.exact.end({"z1": 0.5, "z2": 0.2}, {"lambda1": 0.5, "lambda2": 2.0}) is None
    end = flow.exact.end({"z1": 0.5, "z2": 0.2}, {"lambda1": 1.0, "lambda2": 2.0})
    assert end.values == {"z1": 0.5, "z2": 0.0}
    assert not end.collapsed


def test_the_noisy_scalar_system_reaches_its_stated_end_at_infinite_time():
    flow, start = dynsim.system("scalar"), {"phi": 0.2, "theta": 0.4}
    values = {"sigma2": 0.3, "alpha": 2.0}
    told, end = flow.exact(np.inf, start, values), flow.exact.end(start, values)
    for name in flow.states:
        assert float(told[name]) == pytest.approx(float(end.values[name]), rel=1e-12)


@pytest.mark.parametrize(
    ("name", "which", "parameters", "named"),
    [
        ("scalar", {}, {"eta_s": 0.1}, "eta_s"),
        ("scalar", {"branch": "full"}, {"sigma2": 0.1}, "sigma2"),
        ("modes", {"k": 1}, {"eta_p": 0.1}, "eta_p"),
        ("modes", {"k": 1}, {"lambda_d1": 0.0}, "lambda_d1"),
        ("modes", {"k": 2, "branch": "target"}, {}, "lambda_s1"),
        ("eigenmode", {"variant": "simsiam"}, {}, "eta_p"),
        ("xbar", {"variant": "predictor"}, {"lambda_s": -1.0}, "lambda_s"),
        ("jepa", {}, {"L": 0.5}, "L"),
        ("mae", {}, {"rho": 0.0}, "rho"),
        ("deep-linear", {"L": 3}, {"s": -1.0}, "s"),
        ("direct-set", {}, {"eta_s": 0.1}, "eta_s"),
    ],
)
def test_where_no_closed_form_holds_the_parameter_is_named(name, which, parameters, named):
    flow = dynsim.system(name, **which)
    with pytest.raises(DynsimError, match=rf"^{named}: got "):
        flow.exact(1.0, {state: flow.defaults[state] for state in flow.states}, parameters)


@pytest.mark.parametrize("branch", ["stop", "full", "target"])
def test_the_toy_is_on_time(branch):
    """Against 100-digit arithmetic over the whole plane: beside separatrices, from tiny starts, late and early."""
    generator = np.random.default_rng({"stop": 1, "full": 2, "target": 3}[branch])
    flow = dynsim.system("toy", branch=branch)
    for index in range(12):
        alpha, phi = 10 ** generator.uniform(-2, 3), generator.uniform(-1.6, 1.9)
        theta = 10 ** generator.uniform(-9, 1) * generator.choice([-1, 1])
        beside = generator.choice([-1, 1]) * 10 ** generator.uniform(-13, -1)
        if index % 3 == 1:
            level = {"stop": phi**2 - (phi > 0), "full": (1 - phi) ** 2, "target": 2 * (1 - phi)}[branch]
            theta = np.sqrt(abs(level) / alpha) * (1 + beside)
        elif index % 3 == 2:
            phi = 1 + beside
        wait = abs(np.log(np.sqrt(alpha) * abs(theta))) / abs(phi * (1 - phi))
        for t in (0.1 * min(wait, 50), min(wait, 60), min(1.05 * wait, 60), 2.0):
            expected = toy_reference(branch, phi, theta, alpha, t)
            told = flow.exact(t, {"phi": phi, "theta": theta}, {"alpha": alpha})
            for name, value in zip(("phi", "theta"), expected, strict=True):
                if abs(value) > mpmath.mpf(10) ** -40:
                    assert abs(float(told[name]) / value - 1) < 1e-11, (name, phi, theta, alpha, t)


def toy_reference(branch, phi, theta, alpha, t):
    with mpmath.workdps(100):
        phi, theta, alpha, t = map(mpmath.mpf, (phi, theta, alpha, t))
        u, q = 1 - phi, alpha * theta**2
        if branch == "full":
            k = u**2 - q
            v = k * u**2 / (u**2 - q * mpmath.exp(-2 * k * t))
            return 1 - mpmath.sign(u) * mpmath.sqrt(v), mpmath.sign(theta) * mpmath.sqrt(abs(v - k) / alpha)
        if branch == "target":
            c = q - 2 * u
            later = c * u / (q * mpmath.exp(c * t) - 2 * u)
            return 1 - later, mpmath.sign(theta) * mpmath.sqrt(abs(2 * later + c) / alpha)
        c = q - phi**2
        r = mpmath.sqrt(abs(c))

        def passed(x):
            if c > 0:
                slow = mpmath.atan2(r * (x - phi), c + x * phi) / r
            else:
                slow = mpmath.log((x - r) / (x + r) * (phi + r) / (phi - r)) / (2 * r)
            return (mpmath.log((x**2 + c) / q) / 2 + mpmath.log((1 - phi) / (1 - x)) + slow) / (1 + c)

        collapses = c <= -1 if phi > 0 else c <= 0
        end = mpmath.sign(phi) * r if collapses else mpmath.mpf(1)
        low, high = mpmath.mpf(-150), mpmath.mpf(150)
        for _ in range(150):  # of the logit of the way to the end
            middle = (low + high) / 2
            x = phi + (end - phi) / (1 + mpmath.exp(-middle))
            early = passed(x) < t
            low, high = (middle, high) if early else (low, middle)
        return x, mpmath.sign(theta) * mpmath.sqrt((x**2 + c) / alpha)


def test_twice_the_digits_hold_in_other_units_too():
    """The noisy scalar system beside its separatrix, where the toy's variables are products of rounded numbers."""
    sigma2, alpha, phi, t = 0.3, 1.7, 1.9, 12.0
    view = mpmath.mpf(1) + mpmath.mpf(sigma2)
    theta = float(mpmath.sqrt((phi**2 - 1 / view**2) / alpha)) * (1 + 1e-12)
    with mpmath.workdps(100):
        view = 1 + mpmath.mpf(sigma2)
        _, expected = toy_reference("stop", view * phi, mpmath.mpf(theta), alpha * view**2, t / view)
    told = dynsim.system("scalar").exact(t, {"phi": phi, "theta": theta}, {"alpha": alpha, "sigma2": sigma2})
    assert float(told["theta"]) == pytest.approx(float(expected), rel=1e-10)


@given(
    st.one_of(st.floats(-8, -1e-9).map(lambda x: 10**x), st.floats(-9, 1.5).map(lambda x: 1 + 10**x)),
    st.one_of(st.floats(1, 21), st.integers(1, 20).map(float)),
    st.floats(-3, 1),
)
@settings(max_examples=40, deadline=None)
def test_powers_of_the_logistic_law_are_on_time(start, power, decades):
    t = 10**decades * (start ** (1 - power) if start < 1 else start**-power)
    y = float(power_logistic(t, start, 1.0, power))
    if y == 1:
        return  # closer to the end than a float can say
    with mpmath.workdps(40):
        below = start < 1
        first, last = (mpmath.log(v / (1 - v) if below else v - 1) for v in map(mpmath.mpf, (start, y)))
        pieces = max(2, int(abs(last - first) / 2) + 1)
        slope = _from_below if below else _from_above
        passed = mpmath.quad(lambda s: slope(s, power), mpmath.linspace(first, last, pieces + 1))
        late = abs((passed - t) * mpmath.mpf(y) ** (power - 1) * (1 - mpmath.mpf(y)))
    assert late < 1e-11


@given(
    st.one_of(st.floats(-10, 6).map(lambda x: 10**x), st.floats(-10, 6).map(lambda x: -(10**x))),
    st.floats(-6, 3),
)
@settings(max_examples=60, deadline=None)
def test_the_law_with_a_logarithm_is_on_time_and_knows_one_plus_u(whole, decades):
    """By F(w) = −w − ln|1 − w|, which grows at the rate 1, with w = 1 + u."""
    if whole == 1:
        return
    t = 10**decades
    u, w = (float(x) for x in log_linear(t, whole - 1, whole, 1.0))
    with mpmath.workdps(60):
        begin = mpmath.mpf(whole)
        law = lambda x: -x - mpmath.log(abs(1 - x))  # noqa: E731
        if abs(begin - 1) < 1e-9 or u == 0 or w == 1:
            return  # u itself is the number that is known there
        late = law(mpmath.mpf(w)) - law(begin) - t
        assert (
            abs(late * (1 - mpmath.mpf(w)) / mpmath.mpf(w) ** 2) < 1e-10 * max(1, abs(law(begin)) + t) ** 0.5 + 1e-10
        )
    assert w == pytest.approx(1 + u, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("signal", [0.0, -0.7, 1e-9, 0.6])
@pytest.mark.parametrize("name", ["direct-set", "spectral-contrastive"])
def test_no_signal_and_negative_signal_have_their_closed_forms(name, signal):
    flow, state = dynsim.system(name), {"direct-set": "s", "spectral-contrastive": "w"}[name]
    values = {"lambda_d": signal, "lambda_s": 1.3} | ({"eta_s": 0.0} if name == "direct-set" else {})
    for start in (0.02, 0.4, 30.0):
        run = dynsim.solve(flow, {state: start}, times=TIMES, parameters=values, rtol=1e-11, atol=1e-14)
        told = flow.exact(TIMES, {state: start}, values)
        np.testing.assert_allclose(told[state], run[state], rtol=1e-8)
        end = flow.exact.end({state: start}, values)
        assert end.collapsed == (signal <= 0)
        late = flow.exact(np.inf, {state: start}, values)[state]
        assert float(late) == pytest.approx(float(end.values[state]), rel=1e-9, abs=1e-12)


def _from_below(s, power):
    return (1 + mpmath.exp(-s)) ** (power - 1)


def _from_above(s, power):
    return -((1 + mpmath.exp(s)) ** -power)
