"""A small run of xbar: what linearity makes exact, who is judged collapsed, and the stored run."""

import numpy as np
import pytest

pytest.importorskip("torch")

from dynsim.gallery import xbar as room
from dynsim.gallery.plotting import stored_file
from dynsim.gallery.xbar import training as xbar
from dynsim.storage import open_dataset


@pytest.fixture(scope="module")
def data():
    return xbar.compute(**room.FIGURE.small)


@pytest.fixture(scope="module")
def stored():
    return open_dataset(stored_file("xbar"))


def test_a_linear_encoder_cannot_tell_the_mean_view_from_the_mean_feature(data):
    linear = data["feature_probe"].sel(encoder="linear")
    np.testing.assert_allclose(linear.sel(feature="F(x̄)"), linear.sel(feature="E F(T x)"), atol=0.02)
    pixels = data["pixels_knn"]
    np.testing.assert_allclose(pixels.sel(feature="F(x̄)"), pixels.sel(feature="E F(T x)"), atol=1e-12)
    hidden = data["feature_probe"].sel(encoder="mlp", views=4)
    assert float(abs(hidden.sel(feature="F(x̄)") - hidden.sel(feature="E F(T x)")).max()) > 0.02


def test_one_view_is_the_mean_of_one(data):
    one = data[["feature_knn", "feature_probe"]].sel(views=1)
    for name in one:
        np.testing.assert_allclose(one[name].sel(feature="F(x̄)"), one[name].sel(feature="E F(T x)"), atol=0.01)


def test_more_views_are_better_and_the_picture_itself_does_not_need_them(data):
    score = data["feature_knn"].sel(test="clean").mean(["seed", "encoder", "objective"])
    assert (score.sel(feature=["F(x̄)", "E F(T x)"]).diff("views") > 0).all()
    assert float(score.sel(feature="F(x)").std("views").max()) < 1e-12


def test_fates_are_what_the_measures_say(data):
    kept = data.copy(deep=True)
    shape = kept["spread"]
    healthy = {"spread": 0.9, "norm_ratio": 1.0, "rankme": 20.0, "rankme_start": 25.0, "knn": 0.5, "knn_start": 0.3}
    for name, value in healthy.items():
        kept[name] = kept[name] * 0 + value
    kept["lost"] = shape * 0
    cases = [{}, {"knn": 0.2}, {"rankme": 5.0}, {"spread": 0.1}, {"norm_ratio": 0.1}, {"norm_ratio": 20.0}]
    for expected, changes in zip(reversed(range(len(xbar.FATES))), cases, strict=True):
        changed = kept.assign({name: shape * 0 + value for name, value in changes.items()})
        assert (xbar.fate(changed) == expected).all(), xbar.FATES[expected]
    lost = kept.assign(lost=shape * 0 + 1)
    assert (xbar.fate(lost) == 0).all()


def test_stop_gradient_changes_nothing_for_a_linear_encoder_without_predictor(stored):
    """Where there is no second branch to stop: 2WΣ_n either way."""
    norm = stored["norm_ratio"].sel(encoder="linear", loss="squared", predictor="without", objective="mean view")
    assert (norm < 0.25).all()
    assert float(abs(norm.sel(branch="stop") - norm.sel(branch="full")).max()) < 0.05


def test_the_stored_run_answers_the_question(stored):
    alive = xbar.fate(stored).sel(objective="mean view") >= xbar.FATES.index("worse than untrained")
    assert alive.sel(predictor="with", branch="stop").all()
    assert not alive.sel(predictor="without").any()
    assert not alive.sel(branch="full").any()
    assert "0 with neither" in str(xbar.verdict(stored).facts)


def test_the_stored_run_is_of_this_code(stored):
    setting = xbar._setting(_base(), "linear", "squared", "with")
    fresh = xbar._ends(setting, "squared", 2)
    kept = stored.sel(encoder="linear", loss="squared", predictor="with", seed=[0, 1])
    for name in ("spread", "norm_ratio", "knn"):
        fresh_one, kept_one = fresh[name].transpose(*kept[name].dims), kept[name]
        np.testing.assert_allclose(fresh_one, kept_one, atol=0.05, rtol=0.05)
    np.testing.assert_allclose(fresh["knn_start"], kept["knn_start"], atol=0.01)


def _base():
    from dynsim.networks import Experiment

    return Experiment(measures=xbar.MEASURES, steps=300, every=300)
