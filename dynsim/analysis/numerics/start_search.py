"""Where branches of equilibria start: rests at several values of a parameter, over many orders of magnitude."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import Any

import numpy as np
from scipy.optimize import brentq

from dynsim.analysis.algebra.equilibria import equilibria
from dynsim.analysis.numerics.arclength import Curve, correct
from dynsim.analysis.numerics.parameter_field import ParameterField
from dynsim.errors import DynsimError, bad
from dynsim.integrate.validation import named, numbers
from dynsim.symbolic.flow import Flow

__all__ = ["rests", "starts_of", "widths_of"]

_DECADES = (-3.0, 4.0)  # magnitudes of the starts, in units of the scale of each state
_SEEDS = 240
_LOOKS = 9  # parameter values at which starts are looked for
_ALGEBRA = 6.0  # seconds within which algebra, which is tried at every other value, must be done with one
_GRID = 2000  # points on each side of zero for a flow of one state
_STEPS = 60
_SINGULAR = 1e-8


_ISOLATED = ("stable node", "unstable node", "stable focus", "unstable focus", "saddle", "centre")


def widths_of(flow: Flow) -> list[float]:
    """Half-widths of the view of a flow; 1 where it has none."""
    return [float(np.ptp(flow.view[name])) / 2 if name in flow.view else 1.0 for name in flow.states]


def starts_of(
    rhs: ParameterField, initial: Mapping[Any, float] | None, low: float, high: float, budget: float
) -> tuple[list[np.ndarray], str, list[str]]:
    """Points to start from, in words where they were looked for, and what else was met there."""
    flow, name, end = rhs.flow, rhs.free[0], monotonic() + budget
    across = np.zeros(rhs.size + 1)
    across[-1] = 1.0  # hold the parameter
    widths = np.array(widths_of(flow))
    if initial is not None:
        given = numbers("initial", initial)
        at = given.pop(name, low)
        guess = np.array([*named("initial", given, flow.states).values(), at])
        scale = np.array([*np.where(np.abs(guess[:-1]) > 0, np.abs(guess[:-1]), widths), high - low])
        z = correct(Curve(rhs.function, rhs.jacobian, scale), guess, across)
        if z is None:
            raise bad("initial", dict(initial), f"a point near an isolated equilibrium at {name} = {at:g}")
        return [z], f"followed from the given start at {name} = {at:g} only", []
    values = np.linspace(low, high, _LOOKS)
    exact = _polynomial(flow)
    result: list[np.ndarray] = []
    notes: list[str] = []
    lines: list[float] = []
    algebraic = complete = 0
    for index, value in enumerate(values):
        inner = float(value + (high - low) * (1e-3 if value == low else -1e-3 if value == high else 0.0))
        points, singular = rests(rhs, inner, widths, seed=index)
        if exact and index % 2 == 0 and monotonic() < end:
            begun = monotonic()
            more, proven = _algebraic(flow, {**rhs.fixed, name: inner})
            exact = monotonic() - begun < min(_ALGEBRA, budget / 10)
            points, algebraic, complete = np.vstack([points, more]), algebraic + 1, complete + int(proven)
        if singular > 2:
            lines.append(inner)
        for point in points:
            scale = np.array([*np.where(point != 0, np.abs(point), widths), high - low])
            z = correct(Curve(rhs.function, rhs.jacobian, scale), np.append(point, inner), across)
            if z is not None:
                result.append(z)
    if lines:
        notes.append(
            f"at {len(lines)} of {_LOOKS} values searched, {name} = {lines[0]:.4g} the first, equilibria that are not "
            "isolated (a line of them, as where a quantity is conserved): not followed"
        )
    method = (
        f"changes of sign between {10 ** _DECADES[0]:g} and {10 ** _DECADES[1]:g} on both sides of 0"
        if rhs.size == 1
        else f"Newton's method from {_SEEDS} starts of sizes {10 ** _DECADES[0]:g} to {10 ** _DECADES[1]:g}"
    )
    if any(width != 1.0 for width in widths):
        method += " half-widths of the view"
    words = f"starts of branches searched at {_LOOKS} values of {name} from {low:g} to {high:g}: {method}"
    if algebraic:
        words += f"; by algebra at {algebraic} of them, {'all' if complete == algebraic else complete} proven complete"
    return result, words, notes


def _polynomial(flow: Flow) -> bool:
    """Whether the exact search for equilibria is an algebraic one, which ends in time."""
    states = [flow.symbols[name] for name in flow.states]
    return all(entry.is_rational_function(*states) for entry in flow.rhs)


def _algebraic(flow: Flow, values: Mapping[str, float]) -> tuple[np.ndarray, bool]:
    none = np.empty((0, len(flow.states)))
    try:
        found = equilibria(flow, values)
    except DynsimError:  # the right-hand side is infinite at this value; others may do
        return none, False
    points = [[float(item.point[s]) for s in flow.states] for item in found if item.kind in _ISOLATED]
    return np.array(points).reshape(-1, len(flow.states)), found.complete


def rests(field: ParameterField, value: float, scale: np.ndarray, seed: int = 0) -> tuple[np.ndarray, int]:
    """Isolated points at which nothing moves, and how many rests were found that are not isolated.

    Parameters
    ----------
    field : ParameterField
        With one free parameter.
    value : float
        Of that parameter.
    scale : array of shape ``(states,)``
        A typical size of each state.

    Returns
    -------
    points : array of shape ``(points, states)``
        Of a flow of one state every change of sign on a grid of `_DECADES` on both sides of zero, of others what
        Newton's method reaches from `_SEEDS` starts of those magnitudes.
    other : int
        How many different points were met at which the Jacobian is singular: many on a line of equilibria.
    """
    found = _changes_of_sign(field, value, scale) if field.size == 1 else _newton(field, value, scale, seed)
    if not len(found):
        return found, 0
    z = np.vstack([found.T, np.full(len(found), value)])
    jacobians = np.moveaxis(field.jacobian(z)[:, : field.size], -1, 0)
    finite = np.isfinite(jacobians).all(axis=(1, 2))
    found, jacobians = found[finite], jacobians[finite] * scale / scale[:, None]
    if not len(found):
        return found, 0
    smallest = np.linalg.svd(jacobians, compute_uv=False)[:, -1]
    isolated = smallest > _SINGULAR * max(np.abs(jacobians).max(), 1e-300)
    return _distinct(found[isolated], scale), len(_distinct(found[~isolated][:50], scale))


def _changes_of_sign(field: ParameterField, value: float, scale: np.ndarray) -> np.ndarray:
    reach = scale[0] * np.logspace(*_DECADES, _GRID)
    grid = np.concatenate([-reach[::-1], [0.0], reach])

    def at(x: float) -> float:
        return float(field.function(np.array([x, value]))[0])

    values = field.function(np.vstack([grid, np.full(len(grid), value)]))[0]
    points = list(grid[values == 0])
    for i in np.flatnonzero(np.sign(values[:-1]) * np.sign(values[1:]) < 0):
        if np.isfinite(values[i : i + 2]).all():
            x = brentq(at, grid[i], grid[i + 1], xtol=1e-14 * abs(grid[i]) + 1e-300, rtol=1e-14)
            if abs(at(x)) <= 1e-6 * np.abs(values[i : i + 2]).max():  # no pole, no jump
                points.append(x)
    return np.array(points).reshape(-1, 1)


def _newton(field: ParameterField, value: float, scale: np.ndarray, seed: int) -> np.ndarray:
    """Newton's method from all starts at once, each with its own halving of steps."""
    rng, n = np.random.default_rng(seed), field.size
    directions = rng.normal(size=(n, _SEEDS))
    directions[:, : _SEEDS // 3] = np.abs(directions[:, : _SEEDS // 3])  # many fields live where states are positive
    sizes = 10.0 ** rng.uniform(*_DECADES, _SEEDS)
    sizes[: _SEEDS // 2] = rng.uniform(0, 3, _SEEDS // 2)
    y = scale[:, None] * directions * np.where(np.arange(_SEEDS) % 4 < 3, sizes, rng.uniform(0, 1, _SEEDS))
    parameter = np.full(_SEEDS, value)

    def at(states: np.ndarray) -> np.ndarray:
        return field.function(np.vstack([states, parameter]))

    with np.errstate(all="ignore"):
        size = np.full(_SEEDS, np.inf)
        for _ in range(_STEPS):
            matrix = np.moveaxis(field.jacobian(np.vstack([y, parameter]))[:, :n], -1, 0) * scale
            now = at(y)
            usable = np.isfinite(matrix).all(axis=(1, 2)) & np.isfinite(now).all(axis=0)
            step = np.full((_SEEDS, n), np.nan)
            if usable.any():
                inverse = np.linalg.pinv(matrix[usable], rcond=1e-12)
                step[usable] = np.einsum("kij,jk->ki", inverse, now[:, usable])
            step = step.T * scale[:, None]
            share, before = np.ones(_SEEDS), np.linalg.norm(now, axis=0)
            for _ in range(8):
                worse = ~(np.linalg.norm(at(y - share * step), axis=0) <= before)
                share = np.where(worse, share / 2, share)
            y = y - share * step
            size = np.abs(step / scale[:, None]).max(axis=0) / np.maximum(1e-3, np.abs(y / scale[:, None]).max(axis=0))
            if not (size > 1e-12).any():
                break
        jacobian = field.jacobian(np.vstack([y, parameter]))[:, :n]
        rounding = 1e-9 * np.einsum("ijk,jk->ik", np.abs(jacobian), np.abs(y) + 1e-3 * scale[:, None])
        rests = (np.abs(at(y)) <= rounding).all(axis=0) & (size <= 1e-8)
        near = np.abs(y / scale[:, None]).max(axis=0) <= 10 * 10.0 ** _DECADES[1]
    return y[:, rests & near].T


def _distinct(points: np.ndarray, scale: np.ndarray) -> np.ndarray:
    kept: list[np.ndarray] = []
    for point in sorted(points, key=lambda p: float(np.linalg.norm(p / scale))):
        if all(np.abs((point - other) / scale).max() > 1e-6 * (1 + np.abs(other / scale).max()) for other in kept):
            kept.append(point)
    return np.array(kept).reshape(-1, points.shape[1])
