"""Limit cycles: closed orbits by shooting, from Hopf points and from runs that circle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from scipy.integrate import LSODA

from dynsim.analysis.boxes import box_of, drawn_box
from dynsim.analysis.numerics.fate import fate_of
from dynsim.analysis.numerics.parameter_field import ParameterField
from dynsim.analysis.numerics.special_points import lyapunov
from dynsim.arguments import a_whole
from dynsim.errors import bad
from dynsim.field import Field
from dynsim.integrate.stepping import Stepper, quiet
from dynsim.integrate.validation import numbers, start_of
from dynsim.records import stamp
from dynsim.status import Status
from dynsim.symbolic.expressions import name_of
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.sources import as_flow

__all__ = ["Cycle", "cycle_near", "limit_cycles"]

_RTOL = 1e-11
_MOST_STEPS = 50_000
_SAMPLES = 1001
_MOST_STARTS = 10**6
_NEWTON_STEPS = 25
_CLOSED = 1e-8  # distance between end and start, relative to the orbit, at which it is closed
_NEUTRAL = 1e-5  # a multiplier this close to the unit circle neither attracts nor repels
_SAME = 5e-3


@dataclass(frozen=True)
class Cycle:
    """A closed orbit.

    Attributes
    ----------
    period : float
        In flow time.
    multipliers : array of complex
        Floquet multipliers, the trivial one (1, along the orbit) first, the others by descending modulus.
    stable : bool
        Whether all others lie inside the unit circle.
    orbit : xarray.Dataset
        The states over one period, dimension `time`.

    See Also
    --------
    limit_cycles : what finds them.

    Examples
    --------
    >>> import dynsim
    >>> from dynsim import Flow, Move
    >>> flow = Flow.of({"x": Move("x - y - x*(x^2 + y^2)"), "y": Move("x + y - y*(x^2 + y^2)")})
    >>> (cycle,) = dynsim.limit_cycles(flow)
    >>> cycle.stable, round(cycle.period, 6)
    (True, 6.283185)
    """

    period: float
    multipliers: np.ndarray
    stable: bool
    orbit: xr.Dataset

    @property
    def dataset(self) -> xr.Dataset:
        """The orbit: what `draw` takes."""
        return self.orbit

    @property
    def growth(self) -> float:
        """Growth rate of what is across the orbit: negative where it attracts."""
        largest = float(np.abs(self.multipliers[1:]).max(initial=0.0))
        return float(np.log(max(largest, 1e-300)) / self.period)

    def __repr__(self) -> str:
        others = ", ".join(f"{value:.6g}" if value.imag else f"{value.real:.6g}" for value in self.multipliers[1:])
        word = "stable" if self.stable else "unstable"
        return f"Cycle({word}, period {self.period:.9g}, multipliers 1, {others})"


def limit_cycles(
    flow: Flow,
    parameters: Mapping[Any, Any] | None = None,
    *,
    initial: Mapping[Any, float] | None = None,
    hopf: Mapping[str, float] | None = None,
    box: Mapping[Any, Any] | None = None,
    starts: int = 12,
    seed: int = 0,
) -> list[Cycle]:
    """Find limit cycles of a flow.

    Parameters
    ----------
    flow : Flow
        Autonomous, with at least two states.
    parameters : mapping, optional
        ``{parameter: number}``; what is left out takes the system's default.
    initial : mapping, optional
        ``{state: value}``: follow the run from there only; a closed orbit that it runs on is returned even where
        it is one of a family and attracts nothing.
    hopf : mapping, optional
        An entry of `Continuation.hopf`: look for the cycle that is born there, at these parameters.
    box : mapping, optional
        ``{state: (low, high)}``, where runs start; by default the flow's view.
    starts : int
        How many runs are followed, forward and backward in time.
    seed : int
        Of the random starts.

    Returns
    -------
    list of Cycle
        By period. None means that no run circled, not that there is no cycle.

    Raises
    ------
    InvalidType, InvalidValue, UnknownName
        A gradient flow or a flow of one state, which have no cycles; an unknown parameter or state.

    Notes
    -----
    A run forward in time finds stable cycles, one backward in time those that repel in every direction, a Hopf point
    either kind. Each is then solved for by Newton's method on the condition that the orbit closes (shooting, with the
    variational equations), so that period and multipliers do not depend on how it was found.

    References
    ----------
    Kuznetsov, Elements of Applied Bifurcation Theory (2004), sections 1.5 and 10.3.

    See Also
    --------
    continuation : finds the Hopf points.
    outcome : says of one run whether it is periodic.

    Examples
    --------
    >>> import dynsim
    >>> flow = dynsim.Flow.of({"x": dynsim.Move("x - y - x*(x^2+y^2)"), "y": dynsim.Move("x + y - y*(x^2+y^2)")})
    >>> (cycle,) = dynsim.limit_cycles(flow)  # r' = r − r³, turning at unit speed
    >>> round(cycle.period, 9), cycle.stable
    (6.283185307, True)
    """
    flow = as_flow(flow)
    flow.require_autonomous("a limit cycle")
    if len(flow.states) < 2:
        raise bad("flow", flow.states, "at least two states", "a flow of one state has no cycles")
    field = flow.field(parameters)
    seed = a_whole("seed", seed, 0)
    region = drawn_box(flow, box_of(flow, box)).sides
    sides = np.array([region[name] for name in flow.states], dtype=float)
    number = a_whole("starts", starts, 1, _MOST_STARTS)
    points = np.random.default_rng(seed).uniform(sides[:, :1], sides[:, 1:], (len(sides), number))
    if _is_gradient(field, points):
        raise bad("flow", _told(flow), "a flow that is no gradient", "along a gradient flow the loss falls: no cycles")
    found: list[Cycle] = []
    if hopf is not None:
        candidates = [(*guess, False) for guess in _at_hopf(flow, field, parameters, numbers("hopf", hopf))]
    elif initial is not None:
        candidates = _circling(field, [start_of(field, initial)], (False,))
    else:
        candidates = _circling(field, [np.array(point) for point in points.T], (False, True))
    for y, period, backward in candidates:
        if any(_on(cycle, y, period, field.names) for cycle in found):
            continue
        cycle = cycle_near(field, y, period, backward=backward)
        if cycle is not None and any(_on(c, _first(cycle), cycle.period, field.names) for c in found):
            continue
        isolated = cycle is not None and (np.abs(np.abs(cycle.multipliers[1:]) - 1) > _NEUTRAL).all()
        if cycle is not None and (isolated or initial is not None):
            stamp(cycle.orbit, flow=flow.about(), parameters=field.about["parameters"])
            found.append(cycle)
    return sorted(found, key=lambda cycle: cycle.period)


def cycle_near(field: Field, y: np.ndarray, period: float, *, backward: bool = False) -> Cycle | None:
    """Solve for the closed orbit next to a point, by shooting; None where there is none.

    One that repels is shot for backward in time, so that errors do not grow on the way round.
    """
    if backward:
        mirror = cycle_near(_reversed(field), y, period)
        if mirror is None:
            return None
        with np.errstate(all="ignore"):
            others = 1 / mirror.multipliers[1:]
        multipliers = np.concatenate([[1.0 + 0j], others[np.argsort(-np.abs(others))]])
        back = mirror.orbit.isel(time=slice(None, None, -1)).assign_coords(time=mirror.orbit.time.values)
        stable = bool((np.abs(multipliers[1:]) < 1 - _NEUTRAL).all())
        back.attrs["stable"] = int(stable)
        return Cycle(mirror.period, multipliers, stable, back)
    start, reference = np.array(y, dtype=float), np.array(y, dtype=float)
    normal = np.asarray(field.f(0.0, reference), dtype=float)
    if not normal.any() or not period > 0:
        return None
    normal = normal / np.linalg.norm(normal)
    first = _round(field, start, period)
    if first is None:
        return None
    extent = np.maximum(np.ptp(first.path, axis=1), 1e-9 * np.ptp(first.path, axis=1).max())
    time, n = period, len(start)
    for _ in range(_NEWTON_STEPS):
        turn = _round(field, start, time)
        if turn is None:
            return None
        residual = np.append((turn.end - start) / extent, normal @ (start - reference))
        velocity = np.asarray(field.f(0.0, turn.end), dtype=float)
        matrix = np.zeros((n + 1, n + 1))
        matrix[:n, :n] = (turn.monodromy - np.eye(n)) / extent[:, None] * extent
        matrix[:n, n] = velocity * time / extent
        matrix[n, :n] = normal * extent
        step = np.linalg.lstsq(matrix, residual, rcond=1e-10)[0]
        limit = min(1.0, 0.3 / max(np.abs(step).max(), 1e-300))
        start, time = start - limit * step[:n] * extent, time * (1 - limit * step[n])
        if not (np.isfinite(start).all() and 0 < time < 10 * period):
            return None
        if np.abs(step).max() < _CLOSED / 10:
            break
    turn = _round(field, start, time)
    if turn is None:
        return None
    # An error of the start comes back multiplied by what is across the orbit.
    reached = _CLOSED * np.ptp(turn.path, axis=1).max() * max(1.0, np.abs(turn.monodromy).max())
    if np.abs(step).max() > 1e-6 or (np.abs(turn.end - start) > reached).any():
        return None
    if (np.ptp(turn.path, axis=1) < 1e-6 * (np.abs(start) + extent)).all():
        return None  # Newton's method has shrunk the orbit to an equilibrium
    time, turn = _shortest(field, start, time, turn)
    multipliers = _multipliers(turn)
    orbit = xr.Dataset(
        {name: ("time", turn.path[field.slices[name]][0]) for name in field.names if field.shape(name) == ()},
        coords={"time": np.linspace(0.0, time, _SAMPLES)},
    )
    stable = bool((np.abs(multipliers[1:]) < 1 - _NEUTRAL).all())
    stamp(orbit, kind="cycles", period=float(time), stable=int(stable))
    return Cycle(float(time), multipliers, stable, orbit)


@dataclass(frozen=True)
class _Turn:
    """Once round: end, derivative of the end by the start, ∫ tr J dt, and the path."""

    end: np.ndarray
    monodromy: np.ndarray
    divergence: float
    path: np.ndarray


def _round(field: Field, y: np.ndarray, time: float) -> _Turn | None:
    n = len(y)

    def function(t: float, state: np.ndarray) -> np.ndarray:
        matrix = np.asarray(field.jacobian(t, state[:n]), dtype=float)
        rows = (matrix @ state[n:-1].reshape(n, n)).ravel()
        return np.concatenate([np.asarray(field.f(t, state[:n]), dtype=float), rows, [np.trace(matrix)]])

    begin = np.concatenate([y, np.eye(n).ravel(), [0.0]])
    size = max(float(np.abs(y).max()), 1e-300)
    scale = np.concatenate([np.full(n, size), np.ones(n * n + 1)])
    times, path = np.linspace(0.0, time, _SAMPLES), np.empty((n, _SAMPLES))
    path[:, 0], filled = y, 1
    with quiet():
        stepper = Stepper(LSODA, function, 0.0, begin, time, most=_MOST_STEPS, rtol=_RTOL, atol=1e-13 * scale)
        while stepper.step():
            until = int(np.searchsorted(times, stepper.t, side="right"))
            if until > filled:
                path[:, filled:until] = stepper.dense()(times[filled:until])[:n]
                filled = until
    if stepper.status != Status.OK or not np.isfinite(stepper.y).all():
        return None
    state = np.array(stepper.y)
    path[:, filled:] = state[:n, None]
    return _Turn(state[:n], state[n:-1].reshape(n, n), float(state[-1]), path)


def _shortest(field: Field, start: np.ndarray, time: float, turn: _Turn) -> tuple[float, _Turn]:
    """The period proper, where the orbit was run through several times."""
    extent = np.ptp(turn.path, axis=1).max()
    for parts in (7, 5, 4, 3, 2):
        shorter = _round(field, start, time / parts)
        if shorter is not None and np.abs(shorter.end - start).max() < 1e-6 * extent:
            return time / parts, shorter
    return time, turn


def _multipliers(turn: _Turn) -> np.ndarray:
    n = len(turn.end)
    if n == 2:  # the other one is the determinant, which keeps its accuracy however small it is (Liouville)
        return np.array([1.0, np.exp(turn.divergence)], dtype=complex)
    values = np.linalg.eigvals(turn.monodromy).astype(complex)
    trivial = int(np.argmin(np.abs(values - 1)))
    others = np.delete(values, trivial)
    return np.concatenate([[1.0 + 0j], others[np.argsort(-np.abs(others))]])


def _circling(
    field: Field, starts: Sequence[np.ndarray], backward: tuple[bool, ...]
) -> list[tuple[np.ndarray, float, bool]]:
    """Points and periods of runs that are found to be periodic, forward or backward in time."""
    found = []
    for back in backward:
        way = _reversed(field) if back else field
        for y in starts:
            if not np.isfinite(field.f(0.0, y)).all():
                continue
            fate = fate_of(way, y)
            if fate.kind == "periodic" and fate.place is not None:
                found.append((fate.place, fate.period, back))
    return found


def _reversed(field: Field) -> Field:
    return Field(
        field.names,
        lambda t, y: -np.asarray(field.f(t, y)),
        lambda t, y: -np.asarray(field.jacobian(t, y)),
        shapes=field.shapes,
    )


def _at_hopf(
    flow: Flow, field: Field, parameters: Mapping[Any, Any] | None, hopf: Mapping[str, float]
) -> list[tuple[np.ndarray, float]]:
    """The cycle of the normal form at a Hopf point, and larger ones, as first guesses."""
    missing = [name for name in flow.states if name not in hopf]
    if missing:
        raise bad("hopf", dict(hopf), f"an entry of continuation(…).hopf, with {', '.join(missing)}")
    y = np.array([hopf[name] for name in flow.states])
    for _ in range(50):
        step = np.linalg.lstsq(field.jacobian(0.0, y), field.f(0.0, y), rcond=None)[0]
        y = y - step
    values, vectors = np.linalg.eig(field.jacobian(0.0, y))
    if not (values.imag > 0).any():
        raise bad("hopf", dict(hopf), "parameters near a Hopf point", "no eigenvalue turns there")
    chosen = int(np.argmin(np.where(values.imag > 0, np.abs(values.real), np.inf)))
    omega, q = values[chosen].imag, vectors[:, chosen] / np.linalg.norm(vectors[:, chosen])
    coefficient = hopf.get("lyapunov", np.nan)
    if not np.isfinite(coefficient):
        name = next(iter(flow.parameters))
        given = {key: v for key, v in flow.values(parameters).items() if key != name}
        free = ParameterField(flow, [name], given)
        coefficient = lyapunov(free, np.append(y, float(flow.values(parameters)[name])), np.ones(len(y) + 1))
    share = -values[chosen].real / (coefficient * omega) if coefficient else np.nan
    radius = np.sqrt(share) if share > 0 else 0.1 * max(float(np.abs(y).max()), 1.0)
    return [(y + 2 * factor * radius * q.real, 2 * np.pi / omega) for factor in (1.0, 0.7, 1.4, 2.0)]


def _is_gradient(field: Field, points: np.ndarray) -> bool:
    matrices = np.asarray(field.jacobian(0.0, points))
    matrices = matrices[..., np.isfinite(matrices).all(axis=(0, 1))]
    skew = np.abs(matrices - matrices.swapaxes(0, 1)).max(initial=0.0)
    return bool(matrices.size and skew <= 1e-12 * np.abs(matrices).max())


def _told(flow: Flow) -> str:
    return flow.name or ", ".join(name_of("state", state) for state in flow.states)


def _first(cycle: Cycle) -> np.ndarray:
    return np.array([values.values[0] for values in cycle.orbit.data_vars.values()])


def _on(cycle: Cycle, y: np.ndarray, period: float, names: Sequence[str]) -> bool:
    """Whether a state of a closed orbit of that period lies on this one."""
    path = np.array([cycle.orbit[name].values for name in names])
    extent = np.maximum(np.ptp(path, axis=1), 1e-9 * np.ptp(path, axis=1).max())
    pieces = np.diff(path, axis=1) / extent[:, None]
    offset = (y[:, None] - path[:, :-1]) / extent[:, None]
    share = np.clip((offset * pieces).sum(0) / np.maximum((pieces**2).sum(0), 1e-300), 0, 1)
    near = np.linalg.norm(offset - share * pieces, axis=0).min() < _SAME
    return bool(near and abs(period - cycle.period) < 1e-5 * cycle.period)
