"""What the step size does: the attractor of the iterated map over it, and where an equilibrium loses stability."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from dynsim.choices import FlowOptimiser
from dynsim.errors import bad
from dynsim.integrate.optimise import MOST_RECORDED, iteration_of, steps_dataset
from dynsim.integrate.validation import count, field_of, start_of
from dynsim.symbolic.sources import as_field

__all__ = ["stable_step_size", "step_size_bifurcation"]

_LONGEST = 16  # periods looked for
_SAME = 1e-7


def step_size_bifurcation(
    flow: Any,
    initial: Mapping[Any, Any],
    lr: Any,
    *,
    parameters: Mapping[Any, Any] | None = None,
    optimiser: FlowOptimiser = "gd",
    settle: int = 2000,
    keep: int = 64,
    teacher: Any = None,
    **optimiser_options: Any,
) -> xr.Dataset:
    """Iterate an optimiser's map for many step sizes, and keep the steps after it has settled.

    Parameters
    ----------
    flow, initial, parameters, optimiser, teacher, **optimiser_options
        As in `optimise`.
    lr : sequence of float or DataArray
        The step sizes.
    settle : int
        Steps taken before any is kept.
    keep : int
        Steps kept; periods up to a quarter of it, and at most 16, are recognised.

    Returns
    -------
    xarray.Dataset
        As of `optimise`, the last `keep` steps over `step`; `period` is the period of the orbit that is left, 0 where
        it has none (a long one, chaos, or a drift), −1 where the member diverged.

    Raises
    ------
    InvalidType, InvalidValue, UnknownName
        Something at the door.

    See Also
    --------
    stable_step_size : where it begins.

    Examples
    --------
    With x' = −x + x³ the map x − h(x − x³) turns at 0 for h = 2.

    >>> import dynsim
    >>> flow = dynsim.gradient_flow("x^2/2 - x^4/4", "x")
    >>> dynsim.step_size_bifurcation(flow, {"x": 0.1}, [1.0, 1.9, 2.1]).period.values
    array([1, 1, 2], dtype=int8)
    """
    flow = as_field(flow)
    flow.require_autonomous("an orbit that repeats")
    first, kept = count("settle", settle, 1), count("keep", keep, 1)
    if kept > MOST_RECORDED:
        raise bad("keep", keep, f"at most {MOST_RECORDED:.0e} recorded steps")
    iteration = iteration_of(flow, initial, parameters, optimiser, lr, teacher, optimiser_options)
    if "lr" not in iteration.grid.dims and not iteration.grid.spans["lr"]:
        raise bad("lr", lr, "several step sizes", "use optimise for a single one")
    data = steps_dataset(flow, iteration, np.arange(first, first + kept))
    names = iteration.problem.field.names
    data["period"] = _period([data[name] for name in names], min(_LONGEST, kept // 4))
    data["period"].attrs["long_name"] = "period of the orbit, 0 none found, -1 diverged"
    return data


def _period(states: list[xr.DataArray], longest: int) -> xr.DataArray:
    """Smallest shift in steps under which every state repeats."""
    found: Any = 0
    for shift in range(longest, 0, -1):
        repeats: Any = True
        for state in states:
            later, earlier = state.isel(step=slice(shift, None)), state.isel(step=slice(None, -shift))
            gap = abs(later - earlier.values)
            inner = [d for d in state.dims if str(d).startswith(f"{state.name}_")]
            repeats = repeats & (gap <= _SAME * (1 + abs(later))).all(["step", *inner])
        found = xr.where(repeats, shift, found)
    lost: Any = False
    for state in states:
        inner = [d for d in state.dims if str(d).startswith(f"{state.name}_")]
        lost = lost | state.isnull().any(["step", *inner])
    return xr.where(lost, -1, found).astype(np.int8)


def stable_step_size(flow: Any, point: Mapping[Any, Any], parameters: Mapping[Any, Any] | None = None) -> float:
    """Largest step of gradient descent under which an equilibrium of the flow stays stable.

    Every eigenvalue λ with negative real part asks for h < −2 Re λ/|λ|²; eigenvalues zero, as along a line of
    equilibria, ask for nothing. An eigenvalue with positive real part makes the point unstable for every step: 0.

    Parameters
    ----------
    flow : Flow or Field
    point : mapping
        ``{state: value}`` of the equilibrium.
    parameters : mapping, optional

    Returns
    -------
    float
        ∞ where no eigenvalue asks for anything.

    Raises
    ------
    InvalidType, InvalidValue, UnknownName
        A point or parameter that cannot be used.

    See Also
    --------
    step_size_bifurcation : what happens beyond it.
    optimise : steps of that size.

    Examples
    --------
    On the line φ = 1 of the toy it is 2/(αθ²).

    >>> import dynsim
    >>> dynsim.stable_step_size(dynsim.system("toy"), {"phi": 1.0, "theta": 0.5}, {"alpha": 2.0})
    4.0
    """
    flow = as_field(flow)
    flow.require_autonomous("a bound of stability")
    field = field_of(flow, parameters)
    eigenvalues = np.linalg.eigvals(field.jacobian(0.0, start_of(field, point)))
    scale = np.abs(eigenvalues).max(initial=0.0)
    moving = eigenvalues[np.abs(eigenvalues) > 1e-12 * scale] if scale > 0 else eigenvalues[:0]
    if not moving.size:
        return float("inf")
    return float(max(0.0, np.min(-2 * moving.real / np.abs(moving) ** 2)))
