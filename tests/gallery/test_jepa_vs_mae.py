"""A small run of jepa-vs-mae: integrated runs meet the closed forms, and the order of learning is the paper's."""

import numpy as np
import pytest

from dynsim.gallery import jepa_vs_mae


@pytest.fixture(scope="module")
def data():
    return jepa_vs_mae.compute(**jepa_vs_mae.FIGURE.small)


def test_runs_end_where_the_theory_says(data):
    depth, rho = data["depth"], data["rho"]
    np.testing.assert_allclose(data["measured_end"].sel(objective="jepa"), (rho**depth).T, rtol=1e-8)
    np.testing.assert_allclose(data["measured_end"].sel(objective="mae"), (rho ** (depth / (depth + 1))).T, rtol=1e-8)


def test_the_learning_time_of_a_run_is_the_closed_form(data):
    for own, fine in ((data["rho"].min(), 0), (data["rho"].max(), -1)):
        measured = data["measured_time"].sel(rho=float(own))
        np.testing.assert_allclose(measured, data["learning_time"].isel(rho_fine=fine), rtol=1e-6)


def test_jepa_delays_noisy_features_the_more_the_deeper_and_mae_does_not(data):
    handicap = data["handicap"]
    assert (handicap.sel(objective="jepa").diff("rho_fine") < 0).all()
    assert (handicap.sel(objective="jepa").isel(rho_fine=0).diff("depth") > 0.1).all()
    assert (handicap.sel(objective="mae") <= 1 + 1e-12).all()


def test_the_learning_time_goes_like_one_over_the_signal():
    values = {"lambda_d": np.array([1.0, 2.0]), "rho": 0.7, "L": 3.0}
    for objective in jepa_vs_mae.OBJECTIVES:
        one, two = jepa_vs_mae.learning_time(objective, 1e-3, values)
        assert one == pytest.approx(2 * two, rel=1e-12)


def test_the_leading_terms_of_a_small_start():
    """JEPA: L layers of v = w₀^(1/L) take (v^(1−2L)/(2L−1) + v^(2−2L)/((2L−2)ρ) + …)/λ_d; MAE: v^(1−L)/((L−1)λ_d)."""
    layers, v, rho = 3.0, 1e-3, 0.6
    values = {"lambda_d": 1.0, "rho": rho, "L": layers}
    jepa, mae = (float(jepa_vs_mae.learning_time(objective, v**layers, values)) for objective in ("jepa", "mae"))
    assert jepa == pytest.approx(v**-5 / 5 + v**-4 / (4 * rho), rel=1e-5)
    assert mae == pytest.approx(v**-2 / 2, rel=1e-5)


def test_the_verdict_names_both_winners(data):
    sentence = str(jepa_vs_mae.verdict(data).facts)
    assert "learns the weak, robust one first" in sentence
    assert "MAE the strong, noisy one" in sentence
