"""Words of training code against the steps that training code makes."""

import numpy as np
import pytest

import dynsim
from dynsim.errors import InvalidType, InvalidValue, UnknownName


def steps(curvature, flow, number, *, lr, momentum, weight_decay, decoupled, nesterov=False):
    """Heavy ball as torch has it on a quadratic, from 1; returns the weight after `number` steps."""
    w, velocity = 1.0, 0.0
    for _ in range(number):
        gradient = curvature * w + (0.0 if decoupled else weight_decay * w)
        velocity = momentum * velocity + gradient
        moved = gradient + momentum * velocity if nesterov else velocity
        w = w - lr * moved - (lr * weight_decay * w if decoupled else 0.0)
    return w


@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_decay_and_time_are_those_of_the_steps(momentum, decoupled):
    errors = []
    for lr in (1e-3, 5e-4):
        settings = {"lr": lr, "momentum": momentum, "weight_decay": 0.7, "decoupled": decoupled}
        flow = dynsim.training_parameters(**settings)
        number = round(1.0 / flow["step"])
        exact = np.exp(-(0.4 + flow["eta_s"]) * number * flow["step"])
        errors.append(abs(steps(0.4, flow, number, **settings) / exact - 1))
    assert errors[0] < 0.03
    assert errors[1] < 0.75 * errors[0]  # what is left vanishes with the step


@pytest.mark.parametrize("nesterov", [False, True])
def test_effective_step_is_the_one_of_gradient_descent(nesterov):
    """The rate at which a quadratic contracts deviates from the flow as gradient descent of that step does."""
    lr, momentum, curvature = 1e-4, 0.9, 1.0
    flow = dynsim.training_parameters(lr=lr, momentum=momentum, nesterov=nesterov)
    kept = [
        steps(curvature, flow, n, lr=lr, momentum=momentum, weight_decay=0.0, decoupled=False, nesterov=nesterov)
        for n in (2000, 4000)
    ]
    rate = -np.log(kept[1] / kept[0]) / (2000 * flow["step"])
    # Time is counted in `step`; gradient descent with step h contracts at c + hc²/2 + …
    assert rate - curvature == pytest.approx(flow["effective_step"] * curvature**2 / 2, rel=0.03)
    assert flow["effective_step"] / lr == pytest.approx(172 if nesterov else 190)


def test_teacher_and_predictor():
    flow = dynsim.training_parameters(lr=0.2, ema=0.996, predictor_lr=2.0, weight_decay=1e-3)
    assert flow["beta"] == pytest.approx(0.02004011, abs=1e-8)
    assert flow["alpha"] == pytest.approx(10)
    assert flow["eta_p"] == pytest.approx(1e-2)
    teacher = 0.0
    for _ in range(100):
        teacher += (1 - 0.996) * (1 - teacher)
    assert teacher == pytest.approx(1 - np.exp(-flow["beta"] * 100 * 0.2), rel=1e-12)
    assert dynsim.training_parameters(lr=0.2, ema=0)["beta"] == np.inf
    assert dynsim.training_parameters(lr=0.2, ema=1)["beta"] == 0
    assert dynsim.training_parameters(lr=0.2)["beta"] is None


def test_spellings_and_defaults():
    assert dynsim.training_parameters(learning_rate=0.1, wd=0.2) == dynsim.training_parameters(
        lr=0.1, weight_decay=0.2
    )
    assert dynsim.training_parameters(lr=0.1, eta_s=0.3)["eta_s"] == 0.3
    assert dynsim.training_parameters(optimiser="adamw", lr=1e-3)["exact"] is False
    assert dynsim.training_parameters(tau_t=0.07, batch=64)["batch"] == 64


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        ({"larning_rate": 1}, UnknownName, "did you mean"),
        ({"lr": 0}, InvalidValue, "lr"),
        ({"lr": "fast"}, InvalidType, "lr"),
        ({"momentum": 1.0}, InvalidValue, "momentum"),
        ({"ema": 1.1}, InvalidValue, "ema"),
        ({"lr": 0.1, "learning_rate": 0.2}, InvalidValue, "twice"),
        ({"optimiser": "sgdd"}, UnknownName, "optimiser"),
        ({"nesterov": 1}, InvalidType, "nesterov"),
    ],
)
def test_bad_words_are_refused(settings, kind, message):
    with pytest.raises(kind, match=message):
        dynsim.training_parameters(**settings)
