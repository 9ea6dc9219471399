"""Noisy flows: derived symbolically, stepped to weak order, compared with descent on minibatches; no luck involved."""

from itertools import product

import numpy as np
import pytest
import sympy
import xarray as xr
from scipy.integrate import quad
from scipy.linalg import expm, solve_continuous_lyapunov
from scipy.optimize import brentq

import dynsim
from dynsim.errors import DynsimError, InvalidType, InvalidValue, ParseError, UnknownName
from dynsim.integrate.noise.random_numbers import gaussians, philox, signs, three_points, uniforms
from dynsim.integrate.noise.schemes import euler_maruyama, weak_second_order
from dynsim.integrate.noise.steppers import matrix_root
from dynsim.status import Status

LOSS = "E((phi*theta*(x + n1) - sg(theta*(x + n2)))^2)/2"
VIEWS = "x ~ normal(0, 1), n1 ~ normal(0, sigma2), n2 ~ normal(0, sigma2)"
DECAY = {"phi": "eta", "theta": "eta"}
phi, theta, alpha, sigma2, h, B = sympy.symbols("phi theta alpha sigma2 h B")
A = 1 + sigma2


def scalar(branch="stop", **options):
    return dynsim.noisy_flow(LOSS, "phi, theta", random=VIEWS, branch=branch, **options)


def test_the_scalar_system_has_the_drift_and_the_noise_that_were_worked_out_by_hand():
    noisy = scalar(rates={"phi": "alpha"})
    variance = 2 * A**2 * phi**2 - 4 * A * phi + A**2 + 1
    column = sympy.Matrix([alpha * theta, phi]) * theta
    assert (noisy.covariance - variance * column * column.T).expand().is_zero_matrix
    assert noisy.diffusion.shape == (2, 1)
    assert (noisy.diffusion * noisy.diffusion.T - h / B * noisy.covariance).applyfunc(sympy.simplify).is_zero_matrix
    force = -theta * (A * phi - 1) * sympy.Matrix([alpha * theta, phi])
    assert (noisy.flow.rhs - force).expand().is_zero_matrix
    correction = -force.jacobian([phi, theta]) * force / 2
    assert (noisy.drift - force - h * correction).expand().is_zero_matrix
    assert scalar(rates={"phi": "alpha"}, order=0).drift == noisy.flow.rhs


def test_step_and_batch_may_be_names_values_and_expressions():
    for lr, batch, ratio in (("h", "B", h / B), ("η", 8, sympy.Symbol("eta") / 8), ("h/2", "2*B", h / (4 * B))):
        noisy = dynsim.noisy_flow("(w - x)^2/2", "w", random="x ~ normal(0, 1)", lr=lr, batch=batch)
        assert sympy.simplify(noisy.diffusion[0] ** 2 - ratio) == 0
        assert noisy.covariance == sympy.eye(1)
    assert noisy.parameters == ("B", "h")


def test_without_stop_gradient_the_two_factors_of_the_noise_covary():
    """Force of a sample −(a·y1·θ²·…): with a = φy1 − y2 it is −a·(θ²y1, aθ)."""
    noisy = scalar("full")
    q = A * (phi**2 + 1) - 2 * phi
    v = 2 * A**2 * phi**2 - 4 * A * phi + A**2 + 1
    cross = theta**3 * 2 * (A * phi - 1) * q
    expected = sympy.Matrix([[theta**4 * v, cross], [cross, theta**2 * 2 * q**2]])
    assert (noisy.covariance - expected).expand().is_zero_matrix


@pytest.mark.parametrize("random", [VIEWS, VIEWS.replace("normal(0, sigma2)", "discrete([-s, s], [1/2, 1/2])")])
@pytest.mark.parametrize("branch", ["stop", "full", "target"])
def test_the_mean_force_of_a_sample_is_the_flow(branch, random):
    from dynsim.symbolic.averaging import averaged

    noisy = dynsim.noisy_flow(LOSS, "phi, theta", random=random, branch=branch, decay=DECAY)
    means = noisy.sample.rhs.applyfunc(lambda part: averaged(part, noisy.random, noisy.states))
    assert (means - noisy.flow.rhs).expand().is_zero_matrix


