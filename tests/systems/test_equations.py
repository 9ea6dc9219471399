"""The equations as the papers print them, equilibria and thresholds included."""

import numpy as np
import pytest
import sympy
from scipy.integrate import quad
from scipy.special import expit

import dynsim

parse = dynsim.parse


def same(left, right):
    positive = {s: sympy.Dummy(s.name, positive=True) for s in (left - right).free_symbols}
    return sympy.simplify(sympy.powsimp((left - right).xreplace(positive), force=True)) == 0


def velocity(name, state=None, **which):
    flow = dynsim.system(name, **which)
    return flow.rhs[flow.states.index(state) if state else 0]


PRINTED = [
    ("direct-set", {"variant": "direct-set"}, "2*s*(s^a*(lambda_d - s^a*lambda_s) - eta_s)"),
    ("direct-set", {}, "2*s*(s*(lambda_d - s*lambda_s) - eta_s)"),
    ("direct-set", {"variant": "direct-pred"}, "2*s*(sqrt(s)*(lambda_d - sqrt(s)*lambda_s) - eta_s)"),
    ("jepa", {}, "L*lambda_d*(w^(3 - 1/L) - w^3/rho)"),
    ("mae", {}, "L*lambda_d*(w^(2 - 1/L) - w^3/rho)"),
    ("jepa", {"L": 1}, "lambda_d*(w^2 - w^3/rho)"),
    ("barlow", {}, "4*gamma*s*(1 - gamma*s^2)"),
    ("spectral-contrastive", {}, "4*w*(lambda_d - lambda_s^2*w^2)"),
    ("deep-linear", {}, "2*u*(s - u)"),
    ("deep-linear", {"L": 3}, "3*u^(4/3)*(s - u)"),
    ("alternating", {}, "-(lambda_s - lambda_d)*w - eta_s*w"),
    ("alternating", {"branch": "full"}, "-(lambda_s - lambda_d)*w - eta_s*w"),
    ("alternating", {"branch": "target"}, "-eta_s*w"),
    ("xbar", {}, "-(lambda_s - lambda_d)*w - eta_s*w"),
    ("xbar", {"branch": "full"}, "-(lambda_s - lambda_d)*w - eta_s*w"),
    ("euclidean", {}, "z1^2*(1 - z1^2)*z1"),
    ("euclidean", {"branch": "full"}, "-(1 - z1^2)^2*z1"),
    ("euclidean", {"branch": "target"}, "(z1^2 - 1)*z1"),
    ("euclidean", {"variant": "isoloss"}, "(1 - z1^2)*z1"),
    ("euclidean", {"variant": "no-predictor"}, "0"),
    ("euclidean", {"spectrum": "frozen"}, "lambda1*(1 - lambda1)*z1"),
    ("dirac-gan", {}, "-psi/(1 + exp(psi*theta))"),
    ("dirac-gan", {"variant": "non-saturating"}, "-psi/(1 + exp(-psi*theta))"),
]


@pytest.mark.parametrize(("name", "which", "printed"), PRINTED)
def test_the_equation_is_the_printed_one(name, which, printed):
    assert same(velocity(name, **which), parse(printed))


@pytest.mark.parametrize("branch", ["stop", "full", "target"])
def test_modes_are_the_matrix_flow_s(branch):
    flow = dynsim.system("modes", k=2, branch=branch)
    first = "w2*(lambda_d2 - lambda_s2*p2)*p2"
    second = "lambda_d2*p2*w2 - lambda_s2*w2"
    parts = {"stop": first, "full": f"{first} + {second}", "target": second}
    assert same(flow.rhs[3], parse(f"{parts[branch]} - eta_s*w2"))
    assert same(flow.rhs[1], parse("alpha*w2*(lambda_d2*w2 - lambda_s2*p2*w2) - eta_p*p2"))


@pytest.mark.parametrize(
    ("branch", "force"),
    [("stop", "p*(lambda_d1 - p*lambda_s1)"), ("full", "2*lambda_d1*p - lambda_s1*p^2 - lambda_s1")],
)
def test_the_optimal_predictor_is_the_printed_one(branch, force):
    flow = dynsim.system("optimal-predictor", k=2, branch=branch)
    p = parse("(lambda_d1*w1^2 + lambda_d2*w2^2)/(lambda_s1*w1^2 + lambda_s2*w2^2)")
    assert same(flow.rhs[0], parse("w1") * parse(force).subs("p", p) - parse("eta_s*w1"))


def test_one_mode_with_the_best_predictor_only_decays():
    assert dynsim.system("optimal-predictor", k=1).rhs[0] == parse("-eta_s*w1")


