"""The matrix equations: against autograd, against the aligned modes, and what they conserve."""

import numpy as np
import pytest
import torch

import dynsim
from dynsim.errors import DynsimError

K, D = 2, 4


def moments(seed=0):
    generator = np.random.default_rng(seed)
    root = generator.normal(size=(D, D))
    noise = generator.normal(size=(D, D))
    data = root @ root.T / D
    return data, data + 0.2 * noise @ noise.T / D


def start(seed=1, **more):
    generator = np.random.default_rng(seed)
    return {"W": 0.5 * generator.normal(size=(K, D)), "P": 0.5 * generator.normal(size=(K, K)), **more}


def vector(field, initial):
    return np.concatenate([np.ravel(initial[name]) for name in field.names])


@pytest.mark.parametrize("branch", ["stop", "full", "target", "teacher"])
def test_the_field_is_autograd_s(branch):
    data, views = moments()
    rates = {"alpha": 1.7, "eta_p": 0.03, "eta_s": 0.05}
    teacher = branch == "teacher"
    field = dynsim.matrix_flow(
        data, views, K, branch="stop" if teacher else branch, beta=0.4 if teacher else None, **rates
    )
    initial = start()
    if teacher:
        initial["V"] = initial["W"] * 0.3
    W, P = (torch.tensor(initial[name], requires_grad=True) for name in ("W", "P"))
    S_d, S_s = torch.tensor(data), torch.tensor(views)

    def loss(V):
        read = P @ W
        return (torch.trace(read @ S_s @ read.T) - 2 * torch.trace(read @ S_d @ V.T) + torch.trace(V @ S_s @ V.T)) / 2

    V = torch.tensor(initial["V"]) if teacher else W
    stop = torch.autograd.grad(loss(V.detach()), (W, P))
    full = torch.autograd.grad(loss(V), (W, P), allow_unused=True)
    encoder = {"stop": stop[0], "teacher": stop[0], "full": full[0], "target": full[0] - stop[0]}[branch]
    told = {
        "W": -encoder - rates["eta_s"] * W,
        "P": -rates["alpha"] * stop[1] - rates["eta_p"] * P,
    }
    if teacher:
        told["V"] = 0.4 * (W - V)
    y = vector(field, initial)
    velocity = field.split(field.f(0.0, y))
    for name, expected in told.items():
        np.testing.assert_allclose(velocity[name], expected.detach().numpy(), rtol=1e-12, atol=1e-13)
    assert float(field.observables["loss"](y)) == pytest.approx(float(loss(V).detach()), rel=1e-12)


@pytest.mark.parametrize("options", [{}, {"branch": "full"}, {"beta": 0.3}, {"predictor": "optimal"}])
def test_the_jacobian_and_trailing_axes(options):
    data, views = moments()
    field = dynsim.matrix_flow(data, views, K, **options)
    initial = start()
    y = vector(field, {**initial, "V": initial["W"] * 0.7})
    step = 1e-6 * np.eye(field.size)
    many = field.f(0.0, y[:, None] + step)
    np.testing.assert_allclose(many[:, 3], field.f(0.0, y + step[:, 3]), rtol=1e-13)
    numeric = (many - field.f(0.0, y[:, None] - step)) / 2e-6
    np.testing.assert_allclose(field.jacobian(0.0, y), numeric, atol=1e-7)
    for function in field.observables.values():
        assert function(y[:, None] + step).shape == (field.size,)


def test_the_balance_law_decays_with_the_common_weight_decay():
    data, views = moments()
    eta, alpha = 0.05, 2.0
    field = dynsim.matrix_flow(data, views, K, alpha=alpha, eta_p=eta, eta_s=eta)
    run = dynsim.solve(field, start(), 10.0)
    difference = np.einsum("tij,tkj->tik", run.W, run.W) - np.einsum("tji,tjk->tik", run.P, run.P) / alpha
    expected = difference[0] * np.exp(-2 * eta * run.time.values)[:, None, None]
    np.testing.assert_allclose(difference, expected, atol=1e-10)
    np.testing.assert_allclose(run.balance_defect, np.linalg.norm(expected, axis=(1, 2)), rtol=1e-8)


