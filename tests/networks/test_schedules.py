"""Settings of training as text: the same run as with the numbers, and refused where a number would be."""

import numpy as np
import pytest
import torch
import xarray as xr

from dynsim import DynsimError
from dynsim.networks import Experiment, fit, flow, train
from dynsim.networks.schedules import flow_times


def test_constant_text_is_the_number(small):
    numbers = {"lr": 0.05, "teacher": 0.9, "alpha": 2.0, "eta_p": 0.1, "eta_s": 0.2}
    texts = {name: f"{value} + 0*step" for name, value in numbers.items()}
    for optimiser in ("sgd", "adamw"):
        e = small(measures=["spread", "relative_speed_ratio"], optimiser=optimiser)
        xr.testing.assert_allclose(train(e.but(**texts), 2), train(e.but(**numbers), 2), rtol=1e-12)


def test_cosine_text_is_the_old_schedule(small):
    new, old = fit(small(lr="cosine(0.05, 0)"), 1), fit(small(schedule="cosine"), 1)
    np.testing.assert_allclose(new.dataset.time, old.dataset.time)
    for name, value in new.parameters(0).items():
        np.testing.assert_allclose(value, old.parameters(0)[name], rtol=1e-12)


def test_each_schedule_acts_at_its_step(small):
    """A value that jumps at step 3 gives the run of the first value until then, and another one afterwards."""
    for name, (before, after) in {"alpha": (1, 3), "eta_p": (0, 1), "eta_s": (0, 1), "teacher": (0.5, 0.9)}.items():
        e = small(every=1, measures=["norm_ratio"], branch="stop")
        jump = train(e.but(**{name: f"{before} + ({after} - {before})*heaviside(step - 2.5)"}), 1).norm_ratio[0]
        plain = train(e.but(**{name: before}), 1).norm_ratio[0]
        np.testing.assert_allclose(jump[:4], plain[:4], rtol=1e-12)
        assert abs(jump[4:] - plain[4:]).max() > 1e-9, name


def test_temperature_acts(small):
    e = small(objective="nt-xent", every=1, measures=["spread"], temperature="0.5 + step")
    fixed = train(e.but(temperature=0.5), 1)
    np.testing.assert_allclose(train(e, 1).loss[0, 0], fixed.loss[0, 0])
    assert abs(train(e, 1).loss[0, 1:] - fixed.loss[0, 1:]).min() > 1e-3


def test_a_resumed_run_is_the_same(small, tmp_path):
    e = small(lr="warmup(3)*cosine(0.05, 0)", eta_s="linear(0, 1)", measures=["spread"])
    path = tmp_path / "run.ckpt"

    def stop(done, total, what):
        if done >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(e, 1, checkpoint=path, progress=stop)
    xr.testing.assert_identical(train(e, 1, checkpoint=path), train(e, 1))


def test_text_round_trips_and_time_is_the_sum_of_the_rates():
    e = Experiment(lr="warmup(5)*cosine(0.1, 0)", eta_s="1e-3*t", steps=20, momentum=0.5)
    assert Experiment.from_toml(e.to_toml()) == e
    rates = [min(1, step / 5) * 0.1 * (1 + np.cos(np.pi * step / 20)) / 2 for step in range(20)]
    np.testing.assert_allclose(flow_times(e)[1:], np.cumsum(rates) / 0.5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lr": "t"}, "the flow time is made of the learning rate"),
        ({"lr": "-0.1"}, "finite number > 0"),
        ({"teacher": "1.1 + step"}, "≤ 1"),
        ({"eta_s": "-step"}, "≥ 0"),
        ({"lr": "cosine(0.1, 0)", "schedule": "cosine"}, "'constant' where lr is text"),
        ({"lr": "0.1*epoch"}, "step, steps or t"),
        ({"momentum": "0.9"}, "momentum"),
    ],
)
def test_what_makes_no_sense_is_one_line(small, changes, message):
    with pytest.raises(DynsimError, match=message):
        small(**changes)


def test_a_flow_takes_numbers(small):
    with pytest.raises(DynsimError, match="the field of a flow is the same at all times"):
        flow(small(eta_s="1e-3*t"))
    assert flow(small(lr="cosine(0.05, 0)", teacher=0.5)).about["parameters"]["beta"] == pytest.approx(
        flow(small(lr=0.05, teacher=0.5)).about["parameters"]["beta"]
    )
    assert torch is not None
