"""Members of the tables of networks are added in one line each, and train."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import dynsim
from dynsim import DynsimError
from dynsim.networks import Images, measures, train
from dynsim.networks.augmentations import AUGMENTATIONS, Augmentation
from dynsim.networks.encoders import ENCODERS
from dynsim.networks.images import DATASETS
from dynsim.networks.initialisations import INITIALISATIONS, Initialisation
from dynsim.networks.measures.recorded import Measure
from dynsim.networks.objectives import OBJECTIVES, Objective
from dynsim.networks.optimisers import OPTIMISERS
from dynsim.networks.predictors import PREDICTORS
from dynsim.registry import registry


def half(blocks, lr, experiment):
    for block in blocks:
        block.weights.mul_(0.5)


def size(experiment, predict, first, second, labels):
    return predict(first).square().sum((1, 2, 3))


@pytest.fixture
def own(pictures):
    """One member of each kind, registered for one test."""
    members = [
        ("encoder", ENCODERS, ENCODERS["linear"]),
        ("predictor", PREDICTORS, PREDICTORS["linear"]),
        (
            "objective",
            OBJECTIVES,
            Objective(lambda e, predict, first, second, labels: predict(first).square().sum((1, 2, 3))),
        ),
        ("measure", measures.MEASURES, Measure(lambda snapshot: {"own": snapshot.test_features.abs().amax((1, 2))})),
        ("network-optimiser", OPTIMISERS, half),
        ("augmentation", AUGMENTATIONS, Augmentation(1, change=lambda x, u, s: x.add_(s))),
        ("initialisation", INITIALISATIONS, Initialisation(lambda shape, generator: torch.ones(shape).double())),
        ("data", DATASETS, lambda: pictures),
    ]
    for kind, table, member in members:
        assert registry(kind) is table
        if kind in ("network-optimiser", "data"):
            table.register("own", member)
        else:
            dynsim.register(member, "own")  # its class says what it is
    yield
    for _, table, _ in members:
        table.remove("own")


def test_own_members_train(small, own):
    run = train(
        small(
            data="own", encoder="own", predictor="own", objective="own", optimiser="own", init="own",
            augmentation={"own": 0.5}, measures=["own"], steps=2, every=1, norm="none",
        ),
        1,
    )  # fmt: skip
    np.testing.assert_allclose(run.own[0, 1:], run.own[0, :-1] / 2)  # what the optimiser does to a linear encoder


def test_what_is_not_there_is_suggested(small):
    for changes, message in (
        ({"encoder": "liner"}, "did you mean 'linear'"),
        ({"objective": "barlo"}, "did you mean 'barlow'"),
        ({"optimiser": "adma"}, "did you mean 'adam"),
        ({"augmentation": {"rotate": 1}}, "did you mean 'rotation'"),
        ({"data": "digit"}, "did you mean 'digits'"),
        ({"init": "ortogonal"}, "did you mean 'orthogonal'"),
    ):
        with pytest.raises(DynsimError, match=message):
            small(**changes)


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("weight_decay", "eta_s"),
        ("ema", "teacher"),
        ("epochs", "steps"),
        ("seed", "seeds"),
        ("optimizer", "optimiser"),
        ("encodr", "did you mean 'encoder'"),
    ],
)
def test_names_of_other_tools_are_translated(small, name, advice):
    with pytest.raises(DynsimError, match=advice):
        small(**{name: 1})
    with pytest.raises(DynsimError, match=advice):
        small().but(**{name: 1})


def test_old_names_are_read_and_said(small):
    with pytest.warns(DeprecationWarning, match="'measure_every' is now called 'every'"):
        e = small().but(measure_every=3)
    assert e.every == 3
    with pytest.warns(DeprecationWarning, match="'centre' is now called 'subtract_mean'"):
        assert type(e)(centre=False).subtract_mean is False
    with pytest.warns(DeprecationWarning, match="'every'"):
        assert e.measure_every == 3
    assert type(e).from_dict({"measure_every": 7, "centre": False}).every == 7  # text of 0.1, without a warning
    with pytest.raises(DynsimError, match="only 'every'"), pytest.warns(DeprecationWarning, match="every"):
        type(e)(every=2, measure_every=3)


def test_it_prints_what_differs_from_the_defaults(pictures):
    from dynsim.networks import Experiment

    assert repr(Experiment()) == "Experiment()"
    e = Experiment(branch="full", augmentation={"noise": 0.2})
    assert repr(e) == "Experiment(augmentation={'noise': 0.2}, branch='full')"
    assert "<td>branch</td><td>&#x27;full&#x27;</td><td>&#x27;stop&#x27;</td>" in e._repr_html_()
    assert "sha256" in repr(Experiment(data=pictures))
    assert isinstance(pictures, Images)
