"""When a noisy path leaves: first times, those that have not left by the end counted as such."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy
import xarray as xr

from dynsim.choices import NoiseMethod
from dynsim.errors import InvalidType, InvalidValue, bad, unknown
from dynsim.integrate.noise.derivation import NoisyFlow
from dynsim.integrate.noise.paths import Paths, moved, started
from dynsim.integrate.validation import tolerance
from dynsim.progress import Progress
from dynsim.records import stamp
from dynsim.status import Status, status_attributes
from dynsim.symbolic.expressions import plain
from dynsim.symbolic.numeric import VectorFunction

__all__ = ["escape_time"]

_COMPARISON = re.compile(r"([^<>=]+)(<=?|>=?)([^<>=]+)")


def escape_time(
    flow: Any,
    initial: Mapping[Any, Any],
    leaves: str,
    *,
    t_max: float,
    seeds: Any = None,
    parameters: Mapping[Any, Any] | None = None,
    dt: float | None = None,
    method: NoiseMethod = "auto",
    increments: str | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Measure when the paths of a noisy flow first meet a condition.

    Parameters
    ----------
    flow : NoisyFlow
    initial : mapping
        ``{state: number, array or DataArray}``, as `ensemble` takes it.
    leaves : str
        The condition, ``"phi < 0.05"``: two expressions in states, parameters and `t`, and one of < <= > >=.
    t_max : float
        Flow time at which a path that has not left is given up.
    seeds, parameters, dt, method, increments, workers, progress
        As `ensemble` takes them of a noisy flow; method "minibatch" measures the process itself.

    Returns
    -------
    xarray.Dataset
        Over members and `seed`: `escape_time`, the end of the first step at which the condition holds, NaN for a path
        that did not leave; `status` says why not (ok: it was given up at `t_max`). Over members: `escaped` and
        `censored`, how many did and did not; `mean_escape_time`, the time that all paths together were watched over
        the number that left, which is unbiased by those that did not where leaving has no memory; `standard_error` of
        it. NaN where nothing left. A path that blew up counts until then, and not as one that left.

    Raises
    ------
    InvalidType, InvalidValue, UnknownName, ParseError
        No noisy flow, no condition, names in it that are none.

    Notes
    -----
    A path is looked at after every step: between two looks it may leave and return, so that times of a stochastic
    equation are long by O(√dt). Those of "minibatch" are exact: there is nothing between two steps.

    The diffusion and descent itself leave at different rates even for small steps: rare events are no averages, and no
    weak order holds for them.

    See Also
    --------
    noisy_flow, ensemble

    Examples
    --------
    >>> import dynsim
    >>> noisy = dynsim.noisy_flow("E((w - x)^2)/2", "w", random="x ~ normal(0, 1)", batch=1, lr=0.2)
    >>> out = dynsim.escape_time(noisy, {"w": 0.0}, "w > 0.6", seeds=500, t_max=200.0)
    >>> int(out.escaped) + int(out.censored), float(out.mean_escape_time) > 5 * float(out.standard_error)
    (500, True)
    """
    if not isinstance(flow, NoisyFlow):
        raise bad("flow", flow, "a NoisyFlow", "make one with noisy_flow(…)", kind=InvalidType)
    paths = Paths(flow, initial, parameters, seeds, dt, method, increments, workers)
    difference, or_equal = _condition(leaves, paths)
    paths.compile((difference, or_equal))
    gone = _gone(difference, or_equal, paths)
    end = tolerance("t_max", t_max)
    ((_, length, number),) = paths.intervals(np.array([end]))
    times = np.full(paths.size, np.nan)
    watched = np.zeros(paths.size)
    status = np.full(paths.size, Status.NOT_RUN, dtype=np.int8)
    none = np.zeros(0, dtype=np.int64)

    def task(start: int, stop: int) -> None:
        if paths.code is not None:
            here = slice(start, stop)
            paths.run(start, stop, [(0.0, length, number)], (times[here], watched[here], status[here], none))
            return
        y, values, own = paths.part(start, stop)
        ended, places = started(y), np.arange(start, stop)
        last = np.zeros(stop - start)
        for index in range(number + 1):
            with np.errstate(all="ignore"):
                left = (ended == Status.OK) & gone(index * length, y, values)
            times[places[left]], ended[left] = index * length, Status.EVENT
            done = ended != Status.OK
            if done.any():  # what has ended is put away, so that the rest costs less from step to step
                status[places[done]], watched[places[done]] = ended[done], last[done]
                keep = ~done
                y, own, ended, places, last = y[:, keep], own[keep], ended[keep], places[keep], last[keep]
                values = {name: v[keep] if np.ndim(v) else v for name, v in values.items()}
            if not places.size or index == number:
                break
            y = moved(paths.step, index, index * length, length, y, own, values, ended)
            last[:] = (index + 1) * length
        status[places], watched[places] = ended, last

    paths.each(task, number, progress)
    shape, dims = (*paths.grid.shape, len(paths.seeds)), (*paths.grid.dims, "seed")
    escaped = np.isfinite(times).reshape(shape).sum(axis=-1)
    with np.errstate(all="ignore"):
        mean = np.where(escaped > 0, watched.reshape(shape).sum(axis=-1) / escaped, np.nan)
        error = mean / np.sqrt(escaped)
    over = paths.grid.dims
    data = xr.Dataset(
        {
            "escape_time": (dims, times.reshape(shape), {"long_name": "flow time at which a path leaves"}),
            "status": (dims, status.reshape(shape), status_attributes()),
            "escaped": (over, escaped, {"long_name": "paths that left"}),
            "censored": (over, len(paths.seeds) - escaped, {"long_name": "paths that did not leave"}),
            "mean_escape_time": (over, mean, {"long_name": "time watched per path that left"}),
            "standard_error": (over, error, {"long_name": "standard error of the mean escape time"}),
        },
        {**paths.grid.coords, "seed": paths.seeds},
    )
    return stamp(data, **paths.describe(), leaves=leaves, t_max=end)


def _condition(leaves: Any, paths: Paths) -> tuple[sympy.Expr, bool]:
    """Return what becomes negative where a path leaves, and whether 0 counts as negative."""
    match = _COMPARISON.fullmatch(leaves) if isinstance(leaves, str) else None
    if match is None:
        kind = InvalidValue if isinstance(leaves, str) else InvalidType
        raise bad("leaves", leaves, 'a condition such as "phi < 0.05"', kind=kind)
    left, sign, right = match.groups()
    flow = paths.grid.flow
    difference = plain("leaves", left) - plain("leaves", right)
    if sign.startswith(">"):
        difference = -difference
    known = {*flow.states, *flow.parameters, "t"}
    unknown_names = sorted({symbol.name for symbol in difference.free_symbols} - known)
    if unknown_names:
        raise unknown("name in leaves", unknown_names[0], sorted(known))
    return difference, sign.endswith("=")


def _gone(difference: sympy.Expr, or_equal: bool, paths: Paths) -> Any:
    """Return ``gone(t, y, values)``."""
    flow = paths.grid.flow
    states, parameters = ([sympy.Symbol(name) for name in names] for names in (flow.states, flow.parameters))
    function = VectorFunction([difference], states, parameters)

    def gone(t: float, y: np.ndarray, values: Mapping[str, Any]) -> np.ndarray:
        value = function(t, y, [values[name] for name in flow.parameters])[0]
        return np.asarray(value <= 0 if or_equal else value < 0)

    return gone
