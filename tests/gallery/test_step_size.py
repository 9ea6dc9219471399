"""The shift of the toy's boundary of collapse by finite steps: stated values, fresh runs, the stored run."""

import numpy as np
import pytest

from dynsim.gallery import step_size
from dynsim.gallery.plotting import stored_file
from dynsim.storage import open_dataset

CASES = {case.name: case for case in step_size.CASES}


@pytest.mark.parametrize(("name", "slope"), [("stop", -0.125), ("stop, heavy ball", -0.75), ("stop, Nesterov", -0.5)])
def test_the_slope_from_three_halves(name, slope):
    """αθ₀² = φ₀² − 1 − ½h(1 − φ₀)²: −.125 per step at φ₀ = 1.5; momentum ½ multiplies it by 6, Nesterov's by 4."""
    case = CASES[name]
    assert case.boundary(1.5, 1.0)[1] * case.effective == pytest.approx(slope)
    found = []
    for step in (0.04, 0.08):  # the boundary, by bisection of a row of starts
        low, high = 1.25 - step, 1.25 + step
        for _ in range(3):
            row = np.linspace(low, high, 65)
            last = int(np.flatnonzero(step_size._collapses(case, 1.5, row, step))[-1])
            low, high = row[last], row[last + 1]
        found.append(((low + high) / 2 - 1.25) / step)
    assert (2 * found[0] - found[1]) * case.effective == pytest.approx(slope, rel=0.02)


@pytest.mark.parametrize(("name", "phi"), [("full", -0.5), ("stop, φ₀ < 0", -1.0)])
def test_where_the_boundary_is_invariant_it_does_not_move(name, phi):
    case = CASES[name]
    flow, shift = case.boundary(phi, 0.1)
    assert shift == 0
    row = flow * (1 + np.array([-1e-3, -1e-6, 1e-6, 1e-3]))
    np.testing.assert_array_equal(step_size._collapses(case, phi, row, 0.1), [True, True, False, False])


def test_ten_million_stored_runs_meet_the_formula():
    stored = open_dataset(stored_file("step-size"))
    assert int(stored.runs) >= 10_000_000
    moves, still = step_size._shifts(stored)
    assert moves < 0.01
    assert still < 1e-5
    assert f"{moves:.1%}" in step_size.verdict(stored).headline
    bent = stored.assign(shift=1.1 * stored["shift"])
    assert step_size._shifts(bent)[0] > 0.05


def test_a_fresh_row_is_the_stored_one(monkeypatch):
    stored = open_dataset(stored_file("step-size"))
    monkeypatch.setattr(step_size, "CASES", step_size.CASES[3:4])
    monkeypatch.setattr(step_size, "STEPS", (0.1,))
    fresh = step_size._boundaries(6 * 400)
    theirs = stored["shift"].sel(case="target", effective_step=0.1)
    assert (abs(fresh["shift"][0, :, 0] - theirs) < 2 * fresh["shift_error"][0, :, 0]).all()
