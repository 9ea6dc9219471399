"""The phase portrait as data."""

import numpy as np
import pytest

from dynsim import DynsimError, gradient_flow, portrait, system


def test_the_toy_has_its_two_lines_of_equilibria():
    flow = system("toy")
    data = portrait(flow, {"alpha": 2.0}, resolution=21)
    velocity = flow.field({"alpha": 2.0}).f(0.0, np.array([float(data.x[3]), float(data.y[5])]))
    assert float(data.velocity_x[3, 5]) == pytest.approx(velocity[0])
    assert float(data.velocity_y[3, 5]) == pytest.approx(velocity[1])
    for index in range(data.sizes["line"]):
        x, y, growth = (data[f"line_{part}"].isel(line=index).values for part in ("x", "y", "growth"))
        if np.nanstd(x) < 1e-9:  # φ = 1: transverse eigenvalue −αθ²
            assert np.allclose(x, 1)
            assert np.allclose(growth, -2.0 * y**2)
        else:  # θ = 0: φ(1−φ), repelling for 0 < φ < 1
            assert np.allclose(y, 0)
            assert np.allclose(growth, x * (1 - x))


def test_a_plane_through_more_states():
    data = portrait(system("byol"), {"beta": 2.0}, plane=("theta", "xi"), at={"phi": 0.3}, resolution=11)
    assert data.attrs["x_name"] == "theta"
    x, y = float(data.x[2]), float(data.y[7])
    assert float(data.velocity_y[2, 7]) == pytest.approx(2.0 * (x - y))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: portrait(3), "flow"),
        (lambda: portrait(gradient_flow("w^2", ["w"])), "two states"),
        (lambda: portrait(system("byol"), plane=("phi", "psi")), "'psi'"),
        (lambda: portrait(system("byol"), plane=("phi", "phi")), "different"),
        (lambda: portrait(system("toy"), box={"phi": (1, 0), "theta": (0, 1)}), "phi"),
        (lambda: portrait(gradient_flow("a^2+b^2+c^2", "a,b,c"), plane=("a", "b")), "a value for c"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(DynsimError, match=words):
        call()


def test_the_boundary_of_collapse_is_among_the_separatrices():
    data = portrait(system("toy", branch="full"), resolution=5)
    stable = data.isel(separatrix=np.flatnonzero(data.separatrix_manifold == "stable"))
    assert stable.sizes["separatrix"] == 4
    np.testing.assert_allclose((1 - stable.separatrix_x) ** 2, stable.separatrix_y**2, atol=1e-9)


def test_lines_that_are_known_numerically_have_their_stability_too():
    """tanh keeps the exact search away; on w = 0 the field is that of the toy: p(1 − p) across."""
    data = portrait(gradient_flow("(tanh(p*w) - sg(w))^2/2", "p, w"), resolution=5)
    checked = 0
    for index in range(data.sizes["line"]):
        x, y, growth = (data[f"line_{part}"].isel(line=index).values for part in ("x", "y", "growth"))
        here = np.isfinite(x)
        assert np.isfinite(growth[here]).all()
        if np.allclose(y[here], 0, atol=1e-9):
            assert growth[here] == pytest.approx(x[here] * (1 - x[here]), abs=1e-6)
            checked += 1
    assert checked


@pytest.mark.parametrize("flow", [system("toy"), gradient_flow("(x^2-1)^2+y^2", "x,y"), gradient_flow("x-y", "x,y")])
def test_it_is_saved(flow, tmp_path):
    """Also where there is no point, no line and no separatrix."""
    portrait(flow, resolution=3).to_netcdf(tmp_path / "portrait.nc")
