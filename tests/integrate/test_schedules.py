"""Schedules as text."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynsim import DynsimError
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
