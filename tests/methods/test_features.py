"""Features of measured moments: against the matrix flow, against direct facts, against their own errors."""

import json

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import dynsim
from dynsim.errors import InvalidType, InvalidValue, UnknownName
from dynsim.methods.catalogue import METHODS
from dynsim.methods.directions import living_pairs, predictor_directions


def moments(size=5, seed=1, noise=0.3):
    """Σ_d and Σ_s that do not commute."""
    generator = np.random.default_rng(seed)
    q = np.linalg.qr(generator.normal(size=(size, size)))[0]
    a = generator.normal(size=(size, size)) * noise
    signal = q @ np.diag(0.9 * 0.6 ** np.arange(size)) @ q.T
    return signal, signal + a @ a.T + 0.05 * np.eye(size)


def pairs(signal, view, number, seed=0):
    """Gaussian views with these moments, off the origin."""
    generator = np.random.default_rng(seed)
    image = generator.normal(size=(number, len(signal))) @ np.linalg.cholesky(signal).T
    root = np.linalg.cholesky(view - signal).T
    return tuple(image + generator.normal(size=image.shape) @ root + 5.0 for _ in range(2))


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_method_answers(name):
    table = dynsim.features(name, moments())
    assert table.attrs["kind"] == "features"
    assert set(table) == {
        "lambda_d", "lambda_s", "reliability", "survives", "amplitude", "origin_rate", "order",
        "error_lambda_d", "error_reliability",
    }  # fmt: skip
    assert set(json.loads(table.attrs["exact"])) == {"survives", "amplitude", "origin_rate", "order"}
    alive = table.survives.values == 1
    assert ((table.amplitude.values > 0) == alive).all()
    assert sorted(table.order.values[alive]) == list(range(1, alive.sum() + 1))
    assert (table.order.values[~alive] == -1).all()


@pytest.mark.parametrize("name", ["simsiam", "direct-set", "spectral", "infonce", "vicreg", "lejepa", "barlow"])
def test_commuting_moments_give_the_facts_of_each_feature(name):
    lambda_d, lambda_s = np.array([0.9, 0.5, 0.12]), np.array([1.0, 0.7, 0.4])
    values = {"eta": 0.08} if name in ("simsiam", "direct-set") else {}
    q = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0]
    table = dynsim.features(name, (q @ np.diag(lambda_d) @ q.T, q @ np.diag(lambda_s) @ q.T), **values)
    method = dynsim.method(name)
    asked = {"lambda_d": lambda_d, "lambda_s": lambda_s, **values}
    assert (table.survives.values == 1).tolist() == method.survives(**asked).value.tolist()
    assert table.amplitude.values == pytest.approx(method.amplitude(**asked).value, abs=1e-8)
    assert table.origin_rate.values == pytest.approx(method.origin_rate(**asked).value, abs=1e-8)
    assert json.loads(table.attrs["exact"])["survives"] is method.survives(**asked).exact


@pytest.mark.parametrize("rows", [2, 5])
def test_spectral_matrix_flow_ends_at_the_stated_amplitudes(rows):
    signal, view = moments()
    table = dynsim.features("spectral", (signal, view), dim=rows)
    start = 0.3 * np.random.default_rng(0).normal(size=(rows, 5))

    def field(_t, y):
        w = y.reshape(rows, 5)
        return (4 * (w @ signal - w @ view @ w.T @ w @ view)).ravel()

    w = solve_ivp(field, (0, 2000), start.ravel(), method="LSODA", rtol=1e-9, atol=1e-12).y[:, -1].reshape(rows, 5)
    found = np.sort(np.linalg.eigvalsh(w @ view @ w.T))[::-1]
    stated = table.amplitude.values
    assert found == pytest.approx(stated[stated > 0], rel=1e-5)
    assert (stated > 0).sum() == rows
    assert json.loads(table.attrs["exact"]) == {
        "survives": True, "amplitude": True, "origin_rate": False, "order": False
    }  # fmt: skip


