from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dynsim.errors import DynsimError
from dynsim.networks import Experiment, Images

NAMED = [
    "data", "augmentation", "encoder", "norm", "init", "predictor", "objective", "branch", "symmetric", "teacher",
    "optimiser", "lr", "momentum", "alpha", "eta_p", "eta_s", "steps", "batch", "dtype", "measures", "every",
]  # fmt: skip


def test_the_named_fields_come_first_with_their_defaults():
    found = [field.name for field in fields(Experiment)]
    assert found[: len(NAMED)] == NAMED
    e = Experiment()
    assert [getattr(e, name) for name in NAMED if name not in {"augmentation", "measures"}] == [
        "digits", "mlp", "batch", "default", "mlp", "cosine", "stop", True, 0.0, "sgd", 0.1, 0.9, 1.0, 0.0, 0.0, 300,
        64, "float32", 10,
    ]  # fmt: skip


finite = st.floats(1e-6, 1e3)
experiments = st.builds(
    Experiment,
    augmentation=st.dictionaries(st.sampled_from(["noise", "shift", "rotation"]), st.floats(0, 50)),
    encoder=st.sampled_from(["linear", "mlp", "cnn"]),
    branch=st.sampled_from(["stop", "full", "target"]),
    lr=finite,
    alpha=finite,
    eta_s=finite,
    batch=st.integers(2, 1000) | st.just("full"),
    depth=st.none() | st.integers(1, 4),
    bias=st.none() | st.booleans(),
    measures=st.lists(st.sampled_from(["knn", "spread", "norm_ratio"])),
)


@given(experiments)
def test_round_trips(experiment):
    for other in (
        Experiment.from_toml(experiment.to_toml()),
        Experiment.from_json(experiment.to_json()),
        Experiment.from_dict(experiment.to_dict()),
        pickle.loads(pickle.dumps(experiment)),
        copy.deepcopy(experiment),
    ):
        assert other == experiment
        assert hash(other) == hash(experiment)
        assert other.to_dict() == experiment.to_dict()


@pytest.mark.parametrize("suffix", ["toml", "json"])
def test_files_round_trip(tmp_path, suffix):
    experiment = Experiment(branch="full", augmentation={"noise": 0.25})
    assert Experiment.load(experiment.save(tmp_path / f"run.{suffix}")) == experiment


def test_every_field_enters_the_digest():
    changed = {
        "data": "mnist", "augmentation": {}, "encoder": "cnn", "norm": "none", "init": "zero", "predictor": "linear",
        "objective": "squared", "branch": "full", "symmetric": False, "teacher": 0.5, "optimiser": "adam", "lr": 1.0,
        "momentum": 0.0, "alpha": 2.0, "eta_p": 0.1, "eta_s": 0.1, "steps": 1, "batch": 7, "dtype": "float64",
        "measures": (), "every": 3, "dim": 3, "depth": 3, "width": 3, "bias": False, "init_scale": 2.0,
        "predictor_norm": "none", "predictor_width": 3, "predictor_init": "zero", "predictor_scale": 2.0, "ridge": 1.0,
        "teacher_init": "zero", "distance": "cosine", "alternating_steps": 2, "temperature": 1.0, "redundancy": 1.0,
        "schedule": "cosine", "strength": 0.5, "subtract_mean": False, "images": 50, "fixed_views": 2, "evaluate": 50,
        "deterministic": False, "decay_biases": False, "head": True,
    }  # fmt: skip
    of_objectives = {"knobs", "prototypes", "centre_momentum"}  # they need one that has them
    assert {*changed, "views", *of_objectives} == {field.name for field in fields(Experiment)}
    digests = {Experiment(**{name: value}).digest for name, value in changed.items()}
    digests |= {Experiment().digest, Experiment(objective="alternating").digest}
    digests.add(Experiment(objective="alternating", views=3).digest)
    dino = Experiment(objective="dino")
    assert len({dino.digest, dino.but(knobs={"tau_t": 0.05}).digest, dino.but(prototypes=9).digest,
                dino.but(centre_momentum=0.5).digest}) == 4  # fmt: skip
    assert len(digests) == len(changed) + 3


def test_the_digest_is_the_same_in_another_process():
    code = "from dynsim.networks import Experiment; print(Experiment(lr=0.3).digest, end='')"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out == Experiment(lr=0.3).digest


def test_it_is_immutable():
    experiment = Experiment()
    with pytest.raises(FrozenInstanceError):
        experiment.lr = 1.0
    with pytest.raises(TypeError):
        experiment.augmentation["noise"] = 1.0


def test_data_in_memory_compare_by_content_and_survive_pickling():
    x = np.random.default_rng(0).random((10, 4, 4))
    first, second = Experiment(data=x), Experiment(data=torch.tensor(x.copy()))
    assert first == second
    assert first != Experiment(data=x / 2)
    assert pickle.loads(pickle.dumps(first)) == first
    with pytest.raises(ValueError, match=r"save data that live in memory as \.npz"):
        Experiment.from_toml(first.to_toml())