@pytest.mark.parametrize(
    ("loss", "states", "random"),
    [
        ("(tanh(w*x) - v*x)^2", "v, w", "x ~ discrete([1, 2, 3], [1/2, 1/4, 1/4])"),
        ("(w*x - v*y)^2 + v^4*y", "v, w", "x ~ normal(1, 2), y ~ uniform(-1, 2)"),
        ("(tanh(w*x) - v*x)^2", "v, w", "x ~ normal(0, 1)"),
        ("(w*x - 1)^2 + (v*y - 1)^2", "v, w", "(x, y) ~ discrete([(1, 2), (2, 0), (0, 1)], [1/2, 1/4, 1/4])"),
    ],
)
def test_the_covariance_is_that_of_drawn_samples(loss, states, random):
    noisy = dynsim.noisy_flow(loss, states, random=random)
    point = {"v": 0.4, "w": 0.7}
    expected = np.array(noisy.covariance.subs({**point, "h": 1, "B": 1}).evalf(), dtype=float)
    one = dynsim.ensemble(
        noisy, point, 1.0, seeds=60_000, parameters={"h": 1.0, "B": 1}, method="minibatch", workers=1
    )
    found = np.cov(one.v, one.w)
    np.testing.assert_allclose(found, expected, atol=0.06 * np.abs(expected).max())


def enumerated(outcomes, count):
    """Every sequence of outcomes and its probability."""
    paths = list(product(outcomes, repeat=count))
    return [np.array([path[k][0] for path in paths]) for k in range(count)], np.prod(
        [[part[1] for part in path] for path in paths], axis=1
    )


@pytest.mark.parametrize(("order", "slope"), [(0, 1), (1, 2)])
def test_averages_over_all_minibatches_differ_from_the_equation_by_a_power_of_the_step(order, slope):
    """w₊ = w − hx²w + h·b·x: every path of descent is enumerated, the equation has closed moments."""
    noisy = dynsim.noisy_flow("E((w*x - b)^2)/2", "w", random="x ~ discrete([1, 2], [3/4, 1/4])", batch=1, order=order)
    w, step = noisy.flow.symbols["w"], noisy.lr
    drift = sympy.Poly(noisy.drift[0].subs("b", sympy.Rational(1, 2)), w)
    noise = sympy.Poly((noisy.covariance[0] * step).subs("b", sympy.Rational(1, 2)).expand(), w)
    errors = []
    for count in (6, 8, 12):
        length = 0.5 / count
        a = [float(drift.coeff_monomial(w**k).subs(step, length)) for k in range(2)]
        c = [float(noise.coeff_monomial(w**k).subs(step, length)) for k in range(3)]
        closed = expm(0.5 * np.array([[0, 0, 0], [a[0], a[1], 0], [c[0], 2 * a[0] + c[1], 2 * a[1] + c[2]]]))
        samples, share = enumerated([(1.0, 0.75), (2.0, 0.25)], count)
        y = np.full(share.shape, 1.5)
        for x in samples:
            y = y - length * x * (y * x - 0.5)
        errors.append(abs(share @ y**2 - closed[2] @ [1, 1.5, 1.5**2]))
    assert abs(np.log(errors[1] / errors[2]) / np.log(12 / 8) - slope) < 0.25
    assert abs(np.log(errors[1] / errors[2]) / np.log(12 / 8) - slope) < abs(
        np.log(errors[0] / errors[1]) / np.log(8 / 6) - slope
    )


