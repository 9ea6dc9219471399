from __future__ import annotations

import json
import warnings
from dataclasses import fields

import numpy as np
import pytest
import torch
import xarray as xr

import dynsim
from dynsim.errors import DynsimError
from dynsim.networks import Experiment, initial_state, measures, train
from dynsim.networks.datasets import load_images
from dynsim.networks.encoders import ENCODERS
from dynsim.networks.initialisations import INITIALISATIONS
from dynsim.networks.objectives import OBJECTIVES
from dynsim.networks.optimisers import OPTIMISERS
from dynsim.networks.predictors import PREDICTORS
from dynsim.networks.run import Run
from dynsim.networks.schedules import flow_times, learning_rate
from dynsim.networks.seeds import common_generator, generator
from dynsim.networks.validation import RULES
from dynsim.status import Status

CPU = torch.device("cpu")
MEASURES = tuple(measures.MEASURES)


def test_the_record(small):
    e = small(measures=["spread", "knn", "relative_speed_ratio"], steps=5)
    run = train(e, seeds=[4, 1])
    assert dict(run.sizes) == {"seed": 2, "step": 4}
    assert run.seed.values.tolist() == [4, 1]
    assert run.step.values.tolist() == [0, 2, 4, 5]
    np.testing.assert_allclose(run.time, run.step * 0.05 / (1 - 0.9))
    assert set(run.data_vars) == {"loss", "spread", "knn", "relative_speed_ratio", "status", "stopped_step"}
    assert run.attrs["kind"] == "training"
    assert run.status.values.tolist() == [0, 0]
    assert all(np.isfinite(run[name]).all() for name in ("loss", "spread", "knn", "relative_speed_ratio"))


def test_provenance_and_files(small, tmp_path):
    e = small(measures=["spread"], data="digits", images=50)
    run = train(e, 1)
    kept = dynsim.provenance(run)
    assert Experiment.from_dict(kept["experiment"]) == e
    assert kept["digest"] == e.digest
    assert "torch" in kept["versions"]
    assert kept["data"].startswith("digits, sha256 ")
    assert kept["device"] == "cpu"
    run.to_netcdf(tmp_path / "run.nc")
    xr.testing.assert_identical(xr.load_dataset(tmp_path / "run.nc"), run)
    assert json.loads(run.attrs["parameters"])["alpha"] == 1.0


@pytest.mark.parametrize(
    "net",
    [
        {"encoder": "linear", "predictor": "linear", "objective": "squared"},
        {"encoder": "mlp", "augmentation": {"rotation": 20, "shift": 1, "erasing": 2, "contrast": 0.2}},
        {"encoder": "cnn", "predictor": "optimal", "branch": "full"},
        {"teacher": 0.9, "optimiser": "adam"},
        {"objective": "alternating", "views": 3, "optimiser": "sign", "lr": 1e-3},
        {"objective": "nt-xent", "schedule": "cosine"},
        {"batch": "full", "optimiser": "lbfgs", "fixed_views": 1},
    ],
    ids=str,
)
def test_a_batch_of_seeds_equals_seeds_one_by_one(small, net):
    e = small(measures=["spread", "norm_ratio", "relative_speed_ratio"], **net)
    together = train(e, seeds=[0, 1, 2])
    for seed in range(3):
        xr.testing.assert_allclose(train(e, seeds=[seed]), together.sel(seed=[seed]), rtol=1e-8)


def test_more_seeds_change_no_earlier_one(small):
    e = small(measures=["norm_ratio"])
    xr.testing.assert_allclose(train(e, 2), train(e, 5).isel(seed=slice(2)), rtol=1e-10)
    assert train(e, 3).norm_ratio[:, -1].to_series().nunique() == 3


def test_seeds_differ_in_start_batches_and_views(small):
    e = small()
    run = Run(e, load_images(e), [0, 1], CPU)
    views = run.batches.next().views
    assert not torch.equal(run.batches.order[0], run.batches.order[1])
    assert not torch.equal(views[0], views[1])
    assert not torch.equal(run.weights.encoder[0], run.weights.encoder[1])


def test_every_epoch_shows_every_image_once(small):
    e = small(batch=8)
    run = Run(e, load_images(e), [0], CPU)
    first = [run.batches.next() and run.batches.order[0].clone() for _ in range(4)]
    assert all(torch.equal(order, first[0]) for order in first)
    assert sorted(first[0].tolist()) == list(range(32))
    run.batches.next()
    assert not torch.equal(run.batches.order[0], first[0])