@pytest.mark.parametrize("eta", [0.02, 0.1, 0.16])
@pytest.mark.parametrize("noise", [0.1, 0.3])
def test_simsiam_with_decay_follows_the_matrix_flow(eta, noise):
    signal, view = moments(noise=noise)
    table = dynsim.features("simsiam", (signal, view), eta=eta)
    generator = np.random.default_rng(0)
    start = np.concatenate([np.eye(5).ravel(), generator.normal(size=25) * 0.3 + 1.5 * np.eye(5).ravel()])

    def field(_t, y):
        p, w = y[:25].reshape(5, 5), y[25:].reshape(5, 5)
        error = w @ signal - p @ w @ view
        return np.concatenate([(error @ w.T - eta * p).ravel(), (p.T @ error - eta * w).ravel()])

    end = solve_ivp(field, (0, 3000), start, method="LSODA", rtol=1e-8, atol=1e-12).y[:, -1]
    p, w = end[:25].reshape(5, 5), end[25:].reshape(5, 5)
    predictor = np.sort(np.linalg.eigvals(p).real)[::-1]
    alive, dead = ((table.survives.values == fate).sum() for fate in (1, 0))
    assert alive <= (predictor > 0.01).sum() <= 5 - dead
    upper = predictor_directions(signal, view, eta)[3]
    assert predictor[:alive] == pytest.approx(upper[:alive], rel=5e-3)
    if alive == 1 and dead == 4:  # of rank one everything is exact
        assert np.trace(w @ view @ w.T) == pytest.approx(table.amplitude.values[0], rel=1e-5)
        assert predictor[0] == pytest.approx(upper[0], rel=1e-6)


def test_what_blurs_a_threshold_leaves_it_undecided():
    """A counterexample to one curve, one feature: the fourth is alive, though 0.7 % beyond its curve's peak."""
    signal, view = moments(noise=0.3)
    table = dynsim.features("simsiam", (signal, view), eta=0.02)
    assert living_pairs(signal, view, 0.02) == 3
    assert table.survives.values.tolist() == [1, 1, 1, -1, 0]


def test_curves_that_cross_are_followed_by_their_eigenvectors():
    signal, view = np.diag([1.0, 2.0]), np.diag([1.0, 5.0])
    assert dynsim.features("simsiam", (signal, view), eta=0.195).survives.values.tolist() == [1, 1]
    assert dynsim.features("simsiam", (signal, view), eta=0.21).survives.values.tolist() == [1, 0]
    directions, lambda_d, _, upper, _ = predictor_directions(*moments(), 0.05)
    signal, view = moments()
    for j in np.flatnonzero(~np.isnan(upper)):
        matrix = upper[j] ** 2 * view - upper[j] * signal + 0.05 * np.eye(5)
        assert np.abs(np.linalg.eigvalsh(matrix)).min() < 1e-12  # p₊ solves the quadratic eigenproblem
        assert lambda_d[j] == pytest.approx(directions[:, j] @ signal @ directions[:, j])


def test_the_constant_direction_is_no_feature():
    signal, view = moments()
    first, second = pairs(signal, view, 4000)
    table = dynsim.features("spectral", views=(first, second))
    shifted = dynsim.features("spectral", views=(first + 100, second + 100))
    assert table.reliability.values == pytest.approx(shifted.reliability.values, abs=1e-8)
    assert "constant direction" in table.attrs["assumptions"]
    assert table.reliability.values == pytest.approx(
        dynsim.features("spectral", (signal, view)).reliability.values, abs=0.05
    )


def test_bootstrap_errors_are_those_of_repetition():
    signal, view = moments(3)
    tables = [dynsim.features("spectral", views=pairs(signal, view, 800, seed)) for seed in range(40)]
    for name in ("lambda_d", "reliability"):
        spread = np.std([table[name].values for table in tables], axis=0, ddof=1)
        stated = np.mean([table[f"error_{name}"].values for table in tables], axis=0)
        assert stated == pytest.approx(spread, rel=0.45)


def test_features_near_their_threshold_are_undecided():
    signal, view = np.diag([1.0, 0.5]), np.diag([1.1, 0.6])
    views = pairs(signal, view, 2000)
    table = dynsim.features("simsiam", views=views, eta=0.01)
    threshold = table.lambda_d.values**2 / (4 * table.lambda_s.values)
    near = dynsim.features("simsiam", views=views, eta=float(threshold[1]) * 1.001)
    far = dynsim.features("simsiam", views=views, eta=float(threshold[1]) * 1.3)
    assert near.survives.values.tolist() == [1, -1]
    assert far.survives.values.tolist() == [1, 0]
    few = dynsim.features("spectral", views=pairs(np.diag([1.0, 0.98]), np.diag([1.1, 1.08]), 300), dim=1)
    assert few.survives.values.tolist() == [-1, -1]  # one row, two features that cannot be told apart