def moments(scheme, count):
    """Averages of a nonlinear function after `count` steps of an equation whose two processes do not commute."""
    first, second = np.array([[0.3, 0.5], [0.0, 0.2]]), np.array([[0.1, 0.0], [0.6, -0.3]])
    drift = np.array([[-0.5, 0.3], [0.2, -1.0]])
    dt = 0.5 / count
    points = [(-np.sqrt(3), 1 / 6), (0.0, 2 / 3), (np.sqrt(3), 1 / 6)]
    outcomes = [((p, q, s), u * v / 2) for (p, u), (q, v) in product(points, points) for s in (-1.0, 1.0)]
    numbers, share = enumerated(outcomes, count)
    y = np.repeat([[1.0], [0.5]], len(share), axis=1)

    def a(t, y):
        return drift @ y

    def b(t, y):
        return np.stack([first @ y, second @ y], axis=1)

    for number in numbers:
        dw = np.sqrt(dt) * number[:, :2].T
        y = (
            scheme(a, b, 0.0, y, dt, dw, number[:, 2:].T)
            if scheme is weak_second_order
            else scheme(a, b, 0, y, dt, dw)
        )
    found = np.array([share @ (y[0] ** i * y[1] ** (4 - i)) for i in range(5)])

    # The moments of degree 4 of a linear equation obey a linear equation: generator on a basis of monomials.
    x = sympy.symbols("x0 x1")
    state = sympy.Matrix(x)
    fields = [sympy.Matrix(m) * state for m in (drift, first, second)]
    basis = [x[0] ** i * x[1] ** (4 - i) for i in range(5)]
    rows = []
    for f in basis:
        gradient, hessian = sympy.Matrix([f]).jacobian(x), sympy.hessian(f, x)
        image = (gradient * fields[0])[0] + sum((g.T * hessian * g)[0] for g in fields[1:]) / 2
        poly = sympy.Poly(sympy.expand(image), *x)
        rows.append([float(poly.coeff_monomial(item)) for item in basis])
    exact = expm(0.5 * np.array(rows)) @ [float(f.subs({x[0]: 1.0, x[1]: 0.5})) for f in basis]
    return np.abs(found - exact).max()


@pytest.mark.parametrize(("scheme", "slope"), [(euler_maruyama, 1), (weak_second_order, 2)])
def test_the_schemes_have_their_weak_order_where_processes_do_not_commute(scheme, slope):
    errors = [moments(scheme, count) for count in (1, 2, 4 if slope == 1 else 3)]
    ratio = 2 if slope == 1 else 1.5
    assert abs(np.log(errors[1] / errors[2]) / np.log(ratio) - slope) < 0.35


def test_random_numbers_are_those_of_the_published_generator():
    ones, pi = 0xFFFFFFFF, [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344, 0xA4093822, 0x299F31D0]
    known = {(0,) * 6: "6627e8d5e169c58dbc57ac4c9b00dbd8", (ones,) * 6: "408f276d41c83b0ea20bc7c66d5451fd"}
    known[tuple(pi)] = "d16cfe0994fdcceb5001e42024126ea1"
    for words, answer in known.items():
        assert "".join(f"{int(word):08x}" for word in philox(words[:4], words[4:])) == answer


def test_increments_have_the_moments_they_promise():
    seeds = np.arange(200_000, dtype=np.uint64)
    u = uniforms(seeds, 3, 2)
    assert 0 < u.min() < u.max() < 1
    assert abs(np.corrcoef(u)[0, 1]) < 0.01
    for draw, even in ((gaussians, (1, 3)), (three_points, (1, 3)), (signs, (1, 1))):
        z = draw(seeds, 7, 3)
        assert z.shape == (3, len(seeds))
        for power, expected in ((1, 0), (2, even[0]), (3, 0), (4, even[1])):
            np.testing.assert_allclose((z**power).mean(axis=1), expected, atol=0.05)
        assert np.abs(np.corrcoef(z) - np.eye(3)).max() < 0.01
    later, stream = gaussians(seeds, 8, 1), gaussians(seeds, 7, 1, 1)
    assert abs(np.corrcoef(gaussians(seeds, 7, 1)[0], later[0])[0, 1]) < 0.01
    assert abs(np.corrcoef(gaussians(seeds, 7, 1)[0], stream[0])[0, 1]) < 0.01


def test_large_batches_are_drawn_in_parts_and_have_the_samples_of_small_ones():
    noisy = dynsim.noisy_flow(
        "(w - x - y)^2/2", "w", random="x ~ normal(0, 1), y ~ discrete([1, 2], [1/2, 1/2])", lr=1
    )
    start = {"w": 0.0}
    large = [
        dynsim.ensemble(noisy, start, 1.0, parameters={"B": count}, seeds=500, method="minibatch").w * count
        for count in (40, 41, 42)
    ]
    last, next_to_last = large[2] - large[1], large[1] - large[0]
    assert abs(float(last.mean()) - 1.5) < 0.2
    assert abs(float(last.var()) - 1.25) < 0.25
    assert abs(np.corrcoef(last, next_to_last)[0, 1]) < 0.15
    assert abs(np.corrcoef(last, large[0])[0, 1]) < 0.15


