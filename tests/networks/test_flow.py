"""The flow of a network against the matrix flow, finite differences, and what is known of it exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import dynsim
from dynsim.errors import DynsimError
from dynsim.networks import Experiment, flow, initial_state, measures, train
from dynsim.networks.datasets import load_images
from dynsim.networks.encoders import ENCODERS
from dynsim.networks.objectives import BRANCHES, OBJECTIVES
from dynsim.networks.optimisers import OPTIMISERS
from dynsim.networks.run import Run
from dynsim.networks.schedules import centre_rate

NOISE = 0.5


def moments(images):
    x = (images.train - images.train.mean(0)).reshape(len(images.train), -1)
    signal = x.T @ x / len(x)
    return signal, signal + NOISE**2 * np.eye(x.shape[1])


def matrix_flow(state, images, branch="stop", *, alpha=1.0, eta_p=0.0, eta_s=0.0, beta=None):
    """P' = α(−PWΣ_s + VΣ_d)Wᵀ − η_p P, W' = Pᵀ(−PWΣ_s + VΣ_d) − η_s W [+ PWΣ_d − WΣ_s], V' = β(W − V)."""
    signal, view = moments(images)
    P, W = state["P"], state["W"]
    V = W if beta is None else state["V"]
    force = -P @ W @ view + V @ signal
    first, second = P.T @ force, P @ W @ signal - W @ view
    encoder = {"stop": first, "full": first + second, "target": second}[branch]
    velocity = {"P": alpha * force @ W.T - eta_p * P, "W": encoder - eta_s * W}
    return velocity if beta is None else velocity | {"V": beta * (W - V)}


def assert_equal(found, wanted, tolerance=1e-12):
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, rtol=0, atol=tolerance * np.abs(value).max(), err_msg=name)


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("branch", BRANCHES)
def test_a_linear_network_is_the_matrix_flow(linear, vectors, branch, symmetric):
    field = flow(linear(branch=branch, alpha=3.0, eta_p=0.2, eta_s=0.1, symmetric=symmetric))
    assert field.names == ("P", "W")
    y = np.random.default_rng(0).normal(size=(field.size, 4))
    found, states = field.split(field.f(0.0, y)), field.split(y)
    for member in range(4):
        state = {name: value[..., member] for name, value in states.items()}
        wanted = matrix_flow(state, vectors, branch, alpha=3.0, eta_p=0.2, eta_s=0.1)
        assert_equal({name: value[..., member] for name, value in found.items()}, wanted)


def test_with_a_teacher(linear, vectors):
    e = linear(teacher=0.9, lr=0.02, momentum=0.5)
    field = flow(e)
    assert field.roles == {"predictor": ("P",), "encoder": ("W",), "teacher": ("V",)}
    y = np.random.default_rng(0).normal(size=field.size)
    assert_equal(field.split(field.f(0.0, y)), matrix_flow(field.split(y), vectors, beta=-np.log(0.9) * 0.5 / 0.02))


@pytest.mark.parametrize("optimiser", sorted(OPTIMISERS))
def test_the_teacher_moves_as_far_per_step_as_in_training(linear, optimiser):
    """In the time that `train` gives a step the way from a resting encoder to its teacher falls to the share m."""
    e = linear(teacher=0.9, lr=0.02, momentum=0.5, optimiser=optimiser, steps=1)
    (_, time_of_a_step) = train(e, [0]).time.values
    field = flow(e)
    y = np.random.default_rng(0).normal(size=field.size)
    state, velocity = field.split(y), field.split(field.f(0.0, y))
    beta = dynsim.provenance(dynsim.solve(field, field.split(y), 0.01))["parameters"]["beta"]
    np.testing.assert_allclose(velocity["V"], beta * (state["W"] - state["V"]), rtol=1e-12)
    assert np.exp(-beta * time_of_a_step) == pytest.approx(0.9, rel=1e-12)


