"""Schedules as text."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynsim import DynsimError, ensemble, optimise, solve
from dynsim.integrate.schedules import Schedule


@given(st.floats(-5, 5), st.floats(-5, 5), st.integers(1, 1000))
def test_shapes_go_from_a_to_b(a, b, steps):
    for shape in ("cosine", "linear"):
        schedule = Schedule(f"{shape}({a!r}, {b!r})".replace("e-", "*10^-"))
        assert schedule.at(0, steps) == pytest.approx(a, abs=1e-9)
        assert schedule.at(steps, steps) == pytest.approx(b, abs=1e-9)
        assert schedule.at(steps / 2, steps) == pytest.approx((a + b) / 2, abs=1e-9)


def test_warm_up_and_arithmetic():
    assert [Schedule("warmup(4)").at(step, 100) for step in (0, 1, 4, 50)] == [0, 0.25, 1, 1]
    assert Schedule("1 - (1 - 0.996)*(cos(pi*step/steps) + 1)/2").at(10, 10) == pytest.approx(1.0)
    assert Schedule("0.2 + 1e-4*t").at(3, 10, 50.0) == pytest.approx(0.205)
    assert Schedule("exp(-t) + step^2/2").at(2, 10, 1.0) == pytest.approx(2 + math.exp(-1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch*0.1", "step, steps or t"),
        ("cosine(0.1)", "2 arguments"),
        ("warmup(1, 2)", "1 argument"),
        ("cosin(0.1, 0)", "position"),
        ("__import__(1)", "position"),
        ("", "position"),
    ],
)
def test_other_text_is_one_line(text, message):
    with pytest.raises(DynsimError, match=message):
        Schedule(text)


def test_a_number_that_is_not_there_is_said():
    with pytest.raises(DynsimError, match="finite number at step 0 of 10"):
        Schedule("1/step").at(0, 10)


START = {"phi": 0.6, "theta": 0.1}
SHAPES = [
    ("linear(1, 2)", "1 + t/10"),
    ("cosine(1, 2)", "2 - (1 + cos(pi*t/10))/2"),
    ("2 - linear(1, 2)^2/4", "2 - (1 + t/10)^2/4"),
]


@pytest.mark.parametrize(("shape", "written"), SHAPES)
@pytest.mark.parametrize("t_end", [10.0, -2.0])
def test_a_parameter_with_a_shape_is_one_in_flow_time(shape, written, t_end):
    """From 0 to the end of the run, in solve, ensemble and optimise alike."""
    written, start = written.replace("10", repr(t_end)), {"phi": 0.6, "theta": 0.1}
    texts = [{"alpha": text} for text in (shape, written)]
    one, other = (solve("toy", start, t_end, parameters=text).theta.values for text in texts)
    np.testing.assert_allclose(one, other, rtol=1e-12)
    if t_end > 0:
        one, other = (float(ensemble("toy", start, t_end, parameters=text).theta.values.ravel()[-1]) for text in texts)
        assert one == pytest.approx(other, rel=1e-12)
        assert one == pytest.approx(solve("toy", start, t_end, parameters=texts[0]).theta.values[-1], rel=1e-7)
        one, other = (optimise("toy", start, 100, lr=t_end / 100, parameters=text).theta.values for text in texts)
        np.testing.assert_allclose(one, other, rtol=1e-12)


@pytest.mark.parametrize("optimiser", ["gd", "momentum"])
def test_steps_in_a_parameter_are_those_of_the_optimiser(optimiser):
    """Step k of n: written in steps, in flow time, and by hand."""
    start, options = {"phi": 0.6, "theta": 0.1}, {"lr": 0.1, "optimiser": optimiser}
    time_of_a_step = 0.1 * (10 if optimiser == "momentum" else 1)
    texts = ("1 + step/steps", "linear(1, 2)", f"1 + t/{50 * time_of_a_step}")
    ends = [optimise("toy", start, 50, parameters={"alpha": text}, **options).theta.values for text in texts]
    for end in ends[1:]:
        np.testing.assert_allclose(end, ends[0], rtol=1e-12)
    if optimiser == "gd":
        phi, theta = 0.6, 0.1
        for step in range(50):
            u, alpha = 1 - phi, 1 + step / 50
            phi, theta = phi + 0.1 * alpha * u * theta**2, theta + 0.1 * phi * u * theta
        assert ends[0][-1] == pytest.approx(theta, rel=1e-12)


def test_a_step_size_with_a_schedule_against_steps_by_hand():
    run = optimise("toy", {"phi": 0.6, "theta": 0.1}, 40, lr="warmup(10)*cosine(0.3, 0)")
    phi, theta, time = 0.6, 0.1, 0.0
    for step in range(40):
        assert float(run.time[step]) == pytest.approx(time, rel=1e-12)
        h = Schedule("warmup(10)*cosine(0.3, 0)").at(step, 40)
        phi, theta, time = phi + h * (1 - phi) * theta**2, theta + h * phi * (1 - phi) * theta, time + h
    assert float(run.theta[-1]) == pytest.approx(theta, rel=1e-12)
    assert run.attrs["lr"] == "warmup(10)*cosine(0.3, 0)"


def test_a_teacher_with_a_schedule_against_averages_by_hand():
    start = {"phi": 0.6, "theta": 0.1, "xi": 0.05}
    run = optimise("byol", start, 30, lr=0.1, teacher="cosine(0.9, 1)")
    followed = [0.05]
    for step in range(30):
        m = Schedule("cosine(0.9, 1)").at(step, 30)
        followed.append(m * followed[-1] + (1 - m) * float(run.theta[step + 1]))
    np.testing.assert_allclose(run.xi, followed, rtol=1e-12)


def test_text_that_does_not_change_is_the_number():
    start = {"phi": 0.6, "theta": 0.1}
    one, other = (optimise("toy", start, 20, lr=lr, optimiser="adam") for lr in ("0.1", 0.1))
    np.testing.assert_array_equal(one.theta, other.theta)
    np.testing.assert_allclose(one.time, other.time, rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda toy: optimise(toy, START, 10, lr="0.1 - 0.05*step"), "at step 3 it is -0.05"),
        (lambda toy: optimise(toy, START, 10, lr="0.1*t"), "made of the learning rate"),
        (
            lambda toy: optimise(toy, START, 10, lr="linear(1, 0)", parameters={"alpha": "1 + step"}),
            "one number",
        ),
        (
            lambda toy: optimise(toy, START, 10, lr=[0.1, 0.2], parameters={"alpha": "linear(1, 0)"}),
            "one number",
        ),
        (lambda toy: optimise("byol", START | {"xi": 0.1}, 10, lr=0.1, teacher="1 + step"), "at step 1 it is 2"),
        (lambda toy: solve(toy, START, 10, parameters={"alpha": "warmup(5)"}), "a flow has no steps"),
        (lambda toy: solve(toy, START, 10, parameters={"alpha": "cosine(1)"}), "cosine"),
        (lambda toy: ensemble(toy, START, math.inf, parameters={"alpha": "linear(1, 2)"}), "a run that ends"),
    ],
)
def test_schedules_without_a_meaning_are_refused(call, words):
    with pytest.raises(DynsimError, match=words):
        call("toy")
