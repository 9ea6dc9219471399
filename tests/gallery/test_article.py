"""The article's runs: the same by the closed form and by integration."""

import numpy as np
import pytest

import dynsim
from dynsim.gallery.article import compute, compute_all, verdict_all
from dynsim.status import Status
from dynsim.symbolic.flow import BRANCHES


@pytest.mark.parametrize("start", [{}, {"phi": 1.4, "theta": -0.7}])
@pytest.mark.parametrize("alpha", [1.0, 0.3])
def test_the_closed_form_gives_what_integration_gives(start, alpha):
    data = compute_all(initial=start, parameters={"alpha": alpha}, t_end=12.0)
    for index, branch in enumerate(BRANCHES):
        run = compute(branch=branch, initial=start, parameters={"alpha": alpha}, t_end=12.0)
        for name in ("phi", "theta", "limit_phi", "limit_theta"):
            assert data[name].values[index] == pytest.approx(run[name].values, rel=1e-8, abs=1e-10)
        assert data["collapsed"].values[index] == run.attrs["collapsed"]
    assert data.sel(branch="stop", time=12.0)["theta"].item() == data["theta"].values[0, -1]
    assert set(data["status"].values) <= {Status.OK, Status.AT_REST}


@pytest.mark.parametrize(
    "options",
    [{"parameters": {"alpha": -0.5}, "t_end": 1.0}, {"t_end": -1.0}, {"system": "optimal-predictor", "t_end": 2.0}],
)
def test_what_has_no_closed_form_is_integrated(options):
    data = compute_all(**options)
    for index, branch in enumerate(BRANCHES):
        run = compute(branch=branch, **options)
        names = [name for name in run.data_vars if run[name].dims == ("time",) and name in data]
        assert names
        for name in names:
            assert data[name].values[index] == pytest.approx(run[name].values, rel=1e-8, abs=1e-10)
    assert verdict_all(data).headline


def test_provenance_is_plain():
    data = compute_all(initial={"phi": 1})
    about = dynsim.provenance(data)
    assert about["initial"] == {"phi": 1.0, "theta": 0.1}
    assert about["parameters"] == {"alpha": 1.0}
    assert about["flow"]["states"] == ["phi", "theta"]
    assert np.isfinite(data["theta"]).all()