@pytest.mark.parametrize("method", ["weak-2", "euler-maruyama", "minibatch"])
def test_a_seed_meets_the_same_noise_whatever_is_computed_beside_it(method, monkeypatch):
    noisy = scalar(decay=DECAY)
    values = {"sigma2": 0.1, "eta": 0.1, "h": 0.1, "B": [2.0, 8.0]}
    start = {"phi": [0.5, 0.7], "theta": 0.6}
    options = {"times": [0.5, 1.0], "parameters": values, "method": method}
    runs = dynsim.ensemble(noisy, start, seeds=40, workers=1, **options)
    assert runs.phi.dims == ("phi0", "B", "seed", "time")
    monkeypatch.setattr("dynsim.integrate.noise.paths.BLOCK", 7)
    xr.testing.assert_identical(runs.phi, dynsim.ensemble(noisy, start, seeds=40, workers=2, **options).phi)
    part = dynsim.ensemble(
        noisy, {"phi": 0.7, "theta": 0.6}, seeds=[11, 3], **options | {"parameters": {**values, "B": 8}}
    )
    np.testing.assert_allclose(part.phi, runs.phi.sel(phi0=0.7, B=8.0).sel(seed=[11, 3]), rtol=1e-12)


def test_descent_on_minibatches_obeys_the_law_of_balance_path_by_path():
    """c = θ² − φ²/α: c₊ = c·[(1 − hη)² − αk²], k from the step of φ, for every minibatch."""
    a, eta, step = 2.0, 0.3, 0.25
    noisy = scalar(rates={"phi": a}, decay=DECAY)
    values = {"sigma2": 0.2, "eta": eta, "h": step, "B": 3}
    runs = dynsim.ensemble(
        noisy,
        {"phi": 0.6, "theta": 0.9},
        times=step * np.arange(1, 9),
        parameters=values,
        seeds=50,
        method="minibatch",
    )
    f, t = runs.phi.values, runs.theta.values
    c = t**2 - f**2 / a
    k = (f[:, 1:] - (1 - step * eta) * f[:, :-1]) / (a * t[:, :-1])
    np.testing.assert_allclose(c[:, 1:], c[:, :-1] * ((1 - step * eta) ** 2 - a * k**2), rtol=1e-10)
    assert np.abs(k).min(axis=1).max() > 0


def on_the_balanced_line(noisy, eta):
    """Drift and squared diffusion per h/B of φ on θ = φ, a line that no step leaves."""
    line = {"theta": phi, "sigma2": 0.1, "eta": eta}
    return tuple(sympy.lambdify(phi, part.subs(line)) for part in (noisy.flow.rhs[0], noisy.covariance[0]))


def test_the_variance_about_the_living_state_and_the_exponent_of_escape():
    """Fluctuations: Var φ·B/h = .0810399876 (η = .1); Kramers: S = ∫2f/(φ⁴V) = .18586580 (η = .2)."""
    noisy = scalar(decay=DECAY)
    drift, noise = on_the_balanced_line(noisy, 0.1)
    low, high = np.sort(np.roots([-1.1, 1.0, -0.1]))
    point = {"phi": high, "theta": high, "sigma2": 0.1, "eta": 0.1}
    jacobian = np.array(noisy.flow.jacobian.subs(point), dtype=float)
    covariance = np.array(noisy.covariance.subs(point), dtype=float)
    variance = solve_continuous_lyapunov(jacobian, -covariance)
    np.testing.assert_allclose(variance[0, 0], 0.0810399876, rtol=1e-8)
    assert abs(drift(high)) < 1e-14 < noise(high)
    drift, noise = on_the_balanced_line(noisy, 0.2)
    low, high = np.sort(np.roots([-1.1, 1.0, -0.2]))
    exponent, _ = quad(lambda x: 2 * drift(x) / noise(x), low, high)
    np.testing.assert_allclose(exponent, 0.18586580, rtol=1e-6)


