"""Every analysis takes what names a flow (Flow, registered name, text), and names the time where the flow has it."""

import inspect

import pytest

import dynsim
from dynsim.errors import InvalidValue

LOSS = "(phi*theta - sg(theta))^2/2 + eta_p*phi^2/2 + eta_s*theta^2/2"
TIMED = "(phi*theta - sg(theta))^2/2 + (0.1 + 0.01*t)*(phi^2 + theta^2)/2"
START = {"phi": 0.6, "theta": 0.1}
AT = {"eta_p": 0.1, "eta_s": 0.2}
FOLD = {"phi": 0.5, "theta": 0.5, "eta_p": 0.25, "eta_s": 0.25}
QUESTIONS = {
    "outcome": lambda flow, at, run: dynsim.outcome(flow, START, at),
    "basins": lambda flow, at, run: dynsim.basins(flow, {"phi": [0.6], "theta": [0.1]}, at),
    "equilibria": lambda flow, at, run: dynsim.equilibria(flow, at),
    "first_integrals": lambda flow, at, run: dynsim.first_integrals(flow),
    "count_integrals": lambda flow, at, run: dynsim.count_integrals(flow, "eta_s" if at else "alpha"),
    "continuation": lambda flow, at, run: dynsim.continuation(
        flow, "eta_s" if at else "alpha", (0.05, 0.3), parameters=at, budget=2.0
    ),
    "fold_curve": lambda flow, at, run: dynsim.fold_curve(flow, ("eta_s", "eta_p"), FOLD),
    "hopf_curve": lambda flow, at, run: dynsim.hopf_curve(flow, ("eta_s", "eta_p"), FOLD),
    "limit_cycles": lambda flow, at, run: dynsim.limit_cycles(flow, at, starts=1),
    "portrait": lambda flow, at, run: dynsim.portrait(flow, at, resolution=5),
    "separatrices": lambda flow, at, run: dynsim.separatrices(flow, at),
    "timescales": lambda flow, at, run: dynsim.timescales(flow, run),
    "conservation": lambda flow, at, run: dynsim.conservation(flow, run),
    "singular_limit": lambda flow, at, run: dynsim.singular_limit(flow, "eta_p" if at else "alpha", "large"),
    "stable_step_size": lambda flow, at, run: dynsim.stable_step_size(flow, {"phi": 1.0, "theta": 0.8}, at),
    "step_size_bifurcation": lambda flow, at, run: dynsim.step_size_bifurcation(
        flow, START, [0.1, 0.2], parameters=at, settle=10, keep=4
    ),
    "resilience": lambda flow, at, run: dynsim.resilience(flow, START, at),
    "collapse_fraction": lambda flow, at, run: dynsim.collapse_fraction(
        flow,
        {"phi": (0.0, 1.5), "theta": (0.1, 1.5)},
        {"eta_s" if at else "alpha": [0.1, 0.2]},
        parameters=at,
        starts=4,
    ),
}


def _run(flow, at=None):
    return dynsim.solve(flow, START, 5.0, parameters=at)


def test_no_analysis_is_left_out():
    analysis = {
        name
        for name in dynsim.__all__
        if inspect.isfunction(getattr(dynsim, name)) and ".analysis." in getattr(dynsim, name).__module__
    }
    assert analysis <= set(QUESTIONS)


@pytest.mark.parametrize("name", [name for name in QUESTIONS if name not in ("fold_curve", "hopf_curve")])
def test_a_registered_name_is_a_flow(name):
    assert QUESTIONS[name]("toy", None, _run("toy")) is not None


@pytest.mark.parametrize("name", [name for name in QUESTIONS if name != "hopf_curve"])
def test_a_loss_as_text_is_a_flow(name):
    at = dict(AT)
    if name in ("continuation", "collapse_fraction"):
        del at["eta_s"]
    assert QUESTIONS[name](LOSS, at, _run(LOSS, AT)) is not None


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_time_is_named_where_an_autonomous_flow_is_needed(name):
    with pytest.raises(InvalidValue, match=r"velocities of phi, theta that depend on the time t.*flow\.at\(0\)"):
        QUESTIONS[name](TIMED, None, _run(TIMED))
