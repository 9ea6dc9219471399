"""What every method promises: stated equilibria are those of the flow, with the stated stability and basins."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import dynsim
from dynsim.errors import InvalidType, InvalidValue, UnknownName
from dynsim.methods.catalogue import METHODS
from dynsim.methods.method import Method
from dynsim.methods.prototype_bifurcations import critical_centre_rate

# method, knobs, values: both sides of the threshold where there is one.
ALIVE = {"lambda_d": 0.8, "lambda_s": 1.0}
CASES = [
    ("simsiam", {}, ALIVE | {"eta": 0.12, "alpha": 2.0}, True),
    ("simsiam", {}, ALIVE | {"eta_p": 0.3, "eta_s": 0.12}, True),
    ("simsiam", {}, ALIVE | {"eta": 0.17}, False),
    ("simsiam", {}, ALIVE | {"eta_s": 0.1}, False),
    ("byol", {}, ALIVE | {"eta": 0.12, "beta": 0.3}, True),
    ("byol", {}, ALIVE | {"eta": 0.17, "beta": 0.3}, False),
    ("direct-set", {"a": 0.5}, ALIVE | {"eta_s": 0.12}, True),
    ("direct-set", {"a": 2.0}, ALIVE | {"eta_s": 0.12}, True),
    ("direct-set", {"a": 0.5}, ALIVE | {"eta_s": 0.17}, False),
    ("no-predictor", {}, ALIVE, False),
    ("fixed-predictor", {"p": 0.9}, ALIVE, False),
    ("vicreg", {}, ALIVE | {"lambda_d": 0.4}, True),
    ("vicreg", {"mu": 1.0}, ALIVE | {"lambda_d": 0.4, "eta_s": 0.2}, True),
    ("vicreg", {"mu": 1.0, "epsilon": 1e-3}, ALIVE | {"lambda_d": 0.6}, False),
    ("visreg", {}, ALIVE, True),
    ("barlow-simon", {}, ALIVE | {"eta_s": 0.5}, True),
    ("barlow-simon", {}, ALIVE | {"eta_s": 3.3}, False),
    ("spectral", {}, ALIVE | {"eta_s": 0.5}, True),
    ("spectral", {}, ALIVE | {"eta_s": 3.3}, False),
    ("infonce", {"tau": 0.4}, ALIVE | {"eta_s": 0.5}, True),
    ("infonce", {"tau": 0.4}, ALIVE | {"eta_s": 4.1}, False),
    ("infonce", {"tau": 0.4, "kernel": "gaussian"}, ALIVE | {"eta_s": 0.5}, True),
    ("infonce", {"tau": 0.4, "kernel": "gaussian"}, ALIVE | {"eta_s": 4.1}, False),
    ("lejepa", {"lam": 0.05}, ALIVE | {"batch": 256}, True),
    ("lejepa", {"lam": 0.05, "knots": "continuum"}, ALIVE | {"batch": 16, "eta_s": 0.01}, True),
    ("lejepa", {"lam": 0.05}, ALIVE | {"batch": 3}, False),
    ("dino", {"prototypes": 10, "agreement": 0.7, "tau_t": 0.06}, {}, True),
    ("dino", {"prototypes": 10, "agreement": 0.7, "tau_t": 0.079}, {}, False),
    ("swav", {"prototypes": 10, "agreement": 0.7, "epsilon": 0.06}, {}, True),
    ("next-latent", {}, ALIVE | {"eta": 0.12}, True),
    ("data2vec", {}, ALIVE | {"eta_p": 0.3, "eta_s": 0.1, "alpha": 2.0}, True),
    ("data2vec", {}, ALIVE | {"eta": 0.9}, False),
]
every_case = pytest.mark.parametrize(("name", "knobs", "values", "lives"), CASES)


def parameters_of(flow, method, values):
    """Values of the flow's parameters: rates and sizes as asked, κ of the views."""
    given = {"alpha": 1.0, "eta_p": 0.0, "eta_s": 0.0, "dim": 1.0, **values}
    if "eta" in given:
        given |= {"eta_p": given["eta"], "eta_s": given["eta"]}
    if "kappa" in flow.parameters:
        given["kappa"] = 1 - 1 / (values.get("views") or method.default_views)
    if "agreement" in method.knobs:
        given["r"] = method["agreement"]
    return {key: given[key] for key in flow.parameters if key in given}


