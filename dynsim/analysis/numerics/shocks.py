"""How far a state is from collapse: the smallest shock that is fatal, and how fast smaller ones are forgotten."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr
from scipy.optimize import minimize_scalar

from dynsim.analysis.numerics.collapse import Collapse
from dynsim.analysis.numerics.outcome import outcome
from dynsim.arguments import a_whole
from dynsim.errors import InvalidType, bad
from dynsim.integrate.validation import start_of, tolerance
from dynsim.records import stamp
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.printing import text
from dynsim.symbolic.sources import as_flow

__all__ = ["resilience"]

_RADII = 48  # along every ray, half of them spaced geometrically
_ROUNDS, _AROUND, _NARROWER = 12, 48, 0.4  # of the refinement: how often, how many directions, by how much closer
_HALVINGS = 40
_NEXT = 1e-9  # of the reach: next to the null line
_ZERO = 1e-7  # an eigenvalue smaller than this, relative to the largest, is zero: along a line nothing returns

Judge = Callable[[np.ndarray], np.ndarray]


def resilience(
    flow: Any,
    initial: Mapping[Any, Any],
    parameters: Mapping[Any, Any] | None = None,
    *,
    null_line: bool = True,
    reach: float | None = None,
    t_end: float = 1e3,
    seed: int = 0,
) -> xr.Dataset:
    """How far a start is from collapse, in which direction, and how fast the state it ends in forgets a shock.

    Parameters
    ----------
    flow : Flow, name or text
        With an encoder; as every analysis takes it.
    initial : mapping
        ``{state: number}`` of the state that is shocked: a start, or an equilibrium.
    parameters : mapping, optional
        ``{parameter: number}``; what is left out takes the system's default.
    null_line : bool
        Whether the states whose encoder is exactly zero, and stays so, count as collapsed although all around them
        may live: a shock onto them is fatal in the equations, but no rounding hits them.
    reach : float, optional
        How far to look where the boundary has to be searched: by default twice the largest side of the flow's view.
    t_end : float
        Flow time after which a start that has not decided itself is undecided, where no exact rule is known.
    seed : int
        Of the directions, with more than two states.

    Returns
    -------
    xarray.Dataset
        * `fatal_shock`: Euclidean distance to the nearest start that collapses, the boundary included; 0 if this one
          does, NaN if none was found within reach; `direction` over `state`, the unit vector of that shock;
        * `collapses`: 1 if the start itself collapses; `way_out` is then the distance to the nearest that does not;
        * `boundary_distance` and `boundary_direction` over `boundary`: the same for every piece of the boundary, among
          them the null line where there is one;
        * `single_shock` over `state`: the smallest change, with its sign, of this state alone that changes the fate
          of the start, the null line aside;
        * `return_time`: 1/|Re λ| of the slowest eigenvalue that is not zero where the run from `initial` ends; NaN
          where it ends nowhere or in a state that repels.

        Attributes: `exact`, 1 where the boundary is known in closed form; `null_line`, whether it counts; `note`, how
        the boundary was found; `error`, between the last start known to live and the first known to collapse.

    Raises
    ------
    InvalidType, InvalidValue, UnknownName
        A flow without an encoder or that depends on the time, a state or parameter that is missing or unknown.

    See Also
    --------
    collapse_fraction : the share of a box that collapses.
    separatrices : the boundary itself.

    Examples
    --------
    From the article's start the toy is 0.1 away from the null line θ = 0, and 0.40 from anything else that collapses.

    >>> import dynsim
    >>> found = dynsim.resilience("toy", {"phi": 0.6, "theta": 0.1})
    >>> round(float(found.fatal_shock), 9), float(found.return_time).__round__(6)  # 1/0.65
    (0.1, 1.538462)
    >>> apart = dynsim.resilience("toy", {"phi": 0.6, "theta": 0.1}, null_line=False)
    >>> float(apart.fatal_shock).__round__(4), float(apart.single_shock.sel(state="phi")).__round__(7)  # √1.01 − 0.6
    (0.4036, 0.4049876)
    """
    flow = as_flow(flow)
    flow.require_autonomous("resilience")
    if not isinstance(null_line, bool):
        raise bad("null_line", null_line, "True or False", kind=InvalidType)
    judge = Collapse(flow, parameters, tolerance("t_end", t_end))
    y0 = start_of(judge.field, initial)
    extent = max([high - low for low, high in flow.view.values()] or [3.0])
    reach = 2.0 * max(extent, float(np.abs(y0).max())) if reach is None else tolerance("reach", reach)
    inside = int(judge(y0[:, None])[0])
    if inside < 0:
        raise bad("initial", dict(initial), "a start of which it is known whether it collapses", "t_end may be longer")
    wanted = 1 - inside
    search = _Search(judge, y0, wanted, reach, _floors(flow), seed)
    pieces = _known(flow, judge, y0)
    exact, error = pieces is not None, 0.0
    if pieces is None:
        point, error = search.nearest()
        pieces = {} if point is None else {"searched": point}
        note = (
            f"boundary searched along rays up to a distance of {reach:g}: regions thinner than the rays may be missed"
        )
    else:
        note = "boundary known in closed form"
    if judge.null_line and not inside:
        on_it = y0.copy()
        on_it[judge.encoder] = 0.0
        pieces = {"null line " + ", ".join(f"{text_of(flow, i)} = 0" for i in judge.encoder): on_it, **pieces}
    if (
        judge.null_line
        and inside
        and not y0[judge.encoder].any()
        and (beside := _beside(judge, y0, reach)) is not None
    ):
        pieces = {"off the null line": beside, **pieces}  # which is thin: any shock across it leads out
    shocks = {name: point - y0 for name, point in pieces.items()}
    counted = [shock for name, shock in shocks.items() if null_line or not name.startswith("null line")]
    nearest = min(counted, key=lambda shock: float(np.linalg.norm(shock)), default=np.full(len(y0), np.nan))
    distance = float(np.linalg.norm(nearest))
    directions = [_unit(shock) for shock in shocks.values()]
    data = xr.Dataset(
        {
            "fatal_shock": 0.0 if inside else distance,
            "direction": ("state", _unit(nearest)),
            "collapses": np.int8(inside),
            "way_out": distance if inside else np.nan,
            "return_time": _return_time(flow, judge, initial, parameters),
            "single_shock": ("state", search.single()),
            "boundary_distance": ("boundary", [float(np.linalg.norm(shock)) for shock in shocks.values()]),
            "boundary_direction": (("boundary", "state"), np.reshape(directions, (len(shocks), len(y0)))),
        },
        coords={"state": list(flow.states), "boundary": np.array(list(shocks), dtype=object)},
    )
    counts = ("counts" if null_line else "does not count") if judge.null_line else "there is none"
    return stamp(
        data,
        kind="resilience",
        flow=flow.about(),
        parameters=judge.values,
        initial=dict(zip(flow.states, map(float, y0), strict=True)),
        exact=int(exact),
        null_line=counts,
        note=note,
        error=float(error),
    )


def _beside(judge: Collapse, y0: np.ndarray, reach: float) -> np.ndarray | None:
    """The start itself if starts next to it, whose encoder is not quite zero, do not collapse; None if they do."""
    for size in (_NEXT * reach, -_NEXT * reach):
        near = y0.copy()
        near[judge.encoder] = size
        if int(judge(near[:, None])[0]) == 0:
            return y0.copy()
    return None


def text_of(flow: Flow, index: int) -> str:
    """A state as it is printed."""
    return text(flow.symbols[flow.states[index]])


def _unit(shock: np.ndarray) -> np.ndarray:
    length = float(np.linalg.norm(shock))
    return shock / length if length > 0 else np.full(len(shock), np.nan)


def _floors(flow: Flow) -> np.ndarray:
    """Where the states begin: 0 for one whose range does, as a square, nowhere for the others."""
    ranges = (flow.ranges.get(name) for name in flow.states)
    return np.array([0.0 if side is not None and side[0] == 0 else -np.inf for side in ranges])


def _known(flow: Flow, judge: Collapse, y0: np.ndarray) -> dict[str, np.ndarray] | None:
    """Nearest point of every piece of a boundary that is known in closed form; None where it is not."""
    if flow.exact is None or flow.exact.boundary is None:
        return None
    curves = flow.exact.boundary(flow.exact.original(judge.values))
    if curves is None:
        return None
    along = np.sinh(np.linspace(-6.0, 6.0, 4001))  # the middle is 0, where pieces meet
    found = {}
    for name, curve in curves.items():

        def point(s: Any, curve: Callable[[Any], Mapping[str, Any]] = curve) -> np.ndarray:
            values = curve(s)
            return np.array([np.broadcast_to(values[state], np.shape(s)) for state in flow.states], dtype=float)

        def distance(s: Any) -> Any:
            return np.linalg.norm(np.moveaxis(point(s), 0, -1) - y0, axis=-1)

        index = int(np.clip(np.argmin(distance(along)), 1, len(along) - 2))
        ends = (along[index - 1], along[index + 1])
        best = minimize_scalar(distance, bounds=ends, method="bounded", options={"xatol": 1e-13}).x
        found[name] = point(min((best, along[index]), key=distance))
    return found


class _Search:
    """Looks from a start for the nearest one of another fate."""

    def __init__(self, judge: Judge, y0: np.ndarray, wanted: int, reach: float, floors: np.ndarray, seed: int) -> None:
        self.judge, self.y0, self.wanted, self.reach, self.floors = judge, y0, wanted, reach, floors
        self.rng = np.random.default_rng(a_whole("seed", seed, 0))

    def nearest(self) -> tuple[np.ndarray | None, float]:
        """The nearest start of the other fate, and the width of what stayed undecided before it."""
        rays = self._rays()
        radii = np.sort(np.concatenate([np.geomspace(1e-3, 1, _RADII // 2), np.linspace(0, 1, _RADII // 2 + 2)[1:-1]]))
        told = self.fates(rays[:, :, None], self.reach * radii)
        if not (told == self.wanted).any():
            return None, 0.0
        first = np.where((told == self.wanted).any(axis=1), np.argmax(told == self.wanted, axis=1), len(radii))
        order = np.flatnonzero(first <= first.min() + 1)  # what is nearer lies on one of these, or between them
        order = order[first[order] < len(radii)]
        high = self.reach * radii[first[order]]
        low = np.where(first[order] > 0, self.reach * radii[first[order] - 1], 0.0)
        direction, radius, error = self._closest(rays[:, order], low, high)
        spread = 2 * np.pi / rays.shape[1] if len(self.y0) == 2 else 0.3
        for _ in range(_ROUNDS if len(self.y0) > 1 else 0):
            near = direction[:, None] + spread * self.rng.standard_normal((len(self.y0), _AROUND))
            near /= np.linalg.norm(near, axis=0)
            fatal = self.fates(near, np.full(_AROUND, radius * (1 - 1e-12))) == self.wanted
            if fatal.any():
                count = int(fatal.sum())
                direction, radius, error = self._closest(near[:, fatal], np.zeros(count), np.full(count, radius))
            spread *= _NARROWER
        return self.y0 + radius * direction, error

    def single(self) -> np.ndarray:
        """The smallest change of every state alone, with its sign; NaN where none within reach changes the fate."""
        found = np.full(len(self.y0), np.nan)
        radii = self.reach * np.linspace(0, 1, 401)[1:]
        for index in range(len(self.y0)):
            for sign in (1.0, -1.0):
                ray = np.zeros((len(self.y0), 1))
                ray[index] = sign
                told = self.fates(ray[:, :, None], radii)[0] == self.wanted
                if not told.any():
                    continue
                first = int(np.argmax(told))
                low = radii[first - 1] if first else 0.0
                _, radius, _ = self._closest(ray, np.array([low]), radii[first : first + 1])
                if not abs(found[index]) <= radius:
                    found[index] = sign * radius
        return found

    def fates(self, rays: np.ndarray, radii: np.ndarray) -> np.ndarray:
        """Fate at radii along rays; what lies outside the domain of the states is undecided."""
        points = self.y0.reshape(-1, *[1] * (rays.ndim - 1)) + rays * radii
        flat = points.reshape(len(self.y0), -1)
        told = np.full(flat.shape[1], -1, dtype=np.int8)
        there = (flat >= self.floors[:, None]).all(axis=0)
        told[there] = self.judge(flat[:, there])
        return told.reshape(points.shape[1:])

    def _rays(self) -> np.ndarray:
        size = len(self.y0)
        axes = np.concatenate([np.eye(size), -np.eye(size)], axis=1)
        if size == 1:
            return axes
        if size == 2:
            angles = np.linspace(0, 2 * np.pi, 360, endpoint=False)
            return np.array([np.cos(angles), np.sin(angles)])
        random = self.rng.standard_normal((size, 512))
        return np.concatenate([axes, random / np.linalg.norm(random, axis=0)], axis=1)

    def _closest(self, rays: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, float, float]:
        """Halve the way to the other fate along every ray; the nearest, its radius and how much stayed undecided."""
        low, high, known = low.copy(), high.copy(), low.copy()
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            told = self.fates(rays, middle)
            there = told == self.wanted
            high, low = np.where(there, middle, high), np.where(there, low, middle)
            known = np.where(told == 1 - self.wanted, np.maximum(known, middle), known)
        best = int(np.argmin(high))
        return rays[:, best], float(high[best]), float(high[best] - known[best])


def _return_time(flow: Flow, judge: Collapse, initial: Mapping[Any, Any], parameters: Any) -> float:
    told = outcome(flow, initial, parameters)
    end = np.array([float(told.limit[name]) for name in flow.states])
    if not np.isfinite(end).all():
        return float("nan")
    values = np.linalg.eigvals(judge.field.jacobian(0.0, end))
    moving = values[np.abs(values) > _ZERO * np.abs(values).max(initial=0.0)]
    if not moving.size or (moving.real > 0).any():
        return float("nan")
    return float(1 / np.abs(moving.real).min()) if np.abs(moving.real).min() > 0 else float("inf")