def action_of_descent(noisy, values):
    """S of ln T = (B/h)S + … for descent on minibatches, on the line θ = φ between its two equilibria.

    A step moves φ by h·(mean of B forces). E exp(p(B/h)Δφ) = exp(B·K(φ, p)) with K the cumulant generating function
    of one force, and a path costs ∫p dφ along K(φ, p) = 0 (Freidlin & Wentzell). The force of one sample is a constant
    and a quadratic form ½yᵀMy of normal numbers of covariance Σ, so K = p·constant − ½ln det(1 − pΣM). Kramers'
    exponent keeps the first two cumulants only, p = −2·drift/noise, whatever B is.
    """
    samples = [sympy.Symbol(name) for name in noisy.random]
    force = noisy.sample.rhs[0].subs(theta, phi)
    form = sympy.hessian(force, samples)
    spread = sympy.diag(*(law.variance for law in noisy.random.values()))
    p = sympy.Symbol("p")
    inside = (sympy.eye(len(samples)) - p * spread * form).det()
    cumulants = p * force.subs(dict.fromkeys(samples, 0)) - sympy.log(inside) / 2
    low, high = np.sort(np.roots([-1 - values["sigma2"], 1.0, -values["eta"]]))
    at_zero = sympy.lambdify((phi, p), cumulants.subs(values))
    slopes = [cumulants.diff(p, order).subs(p, 0).subs(theta, phi) for order in (1, 2)]
    drift, noise = on_the_balanced_line(noisy, values["eta"])

    def momentum(x):
        rough = -2 * drift(x) / noise(x)
        return brentq(lambda q: at_zero(x, q), 1.8 * rough, 0.3 * rough, xtol=1e-14)

    return quad(lambda x: -momentum(x), low + 1e-9, high - 1e-9)[0], slopes


def test_descent_escapes_less_easily_than_its_diffusion():
    """S = .20704659 (σ² = .1, η = .2) against Kramers' .18586580."""
    noisy = scalar(decay=DECAY)
    exponent, (mean, variance) = action_of_descent(noisy, {"sigma2": 0.1, "eta": 0.2})
    assert (mean - noisy.flow.rhs[0].subs(theta, phi)).simplify() == 0
    assert (variance - noisy.covariance[0].subs(theta, phi)).simplify() == 0
    np.testing.assert_allclose(exponent, 0.20704659, rtol=1e-7)


@pytest.mark.long
def test_times_of_escape_grow_faster_than_the_diffusion_s():
    """The slope of ln T between B/h = 20 and 33, where it has not quite reached its limit."""
    noisy, start = scalar(decay=DECAY), dict.fromkeys(("phi", "theta"), max(np.roots([-1.1, 1.0, -0.2])))
    times = [
        dynsim.escape_time(
            noisy,
            start,
            "phi < 0.2",
            parameters={"sigma2": 0.1, "eta": 0.2, "h": step, "B": 5},
            seeds=800,
            t_max=1e6,
            method="minibatch",
        ).mean_escape_time
        for step in (0.25, 0.15)
    ]
    assert 0.190 < float(np.log(times[1] / times[0])) / (5 / 0.15 - 5 / 0.25) < 0.208


def test_paths_have_that_variance():
    noisy = scalar(decay=DECAY)
    values = {"sigma2": 0.1, "eta": 0.1, "h": 0.05, "B": 4}
    start = {"phi": 0.794, "theta": 0.794}
    for method in ("weak-2", "minibatch"):
        runs = dynsim.ensemble(noisy, start, 20.0, parameters=values, seeds=600, method=method)
        assert abs(float(runs.phi.var()) * 80 / 0.0810399876 - 1) < 0.2


def test_a_schedule_reaches_drift_noise_and_samples():
    noisy = dynsim.noisy_flow("a*(w - x)^2/2", "w", random="x ~ normal(m, v)", batch=5, lr=0.05)
    fixed = {"a": 1.0, "m": 0.5, "v": 2.0}
    for method in ("weak-2", "minibatch"):
        moving = {"a": "1 + 0*t", "m": "0.5", "v": "2"}
        one, other = (
            dynsim.ensemble(noisy, {"w": 1.0}, 0.5, parameters=values, seeds=20, method=method).w
            for values in (fixed, moving)
        )
        np.testing.assert_allclose(one, other, rtol=1e-12)
    # No noise: the drift must follow w' = −(1 + t)w − (h/2)((1 + t)²w − w) to the order of the scheme.
    still = {"a": "1 + t", "m": 0.0, "v": 0.0}
    run = dynsim.ensemble(noisy, {"w": 1.0}, 1.0, parameters=still, seeds=1, dt=1e-3).w
    steps = np.prod(1 - 0.05 * (1 + 0.05 * np.arange(20)))
    assert abs(float(run[0]) - steps) < 1e-3
    assert abs(np.exp(-1.5) - steps) > 5e-3


