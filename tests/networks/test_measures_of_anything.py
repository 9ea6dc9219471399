"""Measures on whatever users have: half precision, tables, words as labels, tiny and huge scales; the new ones."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from dynsim import DynsimError
from dynsim.networks import measures

RNG = np.random.default_rng(0)
Z = RNG.normal(size=(200, 8)) * np.arange(1, 9)
PAIRED = Z + 0.5 * RNG.normal(size=Z.shape)
ONE = {
    "spread": measures.spread,
    "rankme": measures.rankme,
    "participation": measures.participation,
    "alpha_req": measures.alpha_req,
    "uniformity": measures.uniformity,
    "dead_share": measures.dead_share,
    "mean_entropy": measures.mean_entropy,
    "entropy_of_mean": measures.entropy_of_mean,
    "norm_ratio": lambda z: measures.norm_ratio(z, z),
    "second_moment": measures.second_moment,
}
TWO = {
    "norm_ratio": measures.norm_ratio,
    "lidar": measures.lidar,
    "noise_share": measures.noise_share,
    "view_alignment": measures.view_alignment,
    "agreement": measures.agreement,
    "feature_moments": lambda a, b: measures.feature_moments(a, b)[0],
}
BLIND_TO_SCALE = ("spread", "rankme", "participation", "alpha_req", "uniformity", "dead_share", "norm_ratio")


@pytest.mark.parametrize("name", ONE)
def test_containers_agree(name):
    pandas = pytest.importorskip("pandas")
    wanted = ONE[name](Z)
    table = pandas.DataFrame(Z).assign(more=1).drop(columns="more").astype({0: object})
    named = xr.DataArray(Z, dims=("sample", "feature"))
    for given_ in (Z.tolist(), named, pandas.DataFrame(Z), table, Z.copy(order="F")):
        np.testing.assert_allclose(ONE[name](given_), wanted, rtol=1e-12, atol=1e-15)
    assert np.isnan(ONE[name](np.ma.masked_greater(Z, 20.0))).any()


@pytest.mark.parametrize("name", ONE)
@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float32", "float64"])
def test_precisions_agree_and_tensors_stay_tensors(name, kind):
    torch = pytest.importorskip("torch")
    z = torch.as_tensor(Z).to(getattr(torch, kind))
    found = ONE[name](z.requires_grad_())
    assert isinstance(found, torch.Tensor)
    assert found.dtype == (torch.float64 if kind == "float64" else torch.float32)
    assert not found.requires_grad
    np.testing.assert_allclose(found, ONE[name](z.detach().double().numpy()), rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("name", [*ONE, *TWO])
def test_not_a_number_in_and_out(name):
    def function(z):
        return ONE[name](z) if name in ONE else TWO[name](z, np.broadcast_to(PAIRED, z.shape))

    for bad in (np.nan, np.inf):
        broken = np.stack([Z, Z])
        broken[1, 3, 2] = bad
        with np.errstate(all="ignore"):
            found = np.asarray(function(broken))
        assert np.isfinite(found[0]).all()
        assert not np.isfinite(found[1]).all()


@pytest.mark.parametrize("name", BLIND_TO_SCALE)
@given(power=st.integers(-280, 280))
def test_tiny_and_huge_scales(name, power):
    np.testing.assert_allclose(ONE[name](10.0**power * Z), ONE[name](Z), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("power", [-200, -23, 23, 200])
def test_two_views_of_tiny_and_huge_scale(power):
    for name in ("lidar", "noise_share", "view_alignment", "agreement"):
        np.testing.assert_allclose(TWO[name](10.0**power * Z, 10.0**power * PAIRED), TWO[name](Z, PAIRED), rtol=1e-6)


def test_the_shipped_failures():
    torch = pytest.importorskip("torch")
    z = torch.randn(200, 8, generator=torch.Generator().manual_seed(0))
    assert float(measures.spread(1e-23 * z)) == pytest.approx(float(measures.spread(z)), rel=1e-5)
    big = (1000 * z).half()
    assert float(measures.participation(big)) == pytest.approx(float(measures.participation(z)), rel=1e-2)
    assert float(measures.norm_ratio(big, big)) == 1.0
    assert float(measures.rankme(big)) == pytest.approx(float(measures.rankme(z)), rel=1e-2)
    labels = torch.arange(200) % 4
    assert 0 <= float(measures.knn(z, labels, z.double()[:50], labels[:50])) <= 1


def test_rows_of_zeros_and_fewer_samples_than_dimensions():
    z = np.vstack([Z, np.zeros((3, 8))])
    for name in ONE:
        assert np.isfinite(ONE[name](z)).all()
    few = Z[:3]
    assert float(measures.rankme(few)) <= 3
    assert float(measures.participation(few)) <= 2
    assert np.isfinite(measures.lidar(few, PAIRED[:3]))


LABELS = RNG.integers(0, 4, 200)
KINDS_OF_LABELS = {
    "ids": LABELS * 1_000_003 + 10**9,
    "negative": LABELS - 7,
    "words": np.array(["ant", "bee", "cat", "dog"])[LABELS],
    "list of words": ["abcd"[i] for i in LABELS],
    "objects": np.array(["abcd"[i] for i in LABELS], dtype=object),
    "floats": LABELS.astype(float),
    "data array": xr.DataArray(LABELS, dims="sample"),
}


@pytest.mark.parametrize("kind", KINDS_OF_LABELS)
def test_labels_of_any_kind(kind):
    given_ = KINDS_OF_LABELS[kind]
    for function in (measures.knn, measures.probe):
        wanted = function(Z, LABELS, PAIRED, LABELS)
        assert function(Z, given_, PAIRED, given_) == wanted


def test_a_class_that_only_the_test_set_has_is_never_right():
    assert float(measures.knn(Z, ["a"] * 200, Z[:4], ["a", "a", "b", "b"])) == 0.5
    assert float(measures.probe(Z, ["a"] * 200, Z[:4], ["a", "a", "b", "b"])) == 0.5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: measures.spread([["a", "b"]]), "features"),
        (lambda: measures.spread(Z + 1j), "features"),
        (lambda: measures.lidar(Z), "two or more"),
        (lambda: measures.lidar(Z, Z[:5]), "the shape of the first view"),
        (lambda: measures.mean_entropy(Z, outputs="probabilities"), "sum to 1"),
        (lambda: measures.mean_entropy(Z, outputs="odds"), "'logits' or 'probabilities'"),
        (lambda: measures.mean_entropy(Z, temperature=0), "positive"),
        (lambda: measures.knn(Z, LABELS, Z[:, :3], LABELS), "8 like the training features"),
        (lambda: measures.relative_distance({"W": [1.0]}, {"V": [1.0]}), "those of the reference"),
        (lambda: measures.feature_moments(Z[:1], Z[:1]), "at least two samples"),
        (lambda: measures.uniformity(Z, t=0), "positive"),
    ],
)
def test_what_makes_no_sense_is_one_line(call, message):
    with pytest.raises(DynsimError, match=message):
        call()


def test_moments_and_noise_share_are_unbiased():
    """The mean over many small samples meets λ_d, λ_s of the law that was drawn from."""
    rng = np.random.default_rng(3)
    signal, noise = np.array([1.0, 0.5, 0.0]), np.array([0.1, 0.5, 1.0])
    x = rng.normal(size=(20000, 6, 3)) * np.sqrt(signal) + 5.0
    one, two = (x + rng.normal(size=x.shape) * np.sqrt(noise) for _ in range(2))
    found = [np.mean(value, axis=0) for value in measures.feature_moments(one, two)]
    np.testing.assert_allclose(found[0], signal, atol=0.02)
    np.testing.assert_allclose(found[1], signal + noise, atol=0.02)
    large = measures.noise_share(one.reshape(-1, 3), two.reshape(-1, 3))
    np.testing.assert_allclose(large, noise / (signal + noise), atol=0.02)


def test_lidar_counts_what_tells_images_apart():
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(size=(2000, 3)), np.zeros((2000, 5))], 1)
    views = [x + 0.05 * rng.normal(size=x.shape) for _ in range(2)]
    assert float(measures.lidar(*views)) == pytest.approx(3, abs=0.1)
    assert float(measures.rankme(np.concatenate(views))) > 3.5  # it counts the noise as well
    mixing = rng.normal(size=(8, 8))
    assert float(measures.lidar(*(view @ mixing for view in views), delta=1e-12)) == pytest.approx(
        float(measures.lidar(*views, delta=1e-12)), rel=1e-6
    )


def test_agreement_is_the_share_beyond_chance():
    rng = np.random.default_rng(2)
    number, r = 10, 0.7
    first = rng.integers(0, number, 200_000)
    second = np.where(rng.random(200_000) < r, first, rng.integers(0, number, 200_000))
    assert float(measures.agreement(np.eye(number)[first], np.eye(number)[second])) == pytest.approx(r, abs=0.01)
    assert np.isnan(measures.agreement(np.eye(3)[[0, 0]], np.eye(3)[[0, 0]]))


def test_entropies_recognise_both_collapses():
    rng = np.random.default_rng(2)
    sharp = 50 * np.eye(4096)[rng.integers(0, 4096, 2000)]
    assert float(measures.mean_entropy(sharp)) < 1e-6 < float(measures.entropy_of_mean(sharp))
    assert float(measures.mean_entropy(0 * sharp)) == pytest.approx(8.3178, abs=1e-4)
    probabilities = np.exp(sharp - 50) / np.exp(sharp - 50).sum(-1, keepdims=True)
    assert float(measures.mean_entropy(probabilities, outputs="probabilities")) == pytest.approx(
        float(measures.mean_entropy(sharp)), abs=1e-9
    )
    cold = measures.mean_entropy(Z, temperature=0.1)
    assert float(cold) == pytest.approx(float(measures.mean_entropy(10 * Z)))


def test_uniformity_and_alignment_against_their_definitions():
    unit = Z / np.linalg.norm(Z, axis=1, keepdims=True)
    pairs = [np.exp(-2 * ((unit[i] - unit[j]) ** 2).sum()) for i in range(200) for j in range(200) if i != j]
    assert float(measures.uniformity(Z)) == pytest.approx(np.log(np.mean(pairs)), rel=1e-9)
    many = np.tile(Z, (3, 1))  # beyond 512 samples cosines are of single precision
    kernel = np.exp(-2 * (2 - 2 * np.tile(unit, (3, 1)) @ np.tile(unit, (3, 1)).T))
    mean = (kernel.sum() - 600) / (600 * 599)
    assert float(measures.uniformity(many)) == pytest.approx(np.log(mean), rel=1e-5)
    other = PAIRED / np.linalg.norm(PAIRED, axis=1, keepdims=True)
    assert float(measures.view_alignment(Z, PAIRED)) == pytest.approx(((unit - other) ** 2).sum(1).mean())


def test_distance_of_teachers():
    torch = pytest.importorskip("torch")
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    other = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    other.load_state_dict(net.state_dict())
    assert measures.relative_distance(net, other) == 0
    with torch.no_grad():
        other[0].weight *= 2
    assert measures.relative_distance(net, other) > 0.1
    assert measures.relative_distance([np.zeros(2)], [np.zeros(2)]) == 0
    assert measures.relative_distance([np.ones(2)], [np.zeros(2)]) == np.inf