def test_xbar_with_predictor_and_stop_gradient_is_simsiam_s_mode():
    xbar, mode = dynsim.system("xbar", variant="predictor"), dynsim.system("modes", k=1)
    names = {f"{name}1": name for name in ("p", "w", "lambda_d", "lambda_s")}
    assert all(same(a, b.subs(names)) for a, b in zip(xbar.rhs, mode.rhs, strict=True))


def test_many_cosine_modes_come_at_once_and_exert_the_printed_force():
    flow = dynsim.system("cosine", k=12)
    z = np.random.default_rng(2).uniform(0.1, 1, 12)
    read, plain, variance = np.linalg.norm(z**3), np.linalg.norm(z), z**2
    force = variance * z / (read**3 * plain) * ((variance * z**2) @ (variance[:, None] - variance))
    np.testing.assert_allclose(flow.field().f(0.0, z), force, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("variant", ["predictor", "isoloss"])
def test_the_cosine_force_is_the_printed_one_in_a_frozen_spectrum(variant):
    flow = dynsim.system("cosine", variant=variant, k=3, spectrum="frozen")
    generator = np.random.default_rng(0)
    z, spectrum = generator.uniform(0.1, 1, 3), generator.uniform(0.1, 1, 3)
    read, plain = np.linalg.norm(spectrum * z), np.linalg.norm(z)
    force = z / (read**3 * plain) * ((spectrum * z**2) @ (spectrum[:, None] - spectrum))
    if variant == "predictor":
        force = spectrum * force
    found = flow.field({f"lambda{i + 1}": value for i, value in enumerate(spectrum)}).f(0.0, z)
    np.testing.assert_allclose(found, force, rtol=1e-12)


def test_the_second_cosine_branch_is_the_printed_one_in_a_frozen_spectrum():
    flow = dynsim.system("cosine", branch="target", k=3, spectrum="frozen")
    generator = np.random.default_rng(1)
    z, spectrum = generator.uniform(0.1, 1, 3), generator.uniform(0.1, 1, 3)
    read, plain = np.linalg.norm(spectrum * z), np.linalg.norm(z)
    force = z / (read * plain**3) * ((z**2) @ (spectrum - spectrum[:, None]))
    found = flow.field({f"lambda{i + 1}": value for i, value in enumerate(spectrum)}).f(0.0, z)
    np.testing.assert_allclose(found, force, rtol=1e-12)


def test_jepa_with_one_layer_is_the_toy_on_its_diagonal():
    toy = dynsim.system("toy").fix(alpha=1)
    diagonal = toy.rhs.subs(toy.symbols["phi"], toy.symbols["theta"])
    jepa = velocity("jepa", L=1).subs({"lambda_d": 1, "rho": 1, "w": "theta"})
    assert all(same(entry, jepa) for entry in diagonal)


@pytest.mark.parametrize(("name", "target"), [("jepa", "sg(w1*w2*w3)*v*w1*w2*w3"), ("mae", "v*w1*w2*w3")])
def test_balanced_layers_follow_the_equation_of_their_product(name, target):
    loss = f"lambda_d/rho*(v*w1*w2*w3)^2/2 - lambda_d*{target}"
    layers = dynsim.gradient_flow(loss, "w1, w2, w3, v")
    values = {"lambda_d": 1.3, "rho": 0.7}
    times = np.linspace(0, 8, 9)
    deep = dynsim.solve(layers, dict.fromkeys(layers.states, 0.7), times=times, parameters=values)
    product = dynsim.solve(dynsim.system(name, L=3), {"w": 0.7**3}, times=times, parameters=values)
    np.testing.assert_allclose(deep.w1 * deep.w2 * deep.w3, product.w, rtol=1e-9)


def test_balanced_supervised_layers_follow_the_equation_of_their_product():
    layers = dynsim.gradient_flow("(s - w1*w2)^2/2", "w1, w2")
    times = np.linspace(0, 5, 6)
    deep = dynsim.solve(layers, {"w1": 0.2, "w2": 0.2}, times=times, parameters={"s": 1.5})
    told = dynsim.system("deep-linear").exact(times, {"u": 0.04}, {"s": 1.5})
    np.testing.assert_allclose(deep.w1 * deep.w2, told["u"], rtol=1e-8)


i = sympy.I
ORIGIN = {
    "unregularised": [-i / 2, i / 2],
    "non-saturating": [-i / 2, i / 2],
    "wgan": [-i, i],
    "r1": [parse("-gamma/2") + sign * sympy.sqrt(parse("gamma^2/4 - 1/4")) for sign in (-1, 1)],
    "instance-noise": [parse("-sigma2/4") + sign * sympy.sqrt(parse("sigma2^2/16 - 1/4")) for sign in (-1, 1)],
    "consensus": [parse("-gamma/4") + sign * i / 2 for sign in (-1, 1)],
}


@pytest.mark.parametrize("variant", ORIGIN)
def test_the_dirac_gan_has_the_published_eigenvalues_at_its_solution(variant):
    flow = dynsim.system("dirac-gan", variant=variant)
    jacobian = flow.jacobian.subs({"theta": 0, "psi": 0})
    x = sympy.Symbol("x")
    stated = sympy.expand((x - ORIGIN[variant][0]) * (x - ORIGIN[variant][1]))
    difference = jacobian.charpoly(x).as_expr() - stated
    if variant != "instance-noise":  # an average by quadrature, unevaluated: compared in numbers
        assert sympy.simplify(difference) == 0
        return
    for sigma2 in (0.5, 2.0, 4.0):
        found = np.linalg.eigvals(flow.field({"sigma2": sigma2}).jacobian(0.0, np.zeros(2)))
        told = [complex(value.subs("sigma2", sigma2)) for value in ORIGIN[variant]]
        np.testing.assert_allclose(np.sort_complex(found), np.sort_complex(told), atol=1e-7)  # double at σ² = 2


@pytest.mark.parametrize("sigma2", [0.0, 0.5, 4.0])
def test_instance_noise_is_averaged_as_accurately_as_an_independent_quadrature(sigma2):
    flow = dynsim.system("dirac-gan", variant="instance-noise")
    assert flow.expectation < 1e-6

    def mean(function):
        if sigma2 == 0:
            return function(0.0)
        weighted = lambda x: function(x) * np.exp(-(x**2) / (2 * sigma2)) / np.sqrt(2 * np.pi * sigma2)  # noqa: E731
        return quad(weighted, -14 * sigma2**0.5, 14 * sigma2**0.5, epsabs=1e-12, limit=400)[0]

    for theta, psi in [(1.0, 1.0), (-2.0, 2.0), (0.3, -1.7)]:
        made = lambda n, theta=theta, psi=psi: expit(-psi * (theta + n))  # noqa: E731
        told = [
            -psi * mean(made),
            mean(lambda n, theta=theta, made=made: (theta + n) * made(n))
            - mean(lambda n, psi=psi: n * expit(psi * n)),
        ]
        np.testing.assert_allclose(flow.field({"sigma2": sigma2}).f(0.0, np.array([theta, psi])), told, atol=1e-9)


def test_the_clipped_discriminator_ends_on_the_circle_that_touches_the_clip():
    flow = dynsim.system("dirac-gan", variant="wgan-clip")
    run = dynsim.solve(flow, {"theta": 1.0, "psi": 0.2}, 40.0, parameters={"c": 0.5}, rtol=1e-8, atol=1e-8)
    late = run.sel(time=slice(20, None))
    assert float(abs(run.psi).max()) == pytest.approx(0.5, abs=1e-3)
    np.testing.assert_allclose(late.squared_radius, 0.25, atol=2e-3)


@pytest.mark.parametrize(("variant", "a"), [("direct-copy", 1.0), ("direct-pred", 0.5)])
def test_the_direct_set_threshold(variant, a):
    flow = dynsim.system("direct-set", variant=variant)
    values = {"lambda_d": 1.2, "lambda_s": 1.5}
    threshold = 1.2**2 / (4 * 1.5)
    s = np.linspace(1e-3, 3, 4001)[None]
    above = flow.field({**values, "eta_s": threshold * 1.01}).f(0.0, s)
    below = flow.field({**values, "eta_s": threshold * 0.99}).f(0.0, s)
    assert (above < 0).all()
    changes = s[0, 1:][np.diff(np.sign(below[0])) != 0]
    root = np.sqrt(1.2**2 - 4 * 0.99 * threshold * 1.5)
    stated = [((1.2 + sign * root) / 3.0) ** (1 / a) for sign in (-1, 1)]
    np.testing.assert_allclose(changes, stated, atol=1e-3)


def test_a_mode_survives_weight_decay_only_below_its_own_threshold():
    flow = dynsim.system("modes", k=2)
    values = {"eta_p": 0.1, "eta_s": 0.1, "lambda_d1": 1.0, "lambda_s1": 1.1, "lambda_d2": 0.5, "lambda_s2": 0.7}
    start = {"p1": 0.8, "w1": 0.8, "p2": 0.8, "w2": 0.8}
    run = dynsim.solve(flow, start, times=[500.0], parameters=values)
    assert 0.1 < 1.0 / (4 * 1.1)
    assert 0.1 > 0.25 / (4 * 0.7)
    root = np.sqrt(1 - 4 * 0.1 * 1.1)
    assert float(run.p1[-1]) == pytest.approx((1 + root) / 2.2, abs=1e-9)
    assert float(run.w1[-1]) == pytest.approx((1 + root) / 2.2, abs=1e-9)
    assert abs(float(run.w2[-1])) < 1e-9