def field_of(name, knobs, values):
    method = dynsim.method(name, **knobs)
    flow = method.flow()
    return method, flow, flow.field(parameters_of(flow, method, values))


def state_of(flow, method, values, amplitude):
    """The stated equilibrium as a state of the flow."""
    if "b" in flow.states:
        return np.array([np.sqrt(amplitude)])
    w = np.sqrt(amplitude / values["lambda_s"])
    predictor = 0.0
    if "p" in flow.states:
        reading = np.sqrt(values["lambda_s"]) if method.knobs.get("normalise") else values["lambda_s"]
        target = values["lambda_d"] / values["lambda_s"] * (reading if method.knobs.get("normalise") else reading * w)
        eta_s = values.get("eta", values.get("eta_s", 0.0))
        # w′ = 0 is quadratic in p; the upper root is the stable one.
        predictor = max(np.roots([values["lambda_s"] * w, -target, eta_s * w]).real)
    return np.array([{"p": predictor, "w": w, "v": w}[name] for name in flow.states])


@every_case
def test_the_stated_end_is_a_stable_equilibrium_and_starts_reach_it(name, knobs, values, lives):
    method, flow, field = field_of(name, knobs, values)
    fact = method.amplitude(**values)
    assert method.survives(**values).value is lives
    assert (fact.value > 0) is lives
    if lives:
        end = state_of(flow, method, values, fact.value)
        speed = np.abs(field.f(0.0, end * (1 - 1e-9))).max()
        hinge = name == "vicreg" and fact.value > 0.9  # the field jumps there
        assert hinge or speed < 1e-6 * (1 + np.abs(end).max())
    generator = np.random.default_rng(7)
    for _ in range(3):
        # Upper side of the basin's boundary: starts between half the end and twice the end, a balanced predictor.
        scale = generator.uniform(0.75, 1.5)
        start = (end if lives else np.full(len(flow.states), 0.7)) * scale
        run = solve_ivp(field.f, (0, 3000), start, method="LSODA", rtol=1e-8, atol=1e-12, max_step=50)
        final = run.y[:, -1]
        if lives:
            assert final == pytest.approx(end, rel=5e-3), (name, start)
        else:
            assert abs(final[-1]) < 1e-2, (name, start)


