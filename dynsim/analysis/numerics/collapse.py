"""Which starts collapse, many at once, and which share of a box does: over parameters the size of the danger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import product
from typing import Any

import numpy as np
import xarray as xr

from dynsim.analysis.boxes import box_of, drawn_box
from dynsim.arguments import a_mapping, a_whole
from dynsim.errors import DynsimError, InvalidType, bad, unknown
from dynsim.field import Field
from dynsim.integrate.ensemble import ensemble
from dynsim.integrate.validation import floats_of, tolerance
from dynsim.progress import Progress
from dynsim.records import stamp
from dynsim.status import Status
from dynsim.symbolic.expressions import name_of
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.sources import as_flow

__all__ = ["Collapse", "collapse_fraction"]

_MOST_STARTS = 10**8
_GONE = 1e-6  # an encoder that is this much smaller than its surroundings has collapsed, as in `outcome`
_THERE = 1e-3  # one that rests and is larger than this has not
_STILL = 1e-6  # speed of a run at rest, relative to its size, per unit of flow time
_GROWING = 1e-6  # growth rate of a rest that repels: a run found there is still under way
_RTOL, _ATOL = 1e-9, 1e-12


class Collapse:
    """Says of starts whether they collapse, by the exact rule of a flow where it has one and by integration elsewhere.

    Parameters
    ----------
    flow : Flow
        Autonomous, with an encoder among its roles.
    parameters : mapping, optional
    t_end : float
        Flow time of the integration; what has not decided itself by then is undecided.
    """

    def __init__(self, flow: Flow, parameters: Mapping[Any, Any] | None, t_end: float) -> None:
        self.flow, self.t_end = flow, t_end
        self.values = {name: float(value) for name, value in flow.values(parameters).items()}
        self.field: Field = flow.field(self.values)
        encoder = flow.roles.get("encoder", ())
        if not encoder:
            advice = "say which states are the encoder, gradient_flow(…, roles={'encoder': name})"
            raise bad("flow", flow.states, "a flow with an encoder: what may collapse", advice)
        self.encoder = [flow.states.index(name) for name in encoder]
        self.integrated = 0

    def __call__(self, starts: np.ndarray) -> np.ndarray:
        """1 where a start collapses, 0 where not, −1 where that is undecided; `starts` has shape ``(states, n)``."""
        told = self.exactly(starts)
        left = np.flatnonzero(told < 0)
        if left.size:
            self.integrated += left.size
            told[left] = self._integrated(starts[:, left])
        return told

    def exactly(self, starts: np.ndarray) -> np.ndarray:
        """The same by rule alone, −1 where there is none."""
        told = np.full(starts.shape[1], -1, dtype=np.int8)
        told[(starts[self.encoder] == 0).all(axis=0) & self.null_line] = 1
        exact = self.flow.exact
        if exact is None:
            return told
        asked = np.flatnonzero(told < 0)
        if exact.solution is not None and exact.limit is not None:
            with suppress(DynsimError), np.errstate(all="ignore"):
                named = dict(zip(self.flow.states, starts[:, asked], strict=True))
                ends = np.array([exact(np.inf, named, self.values)[name] for name in self.flow.states])
                gone = (np.abs(ends[self.encoder]) <= _GONE * self._size(starts[:, asked])).all(axis=0)
                told[asked] = np.where(np.isfinite(ends).all(axis=0), gone, -1)
        if exact.limit is None:
            return told
        original = exact.original(self.values)
        unknown_yet = told < 0
        if exact.may_know is not None:
            with np.errstate(all="ignore"):
                unknown_yet &= exact.may_know(dict(zip(self.flow.states, starts, strict=True)), original)
        for index in np.flatnonzero(unknown_yet):
            rule = exact.limit(dict(zip(self.flow.states, starts[:, index].tolist(), strict=True)), original)
            if rule is not None and rule.collapsed is not None:
                told[index] = rule.collapsed
        return told

    @property
    def null_line(self) -> bool:
        """Whether an encoder that is zero stays so, whatever the other states are."""
        points = np.random.default_rng(0).uniform(-1.5, 1.5, (len(self.flow.states), 5))
        points[self.encoder] = 0.0
        with np.errstate(all="ignore"):
            velocity = np.asarray(self.field.f(0.0, points))[self.encoder]
        return bool((velocity == 0).all())

    def _size(self, starts: np.ndarray) -> np.ndarray:
        return np.minimum(1.0, np.abs(starts).max(axis=0)) + (np.abs(starts).max(axis=0) == 0)

    def _integrated(self, starts: np.ndarray) -> np.ndarray:
        names = self.flow.states
        initial = {name: xr.DataArray(row, dims="".join(names) + "0") for name, row in zip(names, starts, strict=True)}
        run = ensemble(self.flow, initial, self.t_end, parameters=self.values, rtol=_RTOL, atol=_ATOL)
        ends, status = np.array([run[name].values for name in names]), run["status"].values
        size = self._size(starts)
        told = np.full(starts.shape[1], -1, dtype=np.int8)
        with np.errstate(all="ignore"):
            encoder = np.abs(ends[self.encoder]).max(axis=0)
            finite = np.isfinite(ends).all(axis=0)
            speed = np.abs(np.asarray(self.field.f(0.0, ends))).max(axis=0)
            rests = finite & (speed <= _STILL * np.maximum(size, np.abs(ends).max(axis=0)))
            rests |= finite & (status == Status.AT_REST)
        told[finite & (encoder <= _GONE * size)] = 1
        alive = np.flatnonzero(rests & (encoder > _THERE * size))
        if alive.size:
            matrix = np.moveaxis(np.asarray(self.field.jacobian(0.0, ends[:, alive])), -1, 0)
            usable = np.isfinite(matrix).all(axis=(1, 2))
            growth = np.full(alive.size, np.inf)
            growth[usable] = np.linalg.eigvals(matrix[usable]).real.max(axis=1)
            told[alive[growth <= _GROWING]] = 0
        return told


def collapse_fraction(
    flow: Any,
    box: Mapping[Any, Any] | None = None,
    over: Mapping[Any, Any] | None = None,
    *,
    parameters: Mapping[Any, Any] | None = None,
    starts: int = 4096,
    t_end: float = 1e3,
    seed: int = 0,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Share of the starts in a box that collapse, over parameters.

    Parameters
    ----------
    flow : Flow, name or text
        With an encoder; as every analysis takes it.
    box : mapping, optional
        ``{state: (low, high)}``; a number holds a state there. What is left out has the sides of the flow's view.
    over : mapping, optional
        ``{parameter: values}``, each a dimension of the result.
    parameters : mapping, optional
        ``{parameter: number}`` of the others; what is left out takes the system's default.
    starts : int
        How many, about: two at random in every cell of a grid of equal cells, the same for all parameters.
    t_end : float
        Flow time of the integration, where no exact rule is known.
    seed : int
    progress : callable, optional
        ``progress(done, total, what)`` after every setting of the parameters.

    Returns
    -------
    xarray.Dataset
        Over the parameters: `collapse_fraction`; `collapse_fraction_error`, its standard error, from the two starts
        of every cell; `undecided`, the share that is neither known to collapse nor to live after `t_end`, which is
        counted apart; `exact`, the share that a rule decided. The true share lies between `collapse_fraction` and
        its sum with `undecided`, within the error.

    Raises
    ------
    InvalidType, InvalidValue, UnknownName
        A flow without an encoder or that depends on the time, an unknown state or parameter, an empty box.

    See Also
    --------
    basins : where each start of a grid goes.
    resilience : how far one start is from collapse.
    continuation : the equilibria over the same parameter.

    Examples
    --------
    On the square of side 3 the toy collapses, with stop-gradient, from (9/4 + 1.5·√1.25 − arcosh 1.5)/9 of the starts.

    >>> import dynsim
    >>> square = {"phi": (-1.5, 1.5), "theta": (-1.5, 1.5)}
    >>> found = dynsim.collapse_fraction("toy", square, {"alpha": [1.0, 4.0]}, starts=20_000)
    >>> found.collapse_fraction.values.round(1), found.exact.values  # 0.3294 and 0.1647
    (array([0.3, 0.2]), array([1., 1.]))
    """
    flow = as_flow(flow)
    flow.require_autonomous("a share of collapse")
    low, high = _corners(flow, box)
    axes = _axes(flow, over, parameters)
    t_end = tolerance("t_end", t_end)
    seed = a_whole("seed", seed, 0)
    points = _pairs(low, high, a_whole("starts", starts, 1, _MOST_STARTS), seed)
    shape = tuple(len(values) for values in axes.values())
    found = {name: np.empty(shape) for name in ("collapse_fraction", "collapse_fraction_error", "undecided", "exact")}
    settings = list(product(*(enumerate(values) for values in axes.values())))
    for done, setting in enumerate(settings, 1):
        place = tuple(index for index, _ in setting)
        chosen = {name: value for name, (_, value) in zip(axes, setting, strict=True)}
        judge = Collapse(flow, {**(parameters or {}), **chosen}, t_end)
        told = judge(points.reshape(len(low), -1)).reshape(points.shape[1:])
        collapsed = (told == 1).astype(float)
        found["collapse_fraction"][place] = collapsed.mean()
        # Of two starts in a cell half the squared difference is the variance of one, a quarter that of their mean.
        found["collapse_fraction_error"][place] = (
            np.sqrt(np.sum(np.diff(collapsed, axis=0) ** 2) / 4) / points.shape[-1]
        )
        found["undecided"][place] = (told < 0).mean()
        found["exact"][place] = 1 - judge.integrated / told.size
        if progress is not None:
            progress(done, len(settings), "settings")
    data = xr.Dataset({name: (tuple(axes), values) for name, values in found.items()}, coords=axes)
    return stamp(
        data,
        kind="collapse-fraction",
        flow=flow.about(),
        parameters={name: value for name, value in judge.values.items() if name not in axes},
        box={name: [a, b] for name, a, b in zip(flow.states, low, high, strict=True)},
        starts=int(points[0].size),
        t_end=float(t_end),
        seed=int(seed),
    )