def test_paths_that_blow_up_or_leave_the_domain_say_so_and_leave_the_others_alone():
    noisy = dynsim.noisy_flow("w^4/4 + w*x", "w", random="x ~ normal(0, v)", lr=0.1, batch=1)
    runs = dynsim.ensemble(noisy, {"w": [0.1, 9.0, np.nan]}, 5.0, parameters={"v": 0.01}, seeds=4)
    assert runs.status.values.tolist() == [[Status.OK] * 4, [Status.BLOW_UP] * 4, [Status.INVALID_START] * 4]
    np.testing.assert_array_equal(np.isnan(runs.w).all("seed"), [False, True, True])
    assert (runs.steps[0] == 50).all()
    assert (runs.steps[1] < 10).all()
    edge = dynsim.noisy_flow("w*(1 + x) + 0*v + w^(3/2)", "w", random="x ~ normal(0, 1)", lr=0.1, batch=1)
    ended = dynsim.ensemble(edge, {"w": 0.05}, 2.0, seeds=20)
    assert (ended.status == Status.NOT_FINITE).all()


def test_escape_times_count_what_did_not_leave():
    noisy = dynsim.noisy_flow("(w - x)^2/2", "w", random="x ~ normal(m, v)", batch=1, lr=0.5)
    values = {"m": [0.0, 0.8], "v": 1.0}
    options = {"parameters": values, "seeds": 300, "t_max": 4.0}
    out = dynsim.escape_time(noisy, {"w": 0.0}, "w >= 1.2", method="minibatch", **options)
    paths = dynsim.ensemble(
        noisy, {"w": 0.0}, times=0.5 * np.arange(9), parameters=values, seeds=300, method="minibatch"
    )
    over = (paths.w >= 1.2).values
    first = np.where(over.any(axis=-1), 0.5 * over.argmax(axis=-1), np.nan)
    np.testing.assert_array_equal(out.escape_time, first)
    assert ((out.escaped + out.censored) == 300).all()
    np.testing.assert_array_equal(out.censored, np.isnan(first).sum(axis=1))
    np.testing.assert_allclose(out.mean_escape_time, np.nan_to_num(first, nan=4.0).sum(axis=1) / out.escaped)
    assert set(np.unique(out.status)) == {Status.OK, Status.EVENT}
    at_once = dynsim.escape_time(noisy, {"w": 2.0}, "w > 1", **options | {"seeds": 3})
    assert (at_once.escape_time == 0).all()
    never = dynsim.escape_time(noisy, {"w": 0.0}, "w > 99", **options | {"seeds": 3})
    assert np.isnan(never.mean_escape_time).all()
    assert (never.censored == 3).all()


def test_what_is_no_covariance_is_refused():
    np.testing.assert_array_equal(np.isnan(matrix_root(np.array([[1.0, 2.0], [2.0, 1.0]])[..., None])), True)
    pair = "(x, y) ~ discrete([(1, 1), (1, -1), (-1, 1), (-1, -1)], ['(1+r)/4', '(1-r)/4', '(1-r)/4', '(1+r)/4'])"
    noisy = dynsim.noisy_flow("(w*x - v*y - 1)^2", "v, w", random=pair.replace("'", ""), batch=1, lr=0.1)
    start = {"v": 0.1, "w": 0.2}
    assert np.isfinite(dynsim.ensemble(noisy, start, 0.5, seeds=3, parameters={"r": 0.5}).v).all()
    with pytest.raises(InvalidValue, match=r"diffusion.*eigenvalue"):
        dynsim.ensemble(noisy, start, 0.5, seeds=3, parameters={"r": 3.0})
    with pytest.raises(InvalidValue, match="diffusion"):
        dynsim.ensemble(
            dynsim.noisy_flow("(w - x)^2", "w", random="x ~ normal(0, v)", batch=1, lr=0.1),
            {"w": 0.0},
            1.0,
            parameters={"v": -1.0},
        )