def test_gaussianity_is_checked_where_it_is_assumed():
    generator = np.random.default_rng(0)
    image = generator.exponential(size=(5000, 2)) ** 2
    views = [image + 0.3 * generator.normal(size=image.shape) for _ in range(2)]
    assert "kurtosis" in dynsim.features("infonce", views=views).attrs["assumptions"]
    assert "beyond 0.5" in dynsim.features("infonce", views=views).attrs["assumptions"]
    assert "kurtosis" not in dynsim.features("spectral", views=views).attrs["assumptions"]


def test_settings_are_training_words():
    table = dynsim.features("simsiam", moments(), settings={"lr": 0.1, "momentum": 0.9, "weight_decay": 0.05})
    same = dynsim.features("simsiam", moments(), eta=0.05)
    assert table.amplitude.values == pytest.approx(same.amplitude.values)
    left_out = dynsim.features("w-mse", moments(), settings={"lr": 0.1, "weight_decay": 0.05})
    assert "left out" in left_out.attrs["assumptions"]


def test_rank_deficient_moments_lose_their_empty_directions():
    signal, view = np.diag([0.5, 0.2, 0.0]), np.diag([0.6, 0.4, 0.0])
    assert dynsim.features("vicreg", (signal, view)).sizes["feature"] == 2
    assert dynsim.features("simsiam", (signal, view), eta=0.01).sizes["feature"] == 2


def test_bad_input_is_refused():
    signal, view = moments()
    refused = [
        ({}, InvalidValue, "exactly one"),
        ({"moments": (signal, view), "views": pairs(signal, view, 10)}, InvalidValue, "exactly one"),
        ({"moments": signal}, InvalidType, "a pair"),
        ({"moments": (signal[:4, :4], view)}, InvalidValue, "one shape"),
        ({"moments": (np.triu(signal), view)}, InvalidValue, "symmetric"),
        ({"moments": (signal, -view)}, InvalidValue, "positive semidefinite"),
        ({"moments": (2 * view, view)}, InvalidValue, "reliabilities up to 1"),
        ({"views": np.zeros((4, 3))}, InvalidType, "two arrays"),
        ({"views": (np.zeros((4, 3)), np.zeros((5, 3)))}, InvalidValue, "one shape"),
        ({"views": (np.full((4, 3), np.nan),) * 2}, InvalidValue, "finite"),
        ({"views": (["a"], ["b"])}, InvalidType, "numbers"),
        ({"moments": (signal, view), "dim": 0}, InvalidValue, "dim"),
        ({"moments": (signal, view), "settings": 3}, InvalidType, "settings"),
        ({"moments": (signal, view), "tua": 3}, UnknownName, "tua"),
    ]
    for arguments, kind, message in refused:
        with pytest.raises(kind, match=message):
            dynsim.features("spectral", **arguments)


def test_the_table_survives_a_file(tmp_path):
    import xarray as xr

    table = dynsim.features("vicreg", moments())
    table.to_netcdf(tmp_path / "features.nc")
    with xr.open_dataset(tmp_path / "features.nc") as again:
        assert again.survives.values.tolist() == table.survives.values.tolist()
        assert again.attrs["kind"] == "features"


def test_digits_with_their_augmentation():
    networks = pytest.importorskip("dynsim.networks")
    pytest.importorskip("torch")
    given = networks.second_moments(networks.Experiment())
    _, lambda_d, lambda_s, _, _ = predictor_directions(*given, 0.0034)
    # The first curve belongs to the constant offset of the views, which moments that are given still hold.
    peaks = lambda_d[:5] ** 2 / (4 * lambda_s[:5])
    assert peaks[0] > 10 * peaks[1]
    assert peaks == pytest.approx([0.31, 0.019, 0.0135, 0.007, 0.0045], rel=0.15)  # another split of the images
    for alive in (1, 3):
        eta = float(np.sqrt(peaks[alive - 1] * peaks[alive]))
        assert (dynsim.features("simsiam", given, eta=eta).survives.values == 1).sum() == alive
    table = dynsim.features("simsiam", data="digits", eta=float(np.sqrt(peaks[2] * peaks[3])))
    assert (table.survives.values == 1).sum() == 2
    assert table.lambda_d.values.max() < 0.5 * lambda_d[0]
