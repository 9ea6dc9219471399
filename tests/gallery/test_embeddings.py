"""The map of embeddings and their spectrum: what they show of features that are known, and of the stored run."""

import numpy as np
import pytest

from dynsim.gallery import embeddings
from dynsim.gallery.plotting import stored_file
from dynsim.storage import open_dataset

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def stored():
    return open_dataset(stored_file("spectrum"))


def test_lengths_do_not_count_and_one_direction_is_a_point():
    features = RNG.normal(size=(50, 4))
    np.testing.assert_allclose(embeddings._map(features), embeddings._map(7.0 * features), atol=1e-12)
    line = np.outer(RNG.uniform(1, 9, 50), [1.0, 2.0, 0.0, 0.0])
    assert np.abs(embeddings._map(line)).max() < 1e-12


def test_the_map_shows_the_two_widest_directions():
    """Directions on a great circle, seen flat: their spread is all on the map."""
    angle = RNG.uniform(0, 2 * np.pi, 4000)
    circle = np.zeros((4000, 5))
    circle[:, 1], circle[:, 3] = np.cos(angle), np.sin(angle)
    shown = embeddings._map(circle)
    np.testing.assert_allclose((shown**2).sum(axis=1), 1.0, atol=0.1)
    deviations = [embeddings._deviation(index)(circle) for index in range(5)]
    np.testing.assert_allclose(deviations, [0.5**0.5] * 2 + [0.0] * 3, atol=0.02)


def test_all_branches_start_alike_and_the_words_are_the_counts(stored):
    start = stored["deviation"].isel(step=0)
    np.testing.assert_allclose(start.sel(branch="full"), start.sel(branch="stop"), rtol=1e-5)
    verdict = embeddings.verdict_spectrum(stored)
    alive = embeddings._alive(stored, embeddings.SHARES[1]).mean("seed")
    assert f"stop {float(alive.sel(branch='stop')):.0f}," in verdict.headline
    assert verdict.word == "holds"
    dead = stored.copy(deep=True)
    dead["deviation"].loc[{"branch": "stop"}] = stored["deviation"].sel(branch="full").values
    assert embeddings.verdict_spectrum(dead).word == "does not hold"


def test_the_map_of_a_collapsed_branch_is_small(stored):
    size = abs(stored["place"]).max(("sample", "axis"))
    assert float(size.sel(moment="full")) < 0.2 * float(size.sel(moment="stop"))
    swapped = stored.copy(deep=True)
    for name in embeddings.MEASURES:
        swapped[name].loc[{"branch": "full"}] = stored[name].sel(branch="stop").values
    assert embeddings.verdict(stored).word == "holds"
    assert embeddings.verdict(swapped).word == "does not hold"


@pytest.mark.long
def test_a_small_run_keeps_labels_beside_its_map():
    pytest.importorskip("torch")
    data = embeddings.compute(**embeddings.FIGURE.small)
    assert data["label"].sizes["sample"] == data["place"].sizes["sample"]
    assert (data["deviation"].diff("direction") <= 1e-6).all()
