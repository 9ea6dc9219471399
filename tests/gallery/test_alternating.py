"""A small run of alternating: the derived maps are what runs do, and the toy's ends are the known ones."""

import numpy as np
import pytest

from dynsim.gallery import alternating


@pytest.fixture(scope="module")
def data():
    return alternating.compute(**alternating.FIGURE.small)


def test_a_round_without_predictor_multiplies_by_the_share_of_the_signal(data):
    ratio = data["lambda_d"] / (data["lambda_d"] + data.attrs["noise"])
    np.testing.assert_allclose(data["w"], (ratio ** data["round"]).transpose("mode", "round"), rtol=1e-12)


def test_so_does_least_squares_when_nothing_is_aligned():
    """W ← argmin E‖W T x − V x̄‖² = VΣ_dΣ_s⁻¹: by samples of views, and its rows turn to the most robust direction."""
    generator = np.random.default_rng(0)
    mix, spread = generator.normal(size=(3, 3)), generator.normal(size=(3, 3)) / 2
    clean = generator.normal(size=(4000, 3)) @ mix.T
    views = clean + generator.normal(size=(4000, 3)) @ spread.T
    signal, view = mix @ mix.T, mix @ mix.T + spread @ spread.T
    V = generator.normal(size=(2, 3))
    (fitted, *_) = np.linalg.lstsq(views, clean @ V.T, rcond=None)
    told = V @ signal @ np.linalg.inv(view)
    np.testing.assert_allclose(fitted.T, told, atol=0.15 * np.abs(told).max())

    values, vectors = np.linalg.eig(signal @ np.linalg.inv(view))
    assert values.max() < 1
    W = V @ np.linalg.matrix_power(signal @ np.linalg.inv(view), 200)
    robust = np.linalg.inv(vectors)[values.argmax()]  # the left eigenvector: rows of W follow it
    cosine = abs(W @ robust) / (np.linalg.norm(W, axis=1) * np.linalg.norm(robust))
    np.testing.assert_allclose(cosine, 1.0, atol=1e-6)
    assert np.linalg.norm(W) < np.linalg.norm(V)


def test_k_steps_are_the_derived_map_and_never_stop_the_decay(data):
    ratio, h, k = 1 / data.attrs["view"], data["h"], data["k"]
    told = ratio + (1 - ratio) * (1 - h * data.attrs["view"]) ** k
    np.testing.assert_allclose(data["factor"], told, rtol=1e-12)
    assert (data["pace"].diff("k") < 0).all()
    assert (data["pace"] > 0).all()


def test_one_step_of_small_size_decays_like_the_flow(data):
    assert float(data["pace"].sel(h=0.02, k=1)) == pytest.approx(1, abs=0.01)


def test_with_a_predictor_nothing_moves_after_the_first_round(data):
    kept = data["w_with_predictor"].isel(round=slice(1, None))
    np.testing.assert_allclose(kept / kept.isel(round=0), 1.0, rtol=1e-12)
    np.testing.assert_allclose(kept.sel(order="φ first"), 1.0, rtol=1e-12)


def test_the_toy_ends_where_it_is_known_to(data):
    end = data["path"].isel(block=-1)
    np.testing.assert_allclose(end.sel(case="stop", order="φ first"), [1, 0.1], atol=1e-14)
    np.testing.assert_allclose(end.sel(case="stop", order="θ first"), [1, 1 / 6], atol=1e-14)
    np.testing.assert_allclose(end.sel(case="full", order="φ first"), [1, 0.1], atol=1e-14)
    np.testing.assert_allclose(end.sel(case="full", order="θ first"), [0.6, 0], atol=1e-14)


def test_stop_survives_everywhere_and_noise_collapses_full_in_either_order(data):
    phi = data["phi_start"]
    np.testing.assert_allclose(abs(data["theta_end"].sel(case="stop", order="θ first")), 0.1 / abs(phi), rtol=1e-9)
    np.testing.assert_allclose(data["theta_end"].sel(case="stop", order="φ first"), 0.1, rtol=1e-12)
    assert (abs(data["theta_end"].sel(case="stop, noise")) > 0.01).all()
    np.testing.assert_allclose(data["theta_end"].sel(case="full, noise"), 0.0, atol=1e-12)
    assert "(1, 0.1) φ-first, (1, 0.167) θ-first" in str(alternating.verdict(data).facts)
