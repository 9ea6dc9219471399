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
    kept.to_netcdf(tmp_path / "kept.nc")
    assert xr.load_dataset(tmp_path / "kept.nc").drift.equals(kept.drift)
    assert dynsim.provenance(kept)["parameters"] == {"alpha": 1.0}


def test_bad_input():
    run = dynsim.solve(system("toy"), START, 1.0)
    for flow, dataset in ((system("toy"), 3), (3, run), (system("byol"), run), (system("toy"), run.isel(time=0))):
        with pytest.raises(DynsimError):
            conservation(flow, dataset)
