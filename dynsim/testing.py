"""What a user's own test imports: assert that the encoder does not collapse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from dynsim.analysis.numerics.outcome import outcome
from dynsim.errors import InvalidType, bad
from dynsim.field import Field
from dynsim.records import provenance
from dynsim.symbolic.flow import Flow

__all__ = ["assert_no_collapse"]


def assert_no_collapse(
    flow_or_dataset: Any,
    initial: Mapping[Any, Any] | None = None,
    parameters: Mapping[Any, Any] | None = None,
    *,
    floor: float = 0.1,
) -> None:
    """Pass if the encoder survives, raise `AssertionError` that says what happened if not.

    Parameters
    ----------
    flow_or_dataset : Flow, Field or xarray.Dataset
        A flow is judged by where its run ends (`outcome`). A run is judged by what it recorded: the norm
        of every encoder state must stay above `floor` times its first value; a network's `spread` must end
        above `floor`, and its `norm_ratio`, if recorded, too, for every seed.
    initial : mapping, optional
        The start, for a flow; by default the system's own.
    parameters : mapping, optional
        For a flow; what is left out takes the system's default.
    floor : float
        Between 0 and 1.

    Raises
    ------
    AssertionError
        The encoder collapses, or it stays undecided whether it does.
    InvalidType, InvalidValue
        Nothing that could be judged.

    Examples
    --------
    >>> import dynsim
    >>> from dynsim.testing import assert_no_collapse
    >>> assert_no_collapse(dynsim.system("toy"), {"phi": 0.6, "theta": 0.1})
    >>> assert_no_collapse(dynsim.system("toy", branch="full"), {"phi": 0.6, "theta": 0.1})
    Traceback (most recent call last):
        ...
    AssertionError: collapse of theta: phi → 0.612702, theta → 0: collapse (exact: αθ₀² ≤ (1−φ₀)²: ...
    """
    if isinstance(flow_or_dataset, xr.Dataset):
        if initial is not None or parameters is not None:
            raise bad("initial, parameters", (initial, parameters), "nothing beside a Dataset")
        _assert_run(flow_or_dataset, floor)
        return
    if not isinstance(flow_or_dataset, Flow | Field):
        raise bad("flow_or_dataset", flow_or_dataset, "a Flow, a Field or a Dataset", kind=InvalidType)
    flow = flow_or_dataset
    if initial is None:
        defaults = flow.defaults if isinstance(flow, Flow) else {}
        states = flow.states if isinstance(flow, Flow) else flow.names
        initial = {name: defaults[name] for name in states if name in defaults}
    found = outcome(flow, initial, parameters)
    encoder = ", ".join(flow.roles.get("encoder", ()))
    if not encoder:
        raise bad("flow", flow, "a flow with an encoder", "pass roles={'encoder': …} when making it")
    if found.collapsed is None:
        raise AssertionError(f"undecided whether {encoder} collapses: {found}")
    if found.collapsed:
        raise AssertionError(f"collapse of {encoder}: {found}")


def _assert_run(dataset: xr.Dataset, floor: float) -> None:
    if "spread" in dataset:
        for measure in ("spread", "norm_ratio"):
            if measure in dataset:
                last = dataset[measure].isel(step=-1)
                if not bool((last >= floor).all()):
                    raise AssertionError(f"collapse: {measure} ends at {float(last.min()):.3g}, below {floor:g}")
        return
    encoder = provenance(dataset).get("flow", {}).get("roles", {}).get("encoder", [])
    names = [name for name in encoder if name in dataset]
    if not names:
        raise bad("dataset", list(dataset.data_vars), "a run of a flow with an encoder, or of a network")
    along = "time" if "time" in dataset[names[0]].dims else "step"
    square = sum(
        (dataset[name] ** 2).sum([d for d in dataset[name].dims if d.endswith(("_row", "_column"))]) for name in names
    )
    norm = np.sqrt(square)
    least = norm.min(along) / norm.isel({along: 0})
    if not bool((least >= floor).all()):
        share = float(least.min())
        raise AssertionError(f"collapse of {', '.join(names)}: down to {share:.3g} of the start, below {floor:g}")
