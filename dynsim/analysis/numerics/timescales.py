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
from dynsim.integrate.solver import Settings, trajectory
from dynsim.records import provenance, stamp
from dynsim.symbolic.expressions import almost_everywhere
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.functions import release
from dynsim.symbolic.sources import as_field

__all__ = ["speed_ratios", "timescales"]

_REFINEMENTS, _BETWEEN = 3, 33  # how often, and at how many times, a run is integrated again between two records
_LARGEST = 64  # states of a field that is integrated again
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
        over encoder, `half_life_ratio` and `time90_ratio`. Between the two records where that happens the run is
        integrated again, so that they are as accurate as the run, however coarse the record.

        A flow without roles has the speed ratios of every pair, ``relative_speed_ratio_<a>_<b>``.

    Raises
    ------
    InvalidType, InvalidValue
        A Dataset that is no single run of this flow.

    See Also
    --------
    singular_limit : the limit of ever faster predictors.

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
    flow = as_field(flow)
    flow.require_autonomous("a time scale")
    names = flow.states
    _check(dataset, names)
    _check_names(names)
    parameters = provenance(dataset).get("parameters") or {}
    field = flow.field({name: parameters[name] for name in flow.parameters if name in parameters})
    y = _state_vector(field, dataset)
    time = dataset["time"].values
    velocity = field.f(0.0, y)

    result = xr.Dataset(coords={"time": dataset["time"]})
    blocks = _blocks(field)
    for name, ratio in speed_ratios(field, y).items():
        result[name] = ("time", ratio)
    run = _Run(field, time, y)
    for name in field.names:
        result[f"half_life_{name}"] = run.done_after(_rows(field, (name,)), 0.5)
        result[f"time90_{name}"] = run.done_after(_rows(field, (name,)), 0.9)
    if len(blocks) == 2:
        for measure, share in (("half_life_ratio", 0.5), ("time90_ratio", 0.9)):
            done = [run.done_after(rows, share) for rows in blocks.values()]
            result[measure] = done[0] / done[1] if done[1] > 0 else np.nan
    if field.jacobian_function is not None:
        result = result.assign(_eigenvalues(field, y))
        if blocks:
            distances = slow_manifold_distance(field, y, blocks["predictor"])
            result = result.assign({name: ("time", values) for name, values in distances.items()})
    if flow.loss is not None:
        result = result.assign(_loss_shares(flow.equations, flow.loss, field, y, velocity, parameters))
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
        if dataset[name].dtype.kind not in "fiu":
            raise bad("dataset", f"{name} of type {dataset[name].dtype}", "real numbers", kind=InvalidType)
    if dataset.sizes["time"] < 2:
        raise bad("dataset", dict(dataset.sizes), "a run with at least two times")


def _check_names(names: tuple[str, ...]) -> None:
    """Refuse names of states that make two results of one name."""
    pairs = [f"{a}_{b}" for a, b in combinations(names, 2)]
    twice = sorted({pair for pair in pairs if pairs.count(pair) > 1})
    if twice:
        raise bad("state", twice[0], "names of states whose pairs differ", "rename one of them")


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


class _Run:
    """A recorded run, integrated again between two records where more must be known."""

    def __init__(self, field: Field, time: np.ndarray, y: np.ndarray) -> None:
        self.field, self.time, self.y = field, time, y
        self._between: dict[tuple[float, float], tuple[np.ndarray, np.ndarray]] = {}

    def done_after(self, rows: list[int], share: float) -> float:
        """Time after which less than ``1 − share`` of the displacement is left, for good; NaN for no motion."""
        end = self.y[rows, -1]
        whole = float(np.linalg.norm(self.y[rows, 0] - end))
        if not whole > 0:
            return float("nan")
        level, time, y = (1 - share) * whole, self.time, self.y
        for _ in range(_REFINEMENTS):
            last, left = _last_above(y[rows], end, level)
            finer = self._finer(time, y, last)
            if finer is None:
                break
            time, y = finer
        last, left = _last_above(y[rows], end, level)
        fraction = (left[last] - level) / (left[last] - left[last + 1])
        return float(time[last] + fraction * (time[last + 1] - time[last]))

    def _finer(self, time: np.ndarray, y: np.ndarray, index: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Times and states between two records; None where the field does not lead from one to the other."""
        ends = float(time[index]), float(time[index + 1])
        if self.field.size > _LARGEST or ends[1] - ends[0] <= 1e-9 * abs(ends[1]):
            return None
        if ends not in self._between:
            steps = np.linspace(0.0, ends[1] - ends[0], _BETWEEN)
            run = trajectory(self.field, y[:, index], steps[1:], Settings("LSODA", 1e-10))
            if run.reached != steps[-1]:  # the field does not last that long: this is not the run it made
                return None
            inner = np.hstack([y[:, [index]], run.states])
            gap = np.abs(inner[:, -1] - y[:, index + 1])
            moved = np.abs(y[:, index + 1] - y[:, index])
            if (gap > 0.01 * moved + 1e-6 * np.abs(y[:, index + 1])).any():
                return None
            self._between[ends] = time[index] + steps, inner
        return self._between[ends]


def _last_above(values: np.ndarray, end: np.ndarray, level: float) -> tuple[int, np.ndarray]:
    """Last record that is farther than `level` from the end, and how far each is."""
    left = np.linalg.norm(values - end[:, None], axis=0)
    above = np.flatnonzero(left > level)
    return (min(int(above[-1]), len(left) - 2) if above.size else 0), left


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
    real = {symbol: sympy.Dummy(symbol.name, real=True) for symbol in loss.free_symbols}  # |·| then has a derivative
    known = loss.xreplace(real)
    found = [almost_everywhere(known.diff(real.get(flow.symbols[name], sympy.Dummy()))) for name in flow.states]
    back = {dummy: symbol for symbol, dummy in real.items()}
    slopes = flow.compiled.function([slope.xreplace(back) for slope in found])
    values = slopes(0.0, y, [field.about["parameters"][name] for name in flow.parameters])
    return {f"loss_share_{name}": ("time", share) for name, share in zip(flow.states, values * velocity, strict=True)}