@pytest.mark.parametrize(
    ("loss", "options", "error", "word"),
    [
        ("E((w*x)^2)", {"order": 2}, InvalidValue, "order"),
        ("E((w*x)^2)", {"order": "1"}, InvalidType, "order"),
        ("E((w*x)^2)", {"random": None}, InvalidValue, "random"),
        ("E((w*x)^2)", {"branch": "up"}, InvalidValue, "branch"),
        ("h*E((w*x)^2)", {}, InvalidValue, "lr"),
        ("E((w*x)^2)", {"batch": "w"}, InvalidValue, "batch"),
        ("E((w*x)^2)", {"batch": "h"}, InvalidValue, "batch"),
        ("E((w*x)^2)", {"lr": -1}, InvalidValue, "lr"),
        ("E((w*x)^2)^2", {}, InvalidValue, "samples"),
        ("var(w*x)", {}, InvalidValue, "samples"),
        ("log(E(exp(w*x)))", {}, InvalidValue, "samples"),
        ("E((w*x)^2", {}, ParseError, "position"),
        ("E((w*x)^2)", {"rate": {"w": 1}}, TypeError, "rate"),
    ],
)
def test_what_is_no_noisy_flow_is_refused_in_one_line(loss, options, error, word):
    with pytest.raises(error, match=word) as caught:
        dynsim.noisy_flow(loss, "w", **{"random": "x ~ normal(0, 1)", **options})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"seeds": 0}, "seeds"),
        ({"seeds": [-1]}, "seeds"),
        ({"seeds": 2.5}, "seeds"),
        ({"dt": 0}, "dt"),
        ({"dt": 0.1, "method": "minibatch"}, "dt"),
        ({"method": "exact"}, "method"),
        ({"increments": "four"}, "increments"),
        ({"increments": "two-point"}, "increments"),
        ({"increments": "normal", "method": "minibatch"}, "increments"),
        ({"rtol": 1e-3}, "rtol"),
        ({"out": "paths.nc"}, "out"),
        ({"parameters": {"B": 2.5, "h": 0.1}, "method": "minibatch"}, "batch"),
        ({"parameters": {"B": 0, "h": 0.1}}, "batch"),
        ({"parameters": {"B": 1, "h": -0.1}}, "lr"),
        ({"parameters": {"B": 1, "h": "0.1*t"}}, "lr"),
        ({"parameters": {"B": 1, "h": [0.1, 0.2]}, "method": "minibatch"}, "lr"),
        ({"parameters": {"B": 1}}, "h"),
    ],
)
def test_what_no_ensemble_of_paths_takes_is_refused(options, word):
    noisy = dynsim.noisy_flow("E((w*x)^2)", "w", random="x ~ normal(0, 1)")
    with pytest.raises(DynsimError, match=word) as caught:
        dynsim.ensemble(noisy, {"w": 1.0}, 1.0, **{"parameters": {"B": 1, "h": 0.1}, "seeds": 2, **options})
    assert "\n" not in str(caught.value)


def test_seeds_are_for_noisy_flows_and_conditions_are_conditions():
    for option in ({"seeds": 3}, {"dt": 0.1}, {"increments": "normal"}):
        with pytest.raises(InvalidValue, match=next(iter(option))):
            dynsim.ensemble("toy", {"phi": 0.5, "theta": 0.1}, 1.0, **option)
    noisy = dynsim.noisy_flow("E((w*x)^2)", "w", random="x ~ normal(0, 1)", batch=1, lr=0.1)
    for leaves, error in (("w", InvalidValue), ("w < z", UnknownName), ("w < 1 < 2", InvalidValue), (3, InvalidType)):
        with pytest.raises(error, match="leaves"):
            dynsim.escape_time(noisy, {"w": 1.0}, leaves, seeds=2, t_max=1.0)
    for end in (0.0, -1.0, np.inf):
        with pytest.raises(InvalidValue, match="t_max"):
            dynsim.escape_time(noisy, {"w": 1.0}, "w < 0", seeds=2, t_max=end)
    with pytest.raises(InvalidType, match="NoisyFlow"):
        dynsim.escape_time("toy", {"phi": 0.5, "theta": 0.1}, "phi < 0", t_max=1.0)


def test_seeds_beyond_32_bits_are_seeds_of_their_own():
    seeds = np.array([5, 5 + 2**32, 5 + 2**33], dtype=np.uint64)
    for draw in (uniforms, gaussians, three_points, signs):
        columns = {tuple(column) for column in draw(seeds, 0, 64).T}
        assert len(columns) == 3
        assert not np.array_equal(draw(seeds, 0, 64), draw(seeds, 0, 64, 1))
        assert not np.array_equal(draw(seeds, 0, 64), draw(seeds, 2**32, 64))
