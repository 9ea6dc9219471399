"""Pictures against `solve` and `outcome`: what is drawn is what is computed elsewhere."""

import time

import numpy as np
import pytest

import dynsim
from dynsim.explorer.phase_plane import quick_plane, same_plane, settled_plane
from dynsim.explorer.picture import picture
from dynsim.explorer.setting import Setting
from dynsim.explorer.settled import settled
from dynsim.explorer.subject import filled, names_of_systems, subject


@pytest.mark.parametrize("branch", ["stop", "full", "target"])
@pytest.mark.parametrize("alpha", [0.1, 1.0, 100.0])
@pytest.mark.parametrize("phi", [-1.2, 0.6, 1.4])
def test_curves_agree_with_solve(branch, alpha, phi):
    setting = filled(Setting("toy", branch=branch, initial={"phi": phi, "theta": 0.3}, parameters={"alpha": alpha}))
    frame = picture(setting)
    run = dynsim.solve(
        dynsim.system("toy", branch=branch), setting.initial, times=frame.time, parameters=setting.parameters
    )
    for name in ("phi", "theta", "loss"):
        drawn = frame.loss if name == "loss" else frame.states[name]
        np.testing.assert_allclose(drawn, run[name], atol=2e-6)


@pytest.mark.parametrize("name", names_of_systems())
def test_every_system_has_a_picture(name):
    setting = filled(Setting(name))
    frame = picture(setting)
    assert set(frame.states) == set(subject(setting).flow.states)
    assert all(np.isfinite(values).all() for values in frame.states.values())
    assert frame.verdict.sentence
    assert len(quick_plane(setting).box) == 2


@pytest.mark.parametrize("branch", ["stop", "full", "target"])
def test_the_sentence_says_the_outcome(branch):
    for phi, theta in ((0.6, 0.1), (1.3, 0.2), (-0.8, 0.4), (0.95, 1.2)):
        setting = filled(Setting("toy", branch=branch, initial={"phi": phi, "theta": theta}))
        verdict = picture(setting).verdict
        end = dynsim.outcome(dynsim.system("toy", branch=branch), setting.initial)
        assert verdict.limit == end.limit
        assert verdict.collapsed is end.collapsed
        assert verdict.sentence.endswith("no collapse" if not end.collapsed else "collapse")
        assert f"{end.limit['theta']:.4g}" in verdict.sentence


def test_the_formula_of_the_article():
    verdict = picture(filled(Setting("toy"))).verdict
    assert verdict.sentence == "θ → 0.8062 = √(θ₀² − φ₀² + 1), φ → 1: no collapse"
    verdict = picture(filled(Setting("toy", branch="full"))).verdict
    assert verdict.sentence == "θ → 0, φ → 0.6127 = 1 − √(−θ₀² + (1 − φ₀)²): collapse"


def test_formulas_give_the_number_they_stand_beside():
    import sympy

    from dynsim.explorer.closed_form import formulas

    rng = np.random.default_rng(5)
    checked = 0
    for branch in ("stop", "full", "target"):
        for _ in range(8):
            start = {"phi": round(rng.uniform(-1.5, 1.5), 3), "theta": round(rng.uniform(0.05, 1.5), 3)}
            setting = filled(Setting("toy", branch=branch, initial=start, parameters={"alpha": 2.5}))
            end = picture(setting).verdict
            for name, told in formulas(subject(setting), setting.initial, setting.parameters, end.limit).items():
                readable = told.replace("√", "sqrt").replace("·", "*").replace("−", "-").replace("^", "**")
                readable = (
                    readable.replace("²", "**2").replace("φ₀", "phi0").replace("θ₀", "theta0").replace("α", "alpha")
                )
                expression = dynsim.parse(readable)
                values = {"phi0": start["phi"], "theta0": start["theta"], "alpha": 2.5}
                number = expression.subs({symbol: values[symbol.name] for symbol in expression.free_symbols})
                assert sympy.N(number) == pytest.approx(end.limit[name], rel=1e-6)
                checked += 1
    assert checked > 15


def test_a_diverging_run_is_said_and_drawn_as_far_as_it_goes():
    frame = picture(filled(Setting("-w^4/4", ("w",), initial={"w": 1.0})))
    assert "diverges at t = 0.5" in frame.verdict.sentence
    assert frame.time[-1] < 0.5001
    assert np.isfinite(frame.states["w"]).all()


def test_a_verdict_without_a_rule_is_settled_later():
    setting = filled(Setting("byol"))
    first, later = picture(setting).verdict, settled(setting).verdict
    assert not first.settled
    assert first.limit == {}
    assert later.settled
    assert later.limit["theta"] == pytest.approx(dynsim.outcome(dynsim.system("byol"), setting.initial).limit["theta"])


def test_an_orbit_that_circles_is_not_followed_for_ever():
    verdict = settled(filled(Setting("dirac-gan", initial={"theta": 0.98}))).verdict
    assert "circles for ever" in verdict.sentence
    assert verdict.limit == {}


def test_scenery_stays_while_only_the_start_moves():
    setting = filled(Setting("toy"))
    assert same_plane(setting, setting.moved({"theta": 0.7}))
    assert not same_plane(setting, setting.tuned({"alpha": 3.0}))
    assert not same_plane(filled(Setting("byol")), filled(Setting("byol")).moved({"xi": 0.7}))


def test_settled_plane_knows_the_lines_of_equilibria():
    scenery = settled_plane(filled(Setting("toy")))
    on_one = [line for line, attracts in scenery.lines if attracts and np.allclose(line[0], 1.0)]
    assert on_one
    repelling = [line for line, attracts in scenery.lines if not attracts and np.allclose(line[1], 0.0)]
    assert any((line[0] > 0.1).any() and (line[0] < 0.9).any() for line in repelling)


def test_a_frame_takes_milliseconds():
    setting = filled(Setting("toy"))
    spent = []
    for step in range(25):
        moved = setting.moved({"theta": 0.2 + step / 100})
        started = time.thread_time()
        picture(moved)
        spent.append(time.thread_time() - started)
    assert np.median(spent) < 0.1  # of processor time; 3 ms on an idle core