def test_float32_and_float64_start_alike(small):
    starts = [initial_state(small(dtype=dtype)) for dtype in ("float32", "float64")]
    for name in starts[0]:
        np.testing.assert_array_equal(starts[0][name], starts[1][name])
    run = Run(small(dtype="float32"), load_images(small()), [0], CPU)
    assert run.weights.encoder.dtype == torch.float32
    assert run.advance().dtype == torch.float32


def test_schedules():
    e = Experiment(steps=10, lr=0.2, momentum=0.5, schedule="cosine")
    rates = [learning_rate(e, step) for step in range(10)]
    assert rates[0] == 0.2
    assert (np.diff(rates) < 0).all()
    np.testing.assert_allclose(np.diff(flow_times(e)), np.array(rates) / 0.5)
    assert flow_times(e.but(optimiser="adam"))[-1] == pytest.approx(sum(rates))


def test_a_lost_seed_is_said_and_does_not_disturb_the_others(small, monkeypatch):
    e = small(measures=MEASURES, predictor="linear", steps=6, every=3)
    healthy = train(e, 3)
    advance = Run.advance

    def poisoned(self):
        losses = advance(self)
        if self.step == 2:
            with torch.no_grad():
                self.weights.encoder[1] = torch.nan
        return losses

    monkeypatch.setattr(Run, "advance", poisoned)
    run = train(e, 3)
    assert run.status.values.tolist() == [0, Status.NOT_FINITE, 0]
    assert run.stopped_step.values.tolist() == [-1, 2, -1]
    assert run.sizes["step"] == 3
    assert np.isnan(run.loss[1, 1:]).all()
    assert np.isfinite(run.loss[1, 0])
    xr.testing.assert_allclose(run.isel(seed=[0, 2]), healthy.isel(seed=[0, 2]))


def test_it_stops_when_all_seeds_are_lost(small):
    run = train(small(norm="none", predictor="linear", objective="squared", lr=1e8, steps=1000), 2)
    assert run.status.values.tolist() == [Status.NOT_FINITE] * 2
    assert run.step[-1] < 100
    assert (run.stopped_step > 0).all()
    assert (run.stopped_step <= run.step[-1]).all()


def test_the_recorded_loss_is_the_same_with_and_without_measures_that_want_its_gradient(small):
    plain, measured = (train(small(measures=names, steps=4), 2) for names in ([], ["relative_speed_ratio"]))
    assert plain.loss.values.tolist() == measured.loss.values.tolist()


def test_progress_counts_up_to_the_end(small):
    seen = []
    train(small(steps=5), 1, progress=lambda done, total, what: seen.append((done, total)))
    assert seen == [(2, 5), (4, 5), (5, 5)]


def test_no_steps_is_the_start(small):
    run = train(small(steps=0, measures=["norm_ratio"]), 1)
    assert run.step.values.tolist() == [0]
    assert float(run.norm_ratio[0, 0]) == pytest.approx(1.0)


def test_determinism_is_asked_for_and_given_back(small):
    def flags():
        return torch.are_deterministic_algorithms_enabled(), torch.utils.deterministic.fill_uninitialized_memory

    seen, before = [], flags()
    train(small(), 1, progress=lambda *_: seen.append(flags()))
    assert set(seen) == {(True, False)}
    assert flags() == before


def test_two_runs_are_identical(small):
    e = small(measures=MEASURES, augmentation={"rotation": 10, "noise": 0.1, "erasing": 2})
    xr.testing.assert_identical(train(e, 2), train(e, 2))


@pytest.mark.parametrize("encoder", sorted(ENCODERS))
@pytest.mark.parametrize("predictor", sorted(PREDICTORS))
@pytest.mark.parametrize("norm", ["none", "batch", "batch-out"])
def test_every_net_trains_and_is_measured(small, encoder, predictor, norm):
    run = train(small(encoder=encoder, predictor=predictor, norm=norm, measures=MEASURES, steps=4), 2)
    assert run.status.values.tolist() == [0, 0]
    still = predictor in {"none", "fixed", "optimal"}
    for name, values in run.data_vars.items():
        undefined = still and ("speed" in name or "half_life" in name or "time90" in name)
        assert undefined or np.isfinite(values).all(), name
    assert ("alignment" in run) == (predictor in {"linear", "fixed"})
    adjacent = predictor == "linear" and norm != "batch-out" and encoder == "linear"
    assert ("balance" in run) == adjacent


@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
@pytest.mark.parametrize("batch", [8, "full"])
def test_every_objective_trains(small, objective, batch):
    run = train(small(objective=objective, batch=batch, measures=("spread", "predictor_gap", "loss_share")), 2)
    assert np.isfinite(run.loss).all()


