"""Parameters that depend on the time, in every integrator."""

import numpy as np
import pytest

from dynsim import Flow, Move, ensemble, gradient_flow, optimise, provenance, solve, system

DECAY = gradient_flow("eta*w^2/2", "w")  # w' = −η(t)·w: w = exp(−∫η)
RAMP = {"eta": "0.2 + 0.05*t"}
TIMES = np.linspace(0.0, 10.0, 21)
EXPECTED = np.exp(-(0.2 * TIMES + 0.025 * TIMES**2))


@pytest.mark.parametrize("method", ["DOP853", "RK45", "Radau", "LSODA"])
def test_solve_follows_a_schedule(method):
    run = solve(DECAY, {"w": 1.0}, times=TIMES, parameters=RAMP, method=method, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(run.w, EXPECTED, rtol=1e-6)
    assert provenance(run)["parameters"] == RAMP


@pytest.mark.parametrize("method", ["scipy", "auto"])
def test_ensembles_follow_a_schedule(method):
    run = ensemble(DECAY, {"w": [1.0, -2.0]}, times=TIMES, parameters=RAMP, method=method)
    np.testing.assert_allclose(run.w, np.outer([1.0, -2.0], EXPECTED), rtol=1e-8)
    assert provenance(run)["parameters"] == RAMP
    end = ensemble(DECAY, {"w": 1.0}, 10.0, parameters=RAMP, method=method)
    assert float(end.w) == pytest.approx(EXPECTED[-1], rel=1e-8)


def test_literals_are_numbers_of_the_run_and_nothing_is_compiled_again(monkeypatch):
    pytest.importorskip("llvmlite")
    from dynsim.integrate.engine import machine

    ensemble(DECAY, {"w": 1.0}, 1.0, parameters=RAMP, method="compiled")
    monkeypatch.setattr(machine, "compiled", None)
    monkeypatch.setattr(machine, "load", None)
    other = ensemble(DECAY, {"w": 1.0}, 10.0, parameters={"eta": "0.3 + 0.01*t"}, method="compiled")
    assert float(other.w) == pytest.approx(np.exp(-(3.0 + 0.5)), rel=1e-8)


def test_an_ensemble_over_another_parameter_of_the_schedule():
    flow = gradient_flow("eta*w^2/2 + b*w", "w")
    run = ensemble(flow, {"w": 1.0}, 2.0, parameters={"eta": "0.2 + 0.05*t", "b": [0.0, 0.5]})
    alone = [float(solve(flow, {"w": 1.0}, 2.0, parameters={"eta": "0.2 + 0.05*t", "b": b}).w[-1]) for b in (0.0, 0.5)]
    np.testing.assert_allclose(run.w, alone, rtol=1e-8)


def test_a_forced_oscillator_in_the_engine_agrees_with_scipy():
    flow = Flow.of({"x": Move("v"), "v": Move("-x - v/10 + sin(2*t) + exp(-t)*t")})
    times = np.linspace(0.0, 20.0, 41)
    run = ensemble(flow, {"x": [0.0, 1.0], "v": 0.0}, times=times)
    one = solve(flow, {"x": 1.0, "v": 0.0}, times=times)
    np.testing.assert_allclose(run.x[1], one.x, atol=1e-8)


@pytest.mark.parametrize("optimiser", ["gd", "alternating", "adam"])
def test_optimisers_follow_a_schedule(optimiser):
    lr = 1e-3
    run = optimise(DECAY, {"w": 1.0}, 2000, lr=lr, parameters=RAMP, optimiser=optimiser, every=500)
    if optimiser == "adam":  # the sign of the gradient alone: the schedule plays no part but is taken
        assert float(run.w[-1]) < 1.0
        return
    factors = 1 - lr * (0.2 + 0.05 * lr * np.arange(2000))
    np.testing.assert_allclose(run.w, [np.prod(factors[:n]) for n in run.step.values], rtol=1e-12)
    assert provenance(run)["parameters"] == RAMP


def test_a_ramp_back_and_forth_in_time():
    there = solve(system("toy"), {"phi": 0.6, "theta": 0.1}, 5.0, parameters={"alpha": "1 + t/10"})
    flow = system("toy")
    end = {name: float(there[name][-1]) for name in flow.states}
    back = solve(flow, end, -5.0, parameters={"alpha": "1 + (5 + t)/10"})
    assert float(back.phi[-1]) == pytest.approx(0.6, rel=1e-8)