def test_the_other_quadratic_losses_are_exact_too(linear, vectors):
    """Without a predictor, ½E‖W T x − W x̄‖² descends along WΣ_n, with or without stop-gradient."""
    y = np.random.default_rng(0).normal(size=15)
    for more in ({"objective": "xbar"}, {"objective": "xbar", "branch": "full"}, {"objective": "alternating"}):
        field = flow(linear(predictor="none", **more))
        np.testing.assert_allclose(field.f(0.0, y), -(NOISE**2) * y, rtol=1e-12, atol=1e-12)


def test_real_digits():
    e = Experiment(
        encoder="linear", predictor="linear", objective="squared", augmentation={"noise": NOISE}, dim=6, branch="full"
    )
    field = flow(e)
    state = initial_state(e, seed=1)
    y = flat(field, state)
    assert_equal(field.split(field.f(0.0, y)), matrix_flow(state, load_images(e), "full"))


def test_without_noise_too(linear, vectors):
    field = flow(linear(augmentation={}))
    y = np.random.default_rng(0).normal(size=field.size)
    state = field.split(y)
    signal, _ = moments(vectors)
    force = (state["W"] - state["P"] @ state["W"]) @ signal
    assert_equal(field.split(field.f(0.0, y)), {"P": force @ state["W"].T, "W": state["P"].T @ force})


def test_the_integrated_run_obeys_the_balance_law(linear):
    e = linear(alpha=2.0, eta_p=0.05, eta_s=0.05)
    run = dynsim.solve(flow(e), initial_state(e), 5.0)
    defects = [
        measures.balance_matrix(run.W.isel(time=i).values, run.P.isel(time=i).values, 2.0)
        * np.exp(2 * 0.05 * float(run.time[i]))
        for i in (0, 100, 200)
    ]
    for defect in defects[1:]:
        np.testing.assert_allclose(defect, defects[0], atol=1e-9)
    assert float(abs(run.W[-1] - run.W[0]).max()) > 0.05
    assert "network" in dynsim.provenance(run)["flow"]["name"]


def test_the_optimal_predictor_conserves_the_gram_matrix(linear):
    e = linear(predictor="optimal", ridge=0.0, init="orthogonal")
    run = dynsim.solve(flow(e), initial_state(e), 3.0, rtol=1e-9, atol=1e-11)
    grams = [w @ w.T for w in (run.W.values[0], run.W.values[-1])]
    np.testing.assert_allclose(*grams, atol=1e-7)
    assert np.abs(run.W.values[-1] - run.W.values[0]).max() > 0.1


def test_the_cosine_loss_conserves_both_norms(small):
    e = small(encoder="linear", predictor="linear", fixed_views=1, images=10)
    run = dynsim.solve(flow(e), initial_state(e), 2.0, rtol=1e-9, atol=1e-11)
    for name in ("P", "W"):
        norms = np.linalg.norm(run[name].values.reshape(run.sizes["time"], -1), axis=1)
        np.testing.assert_allclose(norms, norms[0], rtol=1e-7)
        assert np.abs(run[name].values[-1] - run[name].values[0]).max() > 0.05


def flat(field, state):
    return np.concatenate([np.ravel(state[name]) for name in field.names])


def descended(experiment):
    """Parameters of seed 0 after all steps."""
    run = Run(experiment, load_images(experiment), [0], torch.device("cpu"))
    for _ in range(experiment.steps):
        run.advance()
    return torch.cat([run.weights.predictor, run.weights.encoder], dim=1)[0].detach().numpy()


@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_small_steps_converge_to_the_flow_with_order_one(linear, momentum):
    e = linear(momentum=momentum, eta_p=0.1)
    field = flow(e)
    run = dynsim.solve(field, initial_state(e), 1.0)
    end = flat(field, {name: run[name].values[-1] for name in field.names})
    errors = []
    for steps in (50, 100, 200):
        errors.append(np.abs(descended(e.but(lr=(1 - momentum) / steps, steps=steps)) - end).max())
    np.testing.assert_allclose(np.array(errors[:-1]) / errors[1:], 2.0, rtol=0.15)


