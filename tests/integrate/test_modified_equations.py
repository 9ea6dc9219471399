"""The modified flow against the optimiser it describes: formulas, orders, laws, the boundary of collapse."""

import numpy as np
import pytest
import sympy
from scipy.optimize import brentq

import dynsim
from dynsim import Descend, Flow, Move, gradient_flow, modified_flow, optimise, solve, system
from dynsim.errors import DynsimError, InvalidValue, UnknownName
from dynsim.symbolic.sources import as_flow

H, MU, ALPHA = sympy.symbols("h mu alpha")
START = {"phi": 0.6, "theta": 0.4}
PENDULUM = "x' = y; y' = -sin(x) - y/4"
SMOOTH = "x' = exp(-x^2)*y; y' = x/(1 + y^2) - y"


def second(flow, u, v):
    """f''(u, v)."""
    ys = [flow.symbols[name] for name in flow.states]
    pairs = [(i, j) for i in range(len(ys)) for j in range(len(ys))]
    return sympy.Matrix([sum(f.diff(ys[i], ys[j]) * u[i] * v[j] for i, j in pairs) for f in flow.rhs])


def same(one, other):
    return sympy.simplify(sympy.Matrix(one) - sympy.Matrix(other)) == sympy.zeros(len(one), 1)


def test_gradient_descent_by_its_elementary_differentials():
    flow = system("toy")
    f, J = flow.rhs, flow.jacobian
    third = second(flow, f, J * f) / 12 + J * second(flow, f, f) / 12 + J**3 * f / 4
    known = f - H / 2 * J * f + H**2 * (second(flow, f, f) / 12 + J**2 * f / 3) - H**3 * third
    assert same(modified_flow(flow, order=3).rhs, known)
    assert same(modified_flow(flow, order=0).rhs, f)


@pytest.mark.parametrize("text", ["y' = y^2", "y' = sqrt(1 + y^2)"])
def test_the_taylor_series_of_the_flow_is_the_step(text):
    """The derivation again: y + hf̃' + h²f̃''/2 + … is y + hf, up to the order that was kept."""
    flow = modified_flow(text, order=3)
    y, h = flow.symbols["y"], flow.symbols["h"]
    field = flow.rhs[0]
    total, term = y, y
    for n in range(1, 5):
        term = field * term.diff(y)
        total += h**n * term / sympy.factorial(n)
    step = total.subs(y, sympy.Rational(2, 3))
    series = sympy.series(step, h, 0, 5).removeO()
    velocity = modified_flow(text, order=0).rhs[0].subs(y, sympy.Rational(2, 3))
    assert sympy.simplify(series - sympy.Rational(2, 3) - h * velocity) == 0


def test_the_heavy_ball_and_nesterov_by_their_formulas():
    flow = system("toy")
    g, J = flow.rhs / (1 - MU), flow.jacobian / (1 - MU)
    kappa = (1 + MU) / (2 * (1 - MU))
    sixth = sympy.Rational(1, 6)
    curved = second(flow, g, g) / (1 - MU)
    ball = g - H * kappa * J * g + H**2 * ((kappa**2 - sixth) * curved + (2 * kappa**2 - sixth) * J * J * g)
    assert same(modified_flow(flow, "momentum", order=2, momentum="mu").rhs, ball)
    kappa = (1 - MU + 2 * MU**2) / (2 * (1 - MU))
    assert same(modified_flow(flow, "nesterov", momentum="mu").rhs, g - H * kappa * J * g)


def test_one_block_after_the_other_by_its_formula():
    flow = system("toy")
    f, J = flow.rhs, flow.jacobian
    phi, theta = (flow.symbols[name] for name in flow.states)
    plain = f - H / 2 * J * f
    newer = sympy.Matrix([0, f[1].diff(phi) * f[0]])
    assert same(modified_flow(flow, "alternating").rhs, plain + H * newer)
    older = sympy.Matrix([f[0].diff(theta) * f[1], 0])
    assert same(modified_flow(flow, "alternating", blocks=["theta", "phi"]).rhs, plain + H * older)