def _corners(flow: Flow, box: Mapping[Any, Any] | None) -> tuple[np.ndarray, np.ndarray]:
    if box is not None and not isinstance(box, Mapping):
        raise bad("box", box, "a mapping {state: (low, high)}", kind=InvalidType)
    held = {name_of("box", key): side for key, side in (box or {}).items() if np.ndim(side) == 0}
    for name, value in held.items():
        if name not in flow.states:
            raise unknown("state in box", name, flow.states)
        if not isinstance(value, int | float | np.number) or not np.isfinite(value):
            raise bad(f"box['{name}']", value, "a pair (low, high) or one finite number")
    sides = drawn_box(
        flow, box_of(flow, {k: v for k, v in (box or {}).items() if name_of("box", k) not in held})
    ).sides
    both = np.array([(held[n], held[n]) if n in held else sides[n] for n in flow.states], dtype=float)
    if len(held) == len(flow.states):
        raise bad("box", box, "an interval for at least one state", "outcome says what one start does")
    return both[:, 0], both[:, 1]


def _axes(flow: Flow, over: Any, parameters: Mapping[Any, Any] | None) -> dict[str, np.ndarray]:
    if over is None:
        over = {}
    if not isinstance(over, Mapping):
        raise bad("over", over, "a mapping {parameter: values}", kind=InvalidType)
    axes, given = {}, {name_of("parameters", key) for key in a_mapping("parameters", parameters)}
    for key, values in over.items():
        name = name_of("over", key)
        if name not in flow.parameters:
            raise unknown("parameter in over", name, flow.parameters)
        if name in given:
            raise bad("parameters", name, "values of the other parameters", f"'{name}' is what varies")
        array = np.atleast_1d(floats_of(f"over['{name}']", values, "numbers"))
        if array.ndim != 1 or not array.size or not np.isfinite(array).all():
            raise bad(f"over['{name}']", values, "a sequence of finite numbers")
        axes[name] = array
    return axes


def _pairs(low: np.ndarray, high: np.ndarray, starts: int, seed: int) -> np.ndarray:
    """Two starts in every cell of a grid, shape ``(states, 2, cells)``."""
    free = high > low
    cells = max(1, round((starts / 2) ** (1 / free.sum())))
    numbers: Sequence[Any] = [np.arange(cells) if is_free else np.zeros(1) for is_free in free]
    corner = np.stack([axis.ravel() for axis in np.meshgrid(*numbers, indexing="ij")])[:, None]
    inside = np.random.default_rng(seed).random((len(low), 2, corner.shape[-1]))
    share = np.where(free[:, None, None], (corner + inside) / cells, 0.0)
    return low[:, None, None] + share * (high - low)[:, None, None]
