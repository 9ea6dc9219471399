"""Provenance in and out."""

import numpy as np
import pytest
import xarray as xr

from dynsim import DynsimError, provenance
from dynsim.records import stamp


def test_nested_attributes_round_trip_as_json():
    data = stamp(xr.Dataset(), a=True, b=1, c="text", d={"x": np.float64(2.0), "y": np.arange(2)}, e=[1, (2, 3)])
    assert all(isinstance(v, str | int | float) for v in data.attrs.values())
    about = provenance(data)
    assert about["a"] == 1
    assert about["d"] == {"x": 2.0, "y": [0, 1]}
    assert about["e"] == [1, [2, 3]]


def test_text_that_only_looks_like_json_stays_text():
    assert provenance(xr.Dataset(attrs={"note": "[not json"}))["note"] == "[not json"


def test_not_a_dataset():
    with pytest.raises(DynsimError, match="dataset"):
        provenance({"a": 1})
