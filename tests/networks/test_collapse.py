"""The one definition of collapse: planted collapses of every kind are found, and what lives is not called dead."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from dynsim import DynsimError
from dynsim.networks import Experiment, measures, train
from dynsim.networks.collapse import KINDS, closing_sentence, collapsed, judge, judge_run, least_rank
from dynsim.testing import assert_no_collapse


def healthy(seed, samples=500, dim=32):
    """Features whose spectrum falls, as those of real networks do."""
    rng = np.random.default_rng(seed)
    return (
        rng.normal(size=(samples, dim))
        * (np.arange(1, dim + 1) ** -0.5)
        @ np.linalg.qr(rng.normal(size=(dim, dim)))[0]
    )


def judged(z, start=None, **more):
    found = {name: float(getattr(measures, name)(z)) for name in ("spread", "rankme", "participation")}
    if start is not None:
        found["norm_ratio"] = float(measures.norm_ratio(z, start))
    return judge(found | more, dimensions=z.shape[1], samples=len(z))


@pytest.mark.parametrize("seed", range(3))
def test_what_lives_is_healthy(seed):
    z = healthy(seed)
    assert judged(z, z).kinds == ("healthy",)
    assert judged(0.5 * z, z).collapsed is False
    assert judged(5 * z, z).collapsed is False
    assert judged(np.maximum(z, 0), z).collapsed is False


@pytest.mark.parametrize("rank", [1, 2, 3, 4, 5])
def test_dimensional(rank):
    rng = np.random.default_rng(rank)
    z = rng.normal(size=(500, rank)) @ rng.normal(size=(rank, 32)) + 1e-4 * rng.normal(size=(500, 32))
    assert "dimensional" in judged(z).kinds


def test_the_first_five_planted_kinds():
    z = healthy(0)
    rng = np.random.default_rng(1)
    constant = 10 * rng.normal(size=32) + 0.01 * z
    assert judged(constant, z).kinds[0] == "constant"
    assert judged(1e-3 * z, z).kinds == ("vanishing",)
    assert judged(1e4 * z, z).kinds == ("exploding",)
    broken = z.copy()
    broken[3, 4] = np.nan
    assert judged(broken).kinds[0] == "not-finite"


def test_assignments():
    rng = np.random.default_rng(0)
    sharp = 30 * np.eye(16)[rng.integers(0, 16, 400)] + rng.normal(size=(400, 16))
    cases = {"healthy": sharp, "uniform": 0.01 * sharp, "one-prototype": sharp + 100 * np.eye(16)[3]}
    for kind, logits in cases.items():
        entropies = {name: float(getattr(measures, name)(logits)) for name in ("mean_entropy", "entropy_of_mean")}
        assert judge(entropies, prototypes=16).kinds == (kind,)
    with pytest.raises(DynsimError, match="prototypes"):
        judge({"mean_entropy": 1.0})


def test_layers_and_teachers():
    z = healthy(0)
    dead = float(measures.dead_share(np.maximum(z - 100, 0)))
    assert judged(z, dead_share_conv2=dead).kinds == ("dead-layer",)
    assert judged(z, teacher_moved=measures.relative_distance({"W": z}, {"W": z})).kinds == ("frozen-teacher",)
    assert judged(z, teacher_moved=0.1).kinds == ("healthy",)


@pytest.mark.parametrize(
    ("ratio", "growth", "kind"), [(100, 1.5, "exploding"), (100, 1.0, "healthy"), (100, None, "unsure")]
)
def test_a_large_norm_explodes_only_while_it_grows(ratio, growth, kind):
    more = {} if growth is None else {"norm_growth": growth}
    assert judge({"norm_ratio": ratio, **more}).kinds == (kind,)


def test_between_the_thresholds_it_is_unsure():
    for found in ({"spread": 0.15}, {"norm_ratio": 0.2}):
        assert judge(found).collapsed is None
    assert judge({"participation": 2.0}, dimensions=32).kinds == ("unsure",)


def test_every_measure_that_is_there_is_read():
    """Spread and norm look fine in the shipped case: BatchNorm at the output hides a collapse onto a line."""
    fine = {"spread": 0.68, "norm_ratio": 1.1}
    assert judge(fine, dimensions=32).kinds == ("healthy",)
    assert judge({**fine, "rankme": 1.06}, dimensions=32).kinds == ("dimensional",)
    assert judge({**fine, "knn": 0.12}, start={"knn": 0.3}, reference=0.5).kinds == ("unsure",)
    assert judge({**fine, "knn": 0.45}, start={"knn": 0.3}, reference=0.5).kinds == ("healthy",)
    with pytest.raises(DynsimError, match="spread"):
        judge({"colour": 3.0})


def test_features_that_tell_classes_apart_are_not_called_collapsed():
    """Healthy means that kNN keeps half of the gain: then neither directions nor ranks prove a collapse."""
    start, low = {"knn": 0.3}, {"spread": 0.05, "rankme": 2.0, "norm_ratio": 1.0}

    def kinds(knn, reference, **more):
        return judge({**low, "knn": knn, **more}, start=start, dimensions=32, reference=reference).kinds

    assert kinds(0.45, 0.5) == ("unsure",)
    found = judge({**low, "knn": 0.45}, start=start, dimensions=32, reference=0.5)
    assert str(found) == "unsure: constant and dimensional (spread 0.05, rankme 2), but kNN tells classes apart"
    assert kinds(0.35, 0.5) == ("constant", "dimensional")
    assert kinds(0.33, 0.32) == ("constant", "dimensional")  # a gain within the scatter of seeds says nothing
    assert kinds(0.45, 0.5, norm_ratio=1e-3) == ("vanishing",)


def test_a_spectrum_that_falls_steeply_is_in_doubt_and_a_few_equal_dimensions_are_not():
    """VICReg and Barlow Twins on digits: RankMe 5.1 and 5.5 of 32, participation 2.8 and 1.9, kNN above its start."""
    for rankme, participation in ((5.1, 2.8), (5.5, 1.9)):
        assert judge({"rankme": rankme, "participation": participation}, dimensions=32).kinds == ("unsure",)
    for rankme, participation in ((5.1, 4.3), (3.0, 1.1)):
        assert judge({"rankme": rankme, "participation": participation}, dimensions=32).kinds == ("dimensional",)


def test_the_rank_is_compared_with_its_start():
    assert judge({"rankme": 60.0}, start={"rankme": 400.0}, dimensions=2048).kinds == ("dimensional",)
    assert judge({"rankme": 150.0}, start={"rankme": 400.0}, dimensions=2048).kinds == ("healthy",)
    assert least_rank(8) < least_rank(32) < least_rank(64) < 2 * least_rank(32)


def test_evidence_and_order():
    found = judge({"spread": 0.01, "rankme": 1.0, "norm_ratio": 1e-3}, dimensions=32)
    assert found.kinds == tuple(sorted(found.kinds, key=KINDS.index)) == ("constant", "vanishing", "dimensional")
    assert found.evidence["measure"] == ["spread", "rankme", "norm_ratio"]
    assert str(found).startswith("constant: ")


@pytest.mark.parametrize("along", ["step", "epoch", "checkpoint"])
def test_runs_over_any_dimension(along):
    data = xr.Dataset({"spread": ((along, "member"), [[0.9, 0.9], [0.85, 0.02]]), "norm_ratio": (along, [1.0, 1.2])})
    assert judge_run(data).dims == ("member",)
    assert collapsed(data).values.tolist() == [0.0, 1.0]
    assert closing_sentence(data) == "1 of 2 runs has collapsed: constant (1), healthy (1)"
    with pytest.raises(AssertionError, match="collapse at member number 1: constant"):
        assert_no_collapse(data)
    assert_no_collapse(data.isel(member=0))


def test_features_and_whatever_has_a_dataset():
    z = healthy(0)
    assert_no_collapse(z, 2 * z)
    with pytest.raises(AssertionError, match="vanishing"):
        assert_no_collapse(1e-6 * z, z)
    with pytest.raises(AssertionError, match="constant"):
        assert_no_collapse(z, paired=np.ones_like(z))
    with pytest.raises(AssertionError, match=r"collapse at \(1,\)"):
        assert_no_collapse(np.stack([z, 0 * z]))

    class Monitor:
        dataset = xr.Dataset({"spread": ("step", [0.9, 0.01])})

    with pytest.raises(AssertionError, match="constant"):
        assert_no_collapse(Monitor())


def test_tensors():
    torch = pytest.importorskip("torch")
    z = torch.as_tensor(healthy(0))
    assert_no_collapse(z.half())
    assert_no_collapse(z.requires_grad_())


def test_training_is_judged_by_it():
    pytest.importorskip("torch")
    fields = {"steps": 150, "every": 150, "measures": ["spread", "rankme", "norm_ratio"], "images": 500}
    assert_no_collapse(train(Experiment(**fields), 2))
    with pytest.raises(AssertionError, match="constant"):
        assert_no_collapse(train(Experiment(**fields, branch="full"), 2))


def test_a_frozen_teacher_is_told():
    pytest.importorskip("torch")
    fields = {"steps": 20, "every": 20, "measures": ["spread", "teacher_distance"], "images": 200}
    for teacher, kind in ((1.0, "frozen-teacher"), (0.99, "healthy")):
        run = train(Experiment(**fields, teacher=teacher), 1)
        assert judge_run(run).item().kinds == (kind,)


def test_a_lost_seed_is_not_finite():
    data = xr.Dataset({"spread": (("seed", "step"), [[0.9, np.nan]]), "stopped_step": ("seed", [1])})
    assert judge_run(data).item().kinds == ("not-finite",)


@pytest.mark.parametrize(("dim", "samples"), [(32, 400), (128, 400)])
def test_planted_kinds_are_found_in_every_draw(dim, samples):
    """Recall 1 for each planted kind, and no healthy draw called collapsed, over ten draws of each."""
    rng = np.random.default_rng(0)

    def low_rank():
        rank = int(rng.integers(1, 6))
        return rng.normal(size=(samples, rank)) @ rng.normal(size=(rank, dim)) + 0.01 * rng.normal(size=(samples, dim))

    def constant():
        return np.maximum(0.02 * healthy(int(rng.integers(99)), samples, dim) + rng.normal(size=dim), 0)

    for seed in range(10):
        alive = healthy(seed, samples, dim)
        assert judged(alive).kinds == judged(np.maximum(alive, 0)).kinds == ("healthy",)
        assert "dimensional" in judged(low_rank()).kinds
        assert "constant" in judged(constant()).kinds
