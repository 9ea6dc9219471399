"""Fast and slow: every measure in use, side by side, because there is no standard one and they disagree."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import sympy
import xarray as xr

from dynsim.analysis.numerics.slow_manifold import slow_manifold_distance
from dynsim.errors import InvalidType, bad
from dynsim.field import Field
from dynsim.integrate.validation import field_of
from dynsim.records import provenance, stamp
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.numeric import compile_expressions
from dynsim.symbolic.stop_gradient import release

__all__ = ["speed_ratios", "timescales"]

# An eigenvalue this much smaller than the largest is zero to the accuracy of a computed state.
_ZERO = 1e-7


def timescales(flow: Any, dataset: xr.Dataset) -> xr.Dataset:
    """Measure how fast the blocks of a flow move along a run.

    Parameters
    ----------
    flow : Flow or Field
        What made the run.
    dataset : xarray.Dataset
        A single run over `time`, as `solve` returns it; parameters are read from its provenance.

    Returns
    -------
    xarray.Dataset
        Over `time`:

        * `relative_speed_ratio`: (|φ'|/|φ|)/(|θ'|/|θ|), predictor over encoder, norms over each block;
        * `absolute_speed_ratio`: |φ'|/|θ'|;
        * `eigenvalue`, `eigenvalue_imaginary` of the Jacobian, dimension `mode`, slowest decay first;
          `eigenvalue_gap`: largest over smallest modulus, NaN where the smallest is zero;
        * `slow_manifold_distance`: ‖φ − φ*‖, with φ* where the predictor would rest if the encoder stood still,
          and the same relative to ‖φ*‖, `slow_manifold_distance_relative`; NaN where there is no such φ*;
        * `line_of_equilibria`: 1 where one eigenvalue is zero, so that a gap would say nothing;
        * ``loss_share_<state>``: the part of dl/dt that this state's motion makes; the parts add up to dl/dt.

        Scalars: ``half_life_<state>`` and ``time90_<state>``, the flow time after which half and 90 % of the
        displacement from the first to the last recorded value are done for good, and their ratios predictor
        over encoder, `half_life_ratio` and `time90_ratio`.

        A flow without roles has the speed ratios of every pair, ``relative_speed_ratio_<a>_<b>``.

    Raises
    ------
    InvalidType, InvalidValue
        A Dataset that is no single run of this flow.

    References
    ----------
    Kuehn, Multiple Time Scale Dynamics (2015), for the eigenvalue gap.

    Examples
    --------
    >>> import dynsim
    >>> toy = dynsim.system("toy")
    >>> run = dynsim.solve(toy, {"phi": 0.6, "theta": 0.1}, 30.0)
    >>> ratio = dynsim.timescales(toy, run).relative_speed_ratio
    >>> round(float(ratio[0]) * 36, 9)  # θ²/φ² = 1/36: in the toy the encoder is the fast one
    1.0
    """
    names = flow.states if isinstance(flow, Flow) else flow.names
    _check(dataset, names)
    parameters = provenance(dataset).get("parameters") or {}
    field = field_of(flow, parameters) if isinstance(flow, Flow) else field_of(flow, None)
    y = _state_vector(field, dataset)
    time = dataset["time"].values
    velocity = field.f(0.0, y)

    result = xr.Dataset(coords={"time": dataset["time"]})
    blocks = _blocks(field)
    for name, ratio in speed_ratios(field, y).items():
        result[name] = ("time", ratio)
    for name in field.names:
        result[f"half_life_{name}"] = _done_after(time, y[field.slices[name]], 0.5)
        result[f"time90_{name}"] = _done_after(time, y[field.slices[name]], 0.9)
    if len(blocks) == 2:
        for measure, share in (("half_life_ratio", 0.5), ("time90_ratio", 0.9)):
            done = [_done_after(time, y[rows], share) for rows in blocks.values()]
            result[measure] = done[0] / done[1] if done[1] > 0 else np.nan
    if field.jacobian_function is not None:
        result = result.assign(_eigenvalues(field, y))
        if blocks:
            distances = slow_manifold_distance(field, y, blocks["predictor"])
            result = result.assign({name: ("time", values) for name, values in distances.items()})
    if isinstance(flow, Flow) and flow.loss is not None:
        result = result.assign(_loss_shares(flow, flow.loss, field, y, velocity, parameters))
    return stamp(
        result,
        kind="timescales",
        flow={key: value for key, value in field.about.items() if key != "parameters"},
        parameters=parameters,
        blocks={name: list(field.roles[name]) for name in blocks},
    )


def speed_ratios(field: Field, y: np.ndarray) -> dict[str, np.ndarray]:
    """Absolute and relative speed ratios at states `y` of shape ``(size, n)``; names as in `timescales`.

    Examples
    --------
    >>> import dynsim, numpy as np
    >>> from dynsim.analysis.numerics.timescales import speed_ratios
    >>> speed_ratios(dynsim.system("toy").field(), np.array([[0.6], [0.1]]))["absolute_speed_ratio"].round(6)
    array([0.166667])
    """
    velocity, result = field.f(0.0, y), {}
    for (suffix, first), (_, second) in _pairs(field, _blocks(field)):
        with np.errstate(divide="ignore", invalid="ignore"):
            speed = _norm(velocity, first) / _norm(velocity, second)
            result[f"absolute_speed_ratio{suffix}"] = speed
            result[f"relative_speed_ratio{suffix}"] = speed * _norm(y, second) / _norm(y, first)
    return result


def _check(dataset: Any, names: tuple[str, ...]) -> None:
    if not isinstance(dataset, xr.Dataset):
        raise bad("dataset", dataset, "an xarray.Dataset, as solve returns it", kind=InvalidType)
    for name in names:
        if name not in dataset or "time" not in dataset[name].dims:
            raise bad("dataset", list(dataset.data_vars), f"a run with the state '{name}' over time")
    if dataset.sizes["time"] < 2:
        raise bad("dataset", dict(dataset.sizes), "a run with at least two times")


def _state_vector(field: Field, dataset: xr.Dataset) -> np.ndarray:
    parts = []
    for name in field.names:
        values = np.moveaxis(dataset[name].transpose("time", ...).values, 0, -1)
        if values.shape[:-1] != field.shape(name):
            raise bad("dataset", dict(dataset[name].sizes), "a single run, with no dimension but time")
        parts.append(values.reshape(-1, values.shape[-1]))
    return np.concatenate(parts)


def _rows(field: Field, names: tuple[str, ...]) -> list[int]:
    return [row for name in names for row in range(field.size)[field.slices[name]]]


def _blocks(field: Field) -> dict[str, list[int]]:
    """Rows of predictor and encoder, where the field has both."""
    blocks = {role: _rows(field, tuple(field.roles.get(role, ()))) for role in ("predictor", "encoder")}
    return blocks if all(blocks.values()) else {}


def _pairs(field: Field, blocks: dict[str, list[int]]) -> Any:
    if blocks:
        yield ("", blocks["predictor"]), ("", blocks["encoder"])
        return
    for first, second in combinations(field.names, 2):
        suffix = f"_{first}_{second}"
        yield (suffix, _rows(field, (first,))), (suffix, _rows(field, (second,)))


def _norm(values: np.ndarray, rows: list[int]) -> np.ndarray:
    return np.linalg.norm(values[rows], axis=0)


def _done_after(time: np.ndarray, values: np.ndarray, share: float) -> float:
    """Time after which less than ``1 − share`` of the displacement is left, for good; NaN for no motion."""
    left = np.linalg.norm(values - values[:, [-1]], axis=0)
    if not left[0] > 0:
        return float("nan")
    level = (1 - share) * left[0]
    last = int(np.flatnonzero(left > level)[-1])
    fraction = (left[last] - level) / (left[last] - left[last + 1])
    return float(time[last] + fraction * (time[last + 1] - time[last]))


def _eigenvalues(field: Field, y: np.ndarray) -> dict[str, Any]:
    jacobians = np.moveaxis(field.jacobian(0.0, y), -1, 0)
    finite = np.isfinite(jacobians).all(axis=(1, 2))
    values = np.full(jacobians.shape[:2], np.nan + 0j)
    values[finite] = np.linalg.eigvals(jacobians[finite])
    values = np.take_along_axis(values, np.argsort(-values.real, axis=1), axis=1)
    modulus = np.sort(np.abs(values), axis=1)
    zero = modulus[:, 0] <= _ZERO * modulus[:, -1]
    gap = np.full(len(values), np.nan)
    np.divide(modulus[:, -1], modulus[:, 0], out=gap, where=~zero)
    return {
        "eigenvalue": (("time", "mode"), values.real),
        "eigenvalue_imaginary": (("time", "mode"), values.imag),
        "eigenvalue_gap": ("time", gap),
        "line_of_equilibria": ("time", zero.astype(np.int8)),
    }


def _loss_shares(
    flow: Flow,
    written: sympy.Expr,
    field: Field,
    y: np.ndarray,
    velocity: np.ndarray,
    parameters: dict[str, float],
) -> dict[str, Any]:
    held = {symbol: flow.held[symbol.name] for symbol in written.free_symbols if symbol.name in flow.held}
    loss = release(written).xreplace(held)
    arguments = [flow.symbols[name] for name in (*flow.states, *flow.parameters)]
    slopes = compile_expressions([loss.diff(flow.symbols[name]) for name in flow.states], arguments)
    values = slopes(*y, *(field.about["parameters"][name] for name in flow.parameters))
    return {
        f"loss_share_{name}": ("time", np.broadcast_to(value * speed, y.shape[1:]).copy())
        for name, value, speed in zip(flow.states, values, velocity, strict=True)
    }
