"""One definition of a teacher's rate, for settings and for networks."""

import numpy as np
import pytest

pytest.importorskip("torch")

from dynsim import training_parameters
from dynsim.integrate.training_settings import average_rate
from dynsim.networks import Experiment
from dynsim.networks.schedules import flow_times, teacher_rate


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("kept", [0.3, 0.9, 0.996, 1.0])
def test_settings_and_networks_agree(kept, momentum):
    experiment = Experiment(teacher=kept, lr=0.2, momentum=momentum)
    settings = training_parameters(lr=0.2, momentum=momentum, ema=kept)
    assert teacher_rate(experiment) == pytest.approx(settings["beta"], rel=1e-12)
    assert flow_times(experiment)[1] == pytest.approx(settings["step"], rel=1e-12)


def test_behind_a_student_at_rest_the_flow_is_the_average():
    """ξ₊ = mξ + (1 − m)θ at every step, also where m is far from 1."""
    kept, time, student = 0.4, 0.3, 2.0
    teacher = 5.0
    for step in range(1, 6):
        teacher = kept * teacher + (1 - kept) * student
        flow = student + (5.0 - student) * np.exp(-average_rate(kept, time) * time * step)
        assert teacher == pytest.approx(flow, rel=1e-12)
