"""The collapse table: what its fates mean, on constructed cells, and that it ships what its code computes."""

import numpy as np
import pytest
import xarray as xr

pytest.importorskip("torch")

from dynsim import DynsimError
from dynsim.gallery import collapse_table
from dynsim.gallery.collapse_table.training import COLLAPSED, GREW, MEASURES, SURVIVED, UNSURE, confirms, fate, left
from dynsim.gallery.plotting import stored_file
from dynsim.storage import open_dataset

HEALTHY = {"spread": 0.8, "rankme": 21.0, "norm_ratio": 1.0, "knn": 0.35}


def constructed(**changed):
    """One cell with two seeds whose branches are all healthy, save for {branch: {measure: value or two}}."""
    data = xr.Dataset({"chance": 0.1})
    for name in MEASURES:
        values = [np.broadcast_to(changed.get(b, {}).get(name, HEALTHY[name]), 2) for b in ("stop", "full", "target")]
        data[name] = (("branch", "seed"), np.array(values, dtype=float))
        data[f"start_{name}"] = ("seed", np.full(2, HEALTHY[name]))
    return data.assign_coords(branch=["stop", "full", "target"])


@pytest.mark.parametrize("measure", ["spread", "rankme", "norm_ratio"])
def test_every_measure_alone_can_tell_a_collapse(measure):
    gone = {"spread": 0.01, "rankme": 1.2, "norm_ratio": 0.05}[measure]
    fates = fate(constructed(full={measure: gone}, target={measure: gone}))
    assert (fates.sel(branch="stop") == SURVIVED).all()
    assert (fates.sel(branch="full") == COLLAPSED).all()
    assert confirms(fates)
    assert not confirms(fate(constructed(full={measure: gone})))
    assert not confirms(fate(constructed(stop={measure: gone}, full={measure: gone}, target={measure: gone})))


def test_neighbours_alone_leave_a_doubt_that_is_counted_both_ways():
    low = {"norm_ratio": 0.05}
    data = constructed(stop={"knn": 0.6}, full={"knn": 0.36}, target=low)
    fates = fate(data)
    assert (fates.sel(branch="full") == UNSURE).all()
    assert not confirms(fates)
    assert not confirms(fates, SURVIVED)
    assert confirms(fates, COLLAPSED)


def test_one_seed_that_differs_is_no_confirmation():
    low = {"norm_ratio": 0.05}
    assert not confirms(fate(constructed(full={"norm_ratio": [0.05, 1.0]}, target=low)))
    assert not confirms(fate(constructed(stop={"spread": [0.8, 0.01]}, full=low, target=low)))


def test_what_is_left_is_counted_from_the_collapsed_value():
    data = constructed(full={"rankme": 6.0, "knn": 0.1})
    assert float(left(data, "rankme").sel(branch="full")[0]) == pytest.approx(0.25)
    assert float(left(data, "knn").sel(branch="full")[0]) == pytest.approx(0.0)


def test_weights_without_bound_are_no_survival():
    lost = dict.fromkeys(MEASURES, np.nan)
    fates = fate(constructed(stop=lost, full={"spread": 0.0}, target={"spread": 0.0}))
    assert (fates.sel(branch="stop") == GREW).all()
    assert not confirms(fates)


def test_the_facts_say_what_half_of_the_steps_would_have_said():
    low = {"norm_ratio": 0.05}
    data = constructed(full=low, target=low).expand_dims(predictor=["mlp"], norm=["none"])
    half = data.assign({f"half_{name}": data[name] for name in MEASURES})
    half["half_norm_ratio"] = half["half_norm_ratio"].where(half["branch"] != "full", 1.0)
    assert "half of the steps" not in str(collapse_table.verdict(data).facts)
    assert "after half of the steps 0 cells confirm, and 2 of 6 runs" in str(collapse_table.verdict(half).facts)


@pytest.mark.long
def test_the_stored_run_is_what_the_code_computes():
    chosen = {"predictors": ["linear"], "encoders": ["linear"], "norms": ["none"], "objectives": ["squared"]}
    fresh = collapse_table.compute(seeds=2, references=(), **chosen)
    stored = open_dataset(stored_file("collapse-table"))
    cell = {name.removesuffix("s"): values for name, values in chosen.items()}
    for name in MEASURES:
        np.testing.assert_allclose(fresh[name], stored[name].sel(cell, drop=False).sel(seed=[0, 1]), rtol=0.2)
        start = stored[f"start_{name}"].sel(encoder=["linear"], norm=["none"], seed=[0, 1])
        np.testing.assert_allclose(fresh[f"start_{name}"], start, rtol=1e-3)
    assert (fate(fresh).sel(branch="full") == COLLAPSED).all()
    assert (fate(fresh).sel(branch="target") != SURVIVED).all()
    words = str(collapse_table.verdict(fresh).facts)
    assert f"{int(confirms(fate(fresh)).sum())} of 1 cells with predictor linear" in words


@pytest.mark.parametrize("option", [{"norms": ()}, {"encoders": "mlp"}, {"objectives": ["nt-xent"]}])
def test_bad_options_are_named(option):
    with pytest.raises(DynsimError, match=r"norms|encoders|nt-xent"):
        collapse_table.compute(steps=1, **option)