def test_full_batch_descent_is_euler_on_the_field(linear):
    e = linear(lr=0.03, steps=1, alpha=2.0, eta_p=0.4, eta_s=0.2, branch="full")
    field = flow(e)
    y = flat(field, initial_state(e))
    np.testing.assert_allclose(descended(e), y + 0.03 * field.f(0.0, y), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("encoder", sorted(ENCODERS))
def test_without_stop_gradient_the_loss_falls_along_the_integrated_flow(small, encoder):
    e = small(encoder=encoder, branch="full", objective="squared", predictor_norm="none")
    run = dynsim.solve(flow(e), initial_state(e), 2.0, method="RK23", rtol=1e-4, atol=1e-6)
    assert (np.diff(run.loss) <= 1e-6).all()
    assert float(run.loss[-1]) < 0.9 * float(run.loss[0])


def test_small_steps_of_a_network_with_hidden_layer_converge_to_its_flow(small):
    e = small(encoder="mlp-tanh", predictor="linear", batch="full", momentum=0.0)
    field = flow(e)
    run = dynsim.solve(field, initial_state(e), 1.0, rtol=1e-8, atol=1e-10)
    end = flat(field, {name: run[name].values[-1] for name in field.names})
    errors = [np.abs(descended(e.but(lr=1 / steps, steps=steps)) - end).max() for steps in (100, 200)]
    assert errors[0] / errors[1] == pytest.approx(2.0, rel=0.2)


NETS = [
    {},
    {"branch": "full"},
    {"branch": "target", "symmetric": False},
    {"teacher": 0.9, "encoder": "linear", "predictor": "linear"},
    {"encoder": "cnn", "width": 2, "predictor": "linear"},
    {"norm": "batch-out", "predictor": "fixed"},
    {"norm": "none", "objective": "squared", "predictor_norm": "none"},
    *({"objective": name} for name in sorted(OBJECTIVES) if "centre" not in OBJECTIVES[name].symbols),
]


@pytest.mark.parametrize("changes", NETS, ids=str)
def test_the_jacobian_is_that_of_the_resolved_field(small, changes):
    e = small(**{"width": 2, "dim": 2, "predictor_width": 2, "images": 12, "fixed_views": 1, **changes})
    field = flow(e)
    rng = np.random.default_rng(3)
    y = rng.normal(size=(field.size, 2))
    found = field.jacobian(0.0, y)
    assert found.shape == (field.size, field.size, 2)
    for _ in range(3):
        direction, h = rng.normal(size=field.size), 1e-6
        wanted = (field.f(0.0, y + h * direction[:, None]) - field.f(0.0, y - h * direction[:, None])) / (2 * h)
        np.testing.assert_allclose(
            np.einsum("ijm,j->im", found, direction), wanted, rtol=0, atol=1e-6 * np.abs(wanted).max() + 1e-8
        )


def test_the_trap_on_a_network():
    """One weight each, no noise, unit data: the toy with decay; its lower interior equilibrium is a saddle."""
    x = np.concatenate([np.ones(25), -np.ones(25)])[:, None]
    e = Experiment(
        data=x, augmentation={}, encoder="linear", predictor="linear", objective="squared", dim=1, subtract_mean=False,
        eta_p=0.1, eta_s=0.1,
    )  # fmt: skip
    field = flow(e)
    p = 0.5 - 0.15**0.5
    y = np.array([p, p])
    np.testing.assert_allclose(field.f(0.0, y), 0, atol=1e-15)
    np.testing.assert_allclose(sorted(np.linalg.eigvals(field.jacobian(0.0, y)).real), [-0.2, 0.08730], atol=1e-5)


def test_it_equals_the_toy_where_it_is_the_toy():
    """One weight each and unit data: P is φ and W is θ, branch by branch."""
    x = np.concatenate([np.ones(25), -np.ones(25)])[:, None]
    for branch in BRANCHES:
        e = Experiment(
            data=x, augmentation={}, encoder="linear", predictor="linear", objective="squared", dim=1, alpha=2.0,
            branch=branch, subtract_mean=False,
        )  # fmt: skip
        toy = dynsim.system("toy", branch=branch).field({"alpha": 2.0})
        y = np.random.default_rng(0).normal(size=(2, 50))
        np.testing.assert_allclose(flow(e).f(0.0, y), toy.f(0.0, y), rtol=1e-12, atol=1e-12)


def test_members_are_vectorised_over_any_trailing_axes(linear):
    field = flow(linear())
    y = np.random.default_rng(0).normal(size=(field.size, 2, 3))
    out = field.f(0.0, y)
    assert out.shape == y.shape
    np.testing.assert_allclose(out[:, 1, 2], field.f(0.0, y[:, 1, 2]), rtol=1e-12)
    assert field.observables["loss"](y).shape == (2, 3)
    assert np.shape(field.observables["loss"](y[:, 0, 0])) == ()


def test_few_members_at_a_time_are_the_same(linear, monkeypatch):
    field = flow(linear())
    y = np.random.default_rng(0).normal(size=(field.size, 5))
    whole = field.f(0.0, y), field.jacobian(0.0, y)
    monkeypatch.setattr("dynsim.networks.network_flow._LARGEST_BATCH", 1)
    np.testing.assert_allclose(field.f(0.0, y), whole[0], rtol=1e-12)
    np.testing.assert_allclose(field.jacobian(0.0, y), whole[1], rtol=1e-9, atol=1e-12)


def test_time_scales_take_it_like_any_flow(linear):
    e = linear(dim=2)
    field = flow(e)
    run = dynsim.solve(field, initial_state(e), 2.0)
    assert np.isfinite(dynsim.timescales(field, run).relative_speed_ratio).all()


def test_names_of_deeper_networks(small):
    names = flow(small(teacher=0.5)).names
    assert names[:5] == ("P1", "P1_scale", "P1_shift", "P2", "P2_bias")
    assert names[5:10] == ("W1", "W1_scale", "W1_shift", "W2", "W2_bias")
    assert names[10:] == ("V1", "V1_scale", "V1_shift", "V2", "V2_bias")
    assert set(initial_state(small(teacher=0.5))) == set(names)
    assert flow(small(objective="alternating")).names == names[:10]


def test_there_is_no_jacobian_where_it_would_be_wrong_or_endless(linear, small):
    for field in (flow(linear(predictor="optimal")), flow(small(width=200))):
        with pytest.raises(DynsimError, match="jacobian"):
            field.jacobian(0.0, np.zeros(field.size))


@pytest.mark.parametrize("call", [flow, initial_state])
def test_bad_input(call):
    with pytest.raises(DynsimError, match=r"a dynsim.networks.Experiment"):
        call("toy")


@pytest.mark.parametrize("teacher", [0.0, 0.9])
def test_a_running_centre_is_a_state_that_moves_as_in_training(teacher):
    """A full-batch step of training is the flow's velocity times the learning rate, of the centre a share 1 − m of the
    way; the Jacobian is the field's.
    """
    e = Experiment(
        data=np.random.default_rng(0).normal(size=(20, 3)), augmentation={"noise": 0.3}, encoder="linear", dim=2,
        objective="dino", prototypes=3, teacher=teacher, centre_momentum=0.8, lr=0.05, momentum=0.0, steps=1,
        batch="full", dtype="float64", measures=(),
    )  # fmt: skip
    field, state = flow(e), initial_state(e)
    assert set(field.names) == {"W", "C", "centre"} | set(field.roles.get("teacher", ()))
    assert field.shape("centre") == (3,)
    run = Run(e, load_images(e), [0], torch.device("cpu"))
    velocity = field.split(field.f(0.0, flat(field, state)))
    run.advance()
    way = velocity["centre"] / centre_rate(e)
    np.testing.assert_allclose(run.weights.centre[0], state["centre"] + 0.2 * way, rtol=1e-12)
    assert np.exp(-0.05 * centre_rate(e)) == pytest.approx(0.8, rel=1e-12)
    moved = run.encoder_parameters()
    for name, value in moved.items():
        np.testing.assert_allclose(value[0], state[name] + 0.05 * velocity[name], rtol=1e-12, atol=1e-14)
    y = np.random.default_rng(1).normal(size=field.size)
    shifts = 1e-6 * np.eye(field.size)
    columns = [(field.f(0.0, y + shift) - field.f(0.0, y - shift)) / 2e-6 for shift in shifts]
    np.testing.assert_allclose(field.jacobian(0.0, y), np.transpose(columns), atol=1e-6)
