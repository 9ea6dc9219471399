"""A small run of prior: what must hold of pixels, of nothing and of labels; and the stored run."""

import numpy as np
import pytest

pytest.importorskip("torch")

from dynsim.gallery import prior
from dynsim.gallery.plotting import stored_file
from dynsim.storage import open_dataset


@pytest.fixture(scope="module")
def data():
    return prior.compute(**prior.FIGURE.small)


@pytest.fixture(scope="module")
def stored():
    return open_dataset(stored_file("prior"))


def test_few_labels_are_ten_of_each_class_and_another_choice_each_time():
    labels = np.random.default_rng(0).integers(0, 3, 200)
    rows = prior.few_labels(labels, 0)
    assert len(set(rows)) == 30
    np.testing.assert_array_equal(np.bincount(labels[rows]), 10)
    np.testing.assert_array_equal(rows, prior.few_labels(labels, 0))
    assert set(rows) != set(prior.few_labels(labels, 1))


def test_zero_weights_are_worth_nothing_random_ones_much(data):
    for encoder in prior.FIGURE.small["encoders"]:
        nothing = data["knn"].sel(representation=f"{encoder} zero")
        assert (nothing < 0.2).all()
        random = data["knn"].sel(representation=f"{encoder} default", test="clean")
        assert (random > 0.5).all()


def test_random_filters_are_rectified_and_pooled():
    """A picture and its negative give the same; windows that see one number give one number."""
    pictures = np.random.default_rng(0).normal(size=(3, 1, 8, 8))
    one = prior.pooled_filters(pictures, 4, 0)
    assert one.shape == (3, 64)
    np.testing.assert_allclose(one, prior.pooled_filters(-pictures, 4, 0))
    assert (one >= 0).all()
    assert np.abs(one - prior.pooled_filters(pictures, 4, 1)).max() > 0.1
    many = np.repeat(pictures[:1], 300, axis=0)  # pieces of 256 are one picture as well as another
    assert np.ptp(prior.pooled_filters(many, 4, 0), axis=0).max() == 0


def test_clean_images_and_more_labels_are_easier(data):
    score = data["knn"].sel(representation=["pixels", "linear default", "mlp orthogonal"]).mean("seed")
    assert (score.sel(test="clean") > score.sel(test="augmented")).all()
    clean = score.sel(test="clean")
    assert (clean.sel(labels="all labels") > clean.sel(labels="10 per class")).all()
    assert float(data["knn"].sel(representation="pixels").std("seed").max()) == 0


def test_the_stored_run_is_of_this_code(stored):
    again = prior.compute(seeds=2, steps=0, encoders=("linear",), filters=(16,))
    kept = stored.sel(representation=again["representation"].values, seed=again["seed"].values)
    np.testing.assert_allclose(again["knn"], kept["knn"], atol=0.02)
    np.testing.assert_allclose(again["probe"], kept["probe"], atol=0.02)


def test_the_stored_run_says_where_pixels_win(stored):
    clean = stored["knn"].sel(labels="all labels", test="clean").mean("seed")
    random = clean.sel(representation=["mlp default", "cnn default"])
    assert (random > 0.7).all()
    assert (random < clean.sel(representation="pixels")).all()
    probe = stored["probe"].sel(labels="all labels", test="clean")
    assert probe.sel(representation="filters 128").min() > probe.sel(representation="pixels").max()
    ladder = stored["knn"].sel(labels="all labels", test="augmented").mean("seed")
    own = [f"{encoder} {name}" for encoder in ("mlp", "cnn") for name in prior.SELF_SUPERVISED]
    assert (ladder.sel(representation=own) > ladder.sel(representation="pixels")).all()
    told = prior.verdict(stored)
    assert "untrained features beat pixels in every seed by probe all labels, clean" in str(told.facts)
    with_labels = ["mlp supervised", "cnn supervised"]  # after 3,000 steps these beat pixels on clean images too
    plain = stored.where(~stored["representation"].isin(["filters 16", "filters 128", *with_labels]), 0.0)
    plain.attrs = stored.attrs
    assert "best of all pixels" in str(prior.verdict(plain).facts)
    worse = stored.where(stored["representation"] != "pixels", 0.0)
    worse.attrs = stored.attrs
    assert "in 8 of 8 tests, self-supervised ones in 8" in prior.verdict(worse).headline
