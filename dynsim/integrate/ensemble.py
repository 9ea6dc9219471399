"""Many trajectories at once: every start and every parameter, each with its own error control."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from dynsim.choices import EngineName, NoiseMethod
from dynsim.deprecation import deprecated_arguments
from dynsim.errors import bad
from dynsim.integrate.batch import Members, blocks
from dynsim.integrate.engines import choose
from dynsim.integrate.grid import Grid, grid_of
from dynsim.integrate.noise.derivation import NoisyFlow
from dynsim.integrate.noise.paths import noisy_ensemble
from dynsim.integrate.results import Frame, InMemory, description
from dynsim.integrate.schedules import in_flow_time
from dynsim.integrate.storage import Streamed
from dynsim.integrate.validation import cores, count, times_of, tolerance
from dynsim.progress import Progress
from dynsim.records import plain_attributes
from dynsim.storage import save_dataset
from dynsim.symbolic.sources import as_field

__all__ = ["ensemble"]

CHUNK = 2**17
RTOL, ATOL = 1e-10, 1e-12


@deprecated_arguments(threads="workers")
def ensemble(
    flow: Any,
    initial: Mapping[Any, Any],
    t_end: float | None = None,
    *,
    times: Any = None,
    parameters: Mapping[Any, Any] | None = None,
    method: EngineName | NoiseMethod = "auto",
    rtol: float = RTOL,
    atol: float = ATOL,
    workers: int | None = None,
    chunk: int | None = None,
    out: Any = None,
    progress: Progress | None = None,
    seeds: Any = None,
    dt: float | None = None,
    increments: str | None = None,
) -> xr.Dataset:
    """Integrate many trajectories of one flow, or many paths of a noisy one.

    Parameters
    ----------
    flow : Flow, Field or NoisyFlow
    initial, parameters : mapping
        ``{name: value}``. A number is shared by all members; a one-dimensional array spans the dimension
        `phi0` (of a state `phi`) or `alpha` (of a parameter `alpha`); a DataArray keeps its own dimensions,
        and entries that share one are paired along it.
    t_end : float, optional
        Only the final state is kept; ∞ where the flow has a closed form. Exactly one of `t_end` and `times`.
    times : sequence of float, optional
        Increasing flow times at which every member is recorded.
    method : {"auto", "compiled", "scipy", "exact"} or {"auto", "weak-2", "euler-maruyama", "minibatch"}
        "compiled" integrates with machine code made for the flow (extra ``fast``): by Taylor series where its
        right-hand side is analytic (see the notes), else with DOP853; "scipy" the members as one large system with
        DOP853; "exact" evaluates the closed form that the system knows. "auto" takes the fastest
        integrator that can do the flow, and an implicit one for members that turn out to be stiff. Of a noisy flow:
        Platen's scheme of weak order 2, which "auto" takes at order 1, that of Euler and Maruyama, or "minibatch":
        descent on samples drawn anew at every step, the process itself.
    rtol, atol : float
        Relative and absolute tolerance of each step, held by every member by itself. A state below `atol` is as
        good as 0: its sign means nothing there, where `solve` without an `atol` keeps that of a state that decays.
    workers : int, optional
        Threads that share the members, one per core by default. The results do not depend on it.
    chunk : int, optional
        Members done at a time, 131072 by default: the grain of `progress`, and of memory with `out`.
    out : path, optional
        Write each chunk to this new zarr store (extra ``zarr``) when it is done, and return a Dataset that
        reads from there; memory then holds one chunk and the coordinates. A name that ends in .nc is a netCDF file,
        written when all is done. A store that was not finished says so in the attribute `unfinished`.
    progress : callable, optional
        ``progress(done, total, what)`` after every chunk, in members.
    seeds : int or sequence of int, optional
        Of a noisy flow: how many paths start at every member, 1000 by default, or their numbers. A seed meets the same
        noise at every start and parameter, whatever else is computed beside it; random numbers are those of Philox,
        a function of seed and step.
    dt : float, optional
        Of a noisy flow: the longest step, by default the learning rate.
    increments : {"normal", "three-point", "two-point"}, optional
        Of a noisy flow: what stands for a step of the Wiener process, normal by default. Averages have the same order
        with three points, and with two in the scheme of Euler and Maruyama.

    Returns
    -------
    xarray.Dataset
        One variable per state and observable over the dimensions of the members, then `time` (with
        `t_end`: a scalar coordinate). What a member did not reach is NaN. `steps` counts its accepted
        steps; `status` says how it ended, by the values of `dynsim.status.Status`: 0 ok, 1 at_rest (at the end no
        state moves faster than 1e-10·|y| + atol per unit of flow time), 2 blow_up, 3 step_limit, 4 invalid_start,
        6 sliding, 7 solver_failed, 8 not_finite, −1 not_run. Attribute `method`
        is the engine that ran, `method_reason` why "auto" took another than the fastest, `stiff_members`
        how many were handed to an implicit method. Of a noisy flow there is the dimension `seed` after those of the
        members, and the attribute `engine`: "compiled" where its steps ran in machine code (extra ``fast``), else
        "numpy", with `engine_reason`; the paths are the same up to rounding.

    Raises
    ------
    InvalidType, InvalidValue, UnknownName
        Something at the door. Never for what a member does.

    See Also
    --------
    solve : one run.
    basins : where they end.

    Notes
    -----
    Time is flow time: one gradient step with learning rate h advances it by h.

    A Taylor series has an order near −½ ln rtol, at least 8, and a step of it ends where its last terms reach the
    tolerance; the velocity there, and on the way where the time is in the equations or a function may pass through all
    of its values, is compared with that of the series. Flows of one or two states without functions (unless rtol ≤
    1e-12), those with more products than a series is worth, and those with corners (abs, max, Piecewise), roots or
    averages by quadrature are integrated with DOP853. Neither sees a pulse, in time or along a state, that is much
    narrower than a step, a series less than DOP853: `solve` has `max_step`.

    References
    ----------
    Hairer, Nørsett & Wanner, Solving Ordinary Differential Equations I (1993), for DOP853 and (I.8) for series;
    Jorba & Zou, Experimental Mathematics 14 (2005) 99, for their order and step.

    Examples
    --------
    >>> import dynsim, numpy as np
    >>> starts = {"phi": np.linspace(-1, 1, 5), "theta": np.linspace(-1, 1, 4)}
    >>> ends = dynsim.ensemble(dynsim.system("toy"), starts, 100.0)
    >>> dict(ends.sizes)
    {'phi0': 5, 'theta0': 4}
    >>> ends.theta.sel(phi0=1.0).values.round(6)
    array([-1.      , -0.333333,  0.333333,  1.      ])

    Paths of a noisy flow:

    >>> noisy = dynsim.noisy_flow("E((w - x)^2)/2", "w", random="x ~ normal(0, 1)", batch=4, lr=0.1)
    >>> paths = dynsim.ensemble(noisy, {"w": 0.0}, 50.0, seeds=4000)
    >>> dict(paths.sizes), abs(float(paths.w.var()) / (0.1 / 4 / (2 * 1.05)) - 1) < 0.1  # w' = −1.05·w + noise
    ({'seed': 4000}, True)
    """
    if isinstance(flow, NoisyFlow):
        for argument, given, usual in (
            ("rtol", rtol, RTOL),
            ("atol", atol, ATOL),
            ("chunk", chunk, None),
            ("out", out, None),
        ):
            if not (given is usual or (isinstance(given, float | int) and given == usual)):
                raise bad(argument, given, "its default with a noisy flow", "its step is dt, its paths lie in memory")
        return noisy_ensemble(
            flow,
            initial,
            t_end,
            times,
            parameters=parameters,
            seeds=seeds,
            dt=dt,
            method=method,
            increments=increments,
            workers=workers,
            progress=progress,
        )
    for argument, given in (("seeds", seeds), ("dt", dt), ("increments", increments)):
        if given is not None:
            raise bad(argument, given, "a noisy flow with it", "make one with noisy_flow(…)")
    source = flow = as_field(flow)
    forever = times is None and isinstance(t_end, float) and t_end == math.inf
    record = np.array([math.inf]) if forever else times_of(t_end, times, count=1)
    grid = grid_of(flow, initial, in_flow_time(parameters, float(record[-1])))
    flow = grid.flow
    rtol, atol = tolerance("rtol", rtol), tolerance("atol", atol)
    workers = count("workers", workers, cores())
    limit = count("chunk", chunk, CHUNK)
    choice = choose(method, flow, forever)

    def batch(start: int, stop: int) -> Members:
        return Members(flow, *_members(flow, grid, start, stop), record, rtol, atol, workers)

    field = flow.field_over({name: grid.values[name] for name in flow.parameters})
    frame = Frame(field, grid, record, single=times is None)
    attributes = plain_attributes(
        kind="ensemble",
        flow=description(source),
        parameters=grid.describe_parameters(flow.parameters),
        initial=grid.describe(field.names),
        method=choice.name,
        rtol=rtol,
        atol=atol,
        **({"method_reason": choice.reason} if choice.reason else {}),
    )
    netcdf = out is not None and str(out).endswith(_NETCDF)
    if netcdf and Path(out).exists():
        raise bad("out", str(out), "a path that does not exist yet", "remove it or choose another")
    sink = InMemory(frame) if out is None or netcdf else Streamed(frame, out, limit, attributes)
    stiff = 0
    for block in blocks(grid.shape, limit):
        members, run = batch(block.start, block.stop), sink.part(block)
        stiff += choice.engine(members, run) or 0
        sink.keep(block, run)
        if progress is not None:
            progress(block.stop, grid.size, "members")
    data = sink.dataset({**attributes, "stiff_members": stiff})
    if netcdf:
        save_dataset(data, out)
    return data


_NETCDF = (".nc", ".nc4", ".h5", ".cdf")


def _members(flow: Any, grid: Grid, start: int, stop: int) -> tuple[np.ndarray, dict[str, Any]]:
    """Starts of shape ``(size, members)``, and parameters: numbers, or arrays where they vary."""
    states, parameters = flow.states, flow.parameters
    if not grid.dims:
        alone = np.concatenate([grid.values[name].ravel() for name in states])
        return alone[:, None], {name: grid.values[name].item() for name in parameters}
    y0 = [grid.members(name, start, stop).reshape(stop - start, math.prod(grid.own(name))).T for name in states]
    values = {
        name: grid.members(name, start, stop) if grid.spans[name] else grid.values[name].item() for name in parameters
    }
    return np.concatenate(y0), values