def test_teachers_by_their_coefficient():
    flow = system("byol")
    f, J, beta, m = flow.rhs, flow.jacobian, flow.symbols["beta"], sympy.Symbol("m")
    xi, theta, phi = (flow.symbols[name] for name in ("xi", "theta", "phi"))
    plain = f - H / 2 * J * f + H * sympy.Matrix([0, 0, beta * f[1]])
    assert same(modified_flow(flow, teacher="1 - beta*lr").rhs, plain)
    slower = H * sympy.Matrix([0, 0, beta**2 / 2 * (theta - xi)])
    assert same(modified_flow(flow, teacher="exp(-beta*lr)").rhs, plain - slower)
    slaved = modified_flow(flow, teacher="m")
    assert slaved.states == ("phi", "theta")
    assert slaved.roles["teacher"] == ()
    student = sympy.Matrix(f[:2]).subs(xi, theta)
    pull = sympy.Matrix(f[:2]).diff(xi).subs(xi, theta)
    J = student.jacobian([phi, theta])
    assert same(slaved.rhs, student - H / 2 * J * student - H * m / (1 - m) * pull * student[1])


def test_decay_that_bypasses_momentum_counts_in_full():
    flow = gradient_flow("(phi*theta - sg(theta))^2/2", "phi, theta", decay={"phi": "eta", "theta": "eta"})
    bare = gradient_flow("(phi*theta - sg(theta))^2/2", "phi, theta")
    y = sympy.Matrix([flow.symbols[name] for name in flow.states])
    coupled = modified_flow(flow, "momentum", order=0, momentum="mu").rhs
    apart = modified_flow(flow, "momentum", order=0, momentum="mu", decoupled=True).rhs
    eta = sympy.Symbol("eta")
    assert same(coupled, (bare.rhs - eta * y) / (1 - MU))
    assert same(apart, bare.rhs / (1 - MU) - eta * y)
    assert same(modified_flow(flow, decoupled=True).rhs, modified_flow(flow).rhs)


def error(flow, powers, h, *, settled=0.0, optimiser="gd", start=None, t_end=2.0, made=None, **options):
    """Largest distance from the optimiser's run, which starts at h·step = `settled`."""
    steps, skip = round(t_end / h), round(settled / h)
    run = optimise(flow, start or START, steps + skip, lr=h, optimiser=optimiser, **options)
    smooth = modified_flow(flow, optimiser, order=powers, lr=h, **(options if made is None else made))
    begin = {name: float(run[name][skip]) for name in smooth.states}
    there = solve(smooth, begin, times=h * np.arange(steps + 1), rtol=1e-12, atol=1e-14)
    return max(float(abs(there[name].values - run[name].values[skip:]).max()) for name in smooth.states)


