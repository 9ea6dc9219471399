"""Manifolds against invariants, and against the fates they separate."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import dynsim
from dynsim import DynsimError, Flow, Move, outcome, separatrices, system

INVARIANTS = {
    "stop": lambda d, a: d.phi**2 - a * d.theta**2 - d.phi.isel(along=0) ** 2,
    "full": lambda d, a: (1 - d.phi) ** 2 - a * d.theta**2,
    "target": lambda d, a: 1 - d.phi - a * d.theta**2 / 2,
}


def stable(data):
    return data.isel(separatrix=np.flatnonzero(data.manifold == "stable"))


@pytest.mark.parametrize(("branch", "curves"), [("stop", 4), ("full", 4), ("target", 2)])
@given(alpha=st.floats(0.3, 4.0))
@settings(max_examples=4, deadline=None)
def test_the_boundary_of_collapse_of_the_toy(branch, curves, alpha):
    found = stable(separatrices(system("toy", branch=branch), {"alpha": alpha}))
    assert found.sizes["separatrix"] == curves
    assert set(found.origin_kind.values) == {"line"}
    np.testing.assert_allclose(INVARIANTS[branch](found, alpha), 0.0, atol=1e-9)


def test_the_true_orbit_ends_at_the_next_line():
    found = separatrices(system("toy"))
    leaving = found.isel(separatrix=np.flatnonzero(found.manifold == "unstable"))
    np.testing.assert_allclose(leaving.phi.isel(along=-1), 1.0, atol=1e-6)
    np.testing.assert_allclose(abs(leaving.theta.isel(along=-1)), 1.0, atol=1e-6)


@pytest.mark.parametrize("variant", ["simsiam", "byol"])
def test_the_unstable_manifold_lies_on_the_balanced_surface(variant):
    found = separatrices(system("eigenmode", variant=variant), {"alpha": 2.0})
    leaving = found.isel(separatrix=np.flatnonzero(found.manifold == "unstable"))
    assert leaving.sizes["separatrix"] == 2
    np.testing.assert_allclose(leaving.s, leaving.p**2 / 2.0, atol=1e-9)
    ends = sorted(leaving.p.isel(along=-1).values)
    np.testing.assert_allclose(ends, [0.0, (1 + np.sqrt(1 - 0.44)) / 2.2], atol=1e-4)


def test_starts_on_either_side_of_a_stable_manifold_end_differently():
    flow = system("eigenmode", variant="simsiam")
    values = {"eta_p": 0.15, "eta_s": 0.1}
    for b in range(2):
        curve = stable(separatrices(flow, values)).isel(separatrix=b)
        for i in (60, 120):
            p, s = float(curve.p[i]), float(curve.s[i])
            across = np.array([-float(curve.s[i + 1] - curve.s[i - 1]), float(curve.p[i + 1] - curve.p[i - 1])])
            across *= 1e-6 / np.linalg.norm(across)
            fates = {
                outcome(flow, {"p": p + k * across[0], "s": s + k * across[1]}, values).collapsed for k in (1, -1)
            }
            assert fates == {True, False}


def test_a_manifold_is_an_orbit():
    flow = dynsim.gradient_flow("(exp(p*w) - 1 - sg(w))^2/2 + p^2 + w^2/10", ["p", "w"])
    found = separatrices(flow)
    assert found.attrs["complete"] == 0
    assert found.sizes["separatrix"] == 4
    field = flow.field()
    for b in range(4):
        points = np.array([found.p[b], found.w[b]])
        tangent = np.gradient(points, axis=1)[:, 20:-20]
        velocity = field.f(0.0, points[:, 20:-20])
        sine = (tangent[0] * velocity[1] - tangent[1] * velocity[0]) / (
            np.linalg.norm(tangent, axis=0) * np.linalg.norm(velocity, axis=0)
        )
        assert np.abs(sine).max() < 1e-2
        inwards = np.sum(tangent * velocity, axis=0) < 0
        assert inwards.all() == (found.manifold.values[b] == "stable")


def test_where_nothing_separates_the_dataset_is_empty_and_still_one(tmp_path):
    found = separatrices(system("scalar", branch="full"), {"eta_p": 0.1, "eta_s": 0.1})
    assert found.sizes["separatrix"] == 0
    found.to_netcdf(tmp_path / "none.nc")
    assert xr.load_dataset(tmp_path / "none.nc").sizes["along"] == found.sizes["along"]


@pytest.mark.parametrize(
    "call",
    [
        lambda: separatrices(3),
        lambda: separatrices(dynsim.gradient_flow("x^4", ["x"])),
        lambda: separatrices(system("toy"), {"eta": 1}),
        lambda: separatrices(system("toy"), box={"phi": (1, 0)}),
    ],
)
def test_bad_input(call):
    with pytest.raises(DynsimError):
        call()


def test_a_homoclinic_orbit_is_one_loop():
    """x' = y, y' = x − x³ conserves y² − x² + x⁴/2; each loop round (±1, 0) has the length of that curve."""
    flow = Flow.of({"x": Move("y"), "y": Move("x - x^3")})
    found = separatrices(flow, box={"x": (-2, 2), "y": (-1.5, 1.5)})
    assert found.sizes["separatrix"] == 4
    x = np.sqrt(2) * np.sin(np.linspace(0, np.pi / 2, 4001)) ** 2  # denser at both ends
    half = np.hypot(np.diff(x), np.diff(x * np.sqrt(np.maximum(1 - x**2 / 2, 0)))).sum()
    for index in range(4):
        one = found.isel(separatrix=index)
        assert float(abs(one.y**2 - one.x**2 + one.x**4 / 2).max()) < 1e-9
        length = np.hypot(np.diff(one.x), np.diff(one.y)).sum()
        assert length == pytest.approx(2 * half, rel=5e-3)
        assert len(set(np.sign(one.x.values[1:]))) == 1


def test_a_spiral_ends_where_its_turns_meet():
    """The unstable curves of the saddle wind into the cycle of a driven well and stop there."""
    flow = Flow.of({"x": Move("y"), "y": Move("x - x^3 + y*(0.2 - (y^2/2 - x^2/2 + x^4/4))")})
    found = separatrices(flow, box={"x": (-2.5, 2.5), "y": (-2.5, 2.5)})
    for index in np.flatnonzero(found.manifold == "unstable"):
        one = found.isel(separatrix=index)
        energy = one.y**2 / 2 - one.x**2 / 2 + one.x**4 / 4
        assert float(energy[-1]) == pytest.approx(0.2, abs=0.02)
        assert np.hypot(np.diff(one.x), np.diff(one.y)).sum() < 60


@pytest.mark.parametrize("name", ["stable", "manifold", "growth"])
def test_names_of_results_are_refused_when_the_flow_is_made(name):
    with pytest.raises(DynsimError, match="reserved"):
        Flow.of({name: Move("y"), "y": Move(f"{name} - {name}^3")})