def test_the_noiseless_full_balance_law_and_the_noisy_bound():
    data, _ = moments()
    clean = dynsim.solve(dynsim.matrix_flow(data, data, K, branch="full"), start(), 10.0)
    gap = np.eye(K) - clean.P.values
    kept = np.einsum("tij,tkj->tik", clean.W, clean.W) - np.einsum("tij,tik->tjk", gap, gap)
    np.testing.assert_allclose(kept, np.broadcast_to(kept[0], kept.shape), atol=1e-10)
    noisy = dynsim.solve(dynsim.matrix_flow(data, data + 0.3 * np.eye(D), K, branch="full"), start(), 10.0)
    bound = noisy.norm[0] * np.exp(-0.3 * noisy.time)
    assert (noisy.norm <= bound * (1 + 1e-9)).all()


def test_the_optimal_predictor_conserves_the_gram_matrix_of_the_encoder():
    data, views = moments()
    run = dynsim.solve(dynsim.matrix_flow(data, views, K, predictor="optimal"), {"W": start()["W"]}, 20.0)
    gram = np.einsum("tij,tkj->tik", run.W, run.W)
    np.testing.assert_allclose(gram, np.broadcast_to(gram[0], gram.shape), atol=1e-9)
    assert float(abs(run.W[-1] - run.W[0]).max()) > 0.05, "the row space turns"


def test_one_feature_with_the_optimal_predictor_is_the_system_of_that_name():
    signal, view = np.array([1.0, 0.5, 0.2]), np.array([1.4, 0.6, 0.3])
    field = dynsim.matrix_flow(np.diag(signal), np.diag(view), 1, predictor="optimal")
    flow = dynsim.system("optimal-predictor", k=3)
    values = {f"lambda_d{i}": signal[i - 1] for i in (1, 2, 3)} | {f"lambda_s{i}": view[i - 1] for i in (1, 2, 3)}
    w = np.array([0.9, 0.4, 0.2])
    np.testing.assert_allclose(field.f(0.0, w), flow.field(values).f(0.0, w), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("branch", ["stop", "full", "target"])
def test_aligned_modes_follow_the_system_modes(branch):
    generator = np.random.default_rng(3)
    Q = np.linalg.qr(generator.normal(size=(D, D)))[0][:, :K]
    U = np.linalg.qr(generator.normal(size=(K, K)))[0]
    signal, view = np.array([1.0, 0.4]), np.array([1.1, 0.6])
    data, views = (Q * signal) @ Q.T, (Q * view) @ Q.T
    p, w = np.array([0.5, 0.7]), np.array([0.3, 0.2])
    rates = {"alpha": 1.5, "eta_p": 0.02, "eta_s": 0.01}
    times = np.linspace(0, 10, 6)
    field = dynsim.matrix_flow(data, views, K, branch=branch, **rates)
    matrices = dynsim.solve(field, {"W": (U * w) @ Q.T, "P": (U * p) @ U.T}, times=times)
    values = {**rates, "lambda_d1": 1.0, "lambda_d2": 0.4, "lambda_s1": 1.1, "lambda_s2": 0.6}
    initial = {"p1": 0.5, "p2": 0.7, "w1": 0.3, "w2": 0.2}
    modes = dynsim.solve(dynsim.system("modes", k=2, branch=branch), initial, times=times, parameters=values)
    found = np.einsum("ik,tij,jk->tk", U, matrices.W, Q)
    np.testing.assert_allclose(found, np.stack([modes.w1, modes.w2], axis=1), atol=1e-8)


@pytest.mark.parametrize(
    ("arguments", "options", "named"),
    [
        ((np.eye(2), np.eye(3), 1), {}, "sigma_s"),
        ((np.ones((2, 3)), np.eye(2), 1), {}, "sigma_d"),
        ((np.array([[1.0, 0.5], [0.0, 1.0]]), np.eye(2), 1), {}, "sigma_d"),
        ((-np.eye(2), np.eye(2), 1), {}, "sigma_d"),
        (("no", np.eye(2), 1), {}, "sigma_d"),
        ((np.eye(2), np.eye(2), 0), {}, "k"),
        ((np.eye(2), np.eye(2), 1.5), {}, "k"),
        ((np.eye(2), np.eye(2), 1), {"branch": "half"}, "branch"),
        ((np.eye(2), np.eye(2), 1), {"branch": "full", "beta": 1.0}, "branch"),
        ((np.eye(2), np.eye(2), 1), {"predictor": "best"}, "predictor"),
        ((np.eye(2), np.eye(2), 1), {"alpha": -1.0}, "alpha"),
        ((np.eye(2), np.eye(2), 1), {"eta_s": "small"}, "eta_s"),
    ],
)
def test_bad_input_is_named(arguments, options, named):
    with pytest.raises(DynsimError, match=f"^{named}: got "):
        dynsim.matrix_flow(*arguments, **options)