@pytest.mark.parametrize("optimiser", sorted(OPTIMISERS))
def test_every_optimiser_trains(small, optimiser):
    run = train(small(optimiser=optimiser, batch="full", steps=20, objective="supervised", lr=0.01), 2)
    assert (run.loss[:, -1] < run.loss[:, 0]).all()


@pytest.mark.parametrize("init", sorted(INITIALISATIONS))
@pytest.mark.parametrize("encoder", sorted(ENCODERS))
def test_every_start(small, init, encoder):
    e = small(init=init, encoder=encoder, norm="none", init_scale=0.5)
    for name, value in initial_state(e, seed=2).items():
        assert np.isfinite(value).all()
        if not name.startswith("W"):
            continue
        flat = 2 * value.reshape(len(value), -1)
        if name.endswith("_bias"):
            assert init == "default" or not value.any()
        elif init == "orthogonal":
            gram = flat @ flat.T if flat.shape[0] <= flat.shape[1] else flat.T @ flat
            np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-12)
        elif init == "zero":
            assert not value.any()
        elif init == "identity":
            assert flat.sum() == min(value.shape[:2])
            assert set(np.unique(flat)) <= {0.0, 1.0}
        else:
            assert np.abs(flat).max() <= flat.shape[1] ** -0.5
            assert np.abs(flat).max() > 0.8 * flat.shape[1] ** -0.5


def test_every_field_has_a_rule():
    assert {field.name for field in fields(Experiment)} == set(RULES)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"experiment": "digits"}, "a dynsim.networks.Experiment"),
        ({"seeds": 0}, "positive int"),
        ({"seeds": [1, 1]}, "distinct"),
        ({"seeds": [-1]}, "non-negative"),
        ({"seeds": 2.5}, "positive int"),
        ({"seeds": True}, "positive int"),
        ({"device": "gpu"}, "one of cpu"),
        ({"device": "cuda:99"}, "one of cpu"),
        ({"seeds": 10**18}, "at most 100000"),
        ({"progress": 3}, "progress: got 3"),
        ({"checkpoint": "/absent/folder/run.pt"}, "a folder that exists"),
        ({"checkpoint": 3}, "the path of a file"),
        ({"checkpoint": "/proc/run.pt"}, "a file that can be written"),
    ],
)
def test_bad_arguments(small, arguments, message):
    with pytest.raises(DynsimError, match=message):
        train(**{"experiment": small(), **arguments})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": 1000}, "images: got 1000, expected at most the 32"),
        ({"data": "absent/folder"}, "existing .npz file, or a folder"),
        ({"objective": "supervised", "predictor": "none", "dim": 3}, "4, the number of classes"),
    ],
)
def test_data_that_do_not_fit(small, changes, message):
    with pytest.raises(DynsimError, match=message):
        train(small(**changes))


def test_vectors_have_no_geometry_and_no_labels(linear):
    with pytest.raises(DynsimError, match="only 'noise' for vectors"):
        train(linear(augmentation={"rotation": 10}))
    with pytest.raises(DynsimError, match="'linear' or 'mlp' for vectors"):
        train(linear(encoder="cnn"))
    with pytest.raises(DynsimError, match="one without labels"):
        train(linear(objective="supervised"))
    with pytest.raises(DynsimError, match="the data have none: give \\(images, labels\\)"):
        train(linear(measures=["knn", "spread"]))
    run = train(linear(measures=Experiment().measures, steps=2), 1)
    assert "spread" in run
    assert "knn" not in run
    assert dynsim.provenance(run)["not_recorded"]["knn"] == "the data have no labels"


def test_a_measure_that_makes_no_sense_is_said(small):
    run = train(small(measures=["balance", "spread"]), 1)
    assert dynsim.provenance(run)["not_recorded"] == {"balance": "it makes no sense for this network"}


def test_nothing_warns(small):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(small(measures=MEASURES, init="zero", predictor="linear"), 2)


def test_every_purpose_of_a_seed_has_random_numbers_of_its_own():
    purposes = ("encoder", "predictor", "teacher", "batches", "views", "input")
    drawn = [torch.rand(4, generator=generator(seed, purpose)) for seed in (0, 1) for purpose in purposes]
    shared = [torch.rand(4, generator=common_generator(purpose)) for purpose in (0, 1)]
    assert len({tuple(row.tolist()) for row in (*drawn, *shared)}) == len(drawn) + len(shared)