CASES = {
    "toy": (system("toy"), {}),
    "not polynomial": (SMOOTH, {"start": {"x": 0.3, "y": 0.8}}),
    "pendulum": (PENDULUM, {"start": {"x": 0.3, "y": 0.8}}),
    "in time": (Flow.of({"x": Move("cos(3*t) - x*y"), "y": Move("x - t*y")}), {"start": {"x": 0.3, "y": 0.8}}),
    "teacher by rate": (system("byol"), {"start": {"phi": 0.6, "theta": 0.9, "xi": 0.7}}),
    "alternating": (system("toy"), {"optimiser": "alternating"}),
    "θ first": (
        system("toy"),
        {"optimiser": "alternating", "order": ("theta", "phi"), "made": {"blocks": ("theta", "phi")}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("order", [0, 1, 2])
def test_the_error_falls_by_another_factor_of_two_per_order(name, order):
    flow, how = CASES[name]
    coarse, fine = (error(as_flow(flow), order, h, **how) for h in (0.02, 0.01))
    assert coarse / fine == pytest.approx(2.0 ** (order + 1), rel=0.15)


@pytest.mark.parametrize("optimiser", ["momentum", "nesterov"])
@pytest.mark.parametrize("order", [0, 1, 2])
def test_momentum_that_has_forgotten_its_start_follows_the_flow(optimiser, order):
    """The comparison begins after 60 steps or more, when μ^60 is nothing, at the place where the run is then."""
    how = {"settled": 1.2, "optimiser": optimiser, "momentum": 0.5, "t_end": 1.0}
    coarse, fine = (error(system("toy"), order, h, **how) for h in (0.02, 0.01))
    assert coarse / fine == pytest.approx(2.0 ** (order + 1), rel=0.2)


def test_a_cold_start_of_momentum_is_displaced():
    flow, mu = system("toy"), 0.5
    found = []
    for h in (0.02, 0.01):
        force = flow.field().f(0.0, np.array([0.6, 0.4]))
        begin = dict(zip(flow.states, np.array([0.6, 0.4]) - h * mu * force / (1 - mu) ** 2, strict=True))
        run = optimise(flow, START, round(1 / h), lr=h, optimiser="momentum", momentum=mu)
        there = solve(modified_flow(flow, "momentum", momentum=mu), begin, 1.0, parameters={"h": h}, rtol=1e-12)
        found.append(float(abs(there.theta[-1] - run.theta[-1])))
    assert found[0] / found[1] == pytest.approx(4.0, rel=0.15)


def test_the_other_order_of_blocks_is_the_one_of_optimise():
    flow = system("toy")
    found = []
    for h in (0.04, 0.02):
        run = optimise(flow, START, round(2 / h), lr=h, optimiser="alternating", order=("theta", "phi"))
        smooth = modified_flow(flow, "alternating", blocks=("theta", "phi"), lr=h)
        there = solve(smooth, START, 2.0, rtol=1e-12)
        found.append(float(abs(there.theta[-1] - run.theta[-1])))
    assert found[0] / found[1] == pytest.approx(4.0, rel=0.15)


@pytest.mark.parametrize("kind", ["m → 1", "m fixed"])
@pytest.mark.parametrize("order", [0, 1, 2])
def test_a_teacher_by_coefficient_is_the_one_of_optimise(kind, order):
    flow = system("byol").fix(sigma2=0)
    fixed = kind == "m fixed"
    found = []
    for h in (0.02, 0.01):
        how = {"teacher": 0.5 if fixed else 1 - 0.7 * h, "made": {"teacher": "1/2" if fixed else "1 - 7*lr/10"}}
        found.append(error(flow, order, h, settled=1.2, start={"phi": 0.6, "theta": 0.4, "xi": 0.3}, **how))
    assert found[0] / found[1] == pytest.approx(2.0 ** (order + 1), rel=0.2)


def test_decoupled_decay_is_that_of_a_loop():
    flow = Flow.of({"x": Descend("x^4/4 - x*y", decay="0.3"), "y": Descend("(y - x)^2/2", decay="0.1")})
    mu, eta = 0.5, np.array([0.3, 0.1])

    def run(h, steps):
        y, b, path = np.array([0.9, -0.4]), np.zeros(2), []
        for _ in range(steps):
            path.append(y)
            b = mu * b - np.array([y[0] ** 3 - y[1], y[1] - y[0]])
            y = (1 - h * eta) * y + h * b
        return np.array(path)

    found = []
    for h in (0.02, 0.01):
        settled = round(1.2 / h)
        path = run(h, settled + round(1 / h) + 1)
        smooth = modified_flow(flow, "momentum", momentum=mu, decoupled=True, order=2)
        there = solve(smooth, dict(zip("xy", path[settled], strict=True)), 1.0, parameters={"h": h}, rtol=1e-12)
        found.append(float(abs(there.x[-1] - path[-1][0])))
    assert found[0] / found[1] == pytest.approx(8.0, rel=0.2)


@pytest.mark.parametrize(("branch", "law", "drift"), [
    ("stop", "theta^2 - phi^2/alpha", "-alpha*h*theta^2*(phi - 1)^2*(theta^2 - phi^2/alpha)"),
    ("full", "(phi - 1)^2 - alpha*theta^2", "-alpha*h*theta^2*(phi - 1)^2*((phi - 1)^2 - alpha*theta^2)"),
    ("target", "(1 - phi) - alpha*theta^2/2", "-alpha*h*theta^2*(phi - 1)^2/2"),
])  # fmt: skip
def test_finite_steps_move_every_first_integral(branch, law, drift):
    """One step multiplies the laws of "stop" and "full" by 1 − αk², k = hθ(φ − 1), and lowers that of "target"."""
    flow = modified_flow(system("toy", branch=branch))
    quantity, expected = (dynsim.parse(text) for text in (law, drift))
    symbols = [flow.symbols[name] for name in flow.states]
    slope = sum(quantity.diff(symbol) * entry for symbol, entry in zip(symbols, flow.rhs, strict=True))
    first = sympy.expand(slope).coeff(flow.symbols["h"], 1)
    # d/dt of I along f + h·f₂ at order h: (∇I)·f₂ is what a step changes per unit of time.
    assert sympy.simplify(first * H - expected) == 0
    exact = sympy.expand(slope).coeff(flow.symbols["h"], 0)
    assert sympy.simplify(exact) == 0


@pytest.mark.parametrize(
    ("optimiser", "mu", "slope"), [("gd", 0, -0.125), ("momentum", 0.5, -0.75), ("nesterov", 0.5, -0.5)]
)
def test_the_boundary_of_collapse_moves_as_known(optimiser, mu, slope):
    """αθ₀² = φ₀² − 1 − ½h_e(1 − φ₀)²: the run that ends where θ = 0 meets φ = 1, at φ₀ = 1.5."""
    options = {} if optimiser == "gd" else {"momentum": mu}
    smooth = modified_flow(system("toy"), optimiser, **options)

    def shift(h):
        def beyond(square):
            start = {"phi": 1.5, "theta": np.sqrt(square)}
            end = solve(smooth, start, times=[0.0, 300.0], parameters={"h": h}, rtol=1e-11)
            return float(end.theta[-1] ** 2 - end.phi[-1] ** 2 + 1)

        return brentq(beyond, 1.2, 1.3, xtol=1e-12) - 1.25

    h = 0.01
    coarse, fine = (shift(step) / step for step in (h, h / 2))
    assert 2 * fine - coarse == pytest.approx(slope, abs=0.002)


@pytest.mark.parametrize(("eta", "flip"), [("1/20", 2.64554068), ("1/5", 5.0)])
def test_rates_near_the_end_are_those_of_the_map(eta, flip):
    """At the living state a step multiplies a displacement by 1 + hλ: the modified rates are ln(1 + hλ)/h.

    Where 1 + hλ = −1, the flip at 2/max(2η, |p₊(1 − 2Ap₊)|), A = 1 + σ² = 1.1, no flow can follow.
    """
    flow = system("scalar").fix(sigma2="1/10", eta_p=eta, eta_s=eta)
    values = {"alpha": 1.0}
    living = [item.point for item in dynsim.equilibria(flow, values) if item.kind.startswith("stable")]
    point = max(living, key=lambda item: float(item["phi"]))
    y = np.array([float(point[name]) for name in flow.states])
    rates = np.sort(np.linalg.eigvals(flow.field(values).jacobian(0.0, y)).real)
    assert -2 / rates[0] == pytest.approx(flip, rel=1e-8)
    h = 0.05
    found = modified_flow(flow, order=3, lr=h).field(values)
    modified = np.sort(np.linalg.eigvals(found.jacobian(0.0, y)).real)
    assert np.allclose(modified, np.log1p(h * rates) / h, rtol=2e-6)
    assert not np.allclose(modified, rates, rtol=2e-3)


def test_what_cannot_be_derived_is_one_line():
    flow = system("toy")
    for optimiser in ("adam", "sign", "newton"):
        with pytest.raises(InvalidValue, match="no modified equation"):
            modified_flow(flow, optimiser)
    for order in (4, -1, 1.5, True, "2"):
        with pytest.raises(InvalidValue, match="order"):
            modified_flow(flow, order=order)
    with pytest.raises(UnknownName, match="momentum"):
        modified_flow(flow, "momentun")
    with pytest.raises(UnknownName):
        modified_flow(flow, momentum=0.9)
    for bad in ({"lr": "alpha"}, {"lr": "phi"}, {"lr": -0.1}, {"lr": "t"}, {"lr": 0}, {"teacher": 0.9},
                {"optimiser": "momentum", "momentum": 1.0}, {"optimiser": "momentum", "momentum": "phi"},
                {"optimiser": "alternating", "blocks": ["phi"]}):  # fmt: skip
        with pytest.raises(DynsimError):
            modified_flow(flow, **bad)
    for teacher in ("0.9 - lr", 1.0):
        with pytest.raises(InvalidValue, match="teacher"):
            modified_flow(system("byol"), teacher=teacher)


def test_it_is_an_ordinary_flow():
    flow = modified_flow(system("toy"), lr=0.1)
    assert flow.parameters == ("alpha",)
    assert flow.defaults["phi"] == 0.6
    assert flow.roles == system("toy").roles
    assert flow.exact is None
    assert "loss" in flow.observables
    outcome = dynsim.outcome(flow, {"phi": 0.6, "theta": 0.4})
    assert outcome.limit["phi"] == pytest.approx(1.0, abs=1e-6)
