"""All logits of prototypes: against the loss's own gradient, the flow of one pattern, and what is known exactly."""

import numpy as np
import pytest

import dynsim
from dynsim.methods.prototype_bifurcations import branches, growth_rates, hopf
from dynsim.methods.prototype_clusters import FATES, assignments, cluster_field, cold_start, fate, warm_start

R, TAU_S, TAU_T = 0.7, 0.1, 0.04


def flat(state):
    return np.concatenate([state[name].ravel() for name in ("S", "T", "c")])


def test_the_student_descends_the_cross_entropy():
    torch = pytest.importorskip("torch")
    k, generator = 4, np.random.default_rng(0)
    y = 0.1 * generator.normal(size=2 * k * k + k)
    field = cluster_field(R, TAU_S, TAU_T, k, centre_rate=0.3, beta=0.2)
    student = torch.tensor(y[: k * k].reshape(k, k), requires_grad=True)
    teacher, centre = torch.tensor(y[k * k : 2 * k * k].reshape(k, k)), torch.tensor(y[2 * k * k :])
    pairs = R * torch.eye(k, dtype=torch.float64) / k + (1 - R) / k**2
    targets = ((teacher - centre) / TAU_T).softmax(1)
    loss = -(pairs[:, :, None] * targets[None] * (student / TAU_S).log_softmax(1)[:, None]).sum()
    found = field.split(field.f(0.0, y))
    np.testing.assert_allclose(found["S"], -torch.autograd.grad(loss, student)[0].numpy(), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(found["T"], 0.2 * (student - teacher).detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(found["c"], 0.3 * (teacher.mean(0) - centre).numpy(), rtol=1e-12)


def test_the_symmetric_state_is_the_pattern_of_the_method():
    k, b = 10, 0.2
    flow = dynsim.method("dino", prototypes=k, agreement=R, tau_t=TAU_T).flow()
    rise = flow.field({"r": R}).f(0.0, np.array([b]))[0]
    field = cluster_field(R, TAU_S, TAU_T, k, centre_rate=1.0, beta=1.0)
    state = {"S": b * np.eye(k), "T": b * np.eye(k), "c": np.full(k, b / k)}
    found = field.split(field.f(0.0, flat(state)))
    assert found["S"][0, 0] - found["S"][0, 1] == pytest.approx(rise, rel=1e-12)
    assert np.abs(found["T"]).max() == 0
    assert np.abs(found["c"]).max() < 1e-15
    rest = warm_start(R, TAU_S, TAU_T, k, 0.0)
    assert np.abs(field.f(0.0, flat(rest))).max() < 1e-12
    assert rest["S"][0, 0] == branches(R, TAU_T, TAU_S, k)[1]


@pytest.mark.parametrize("side", [0.98, 1.02])
def test_the_uniform_state_starts_to_cycle_at_the_hopf_rate(side):
    k, beta = 3, 5.0
    m = side * hopf(TAU_S, TAU_T, k, beta)[0]
    field = cluster_field(R, TAU_S, TAU_T, k, m, beta)
    size, step = field.size, 1e-6
    columns = [(field.f(0.0, step * e) - field.f(0.0, -step * e)) / (2 * step) for e in np.eye(size)]
    rates = np.linalg.eigvals(np.transpose(columns))
    pattern, constant = growth_rates(R, TAU_S, TAU_T, k, m, beta)
    assert rates.real.max() == pytest.approx(max(pattern, constant), rel=1e-6)
    assert (constant > 0) is (side < 1)
    assert np.abs(rates - constant - 1j * np.abs(rates.imag).max()).min() < 1e-5


@pytest.mark.parametrize(
    ("tau_t", "ratio", "start", "end"),
    [
        (0.04, 5.0, "cold", "alive"),
        (0.075, 5.0, "cold", "uniform"),
        (0.075, 5.0, "warm", "alive"),
        (0.085, 5.0, "warm", "uniform"),
        (0.075, 0.05, "cold", "cycling"),
        (0.06, 0.0, "cold", "one prototype"),
    ],
)
def test_fates_on_the_sides_of_fold_and_hopf_curve(tau_t, ratio, start, end):
    k = 5 if tau_t < 0.07 else 10
    beta = 1 / (10 * k**2 * TAU_S**2)
    field = cluster_field(R, TAU_S, tau_t, k, ratio * beta, beta)
    warm = warm_start(R, TAU_S, min(tau_t, 0.0779), k, 1e-3) if k == 10 else None
    initial = cold_start(k, 1e-3) if start == "cold" else warm
    run = dynsim.solve(field, initial, times=np.linspace(0, 150 / beta, 201), method="RK45", rtol=1e-5, atol=1e-8)
    assert FATES[fate(*assignments(run["S"].values[100:], TAU_S))] == end


def test_a_pattern_that_comes_and_goes_is_undecided():
    told, spread, leader = np.array([0.2, 0.001, 0.2]), np.full(3, 0.99), np.zeros(3, int)
    assert FATES[fate(told, spread, leader)] == "undecided"
    assert FATES[fate(0 * told, np.full(3, 0.5), leader)] == "undecided"
    assert FATES[fate(told, np.full(3, 0.1), np.array([0, 1, 0]))] == "cycling"
