"""Measures on constructed cases where their value is known, and on input that makes no sense."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dynsim.errors import DynsimError
from dynsim.networks import measures


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def orthonormal(rows, columns):
    q = torch.linalg.qr(normal(max(rows, columns), min(rows, columns))).Q
    return q if rows >= columns else q.mT


COLLAPSED = torch.ones(50, 8, dtype=torch.float64) * torch.linspace(1, 2, 8, dtype=torch.float64)
LINE = torch.linspace(-1, 1, 50, dtype=torch.float64)[:, None] * torch.linspace(1, 2, 8, dtype=torch.float64)
ISOTROPIC = torch.cat([torch.eye(8, dtype=torch.float64), -torch.eye(8, dtype=torch.float64)])


def test_collapsed():
    assert float(measures.spread(COLLAPSED)) == pytest.approx(0, abs=1e-12)
    assert float(measures.rankme(COLLAPSED)) == pytest.approx(1, abs=1e-5)
    assert float(measures.participation(COLLAPSED)) == 0
    assert float(measures.norm_ratio(COLLAPSED, COLLAPSED)) == pytest.approx(1)


def test_rank_one():
    assert float(measures.rankme(LINE)) == pytest.approx(1, abs=1e-5)
    assert float(measures.participation(LINE)) == pytest.approx(1)
    assert float(measures.spread(LINE)) > 0.9  # blind to rank


def test_rank_three_fools_the_spread():
    """The spread of a collapse onto three of 32 dimensions still looks fine; the ranks see it."""
    z = normal(500, 3) @ orthonormal(3, 32)
    assert float(measures.spread(z)) > 0.8
    assert 2.9 < float(measures.rankme(z)) <= 3.001
    assert 2.7 < float(measures.participation(z)) <= 3.001


def test_isotropic():
    assert float(measures.spread(ISOTROPIC)) == pytest.approx(1)
    assert float(measures.rankme(ISOTROPIC)) == pytest.approx(8)
    assert float(measures.participation(ISOTROPIC)) == pytest.approx(8)


@pytest.mark.parametrize("samples", [2, 5, 8])
def test_few_samples_cap_the_rank(samples):
    """N ≤ d: at most N, and N − 1 when centred."""
    z = orthonormal(samples, 8)
    assert float(measures.rankme(z)) == pytest.approx(samples)
    assert float(measures.rankme(z, centre=True)) == pytest.approx(samples - 1, rel=1e-4)
    assert float(measures.participation(z)) == pytest.approx(samples - 1)
    assert float(measures.participation(z, centre=False)) == pytest.approx(samples)


@pytest.mark.parametrize("measure", [measures.spread, measures.rankme, measures.participation])
@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_blind_to_scale(measure, scale):
    z = normal(40, 6)
    torch.testing.assert_close(measure(scale * z), measure(z), rtol=1e-9, atol=0)


def test_the_norm_sees_what_the_others_miss():
    z = normal(40, 6)
    assert float(measures.norm_ratio(1e-4 * z, z)) == pytest.approx(1e-4)


def test_vanished_features_have_no_rank():
    zero = torch.zeros(10, 4)
    assert [float(m(zero)) for m in (measures.spread, measures.rankme, measures.participation)] == [0, 0, 0]


def test_leading_axes_are_kept():
    z = normal(3, 2, 30, 5)
    for measure in (measures.spread, measures.rankme, measures.participation):
        found = measure(z)
        assert found.shape == (3, 2)
        torch.testing.assert_close(found[1, 1], measure(z[1, 1]))


def test_arrays_are_taken():
    z = normal(30, 5)
    assert float(measures.spread(z.numpy())) == pytest.approx(float(measures.spread(z)))
    assert float(measures.rankme([[1, 0], [0, 1]])) == pytest.approx(2, rel=1e-6)


def test_not_finite_features_give_nan():
    z = normal(2, 10, 3)
    z[1, 0, 0] = torch.nan
    for measure in (measures.spread, measures.rankme, measures.participation):
        assert torch.isfinite(measure(z)).tolist() == [True, False]


def clusters(centres, count, spread, seed):
    labels = torch.arange(len(centres)).repeat(count)
    return centres[labels] + spread * normal(len(labels), centres.shape[1], seed=seed), labels


def test_knn_on_clusters_and_on_noise():
    centres = 3 * orthonormal(4, 6)
    train, test = clusters(centres, 30, 0.3, 1), clusters(centres, 20, 0.3, 2)
    for metric in ("cosine", "euclidean"):
        assert float(measures.knn(*train, *test, metric=metric)) == 1.0
    nothing = measures.knn(normal(120, 6, seed=3), train[1], normal(80, 6, seed=4), test[1])
    assert float(nothing) < 0.45


def test_knn_against_scikit_learn():
    from sklearn.neighbors import KNeighborsClassifier

    centres = orthonormal(4, 6)
    (x, y), (t, u) = clusters(centres, 30, 0.5, 1), clusters(centres, 20, 0.5, 2)
    for k in (1, 3):
        wanted = (
            KNeighborsClassifier(
                k, weights=lambda d: np.broadcast_to(1 - 1e-6 * np.arange(d.shape[1]), d.shape).copy()
            )
            .fit(x, y)
            .score(t, u)
        )
        assert 0.3 < wanted < 1
        assert float(measures.knn(x, y, t, u, k=k, metric="euclidean")) == pytest.approx(wanted, abs=0.013)


def test_knn_ties_go_to_the_nearest():
    train, labels = torch.tensor([[0.0], [1.0], [3.0]]), torch.tensor([2, 0, 1])
    test = torch.tensor([[0.4], [2.9]])
    assert float(measures.knn(train, labels, test, torch.tensor([2, 1]), k=3, metric="euclidean")) == 1.0


def test_probe_on_clusters_and_collapse():
    centres = 3 * orthonormal(4, 6)
    train, test = clusters(centres, 30, 0.3, 1), clusters(centres, 20, 0.3, 2)
    assert float(measures.probe(*train, *test)) == 1.0
    assert float(measures.probe(1e-6 * train[0], train[1], 1e-6 * test[0], test[1])) == 1.0
    assert float(measures.probe(torch.ones(120, 6), train[1], torch.ones(80, 6), test[1])) == pytest.approx(0.25)


def test_probe_against_scikit_learn():
    from sklearn.linear_model import Ridge

    (x, y), (t, u) = clusters(orthonormal(4, 6), 30, 0.4, 1), clusters(orthonormal(4, 6), 20, 0.4, 2)
    size = float((x - x.mean(0)).square().mean().sqrt())
    ridge = Ridge(alpha=1e-3 * len(x)).fit(x / size, torch.nn.functional.one_hot(y))
    wanted = (ridge.predict(t / size).argmax(1) == u.numpy()).mean()
    assert float(measures.probe(x, y, t, u)) == pytest.approx(wanted)


def symmetric(values):
    q = orthonormal(len(values), len(values))
    return q @ torch.diag(torch.tensor(values, dtype=torch.float64)) @ q.T, q


def test_alignment_of_shared_eigenvectors():
    f, q = symmetric([4.0, 3.0, 2.0, 1.0])
    p = q @ torch.diag(torch.tensor([0.5, -2.0, 1.0, 3.0], dtype=torch.float64)) @ q.T
    torch.testing.assert_close(measures.alignment(f, p), torch.tensor([1.0, -1.0, 1.0, 1.0], dtype=torch.float64))
    assert float(measures.commutator(f, p)) == pytest.approx(0, abs=1e-14)
    assert float(measures.asymmetry(p)) == pytest.approx(0, abs=1e-14)


def test_alignment_of_a_rotation():
    turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    f = torch.diag(torch.tensor([2.0, 1.0]))
    torch.testing.assert_close(measures.alignment(f, turn), torch.zeros(2))
    assert float(measures.asymmetry(turn)) == pytest.approx(2)
    assert float(measures.commutator(f, turn)) == pytest.approx(2**0.5 / (5**0.5 * 2**0.5))


def test_second_moment_is_uncentred():
    z = normal(20, 3) + 5
    torch.testing.assert_close(measures.second_moment(z), torch.einsum("ni,nj->ij", z, z) / 20)


def test_balance():
    p = normal(4, 4)
    values, vectors = torch.linalg.eigh(p.T @ p / 2.5)
    w = vectors @ torch.diag(values.sqrt()) @ orthonormal(4, 7)
    assert float(measures.balance(w, p, 2.5)) == pytest.approx(0, abs=1e-13)
    torch.testing.assert_close(measures.balance_matrix(w, 2 * p, 2.5), -3 * p.T @ p / 2.5)
    assert float(measures.balance(w, 2 * p, 2.5)) == pytest.approx(3)
    assert float(measures.balance(w, 0 * p)) == 1


def test_the_optimal_predictor_and_its_gap():
    z, p = normal(50, 4), normal(3, 4, seed=1)
    best = measures.optimal_predictor(z, z @ p.T)
    torch.testing.assert_close(best, p)
    assert float(measures.predictor_gap(p, best)) == pytest.approx(0, abs=1e-13)
    assert float(measures.predictor_gap(0 * p, best)) == pytest.approx(1)
    shrunk = measures.optimal_predictor(z, z @ p.T, ridge=10.0)
    gram = z.T @ z
    wanted = p @ gram @ torch.linalg.inv(gram + 10 * gram.trace() / 4 * torch.eye(4, dtype=gram.dtype))
    torch.testing.assert_close(shrunk, wanted)


def test_speeds_at_the_start_of_the_article():
    """φ = 0.6, θ = 0.1: the encoder is the faster variable in all three branches."""
    phi, theta = 0.6, 0.1
    fast = (1 - phi) * theta**2
    for theta_dot, wanted in (
        (phi * (1 - phi) * theta, 1 / 36), (-((1 - phi) ** 2) * theta, 1 / 24), (-(1 - phi) * theta, 1 / 60),
    ):  # fmt: skip
        relative = [measures.relative_speed([v], [x]) for v, x in ((fast, phi), (theta_dot, theta))]
        assert float(measures.speed_ratio(*relative)) == pytest.approx(wanted, rel=1e-6)
        absolute = [measures.absolute_speed([v]) for v in (fast, theta_dot)]
        assert float(measures.speed_ratio(*absolute)) == pytest.approx(fast / abs(theta_dot), rel=1e-6)


def test_loss_shares_add_up():
    gradient, velocity = normal(2, 7), normal(2, 7, seed=1)
    parts = measures.loss_share(gradient[:, :3], velocity[:, :3]) + measures.loss_share(
        gradient[:, 3:], velocity[:, 3:]
    )
    torch.testing.assert_close(parts, measures.loss_share(gradient, velocity))


def test_times_of_an_exponential_approach():
    time = torch.linspace(0, 60, 6001, dtype=torch.float64)
    path = 2 - torch.exp(-time / 3)[:, None] * torch.tensor([1.0, -2.0], dtype=torch.float64)
    assert float(measures.done_after(time, path, 0.5)) == pytest.approx(3 * np.log(2), rel=1e-4)
    assert float(measures.done_after(time, path, 0.9)) == pytest.approx(3 * np.log(10), rel=1e-4)
    assert measures.done_after(time, torch.stack([path, 0 * path])).isnan().tolist() == [False, True]


def test_times_are_for_good():
    """An overshoot that leaves the band again does not count."""
    time = torch.arange(6.0)
    path = torch.tensor([1.0, 0.1, 0.8, 0.6, 0.2, 0.0])[:, None]
    assert float(measures.done_after(time, path)) == pytest.approx(3 + 0.1 / 0.4)


def test_eigenvalue_gap():
    q = normal(3, 3)
    jacobian = q @ torch.diag(torch.tensor([-1.0, -5.0, -20.0], dtype=torch.float64)) @ torch.linalg.inv(q)
    assert float(measures.eigenvalue_gap(jacobian)) == pytest.approx(20)
    assert float(measures.eigenvalue_gap(torch.tensor([[0.0, -2.0], [2.0, 0.0]]))) == pytest.approx(1)
    line = measures.eigenvalue_gap(torch.diag(torch.tensor([0.0, -1.0])))
    assert line.isnan().all()


Z, Y = torch.ones(6, 3), torch.arange(6)
BAD = [
    (lambda: measures.spread(torch.ones(5)), "samples, dimensions"),
    (lambda: measures.spread("text"), "features"),
    (lambda: measures.rankme(torch.ones(0, 3)), "at least one sample"),
    (lambda: measures.norm_ratio(Z, torch.ones(6, 4)), "3 dimensions like the features"),
    (lambda: measures.knn(Z, Y[:5], Z, Y), "labels.*6 labels, one per sample"),
    (lambda: measures.knn(Z, Y, Z, Y + 0.5), "test_labels"),
    (lambda: measures.knn(Z, ["a"] * 6, Z, Y), "labels of the kind of the first"),
    (lambda: measures.knn(Z, Y, Z, Y, k=7), "k: got 7, expected between 1 and the 6"),
    (lambda: measures.knn(Z, Y, Z, Y, metric="l1"), "'cosine' or 'euclidean'"),
    (lambda: measures.probe(Z, Y, Z, Y, ridge=0), "positive"),
    (lambda: measures.alignment(torch.ones(3, 2), torch.ones(3, 3)), "moment.*square"),
    (lambda: measures.eigenvalue_gap(torch.ones(3, 2)), "jacobian.*square"),
    (lambda: measures.commutator(torch.eye(3), torch.eye(2)), "the size of the moment, 3"),
    (lambda: measures.balance(torch.ones(3, 5), torch.ones(3, 2)), "3 columns, one per row of W"),
    (lambda: measures.balance(torch.ones(3, 5), torch.eye(3), alpha=0), "alpha"),
    (lambda: measures.optimal_predictor(Z, Z[:4]), "6, one per sample"),
    (lambda: measures.done_after(torch.arange(3.0), torch.ones(4, 2)), "one row for each of the 3 times"),
    (lambda: measures.done_after(torch.arange(4.0), torch.ones(4, 2), 1.5), "between 0 and 1"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=range(len(BAD)))
def test_bad_input(call, message):
    with pytest.raises(DynsimError, match=message):
        call()


@pytest.mark.parametrize(("samples", "dimensions"), [(60, 8), (8, 60), (2, 1)])
def test_measures_of_one_spectrum_are_those_by_themselves(samples, dimensions):
    from dynsim.networks.measures.embeddings import spectral_measures

    rng = np.random.default_rng(0)
    z = rng.normal(size=(samples, dimensions)) * np.arange(1, dimensions + 1) ** -0.7
    broken = np.where(np.arange(samples)[:, None] == 1, np.nan, z)
    stack = np.stack([z, 1e-180 * z, z + 1e6, 0 * z, 0 * z + 3, broken])
    for name, values in spectral_measures(stack).items():
        expected = getattr(measures, name)(stack)
        np.testing.assert_allclose(values, expected, rtol=1e-6 if name == "rankme" else 1e-12)


def test_which_number_equals_which_elsewhere():
    """Against other tools' formulas, written down here as they compute them (the page on one's own run lists them)."""
    z = torch.randn(50, 7, generator=torch.Generator().manual_seed(0)) + 0.3
    unit = torch.nn.functional.normalize(z, dim=1)
    lightly = torch.std(unit, dim=0).mean()
    torch.testing.assert_close(measures.spread(z), (7 * 49 / 50) ** 0.5 * lightly)
    sigma = torch.linalg.svdvals(z)
    p = sigma / sigma.sum() + 1e-7
    torch.testing.assert_close(measures.rankme(z), torch.exp(-(p * p.log()).sum()), rtol=1e-5, atol=0)
    other = unit + 0.1 * unit.flip(0)
    torch.testing.assert_close(measures.uniformity(z), torch.pdist(unit).square().mul(-2).exp().mean().log())
    apart = (unit - torch.nn.functional.normalize(other, dim=1)).norm(dim=1).pow(2).mean()
    torch.testing.assert_close(measures.view_alignment(z, other), apart)


def test_a_probe_of_nothing_guesses_the_largest_class():
    """Where features say nothing the shares of the classes decide, not the order of their names."""
    labels = np.array([0] * 10 + [1] * 30 + [2] * 20)
    for features in (np.ones((60, 3)), np.zeros((60, 3))):
        assert float(measures.probe(features, labels, features, labels)) == 0.5
    rng = np.random.default_rng(0)
    weak = 1e-3 * labels[:, None] + rng.normal(size=(60, 3))
    assert float(measures.probe(weak, labels, weak, labels, ridge=1e6)) == 0.5