@pytest.mark.parametrize(
    ("name", "knobs", "values"),
    [
        (n, k, v)
        for n, k, v, _ in CASES
        if n not in ("simsiam", "byol", "next-latent", "direct-set", "visreg", "dino", "swav")
    ],
)
def test_the_origin_rate_is_the_linearisation(name, knobs, values):
    method, flow, _ = field_of(name, knobs, values)
    parameters = parameters_of(flow, method, values)
    if name == "data2vec":
        field = flow.field(parameters)
        small = 1e-7
        columns = [(field.f(0.0, small * unit) - field.f(0.0, -small * unit)) / (2 * small) for unit in np.eye(2)]
        rate = np.linalg.eigvals(np.array(columns)).real.max()
    else:
        rate = float(flow.field(parameters).f(0.0, np.array([1e-6]))[0]) / 1e-6
    assert method.origin_rate(**values).value == pytest.approx(rate, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("name", ["simsiam", "next-latent"])
@pytest.mark.parametrize("p0", [0.2, 0.35, 0.6])
@pytest.mark.parametrize("w0", [0.1, 0.4, 1.2])
def test_survival_from_a_start_agrees_with_a_long_run(name, p0, w0):
    values = ALIVE | {"eta": 0.13}
    method, _, field = field_of(name, {}, values)
    run = solve_ivp(field.f, (0, 600), [p0, w0], method="LSODA", rtol=1e-9, atol=1e-13)
    fact = method.survives(**values, initial={"p": p0, "w": w0})
    assert fact.value is bool(abs(run.y[1, -1]) > 0.1)
    assert not fact.exact


def test_balanced_starts_live_from_the_saddle_on():
    values = {"lambda_d": 0.8, "lambda_s": 1.0, "eta": 0.12, "alpha": 4.0}
    saddle = (0.8 - np.sqrt(0.64 - 0.48)) / 2
    method = dynsim.method("simsiam")
    for factor, lives in ((1 - 1e-9, False), (1 + 1e-9, True)):
        fact = method.survives(**values, initial={"p": factor * saddle, "w": factor * saddle / 2})
        assert (fact.value, fact.exact) == (lives, True)
    assert method.survives(**values, initial=saddle / 2 * 1.001).value is True
    mirrored = method.survives(**(values | {"lambda_d": -0.8}), initial={"p": -0.3, "w": 0.15})
    assert mirrored.value is True


def test_without_decay_survival_follows_the_conserved_quantity():
    method = dynsim.method("simsiam")
    start = {"p": 1.5, "w": 0.5}
    assert method.survives(lambda_d=1.0, lambda_s=1.0, alpha=1.0, initial=start).value is False
    assert method.survives(lambda_d=1.0, lambda_s=1.0, alpha=6.0, initial=start).value is True
    assert method.amplitude(lambda_d=1.0, lambda_s=1.0, initial={"p": 0.6, "w": 0.1}).value == pytest.approx(0.65)


def test_two_rows_of_barlow_end_at_the_shares():
    method = dynsim.method("barlow", lam=0.05, rows=2)
    flow = method.flow(modes=2)
    values = {"lambda_d1": 0.9, "lambda_s1": 1.0, "lambda_d2": 0.6, "lambda_s2": 1.0}
    field = flow.field(values)
    start = np.random.default_rng(3).normal(size=4)
    start /= np.repeat(np.linalg.norm(start.reshape(2, 2), axis=1), 2)
    end = solve_ivp(field.f, (0, 4000), start, method="LSODA", rtol=1e-9, atol=1e-12).y[:, -1].reshape(2, 2)
    stated = method.amplitude(lambda_d=[0.9, 0.6], lambda_s=[1.0, 1.0])
    assert stated.exact
    assert (end**2).sum(0) == pytest.approx(stated.value, rel=1e-4)


def test_simclr_shares_end_at_the_water_level():
    method = dynsim.method("simclr", tau=0.9)
    moments = {"lambda_d": [0.9, 0.5, 0.1], "lambda_s": [1.0, 1.0, 2.0]}
    flow = method.flow(modes=3)
    field = flow.field({f"{key}{i + 1}": value[i] for key, value in moments.items() for i in range(3)})
    start = np.array([0.5, 0.6, 0.5])
    start /= np.linalg.norm(start)
    end = solve_ivp(field.f, (0, 3000), start, method="LSODA", rtol=1e-9, atol=1e-12).y[:, -1]
    stated = method.amplitude(**moments)
    assert end**2 * moments["lambda_s"] == pytest.approx(stated.value, abs=1e-4)
    assert stated.value[2] == 0


def test_lejepa_coupled_features_rest_at_a_minimum():
    """Neither a smaller nor a larger variance of any feature, alone, lowers the expected loss."""
    from dynsim.methods.slice_statistics import slice_value

    noise, views = np.array([0.05, 0.3, 0.6, 0.95]), 2
    for knots in ("code", "continuum"):
        end = dynsim.method("lejepa", knots=knots, lam=0.1).amplitude(nu=noise, batch=8, views=views).value

        def loss(v, knots=knots):
            return 0.9 * 0.5 * noise @ v / 4 + 0.1 * slice_value(v, 8, knots)

        for unit in np.eye(4):
            for step in (1e-3, -1e-3):
                assert loss(np.maximum(end + step * unit, 0)) >= loss(end) - 1e-15
        assert 0 < (end > 0).sum() < 4


# The expected loss of one mode, averaged by hand; "p" is a state where there is a predictor.
EXPECTED = [
    ("simsiam", {}, "(lambda_d*(p*w - sg(w))^2 + (lambda_s - lambda_d)*((p*w)^2 + sg(w)^2))/2"),
    ("byol", {}, "(lambda_d*(p*w - sg(v))^2 + (lambda_s - lambda_d)*((p*w)^2 + sg(v)^2))/2"),
    ("next-latent", {}, "(lambda_d*(p*w - sg(w))^2 + (lambda_s - lambda_d)*((p*w)^2 + sg(w)^2))/2"),
    ("data2vec", {}, "lambda_s*(p*w)^2/2 - lambda_d/sqrt(lambda_s)*p*w"),
    ("no-predictor", {}, "(lambda_d*(w - sg(w))^2 + (lambda_s - lambda_d)*(w^2 + sg(w)^2))/2"),
    ("fixed-predictor", {}, "(lambda_s*(p*w)^2 - 2*lambda_d*p*w*sg(w))/2"),
    ("direct-set", {}, "sg(w^2)^a*(lambda_s*sg(w^2)^a*w^2/2 - lambda_d*w*sg(w))"),
    ("vicreg", {}, "(2*s*(lambda_s - lambda_d)*w^2 + mu*max(0, 1 - sqrt(lambda_s*w^2 + epsilon)))/dim"),
    ("barlow-simon", {}, "(lambda_d*w^2 - 1)^2"),
    ("spectral", {}, "-2*lambda_d*w^2 + (lambda_s*w^2)^2"),
    ("infonce", {}, "-lambda_d*w^2/tau + (lambda_s*w^2)^2/(2*tau^2)"),
    (
        "infonce",
        {"kernel": "gaussian"},
        "(lambda_s - lambda_d)*w^2/tau - log(1 + lambda_s*w^2/tau)/2 - lambda_s*w^2/(2*(tau + lambda_s*w^2))",
    ),
]


@pytest.mark.parametrize(("name", "knobs", "expected"), EXPECTED)
def test_the_flow_of_the_text_is_the_stated_one(name, knobs, expected):
    """The text with its samples, averaged by dynsim, at 100 points, against the loss averaged by hand."""
    method = dynsim.method(name, **knobs)
    flow = method.flow()
    track = {"v": ("w", "beta")} if "v" in flow.states else None
    rates = {"p": "alpha"} if "p" in flow.states else None
    stated = dynsim.gradient_flow(expected, flow.states, track=track, rates=rates)
    dim = {"dim": 3.0} if "dim" in flow.parameters else {}
    texts = [flow]
    if method.drawn and "alpha" not in flow.parameters:
        over = f"({method.mode})/dim" if dim else method.mode
        texts.append(dynsim.gradient_flow(over, flow.states, random=method.random))
    generator = np.random.default_rng(5)
    knobs_used = {key: value for key, value in flow.defaults.items() if key in flow.parameters}
    for _ in range(20):
        signal, noise = generator.uniform(0.1, 1.0, 2)
        states = generator.uniform(0.1, 1.5, (len(flow.states), 5)) * generator.choice([-1, 1], (1, 5))
        if "p" in flow.states:
            states[flow.states.index("p")] = generator.uniform(-1.5, 1.5, 5)
        values = {**knobs_used, "lambda_d": signal, "lambda_s": signal + noise, "alpha": 1.7, "beta": 0.6, **dim}
        wanted = stated.field({key: values[key] for key in stated.parameters}).f(0.0, states)
        for text in texts:
            chosen = {key: 0.0 if key.startswith("eta") else values[key] for key in text.parameters}
            found = text.field(chosen).f(0.0, states)
            assert found == pytest.approx(wanted, rel=1e-10, abs=1e-12 * np.abs(wanted).max())


def dino_run(m, start):
    """Pattern at the end of a run with K = 2, from {a, b}, and its stated amplitude."""
    method = dynsim.method("dino", prototypes=2, agreement=0.7, centre_rate=m)
    flow = method.flow()
    field = flow.field({"r": 0.7})
    initial = [{"c": 0.0, **start}[s] for s in flow.states]
    run = solve_ivp(field.f, (0, 25), initial, method="LSODA", rtol=1e-9, atol=1e-14)
    return method, abs(run.y[flow.states.index("b"), -1])


@pytest.mark.parametrize(("m", "lives"), [(7.5, False), (8.5, True), (20.0, True), (45.0, True)])
def test_dino_cold_start_is_a_race_of_pattern_and_constant_mode(m, lives):
    method, b = dino_run(m, {"a": 1e-9, "b": 1e-9})
    fact = method.survives(initial="cold")
    assert fact.value is lives is bool(b > 0.05)
    assert fact.exact is (m >= 37.5)
    if lives:
        assert b**2 == pytest.approx(method.amplitude().value, rel=1e-4)


@pytest.mark.long
@pytest.mark.parametrize(("m", "lives"), [(15.0, False), (17.5, True)])
def test_dino_cycle_attracts_below_its_critical_centre_rate(m, lives):
    critical = critical_centre_rate(0.7, 0.1, 0.04)
    assert 15.0 < critical < 17.5
    _, b = dino_run(m, {"a": 0.1, "b": 1e-6})
    assert bool(b > 0.05) is lives


def test_dino_is_bistable_below_the_fold():
    method = dynsim.method("dino", prototypes=10, agreement=0.7, tau_t=0.075)
    assert method.survives().value is True
    assert method.survives(initial="warm").value is True
    assert method.survives(initial="cold").value is False
    assert method.survives(initial=0.0547).value is True
    assert method.survives(initial=0.0545).value is False
    assert dynsim.method("dino", prototypes=10, agreement=0.7, tau_t=0.079).survives(initial="warm").value is False


def test_visreg_small_batches_have_a_dead_side():
    method = dynsim.method("visreg", epsilon=1e-6)
    values = {"nu": 0.2, "batch": 64}
    assert method.survives(**values, initial=0.5).value is True
    assert method.survives(**values, initial=0.01).value is False
    assert method.survives(**values, initial=0.01, epsilon=0.05).value is True  # bδ² < 4aε₀: nothing dies


def test_vicreg_hinge_in_small_batches_tends_to_the_large_one():
    method = dynsim.method("vicreg", s=25, mu=10)
    large = method.amplitude(nu=0.3).value
    small = [method.amplitude(nu=0.3, batch=n).value for n in (16, 1024)]
    assert abs(small[1] - large) < 1e-2 * large < abs(small[0] - large)
    from scipy.special import gammaln

    n = 16  # far below the kink and without ε the mean standard deviation is c₄√v, c₄ as in quality control
    c4 = np.sqrt(2 / (n - 1)) * np.exp(gammaln(n / 2) - gammaln((n - 1) / 2))
    assert method.amplitude(nu=0.9, batch=n, epsilon=0).value == pytest.approx((c4 * 10 / 90) ** 2, rel=1e-6)


@pytest.mark.parametrize("name", METHODS)
def test_it_is_described(name):
    method = dynsim.method(name)
    assert method.reference
    assert method.code
    assert method.loss
    assert method.mode
    assert method.assumptions
    assert method.survives_if
    for key, knob in method.KNOBS.items():
        assert knob.check(key, knob.default) == method.knobs[key]
    flow = method.flow()
    assert set(flow.defaults) >= {*flow.states, *flow.parameters}


def test_rank_budget_keeps_the_most_reliable():
    fact = dynsim.method("spectral").survives(lambda_d=[0.2, 0.9, 0.5], lambda_s=[1, 1, 1], dim=2)
    assert fact.value.tolist() == [False, True, True]
    assert "2 rows" in fact.reason


def test_bad_input_is_refused_at_the_door():
    method = dynsim.method
    with pytest.raises(UnknownName, match="did you mean 'vicreg'"):
        method("vicregg")
    with pytest.raises(UnknownName, match="knob of 'spectral'"):
        method("spectral", tau=1)
    with pytest.raises(InvalidValue, match="tau: got -1"):
        method("infonce", tau=-1)
    with pytest.raises(InvalidValue, match="kernel"):
        method("infonce", kernel="cubic")
    with pytest.raises(InvalidType, match="method"):
        method(3)
    spectral = method("spectral")
    for values in ({}, {"lambda_d": 1.0}, {"lambda_s": 1.0}, {"lambda_d": 2.0, "lambda_s": 1.0}, {"nu": float("nan")}):
        with pytest.raises(InvalidValue):
            spectral.survives(**values)
    with pytest.raises(InvalidValue, match="either eta or eta_s"):
        spectral.survives(nu=0.1, eta=0.1, eta_s=0.2)
    with pytest.raises(UnknownName, match="value: got 'lambda'"):
        spectral.survives(**{"lambda": 1})
    with pytest.raises(InvalidValue, match="no weight decay"):
        method("simclr").survives(nu=0.1, eta=0.1)
    with pytest.raises(InvalidValue, match="as many values"):
        spectral.survives(lambda_d=[0.1, 0.2], lambda_s=[1, 1, 1])


@pytest.mark.parametrize("initial", ["cold", {"w": "x"}, {"w": float("inf")}, {"p": 0.1}, {"w": [1, 2, 3]}])
def test_a_start_that_is_none_is_refused(initial):
    with pytest.raises(dynsim.DynsimError, match="initial"):
        dynsim.method("simsiam").survives(lambda_d=[0.5, 0.4], lambda_s=[1.0, 1.0], eta=0.01, initial=initial)
    with pytest.raises(UnknownName, match="state of initial"):
        dynsim.method("simsiam").survives(nu=0.1, initial={"theta": 1.0})
    with pytest.raises(InvalidValue, match="cold"):
        dynsim.method("dino", agreement=0.7).survives(initial="tepid")


def test_a_user_may_add_a_method():
    from dynsim.methods.spectral import Spectral

    class Mine(Spectral):
        """The spectral loss under another name."""

        name = "mine"

    try:
        dynsim.register(Mine())
        assert dynsim.method("mine").amplitude(nu=0.2).value == pytest.approx(0.8)
        assert "mine" in dynsim.list_methods()["name"]
    finally:
        METHODS.remove("mine")


@pytest.mark.parametrize("missing", ["loss", "mode", "_survives", "_amplitude", "_origin_rate", "_flow"])
def test_an_incomplete_method_fails_when_it_is_made(missing):
    whole = {"name": "part", "loss": "sum((z1 - z2)^2)", "mode": "(w*x)^2", "summary": "", "reference": "", "code": ""}
    for question in ("_survives", "_amplitude", "_origin_rate", "_flow"):
        whole[question] = lambda self, at: None
    assert type("Part", (Method,), whole)()
    del whole[missing]
    with pytest.raises(TypeError, match=f"abstract.*{missing}"):
        type("Part", (Method,), whole)()


def vicreg_matrix(noise, weights, mixed, steps=20_000, lr=0.02):
    """Gradient descent on the code's expected loss for all rows, from aligned ones or from those in `mixed`."""
    s, mu, c, eps = weights
    generator = np.random.default_rng(1)
    start = np.diag(np.sqrt(np.maximum(np.minimum(1, mu / (4 * s * noise)) ** 2 - eps, 0)))
    w = start + (0.3 if mixed is True else 1e-4) * generator.normal(size=start.shape)
    w = mixed if isinstance(mixed, np.ndarray) else w
    for _ in range(steps):
        covariance = w @ w.T
        variance = np.diag(covariance)
        push = np.where(variance + eps < 1, mu / np.sqrt(variance + eps), 0.0)
        w = w + lr / len(w) * (push[:, None] * w - 4 * s * w * noise - 8 * c * (covariance - np.diag(variance)) @ w)
    return (w**2).sum(0)


@pytest.mark.parametrize(("factor", "stays"), [(0.9, False), (1.1, True)])
def test_vicreg_rows_stay_aligned_from_a_weight_of_the_covariances_on(factor, stays):
    """s(ν_j − ν_i) < 2c(v_i − v_j): here c > 0.3515625."""
    noise, knobs = np.array([0.3, 0.5]), {"s": 1.0, "mu": 0.8, "cov": 0.3515625 * factor}
    fact = dynsim.method("vicreg", rows="aligned", **knobs).amplitude(nu=noise)
    assert fact.exact is stays
    end = vicreg_matrix(noise, (1.0, 0.8, knobs["cov"], 1e-4), mixed=False, lr=0.2)
    free = dynsim.method("vicreg", rows="free", **knobs).amplitude(nu=noise)
    assert end == pytest.approx(fact.value if stays else free.value, rel=1e-4)


# Noise shares and weights s, μ, c at which all rows turn, none, or those of the less reliable features.
@pytest.mark.parametrize(
    ("noise", "weights", "rows", "alone"),
    [
        ([0.3, 0.5], (1.0, 0.8, 0.31), "free", 0),
        ([0.3, 0.45, 0.6], (1.0, 0.8, 2.0), "aligned", 3),
        ([0.3, 0.5, 0.9], (1.0, 1.0, 1.0), None, 1),
    ],
)
def test_vicreg_left_open_ends_where_random_rows_end(noise, weights, rows, alone):
    method = dynsim.method("vicreg", **dict(zip(("s", "mu", "cov"), weights, strict=True)))
    settled, fact = method.settled(nu=noise), method.amplitude(nu=noise)
    assert (settled.knobs["rows"], settled._alone, fact.exact) == (rows, alone, True)
    for seed, size in ((0, 0.05), (1, 0.6)):
        start = size * np.random.default_rng(seed).normal(size=(len(noise), len(noise)))
        end = vicreg_matrix(np.array(noise), (*weights, 1e-4), mixed=start, steps=4_000, lr=0.1)
        assert end == pytest.approx(fact.value, rel=1e-3)


def test_vicreg_says_where_the_start_decides():
    """Just beyond the threshold of the aligned rows the free ones are a minimum too."""
    noise, knobs = [0.3, 0.5], {"s": 1.0, "mu": 0.8, "cov": 0.3515625 * 1.1}
    fact = dynsim.method("vicreg", **knobs).amplitude(nu=noise)
    ends = {rows: dynsim.method("vicreg", rows=rows, **knobs).amplitude(nu=noise) for rows in ("aligned", "free")}
    assert fact.value == pytest.approx(ends["aligned"].value)
    assert not fact.exact
    assert "the start decides" in fact.reason
    for seed, size, rows in ((0, 0.02, "free"), (2, 0.9, "aligned")):
        start = size * np.random.default_rng(seed).normal(size=(2, 2))
        end = vicreg_matrix(np.array(noise), (1.0, 0.8, knobs["cov"], 1e-4), mixed=start, steps=6_000, lr=0.2)
        assert end == pytest.approx(ends[rows].value, rel=1e-3)


def test_vicreg_with_the_published_weights_gives_the_reliable_features_the_rows_of_the_others():
    noise = np.array([0.1, 0.2, 0.3, 0.5])
    fact = dynsim.method("vicreg").amplitude(nu=noise)
    assert fact.exact
    assert fact.value == pytest.approx([31 / 12, 4 / 3, 1 / 12, 0], abs=2e-3)  # (ρ − 25ν)₊/2 that sum to 4(1 − ε)
    end = vicreg_matrix(noise, (25.0, 25.0, 1.0, 1e-4), mixed=True, lr=0.002)
    assert end == pytest.approx(fact.value, abs=0.03)  # steps at the hinge overshoot
    alone = dynsim.method("vicreg", rows="aligned").amplitude(nu=noise)
    assert not alone.exact
    assert "saddle" in alone.reason
    each = [dynsim.method("vicreg").amplitude(nu=one).value for one in noise]  # a feature alone has its row
    assert each == pytest.approx(alone.value)


def test_vicreg_without_a_covariance_term_reads_one_feature_and_batches_add_chance_correlations():
    free = dynsim.method("vicreg", rows="free", cov=0.0, mu=10.0).amplitude(nu=[0.2, 0.3])
    assert free.value == pytest.approx([2 * (0.25 - 1e-4), 0.0])
    knobs, noise = {"s": 1.0, "mu": 0.2, "cov": 5.0, "epsilon": 0.01}, [0.1, 0.2]
    for rows in ("aligned", "free"):
        sizes = [dynsim.method("vicreg", rows=rows, **knobs).amplitude(nu=noise, batch=n).value for n in (32, 10**6)]
        assert (sizes[0] < 0.9 * sizes[1]).all()
        limit = dynsim.method("vicreg", rows=rows, **knobs).amplitude(nu=noise).value
        assert sizes[1] == pytest.approx(limit, rel=1e-3)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(
    "values", [{"lambda_d": 0.0, "lambda_s": 0.0}, {"lambda_d": [0.0, 0.5], "lambda_s": [0.0, 1.0]}]
)
def test_a_feature_without_variance_is_no_feature(name, values):
    method = dynsim.method(name)
    alive, size = method.survives(**values).value, method.amplitude(**values).value
    if name not in ("w-mse", "dino", "swav"):  # ranks and clusters
        assert not np.atleast_1d(alive)[0]
    assert not (np.atleast_1d(size)[0] > 0) or name in ("dino", "swav")
    method.origin_rate(**values)
