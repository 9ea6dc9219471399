"""How members of an ensemble end: never by an exception, always by a status that fits."""

import numpy as np
import pytest
from scipy.integrate import RK45

import dynsim
from dynsim import Flow, Move, ensemble, gradient_flow
from dynsim.integrate.stepping import Stepper, why_it_stopped
from dynsim.status import Status

METHODS = ["scipy", "auto"]


@pytest.mark.parametrize("method", METHODS)
def test_a_factorisation_that_is_singular_is_a_status(method):
    flow = gradient_flow("(phi*theta-sg(theta))^2/2 - log(1+exp(theta))", "phi,theta")
    axis = np.linspace(-1.5, 1.5, 3)
    run = ensemble(flow, {"phi": axis, "theta": axis}, 1000.0, method=method)
    assert set(run.status.values.ravel().tolist()) <= {int(status) for status in Status}
    assert (run.status != Status.NOT_RUN).all()


@pytest.mark.parametrize("method", METHODS)
def test_each_member_says_how_it_ended(method):
    flow = Flow.of({"x": Move("a*x^3 - b*sqrt(x)")})
    cases = {"x": members([1.0, 1.0, -1.0]), "a": members([1.0, 0.0, 0.0]), "b": members([0.0, 1.0, 1.0])}
    run = ensemble(flow, {"x": cases["x"]}, 5.0, parameters={"a": cases["a"], "b": cases["b"]}, method=method)
    first, second, third = (Status(int(s)) for s in run.status.values)
    assert first == Status.BLOW_UP
    assert second in (Status.NOT_FINITE, Status.SOLVER_FAILED)
    assert third == Status.INVALID_START


def members(values):
    import xarray as xr

    return xr.DataArray(np.array(values), dims="member")


@pytest.mark.parametrize("method", METHODS)
def test_what_diverges_and_what_slides_are_told_apart(method):
    flow = Flow.of({"w": Move("-sign(w) + c*w^3")})
    run = ensemble(flow, {"w": [0.5, 3.0]}, 10.0, parameters={"c": 1.0}, method=method)
    assert run.status.values.tolist() == [Status.SLIDING, Status.BLOW_UP]
    assert float(run.w[0]) == 0.0


@pytest.mark.parametrize("method", METHODS)
def test_members_that_slide_are_where_one_run_is(method):
    flow = gradient_flow("(u^2+v^2)/2 + a*abs(u) + abs(v)", "u,v")
    starts = {"u": [1.0, -0.5], "v": -3.0}
    run = ensemble(flow, starts, times=[0.5, 1.0, 3.0], parameters={"a": [0.5, 1.0]}, method=method)
    for a in (0.5, 1.0):
        for i, u in enumerate(starts["u"]):
            one = dynsim.solve(flow, {"u": u, "v": -3.0}, times=[0.5, 1.0, 3.0], parameters={"a": a})
            np.testing.assert_allclose(run.u.sel(a=a)[i], one.u, atol=1e-8)
            np.testing.assert_allclose(run.v.sel(a=a)[i], one.v, atol=1e-8)
    assert (run.status == Status.SLIDING).all()


def test_numbers_that_are_masked_or_too_large_are_named():
    toy = dynsim.system("toy")
    with pytest.raises(dynsim.DynsimError, match="masked"):
        ensemble(toy, {"phi": np.ma.masked_array([0.1, 0.2], [True, False]), "theta": 0.1}, 1.0)
    run = ensemble(toy, {"phi": 10**400, "theta": 0.1}, 1.0)
    assert int(run.status) == Status.INVALID_START
    with pytest.raises(dynsim.DynsimError, match="t_end"):
        ensemble(toy, {"phi": 0.1, "theta": 0.1}, 10**400)
    with pytest.raises(dynsim.DynsimError, match="rtol"):
        ensemble(toy, {"phi": 0.1, "theta": 0.1}, 1.0, rtol=1e-300)


def test_a_field_that_cannot_jump_never_slides():
    """Rounding at rest turns a smooth field round from step to step, which looks like a jump; only a kink is one."""

    def trembling(t, y):
        return -y + 1e-3 * np.sign(np.sin(1e9 * y))

    for may_jump in (True, False):
        stepper = Stepper(
            RK45, trembling, 0.0, np.array([1e-9]), 1e3, most=1200, max_step=1e-2, rtol=1e-9, atol=1.0,
            may_jump=may_jump,
        )  # fmt: skip
        while stepper.step():
            pass
        assert (stepper.status == Status.SLIDING) == may_jump
        stuck = why_it_stopped(lambda t, y: -np.sign(y), np.ones(1), np.full((1, 1), 1e-17), 1.0, may_jump=may_jump)
        assert (stuck[0] == Status.SLIDING) == may_jump


@pytest.mark.parametrize(
    ("loss", "jumps"),
    [
        ("(p*w - sg(w))^2/2", False),
        ("exp(-w^2) + tanh(p*w)", False),
        ("abs(w) + p^2", True),
        ("max(0, 1 - w) + p^2", True),
        ("(p*w/sqrt(w^2) - sg(w))^2/2", True),
    ],
)
def test_which_fields_may_jump(loss, jumps):
    flow = gradient_flow(loss, ["p", "w"])
    assert flow.compiled.may_jump == jumps
    assert flow.field().may_jump == jumps
