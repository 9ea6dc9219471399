"""The shipped lattice: linear cells follow the matrix flow, and the stored results are those of the same code."""

import numpy as np
import pytest

pytest.importorskip("torch")

from dynsim.gallery import lattice
from dynsim.gallery.linear_networks import linear_prediction
from dynsim.gallery.plotting import stored_file
from dynsim.networks import Experiment, train
from dynsim.storage import open_dataset
from dynsim.studies.catalogue import study_of

FIELDS = {
    "augmentation": {"noise": 0.3}, "encoder": "linear", "norm": "none", "predictor": "linear",
    "objective": "squared", "measures": ["spread", "rankme", "norm_ratio"],
}  # fmt: skip


@pytest.fixture(scope="module")
def small():
    """Six cells of 20 steps: two of them linear under each target."""
    study = study_of("lattice-small").to_dict()
    study["experiment"] |= {"steps": 20, "every": 20, "images": 200}
    study["axes"] |= {
        "encoder": ["linear"], "predictor": ["none", "linear", "mlp"], "decay": {"values": [0.0], "sets": ["eta_s"]},
    }  # fmt: skip
    for name, kept in (("objective", "squared"), ("batchnorm", "none")):
        axis = study["axes"][name]
        at = axis["values"].index(kept)
        study["axes"][name] = {"cases": {kept: dict(zip(axis["sets"], axis["cases"][at], strict=True))}}
    study["seeds"] = 2
    return lattice.compute(study=study)


def test_predictions_lie_beside_linear_cells_and_no_others(small):
    for name in ("spread", "rankme", "knn", "norm_ratio"):
        predicted = small[f"ode_{name}"].notnull().all(("target", "seed")).squeeze(drop=True)
        assert predicted.sel(predictor=["none", "linear"]).all()
        assert not small[f"ode_{name}"].sel(predictor="mlp").notnull().any()
        assert small[name].notnull().all()
    assert "6 linear cells" in str(lattice.verdict(small).facts)


@pytest.mark.parametrize("changes", [{}, {"predictor": "none"}, {"teacher": 0.9}, {"eta_p": 0.05, "eta_s": 0.05}])
def test_small_full_steps_follow_the_prediction(changes):
    """Of noise the moments are exact: what is left is the error of a finite step."""
    network = Experiment(**FIELDS, batch="full", momentum=0.0, lr=0.1, steps=100, every=100).but(**changes)
    run, told = train(network, 2).isel(step=-1), linear_prediction(network, [0, 1])
    for name in network.measures:
        np.testing.assert_allclose(told[name], run[name], rtol=0.01)


def test_the_prediction_is_that_of_the_branch():
    network = Experiment(**FIELDS, lr=0.02)
    kept, lost = (linear_prediction(network.but(branch=branch), [0])["norm_ratio"][0] for branch in ("stop", "full"))
    assert kept > 0.5 > 0.3 > lost


def test_the_stored_lattice_is_that_of_this_code():
    stored = open_dataset(stored_file("lattice"))
    study = study_of("lattice-small")
    assert stored.attrs["digest"] == study.digest
    assert stored["spread"].dims == tuple(study.sizes)
    cell = {
        "encoder": "linear", "predictor": "linear", "decay": 0.01, "objective": "squared", "target": "stop-gradient",
        "batchnorm": "none",
    }  # fmt: skip
    from dynsim.studies.network_runs import experiment_of

    experiment = experiment_of(study, cell)
    fresh, told = train(experiment, 3).isel(step=-1), linear_prediction(experiment, [0, 1, 2])
    for name in ("spread", "rankme", "norm_ratio"):
        kept = stored[name].sel(cell)
        assert float(abs(fresh[name] - kept).max()) <= float(kept.max() - kept.min())
        np.testing.assert_allclose(told[name], stored[f"ode_{name}"].sel(cell), rtol=1e-3)
