"""Thresholds hold the user's numbers; reports are safe and whole. Planted cases are in tests/pages/test_judge.py."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import xarray as xr

from dynsim import DynsimError, diagnose, training_parameters
from dynsim.methods.prototype_bifurcations import hopf

DIM, SAMPLES, PROTOTYPES = 32, 400, 64


def healthy(rng):
    spectrum = np.arange(1, DIM + 1) ** -rng.uniform(0.2, 0.8)
    return rng.normal(size=(SAMPLES, DIM)) * spectrum @ np.linalg.qr(rng.normal(size=(DIM, DIM)))[0]


def sharp(rng, scale=20):
    return scale * np.eye(PROTOTYPES)[rng.integers(0, PROTOTYPES, SAMPLES)] + rng.normal(size=(SAMPLES, PROTOTYPES))


def of_rank(rng, rank):
    z = rng.normal(size=(SAMPLES, rank)) @ rng.normal(size=(rank, DIM))
    return z + 1e-4 * rng.normal(size=z.shape)


@pytest.mark.parametrize("outputs", ["logits", "probabilities"])
def test_assignments_that_choose_are_healthy(outputs):
    rng = np.random.default_rng(0)
    logits = sharp(rng)
    values = logits if outputs == "logits" else np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert diagnose(values, outputs=outputs).kinds == ("healthy",)


def test_a_dead_layer_in_a_series_of_measures():
    run = xr.Dataset({"spread": ("step", [0.9, 0.9]), "dead_share_conv1": ("step", [0.1, 0.97])})
    found = diagnose(run)
    assert found.kinds == ("dead-layer",)
    assert "conv1" in found.mechanism


def test_the_uniform_threshold_has_the_measured_r():
    """Views that share a cluster with probability r + (1−r)/K give κ = r; the rule is τ_t ≥ r·τ_s."""
    rng = np.random.default_rng(0)
    number, r = 20_000, 0.6
    first = rng.integers(0, 8, number)
    second = np.where(rng.random(number) < r, first, rng.integers(0, 8, number))
    a, b = (1e-3 * np.eye(8)[one] for one in (first, second))

    def threshold(tau_t):
        return diagnose(a, b, outputs="logits", settings={"tau_t": tau_t, "tau_s": 0.1})

    hot, cold = threshold(0.07), threshold(0.05)
    measured = float(re.search(r"= ([0-9.]+)·0.1", hot.threshold).group(1))
    assert abs(measured - r) < 0.02
    assert "τ_t = 0.07 ≥" in hot.threshold
    assert hot.mechanism.startswith("likely")
    assert "τ_t = 0.05 <" in cold.threshold
    assert "do not explain it" in cold.mechanism
    assert "pass paired" in diagnose(a, outputs="logits").threshold
    # What all samples share is no agreement: a constant added to every logit row changes nothing.
    shifted = diagnose(a + np.arange(8) * 1e-2, b + np.arange(8) * 1e-2, outputs="logits")
    assert shifted.threshold == diagnose(a, b, outputs="logits").threshold


def test_the_temperature_of_logits_is_asked_for():
    """Cosines of a trained head: they choose at τ_s = 0.1, and look uniform where nobody says so."""
    rng = np.random.default_rng(0)
    cosines = np.eye(PROTOTYPES)[rng.integers(0, PROTOTYPES, SAMPLES)] + 0.1 * rng.normal(size=(SAMPLES, PROTOTYPES))
    without = diagnose(0.9 * cosines, outputs="logits")
    assert without.kinds == ("unsure",)
    assert "tau_s" in without.advice[0]
    assert diagnose(0.9 * cosines, outputs="logits", settings={"tau_s": 0.1}).kinds == ("healthy",)


def test_the_decay_threshold_has_the_users_numbers():
    rng = np.random.default_rng(0)
    z = healthy(rng)
    start = z
    views = 1e-3 * z, 1e-3 * (z + 0.1 * rng.normal(size=z.shape))
    strong, weak, none = (
        diagnose(*views, initial=start, settings={"lr": 0.1, "weight_decay": eta}) for eta in (1.0, 1e-3, 0.0)
    )
    assert strong.kinds == weak.kinds == ("vanishing",)
    assert "η = 1 >" in strong.threshold
    assert strong.advice[0].startswith("lower the weight decay")
    assert "η = 0.001 ≤" in weak.threshold
    assert "no decay" in none.threshold
    assert "stop-gradient" in none.advice[0]
    # decoupled decay and momentum are converted by training_parameters
    words = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.5, "decoupled": True}
    eta = training_parameters(**words)["eta_s"]
    assert f"η = {eta:.4g}" in diagnose(*views, initial=start, settings=words).threshold
    assert "η > λ_d²/(4λ_s)" in diagnose(views[0]).threshold + diagnose(views[0], initial=start).threshold


def test_what_is_left_of_a_dead_norm_is_explained_by_its_death():
    z = healthy(np.random.default_rng(0))
    left = diagnose(1e-4 * (1 + 1e-3 * z), 1e-4 * (1 + 1e-3 * z), initial=z, settings={"weight_decay": 3.0})
    assert left.kinds[:2] == ("constant", "vanishing")
    assert "Weight decay above the threshold" in left.mechanism


def test_directions_that_come_together_point_at_the_target():
    rng = np.random.default_rng(0)
    z, low = healthy(rng), of_rank(rng, 3)
    together = diagnose([z, low + 3 * np.sqrt((low**2).mean())])
    assert "dimensional" in together.kinds
    assert together.advice[0].startswith("check that the target is detached")
    assert diagnose([z, low]).advice[0].startswith("weaken the augmentation")


def test_a_slow_centre_is_named():
    logits = sharp(np.random.default_rng(0), 3) + 60 * np.eye(PROTOTYPES)[5]
    words = {"tau_t": 0.04, "tau_s": 0.1, "lr": 1e-3}
    slow, fast = (
        diagnose(logits, outputs="logits", settings={**words, "centre_momentum": momentum})
        for momentum in (0.999999, 0.9)
    )
    edge = hopf(0.1, 0.04, PROTOTYPES)[0]
    assert slow.kinds[0] == "one-prototype"
    assert f"< m_H = {edge:.4g}" in slow.threshold
    assert f"≥ m_H = {edge:.4g}" in fast.threshold


def test_a_frozen_teacher_by_outputs_parameters_and_settings():
    rng = np.random.default_rng(0)
    z, start, moved = healthy(rng), healthy(rng), healthy(rng)
    assert diagnose(z, initial=start, teacher=start).kinds == ("frozen-teacher",)
    assert diagnose(z, initial=start, teacher=moved).kinds == ("healthy",)
    weights = {"W": start, "b": start[0]}
    assert diagnose(z, teacher=[weights, weights]).kinds == ("frozen-teacher",)
    assert diagnose(z, teacher=[weights, {**weights, "W": moved}]).kinds == ("healthy",)
    sure = diagnose(z, teacher=[weights, weights], settings={"ema": 1.0})
    assert sure.mechanism.startswith("certain")
    assert "is not reached" in diagnose(z, teacher=[weights, weights], settings={"ema": 0.99}).mechanism


def test_a_series_is_compared_with_its_first():
    z = healthy(np.random.default_rng(0))
    assert diagnose([z, 0.5 * z, 1e-3 * z]).kinds == ("vanishing",)
    growing = diagnose([z * 3.0**i for i in range(6)])
    assert growing.kinds == ("exploding",)  # 243 times its start, and growing still
    assert diagnose([z, 3 * z, 9 * z, 40 * z, 40 * z, 40 * z]).kinds == ("healthy",)
    assert diagnose([z, z], initial=100 * z).kinds == ("vanishing",)


def test_a_series_is_ranked_without_labels():
    """What has collapsed last; before it the smaller share of noise first, with one view the steeper spectrum."""
    rng = np.random.default_rng(0)
    signal = healthy(rng)
    noise = [0.5, 0.1, 0.3]
    views = [[signal + size * rng.normal(size=signal.shape) for size in noise] for _ in range(2)]
    lost = 1e-3 * signal + 1.0
    found = diagnose([*views[0], lost], [*views[1], lost + 1e-4 * rng.normal(size=lost.shape)])
    assert found.ranking == (1, 2, 0, 3)
    assert diagnose([*views[0], lost]).ranking == (1, 2, 0, 3)
    assert "best first, without labels: 1, 2, 0, 3" in str(found)
    assert json.loads(found.to_json())["ranking"] == [1, 2, 0, 3]
    assert "1, 2, 0, 3" in found.to_html()
    assert diagnose(signal).ranking == ()


def test_nothing_is_unsaid_where_it_is_unsure():
    z = healthy(np.random.default_rng(0))
    found = diagnose(0.2 * z, initial=z)
    assert found.kinds == ("unsure",)
    assert found.collapsed is None
    assert found.advice


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda z: diagnose(z[0]), "shape"),
        (lambda z: diagnose(z[None]), "a series of checkpoints is a list"),
        (lambda z: diagnose(z, z[:-1]), "row i shows image i"),
        (lambda z: diagnose([z, z[:, :-1]]), "a series is of one network"),
        (lambda z: diagnose([z, z], [z, z, z]), "2, one for each"),
        (lambda z: diagnose(z, labels=np.arange(len(z))), "ids of samples are no classes"),
        (lambda z: diagnose(z, labels=[1, 2]), "one per sample"),
        (lambda z: diagnose(z, initial=z[:, :3]), "32 dimensions"),
        (lambda z: diagnose(z, outputs="logit"), "'logits'"),
        (lambda z: diagnose(z, settings={"lrr": 1}), "did you mean"),
        (lambda z: diagnose(z, settings=3), "mapping"),
        (lambda z: diagnose(z, settings={3: 1}), "mapping"),
        (lambda z: diagnose(z[:, :1], outputs="logits"), "two prototypes"),
        (lambda z: diagnose(xr.Dataset({"spread": ("step", np.zeros(0))})), "at least one record"),
        (lambda z: diagnose(z, outputs="logits", settings={"tau_s": -1}), "positive"),
        (lambda z: diagnose(z, settings={"tau_t": "hot"}), "positive"),
        (lambda z: diagnose("nothing.nc"), "existing"),
        (lambda z: diagnose(z.astype(str)), "features"),
        (lambda z: diagnose(xr.Dataset({"loss": ("step", [1.0])})), "spread"),
        (lambda z: diagnose(xr.Dataset({"spread": ("step", [1.0])}), z), "beside a Dataset"),
        (lambda z: diagnose(z, teacher=z[:3]), "shape"),
    ],
)
def test_what_cannot_be_diagnosed_is_one_line(call, said):
    with pytest.raises(DynsimError) as error:
        call(healthy(np.random.default_rng(0)))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_huge_tiny_broken_and_few():
    z = healthy(np.random.default_rng(0))
    for size in (1e-200, 1e200):
        found = diagnose(size * z, size * z, settings={"weight_decay": 0.1})
        assert found.kinds == ("healthy",)
        assert "</html>" in found.to_html()
    broken = np.where(np.arange(DIM) == 3, np.nan, z)
    assert diagnose(z, broken).kinds == diagnose(broken, z).kinds == ("not-finite",)
    assert "</html>" in diagnose(z, broken).to_html()
    few = diagnose(z[:5])
    assert few.kinds == ("unsure",)
    assert few.advice[0].startswith("pass more than 5 samples")


def test_settings_are_read_as_they_are_printed():
    logits = 1e-3 * np.random.default_rng(0).normal(size=(300, 64))
    one, other = (
        diagnose(logits, logits, outputs="logits", settings=words).threshold
        for words in ({"tau_t": 0.12, "tau_s": 0.1}, {"τ_t": 0.12, "τ_s": 0.1})
    )
    assert one == other


def test_files_of_arrays_are_read_in_python_too(tmp_path):
    z = healthy(np.random.default_rng(0))
    np.save(tmp_path / "0.npy", z)
    np.save(tmp_path / "1.npy", 1e-3 * z)
    assert diagnose(tmp_path / "0.npy").kinds == ("healthy",)
    assert diagnose([tmp_path / "0.npy", str(tmp_path / "1.npy")]).kinds == ("vanishing",)
    assert diagnose(1e-3 * z, initial=tmp_path / "0.npy").kinds == ("vanishing",)


def test_labels_may_be_words_or_ids_of_classes():
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 4, SAMPLES)
    z = healthy(rng) + 3 * rng.normal(size=(4, DIM))[classes]
    for labels in (classes, classes * 10**6 + 7, np.array(list("abcd"))[classes]):
        assert (
            dict(zip(*(diagnose(z, labels=labels).evidence[c] for c in ("measure", "value")), strict=True))["knn"]
            > 0.9
        )


def test_many_runs_of_a_dataset():
    run = xr.Dataset({"spread": (("seed", "step"), [[0.9, 0.9], [0.9, 0.01], [0.9, 0.02]])})
    found = diagnose(run)
    assert found.kinds == ("constant",)
    assert "2 of 3 runs" in str(found)


def test_json_is_strict_and_whole():
    z = healthy(np.random.default_rng(0))
    z[0, 0] = np.inf
    read = json.loads(diagnose(z).to_json(), parse_constant=lambda text: pytest.fail(text))
    assert read["kinds"][0] == "not-finite"
    assert {"collapsed", "evidence", "mechanism", "threshold", "advice", "references"} <= read.keys()


def test_the_report_is_one_safe_page():
    rng = np.random.default_rng(0)
    z = healthy(rng)
    page = diagnose([z, 0.9 * z, 0.8 * z], labels=rng.integers(0, 3, SAMPLES)).to_html()
    assert "default-src 'none'" in page
    assert "<script" not in page
    assert not re.search(r"(src|href)=|url\(|@import", page)
    assert page.count("<svg") >= 4  # spectrum, map, and measures over the checkpoints
    assert page.count("<circle") == SAMPLES
    hostile = xr.Dataset({"spread": ("step", [0.9, 0.01]), "dead_share_<img src=x>": ("step", [0.0, 1.0])})
    assert "<img" not in diagnose(hostile).to_html() + diagnose(hostile)._repr_html_()


def test_predicted_against_observed_features():
    """Five features live and the others have died, as weight decay between their thresholds at the start predicts."""
    rng = np.random.default_rng(0)
    scale = np.where(np.arange(DIM) < 5, 1.0, 0.1)

    def views(factor):
        x = rng.normal(size=(SAMPLES, DIM)) * scale
        return [(x + 0.1 * scale * rng.normal(size=x.shape)) * factor for _ in range(2)]

    start, end = views(1.0), views(np.where(np.arange(DIM) < 5, 1.0, 1e-3))
    words = {"lr": 0.1, "weight_decay": 0.03}  # thresholds are about 1/4 and 1/400
    page = diagnose([start[0], end[0]], [start[1], end[1]], settings=words).to_html()
    assert "predicted against observed features" in page
    assert page.count("<ellipse") == DIM
    assert page.count("<ellipse") - page.count('fill="none" stroke="#d55e00"/>') == 5
    assert "η = 0.0300" in page
    from_end = diagnose(end[0], end[1], initial=start[0]).to_html()
    assert "at the end, at the norm of the start" in from_end
    assert "η =" not in from_end
    assert "<ellipse" not in diagnose(end[0]).to_html()


def test_a_monitors_report_has_the_features_of_its_start():
    from dynsim.monitor import Monitor

    rng, m = np.random.default_rng(0), Monitor(every=1, settings={"lr": 0.1, "weight_decay": 1e-3})
    for step in range(3):
        z = healthy(rng)
        m.record(step, z, z + 0.1 * rng.normal(size=z.shape))
    page = m.diagnose().to_html()
    assert page.count("<ellipse") == DIM
    assert "at the start" in page


def test_pictures_of_degenerate_embeddings():
    for z in (np.zeros((5, 3)), np.ones((5, 1)), np.full((5, 3), np.nan), np.eye(3)[:2]):
        assert "</html>" in diagnose(z).to_html()


def test_a_start_without_a_norm_is_refused_and_in_a_series_passed_over():
    z = np.random.default_rng(0).normal(size=(200, 16))
    with pytest.raises(DynsimError, match="initial: got 'features that are zero"):
        diagnose(z, initial=0 * z)
    found = diagnose([0 * z, z, z])
    assert found.kinds == ("healthy",)
    assert "norm_ratio" not in found.evidence["measure"]


def test_classes_told_apart_no_better_than_by_chance_are_said_to_be():
    """A healthy spectrum whose features know nothing of the classes: the labels are drawn anew."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 600)
    z = rng.normal(size=(10, 16))[labels] + rng.normal(size=(600, 16))
    one, other = diagnose(z, labels=labels), diagnose(z, labels=rng.permutation(labels))
    assert one.kinds == other.kinds == ("healthy",)
    assert [row["says"] for found in (one, other) for row in found.evidence if row["measure"] == "knn"] == [
        "healthy", "unsure",
    ]  # fmt: skip
    assert "no better than chance" in str(other)
    assert "no better than chance" not in str(one)
    assert "no bound" in str(diagnose(z, labels=np.zeros(600, dtype=int)))  # one class tells nothing