def test_strengths_scale_and_vanish():
    e = Experiment(augmentation={"noise": 0.2, "shift": 0.0}, strength=0.5)
    assert e.strengths == {"noise": 0.1}
    assert e.but(strength=0).strengths == {}


BAD = [
    ({"data": "digit"}, "data: got 'digit'.*did you mean 'digits'"),
    ({"data": np.ones((3, 4, 4))}, "at least 5"),
    ({"augmentation": {"noize": 0.1}}, "did you mean 'noise'"),
    ({"augmentation": {"noise": -0.1}}, r"augmentation\['noise'\].*≥ 0"),
    ({"augmentation": {"noise": "much"}}, "finite number"),
    ({"augmentation": {"contrast": 1.0}}, "< 1"),
    ({"augmentation": {"contrast": 0.6}, "strength": 2}, "strength: got 2"),
    ({"augmentation": "digits"}, "mapping"),
    ({"encoder": "mpl"}, "did you mean 'mlp'"),
    ({"encoder": 3}, "one of cnn, linear, mlp"),
    ({"norm": "group"}, "one of batch, batch-affine, batch-out, layer, layer-out, none"),
    ({"init": "xavier"}, "default, identity, orthogonal, zero"),
    ({"predictor": None}, "none"),
    ({"objective": "simclr"}, "nt-xent"),
    ({"branch": "sotp"}, "did you mean 'stop'"),
    ({"symmetric": "yes"}, "True or False"),
    ({"teacher": 1.1}, "≥ 0 and ≤ 1"),
    ({"optimiser": "sdg"}, "did you mean 'sgd'"),
    ({"lr": 0}, "> 0"),
    ({"lr": float("nan")}, "finite"),
    ({"lr": "fast"}, "step, steps or t"),
    ({"momentum": 1.0}, "< 1"),
    ({"alpha": 0}, "> 0"),
    ({"alpha": True}, "finite number"),
    ({"eta_p": -1}, "≥ 0"),
    ({"steps": -1}, "≥ 0"),
    ({"steps": 3.5}, "whole number"),
    ({"steps": True}, "whole number"),
    ({"batch": 1}, "≥ 2 or 'full'"),
    ({"batch": "all"}, "whole number ≥ 2 or 'full'"),
    ({"dtype": "float16"}, "float32, float64"),
    ({"measures": ("sprad",)}, "did you mean 'spread'"),
    ({"measures": "spread"}, "list"),
    ({"measures": {"spread"}}, "list"),
    ({"every": 0}, "≥ 1"),
    ({"bias": 1}, "True, None or False"),
    ({"objective": "nt-xent", "branch": "target"}, "branch: got 'target'.*no second branch"),
    ({"objective": "barlow", "predictor": "optimal"}, "predictor: got 'optimal'"),
    ({"teacher": 0.9, "branch": "full"}, "branch: got 'full', expected 'stop' with teacher > 0"),
    ({"objective": "alternating", "branch": "target"}, "'stop' with objective 'alternating'"),
    ({"objective": "supervised", "teacher": 0.5}, "it has no target"),
    ({"objective": "alternating", "teacher": 0.5}, "held already"),
    ({"optimiser": "lbfgs"}, "batch: got 64, expected 'full'"),
    ({"views": 3}, "only|may have more"),
]


@pytest.mark.parametrize(("changes", "message"), BAD, ids=[str(list(c.items())[-1])[:40] for c, _ in BAD])
def test_bad_input(changes, message):
    with pytest.raises(DynsimError, match=message):
        Experiment(**changes)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: Experiment.from_dict({"brnach": "stop"}), "did you mean 'branch'"),
        (lambda p: Experiment.from_toml("lr = "), "expected TOML"),
        (lambda p: Experiment.from_json("[1]"), "a JSON object"),
        (lambda p: Experiment.from_json("{"), "expected JSON"),
        (lambda p: Experiment.load(p / "absent.toml"), r"readable \.toml"),
        (lambda p: Experiment().save(p / "absent" / "run.toml"), "a file that can be written"),
        (lambda p: Experiment.load(p / "run.yaml"), r"ends in \.toml or \.json"),
    ],
)
def test_bad_text(make, message, tmp_path):
    with pytest.raises(DynsimError, match=message):
        make(tmp_path)


def test_images_are_accepted_as_they_are(pictures):
    assert isinstance(pictures, Images)
    assert Experiment(data=pictures).data is pictures


def test_a_change_of_no_field_is_named():
    with pytest.raises(DynsimError, match="did you mean 'branch'"):
        Experiment().but(brnch="full")
