import numpy as np
import pytest
import xarray as xr

import dynsim
from dynsim import conservation, system
from dynsim.errors import DynsimError

START = {"phi": 0.6, "theta": 0.1}


@pytest.mark.parametrize("branch", ["stop", "full", "target"])
def test_a_run_keeps_what_its_flow_conserves(branch):
    flow = system("toy", branch=branch)
    kept = conservation(flow, dynsim.solve(flow, START, 60.0, parameters={"alpha": 3.0}))
    assert kept.sizes["integral"] == 1
    assert float(kept.drift.max()) < 1e-10


def test_a_wrong_run_does_not():
    run = dynsim.solve(system("toy", branch="full"), START, 30.0)
    assert float(conservation(system("toy"), run).drift.max()) > 1e-3


def test_integrals_that_hold_at_the_values_of_the_run_only_are_found():
    flow = system("scalar")
    free = conservation(flow, dynsim.solve(flow, START, 30.0))
    equal = conservation(flow, dynsim.solve(flow, START, 30.0, parameters={"eta_p": 0.05, "eta_s": 0.05}))
    other = conservation(flow, dynsim.solve(flow, START, 30.0, parameters={"eta_p": 0.1, "eta_s": 0.05}))
    assert [data.sizes["integral"] for data in (free, equal, other)] == [1, 1, 0]
    assert "exp" in str(equal.integral.values[0])
    assert float(free.drift.max()) < 1e-10
    assert float(equal.drift.max()) < 1e-9


def test_it_is_a_dataset_like_any_other(tmp_path):
    kept = conservation(system("toy"), dynsim.solve(system("toy"), START, 5.0))
    assert kept.attrs["kind"] == "conservation"
    assert dynsim.draw(kept).axes
    kept.to_netcdf(tmp_path / "kept.nc")
    assert xr.load_dataset(tmp_path / "kept.nc").drift.equals(kept.drift)
    assert dynsim.provenance(kept)["parameters"] == {"alpha": 1.0}


RNG = np.random.default_rng(0)
ROOT = RNG.normal(size=(4, 4))
DATA = ROOT @ ROOT.T / 4
NOISY = DATA + 0.2 * np.eye(4)
START_OF = {"W": 0.4 * RNG.normal(size=(2, 4)), "P": 0.4 * RNG.normal(size=(2, 2)), "V": 0.4 * RNG.normal(size=(2, 4))}


@pytest.mark.parametrize(
    ("law", "views", "options"),
    [
        ("WWᵀ − PᵀP/α", NOISY, {"alpha": 1.7}),
        ("WWᵀ − PᵀP/α", NOISY, {"alpha": 1.7, "eta_p": 0.05, "eta_s": 0.05, "beta": 0.5}),
        ("WWᵀ − (I−P)ᵀ(I−P)/α", DATA, {"branch": "full", "alpha": 2.0}),
        ("P + Pᵀ + αWWᵀ", DATA, {"branch": "target", "alpha": 2.0}),
        ("WWᵀ", NOISY, {"predictor": "optimal", "eta_s": 0.1}),
    ],
)
def test_the_laws_of_the_matrix_flow_are_followed_entry_by_entry(law, views, options):
    flow = dynsim.matrix_flow(DATA, views, 2, **options)
    run = dynsim.solve(flow, {name: START_OF[name] for name in flow.names}, 5.0)
    kept = conservation(flow, run)
    weight = f"·exp({2 * options.get('eta_s', 0):g}·t)" if options.get("eta_s") else ""
    assert list(kept.integral.values) == [f"({law}){place}{weight}" for place in ("₁₁", "₁₂", "₂₂")]
    assert float(kept.drift.max()) < 1e-9
    assert dynsim.draw(kept).axes


@pytest.mark.parametrize("options", [{"branch": "full"}, {"branch": "target"}, {"eta_p": 0.1, "eta_s": 0.2}])
def test_a_matrix_flow_states_no_law_where_noise_or_unequal_decays_break_it(options):
    flow = dynsim.matrix_flow(DATA, NOISY, 2, **options)
    kept = conservation(flow, dynsim.solve(flow, {name: START_OF[name] for name in flow.names}, 1.0))
    assert kept.sizes["integral"] == 0
    assert "no law" in kept.attrs["note"]


def test_bad_input():
    run = dynsim.solve(system("toy"), START, 1.0)
    for flow, dataset in ((system("toy"), 3), (3, run), (system("byol"), run), (system("toy"), run.isel(time=0))):
        with pytest.raises(DynsimError):
            conservation(flow, dataset)
