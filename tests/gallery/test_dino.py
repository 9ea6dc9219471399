"""DINO: the verdict counts what it says, and the predictions are those of the flow."""

import numpy as np
import pytest

pytest.importorskip("torch")

from dynsim.gallery.dino import regions, verdict
from dynsim.gallery.dino.verdict import ALIVE, UNIFORM, centre_ratio, hopf_ratio, predicted, published, scores
from dynsim.gallery.plotting import data_for
from dynsim.methods.prototype_bifurcations import fold, hopf, pitchfork_hopf
from dynsim.methods.prototype_clusters import FATES


@pytest.fixture(scope="module")
def data():
    return data_for("dino", {})


def test_a_slow_teacher_has_a_hopf_rate_that_knows_no_network():
    for tau in (0.02, 0.04, 0.07):
        for k in (2, 64):
            beta = 1e-7 / (k**2 * regions.TAU_S**2)
            assert hopf(regions.TAU_S, tau, k, beta)[0] / beta == pytest.approx(hopf_ratio(tau), rel=1e-5)
    assert hopf_ratio(0.7 * regions.TAU_S) == pytest.approx(pitchfork_hopf(0.7, regions.TAU_S) * 4 * regions.TAU_S**2)
    assert hopf_ratio(0.04) < centre_ratio(0.99, 0.996) < 26 < centre_ratio(0.9, 0.996)  # as published: they live
    assert centre_ratio(0.999, 0.996) < hopf_ratio(0.04)


def test_fold_and_hopf_line_are_continued_from_the_flow(data):
    assert float(data["fold"]) == pytest.approx(fold(0.7, 0.1, data.attrs["clusters"])[0], rel=1e-8)
    assert float(data["uniform_loses"]) == pytest.approx(0.07, rel=1e-8)
    beta = regions.teacher_rate(2)
    exact = [hopf(regions.TAU_S, float(tau), 2, beta)[0] / beta for tau in data["hopf_tau_t"]]
    np.testing.assert_allclose(data["hopf_ratio"], exact, rtol=1e-8)


def test_long_runs_of_the_flow_end_as_its_curves_say(data):
    cold = data["flow_fate"].sel(start="cold")
    for tau in data["flow_tau_t"].values:
        for ratio in data["flow_ratio"].values:
            far = abs(tau - 0.07) > 0.003 and not 0.4 < (ratio + 1e-9) / hopf_ratio(min(tau, 0.0999)) < 2.5
            if far and ratio > hopf_ratio(min(tau, 0.0999)):
                end = FATES[int(cold.sel(flow_tau_t=tau, flow_ratio=ratio))]
                assert end == ("alive" if tau < 0.07 else "uniform"), (tau, ratio)


def test_the_verdict_follows_the_networks(data):
    found = scores(data)
    said = verdict(data)
    assert said.word in ("holds", "holds under conditions")
    assert 0 < found["r"] < 1
    assert found["up_to_warm"] >= found["up_to_cold"]
    dead = data.assign(published_fate=data["published_fate"] * 0 + UNIFORM)
    assert all(share == 0 for _, share, _ in published(dead).values())
    assert verdict(dead).word == "holds under conditions"
    lives = data.assign(long_fate=data["long_fate"] * 0 + ALIVE)
    assert scores(lives)["up_to_cold"] == float(data["long_tau_t"].max())


def test_predictions_change_at_the_curves():
    assert predicted(0.049, 3.0, "cold", 0.5)
    assert not predicted(0.051, 3.0, "cold", 0.5)
    assert not predicted(0.049, 0.9, "cold", 0.5)
    limit = fold(0.5, 0.1, 64)[0]
    assert predicted(limit - 1e-6, 0.1, "warm", 0.5)
    assert not predicted(limit + 1e-6, 0.1, "warm", 0.5)
