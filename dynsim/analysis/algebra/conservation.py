"""Whether a run keeps what its flow conserves."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from dynsim.analysis.algebra.first_integrals import first_integrals
from dynsim.arguments import a_mapping
from dynsim.errors import InvalidType, bad
from dynsim.field import Field
from dynsim.records import provenance, stamp
from dynsim.symbolic.numeric import evaluate
from dynsim.symbolic.printing import text
from dynsim.symbolic.sources import as_field

__all__ = ["conservation"]

_NAMES = ("value", "drift")


def conservation(flow: Any, dataset: xr.Dataset, *, degree: int = 4) -> xr.Dataset:
    """Follow every first integral that a flow has at the parameters of a run along that run.

    Of a Flow they are found; of a Field they are the laws that it states, as `matrix_flow` does.

    Parameters
    ----------
    flow : Flow or Field
        What made the run.
    dataset : xarray.Dataset
        A run over `time` or `step`, of any further dimensions. Parameters are read from its provenance and
        from its coordinates.
    degree : int
        As in `first_integrals`.

    Returns
    -------
    xarray.Dataset
        `value` and `drift` with the dimension `integral` in front, whose coordinate holds the expressions.
        The drift is ``|I(t) − I(0)|`` over the largest sum of the moduli of the terms of I up to t, so that
        1e-16 is perfect and 1 means that nothing is conserved.

    Raises
    ------
    InvalidType, InvalidValue
        No flow, or a Dataset that is no run of it.

    See Also
    --------
    first_integrals : the laws themselves.

    Examples
    --------
    >>> import dynsim
    >>> toy = dynsim.system("toy")
    >>> run = dynsim.solve(toy, {"phi": 0.6, "theta": 0.1}, 30.0)
    >>> bool(dynsim.conservation(toy, run).drift.max() < 1e-10)
    True

    The balance law of the matrix flow, one entry of it after the other:

    >>> import numpy as np
    >>> flow = dynsim.matrix_flow(np.eye(3), 1.2 * np.eye(3), 2)
    >>> run = dynsim.solve(flow, {"W": 0.3 * np.eye(2, 3), "P": 0.5 * np.eye(2)}, 50.0)
    >>> kept = dynsim.conservation(flow, run)
    >>> [str(law) for law in kept.integral.values], bool(kept.drift.max() < 1e-9)
    (['(WWᵀ − PᵀP/α)₁₁', '(WWᵀ − PᵀP/α)₁₂', '(WWᵀ − PᵀP/α)₂₂'], True)
    """
    if not isinstance(dataset, xr.Dataset):
        raise bad("dataset", dataset, "an xarray.Dataset, as solve returns it", kind=InvalidType)
    along = next((name for name in ("time", "step") if name in dataset.dims), None)
    flow = as_field(flow)
    flow.require_autonomous("a first integral")
    missing = [name for name in flow.states if name not in dataset]
    if along is None or missing:
        raise bad("dataset", list(dataset.variables), f"a run of {', '.join(flow.states)} over time or step")
    known = a_mapping("dataset.attrs['parameters']", provenance(dataset).get("parameters"))
    for name in flow.states:
        if dataset[name].dtype.kind not in "fiu":
            raise bad("dataset", f"{name} of type {dataset[name].dtype}", "real numbers", kind=InvalidType)
    if flow.equations is None:
        return _of_field(flow.field(), dataset, along, known)
    numbers = {name: v for name, v in known.items() if name in flow.parameters and name not in dataset.coords}
    # At the run's own parameter values, so that what holds only where decays vanish or agree is found too.
    integrals = first_integrals(flow.equations.fix(numbers), degree=degree)
    values: dict[str, Any] = {}
    values |= {name: dataset[name] for name in flow.parameters if name in dataset.coords}
    values |= {name: dataset[name] for name in flow.states}
    values["t"] = dataset["time"] if "time" in dataset.coords else 0.0

    followed = [_follow(_terms(expr, values), along) for expr in integrals]
    laws = [text(expr) for expr in integrals]
    about = {"flow": flow.origin(), "complete": integrals.complete, "note": integrals.note}
    return _result(followed, laws, dataset, along, parameters=known, **about)


Followed = list[tuple[xr.DataArray, xr.DataArray]]


def _result(followed: Followed, laws: list[str], dataset: xr.Dataset, along: str, **about: Any) -> xr.Dataset:
    if followed:
        result = xr.Dataset(
            {name: xr.concat(pair, "integral") for name, pair in zip(_NAMES, zip(*followed, strict=True), strict=True)}
        )
    else:
        result = xr.Dataset({name: (("integral", along), np.empty((0, dataset.sizes[along]))) for name in _NAMES})
    result = result.assign_coords(integral=np.array(laws, dtype=object))
    return stamp(result, kind="conservation", **about)


def _of_field(field: Field, dataset: xr.Dataset, along: str, known: dict[str, Any]) -> xr.Dataset:
    """The laws that a field states, along a run of it."""
    parts, members = [], []
    for name in field.names:
        shape = field.shape(name)
        inner = dataset[name].dims[dataset[name].ndim - len(shape) :]
        values = dataset[name].transpose(*inner, ..., along)
        if values.shape[: len(shape)] != shape:
            raise bad("dataset", dict(dataset[name].sizes), f"a run of '{name}' of shape {shape}")
        members.append(values.dims[len(shape) :])
        parts.append(values.values.reshape(-1, *values.shape[len(shape) :]))
    if len(set(members)) > 1:
        raise bad("dataset", dict(dataset.sizes), "a run whose states have the same dimensions")
    y, time = np.concatenate(parts), dataset["time"].values if "time" in dataset.coords else 0.0
    followed, laws = [], []
    for law, function in field.conserved.items():
        terms = np.asarray(function(time, y), dtype=float)
        followed.append(_follow([xr.DataArray(term, dims=members[0]) for term in terms], along))
        laws.append(law)
    note = "the laws that the field states" if laws else "the field states no law, and none is sought of a Field"
    about = {"flow": field.origin(), "parameters": known, "complete": False, "note": note}
    return _result(followed, laws, dataset, along, **about)


def _terms(expr: Any, values: dict[str, Any]) -> list[xr.DataArray]:
    """Terms of one integral along the run."""
    factors = expr.as_independent(*[s for s in expr.free_symbols if s.name != "t"], as_Add=False)
    terms = [factors[0] * term for term in factors[1].expand().as_ordered_terms()]
    symbols = sorted(expr.free_symbols, key=lambda symbol: symbol.name)

    def of(*numbers: Any) -> np.ndarray:
        return np.moveaxis(evaluate(terms, dict(zip(symbols, numbers, strict=True))), 0, -1)

    found = xr.apply_ufunc(of, *(values[symbol.name] for symbol in symbols), output_core_dims=[["term of a law"]])
    return [found.isel({"term of a law": index}) for index in range(len(terms))]


def _follow(parts: list[xr.DataArray], along: str) -> tuple[xr.DataArray, xr.DataArray]:
    """Sum of the terms of one integral along the run, and its drift."""
    value = sum(parts[1:], parts[0])
    scale = sum((abs(part) for part in parts[1:]), abs(parts[0]))
    largest = xr.apply_ufunc(
        lambda array: np.maximum.accumulate(array, axis=-1),
        scale,
        input_core_dims=[[along]],
        output_core_dims=[[along]],
    )
    drift = abs(value - value.isel({along: 0})) / largest.where(largest > 0, 1.0)
    return value, drift
