"""Equilibria as a parameter varies: branches with their stability, folds, branch points, Hopf points."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any

import numpy as np
import xarray as xr

from dynsim.analysis.numerics.arclength import Curve, Traced, correct, tangent, trace
from dynsim.analysis.numerics.branching import ways_out
from dynsim.analysis.numerics.parameter_field import ParameterField, span_of
from dynsim.analysis.numerics.special_points import SpecialPoint, lyapunov, special_points
from dynsim.analysis.numerics.start_search import starts_of, widths_of
from dynsim.deprecation import deprecated_arguments
from dynsim.integrate.validation import tolerance
from dynsim.names import RESERVED
from dynsim.records import stamp
from dynsim.symbolic.expressions import name_of
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.sources import as_flow
from dynsim.table import Table

__all__ = ["Continuation", "continuation"]

_MOST_BRANCHES = 24
_NEUTRAL = 1e-9
_ROUNDING = 1e-14  # what is smaller, in units of the typical size, is zero
_ACCURATE = 1e-11  # a special point that is known less well is said to be
_FAR, _FAR_FROM_VIEW = 1e4, 1e2  # where a branch is left, in units of its start or of the flow's view


@dataclass(frozen=True)
class Continuation:
    """Branches of equilibria over a parameter; prints as a table of branches and special points.

    Attributes
    ----------
    branches : xarray.Dataset
        Every state, the parameter, `growth` (largest real part of an eigenvalue) and `stable` (1, 0, −1 beyond
        the end) over ``(branch, along)``, NaN beyond the end of a branch.
    folds, branch_points, hopf : list of dict
        ``{name: value}`` of the states and the parameter, then of the other parameters. A Hopf point also has
        "lyapunov", its first Lyapunov coefficient: where it is negative a stable cycle is born.
    ended : tuple of (str, str)
        Per branch, why it does not go on before its first and after its last point.
    searched : str
        Where starts of branches were looked for: what was not searched may hold others.
    notes : tuple of str
        What was seen and not followed, and special points of less than full accuracy.

    See Also
    --------
    continuation : what makes one.

    Examples
    --------
    >>> import dynsim
    >>> flow = dynsim.gradient_flow("w^4/4 - p*w^2/2", "w")
    >>> found = dynsim.continuation(flow, "p", (-1, 1))
    >>> [round(point["p"], 6) + 0 for point in found.branch_points]
    [0.0]
    """

    branches: xr.Dataset
    folds: list[dict[str, float]]
    branch_points: list[dict[str, float]]
    hopf: list[dict[str, float]]
    ended: tuple[tuple[str, str], ...] = field(default=())
    searched: str = ""
    notes: tuple[str, ...] = field(default=())

    @property
    def dataset(self) -> xr.Dataset:
        """The branches, with the special points among the attributes: what `draw` takes."""
        return self.branches

    @property
    def table(self) -> Table:
        """One row per branch and per special point."""
        data, name = self.branches, self.branches.attrs["parameter"]
        rows = []
        for index in range(data.sizes["branch"]):
            one = data.isel(branch=index)
            here = one[name].values[np.isfinite(one[name].values)]
            stable = one["stable"].values[: len(here)]
            words = "stable" if stable.all() else "partly stable" if stable.any() else "unstable"
            ends = set(self.ended[index])
            rows.append({"what": f"{words} branch", "where": f"{name} = {here.min():.6g} … {here.max():.6g}"})
            rows[-1]["how"] = "; ".join(sorted(ends))
        for kind, points in (("fold", self.folds), ("branch point", self.branch_points), ("Hopf point", self.hopf)):
            for point in points:
                where = ", ".join(f"{key} = {point[key]:.9g}" for key in (name, *self._states))
                how = "" if "lyapunov" not in point else _criticality(point["lyapunov"])
                rows.append({"what": kind, "where": where, "how": how})
        return Table(rows, ("what", "where", "how"))

    @property
    def _states(self) -> list[str]:
        name = self.branches.attrs["parameter"]
        return [str(key) for key in self.branches.data_vars if key not in (*RESERVED, name)]

    def __str__(self) -> str:
        return "\n".join([str(self.table), f"({self.searched})", *(f"({note})" for note in self.notes)])

    def __repr__(self) -> str:
        name, points = self.branches.attrs["parameter"], {"fold": self.folds, "branch point": self.branch_points}
        points["Hopf point"] = self.hopf
        special = [
            f"{kind} at {name} = {', '.join(dict.fromkeys(f'{point[name]:.6g}' for point in found))}"
            for kind, found in points.items()
            if found
        ]
        count = self.branches.sizes["branch"]
        return (
            f"Continuation over {name}: {count} branch{'' if count == 1 else 'es'}\n"
            f"  {'; '.join(special) or 'no fold, branch point or Hopf point'}"
        )

    def _repr_html_(self) -> str:
        remarks = "".join(f"<p>({line})</p>" for line in (self.searched, *self.notes))
        return f"{self.table._repr_html_()}{remarks}"


def _criticality(value: float) -> str:
    if not np.isfinite(value):
        return "criticality unknown"
    return f"{'supercritical' if value < 0 else 'subcritical'} (ℓ₁ = {value:.6g})"


@deprecated_arguments(start="initial")
def continuation(
    flow: Flow,
    parameter: Any,
    span: Any,
    *,
    initial: Mapping[Any, float] | None = None,
    parameters: Mapping[Any, Any] | None = None,
    budget: float = 60.0,
) -> Continuation:
    """Follow the equilibria of a flow as one parameter varies, by pseudo-arclength.

    Parameters
    ----------
    flow : Flow
    parameter : str or Symbol
        What varies.
    span : pair of float
        From where to where.
    initial : mapping, optional
        ``{state: value}``, near an equilibrium at the lower end of the span (or at ``initial[parameter]``, if
        given): follow that branch and what branches off it. By default every isolated equilibrium that is found
        at nine values across the span starts a branch; `searched` of the result says how they were looked for.
    parameters : mapping, optional
        Values of the other parameters; what is left out takes the system's default.
    budget : float
        Seconds of computing after which no new search and no new branch is begun; what was found until then is
        returned, and `notes` says that it may not be all.

    Returns
    -------
    Continuation

    Raises
    ------
    InvalidType, InvalidValue, UnknownName
        An unknown parameter, an empty span, a start from which no equilibrium is reached.

    Notes
    -----
    Lines of equilibria are not followed: on them the equilibrium is not isolated; `notes` says where they were
    met. Folds, branch points and Hopf points solve their own extended equations by Newton's method with analytic
    derivatives, to about 1e-12 of the scale of the branch; one that is known less well is listed in `notes`.
    A fold is confirmed by f_p outside the range of f_y.

    References
    ----------
    Keller, in: Applications of Bifurcation Theory (1977); Griewank & Reddien, IMA J. Numer. Anal. 4 (1984);
    Kuznetsov, Elements of Applied Bifurcation Theory (2004), chapters 5 and 10.

    See Also
    --------
    fold_curve : a fold as two parameters vary.
    limit_cycles : the cycles that are born at Hopf points.

    Examples
    --------
    >>> import dynsim
    >>> flow = dynsim.gradient_flow("w^3/3 - mu*w", ["w"])  # w' = mu − w²: a fold at the origin
    >>> found = dynsim.continuation(flow, "mu", (-1, 1))
    >>> [round(abs(point["mu"]), 9) for point in found.folds]
    [0.0]
    """
    flow = as_flow(flow)
    name = name_of("parameter", parameter)
    low, high = span_of("span", span)
    rhs = ParameterField(flow, [name], parameters)
    budget = tolerance("budget", budget)
    end = monotonic() + budget
    starts, searched, notes = starts_of(rhs, initial, low, high, budget)
    curve = Curve(rhs.function, rhs.jacobian, _scale(flow, starts, low, high))
    found: dict[str, list[SpecialPoint]] = {"fold": [], "branch point": [], "hopf": []}
    branches: list[_Branch] = []
    waiting: list[tuple[np.ndarray, np.ndarray | None]] = [(z, None) for z in starts]
    while waiting:
        z, direction = waiting.pop(0)
        if monotonic() > end or len(branches) >= _MOST_BRANCHES:
            limit = f"{budget:g} s" if monotonic() > end else f"{_MOST_BRANCHES} branches"
            notes.append(f"the limit of {limit} was reached: there may be more branches")
            break
        if direction is None and any(_on(curve, z, branch.points) for branch in branches):
            continue
        branch = _followed(rhs, curve, z, direction, low, high)
        middle = branch.points[len(branch.points) // 2]
        known = direction is not None and any(_on(curve, middle, other.points) for other in branches)
        if len(branch.points) < 3 or known:
            continue
        if np.ptp(branch.points[:, -1]) < 1e-9 * (high - low):
            notes.append(f"at {name} = {_tidy(z[-1], curve.scale[-1]):.9g} a line of equilibria: not followed")
            continue
        branches.append(branch)
        waiting += _noticed(rhs, curve, branch, direction, (low, high), found, notes)
    if not branches:
        notes.append(_why_none(rhs, initial))
    return _result(rhs, curve, branches, found, searched, notes, (low, high))


def _noticed(
    rhs: ParameterField,
    curve: Curve,
    branch: _Branch,
    direction: np.ndarray | None,
    span: tuple[float, float],
    found: dict[str, list[SpecialPoint]],
    notes: list[str],
) -> list[tuple[np.ndarray, np.ndarray | None]]:
    """Add the special points of a branch to those found; return the ways out of its new branch points."""
    local = replace(curve, scale=np.maximum(curve.scale, np.append(np.ptp(branch.points[:, :-1], axis=0) / 2, 0.0)))
    waiting: list[tuple[np.ndarray, np.ndarray | None]] = []
    for point in special_points(rhs, local, branch.points if direction is None else branch.points[1:]):
        where = f"{rhs.free[0]} = {_tidy(point.z[-1], curve.scale[-1]):.9g}"
        if not _within(point.z[-1], *span):
            continue
        if point.kind == "unresolved":
            notes.append(f"near {where} stability or direction changes, which no fold, branch or Hopf point explains")
            continue
        if any(_same(local, point.z, other.z) for other in found[point.kind]):
            continue
        found[point.kind].append(point)
        if point.accuracy > _ACCURATE:
            notes.append(f"the {point.kind} at {where} is accurate to {point.accuracy:.1g} of its scale only")
        if point.kind == "branch point":
            ways = ways_out(rhs, local, point.z)
            waiting += [(point.z, way * local.scale / curve.scale) for way in ways]
            if not ways:
                notes.append(f"at {where} a surface of equilibria, or none, branches off: not followed")
    return waiting


@dataclass(frozen=True)
class _Branch:
    points: np.ndarray
    before: str
    after: str


def _scale(flow: Flow, starts: list[np.ndarray], low: float, high: float) -> np.ndarray:
    """Typical sizes: what the starts say, else the flow's view, else one."""
    largest = np.abs(np.array(starts).reshape(len(starts), -1)[:, :-1]).max(axis=0, initial=0.0) if starts else []
    widths = widths_of(flow)
    sizes = [float(value) if value > 1e-9 * widths[i] else widths[i] for i, value in enumerate(largest)]
    return np.array([*(sizes or widths), high - low])


def _why_none(rhs: ParameterField, initial: Any) -> str:
    if initial is not None:
        return "the given start lies on no branch that leads anywhere"
    return "no branch: no isolated equilibrium was found at any of the values searched"


def _followed(
    rhs: ParameterField, curve: Curve, z: np.ndarray, direction: np.ndarray | None, low: float, high: float
) -> _Branch:
    """Both ways from a point, or one way from a branch point."""
    name, states = rhs.free[0], rhs.flow.states
    seen = np.array([_FAR_FROM_VIEW if state in rhs.flow.view else _FAR for state in states])
    far = np.maximum(seen * np.maximum(curve.scale[:-1], widths_of(rhs.flow)), 10 * np.abs(z[:-1]))

    def leaves(point: np.ndarray) -> str:
        if not _within(point[-1], low, high):
            return f"leaves the span at {name} = {low if point[-1] < (low + high) / 2 else high:g}"
        beyond = np.abs(point[:-1]) > far
        if beyond.any():
            index = int(np.flatnonzero(beyond)[0])
            return f"|{states[index]}| grows beyond {far[index]:.3g} towards {name} = {point[-1]:.4g}"
        return ""

    if direction is not None:
        away = correct(curve, z + 0.005 * direction * curve.scale, direction)
        if away is None:
            return _Branch(z[None], "", "")
        traced = trace(curve, away, tangent(curve, away, direction), leaves)
        return _Branch(np.vstack([z, traced.points]), f"branches off at {name} = {z[-1]:.6g}", traced.end)
    ahead = tangent(curve, z)
    forward = trace(curve, z, ahead, leaves)
    if forward.end == "closed":  # once round is enough
        return _Branch(forward.points, forward.end, forward.end)
    backward: Traced = trace(curve, z, -ahead, leaves)
    return _Branch(np.vstack([backward.points[:0:-1], forward.points]), backward.end, forward.end)


def _within(value: float, low: float, high: float) -> bool:
    """Strictly inside the span: at its ends parameters such as η = 0 often leave a line of equilibria."""
    margin = 1e-9 * (high - low)
    return bool(low + margin < value < high - margin)


def _on(curve: Curve, z: np.ndarray, branch: np.ndarray) -> bool:
    """Whether a point lies on a traced branch."""
    scale = np.maximum(curve.scale, np.append(np.ptp(branch[:, :-1], axis=0) / 2, 0.0))
    points, way = branch / scale, z / scale
    steps = np.diff(points, axis=0)
    length = np.maximum((steps**2).sum(1), 1e-300)
    share = np.clip(((way - points[:-1]) * steps).sum(1) / length, 0, 1)
    gap = np.linalg.norm(points[:-1] + share[:, None] * steps - way, axis=1)
    return bool(gap.min() < 1e-3)


def _same(curve: Curve, a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.linalg.norm((a - b) / curve.scale) < 1e-5)


def _tidy(value: float, scale: float) -> float:
    return 0.0 if abs(value) < _ROUNDING * scale else float(value)


def _result(
    rhs: ParameterField,
    curve: Curve,
    branches: list[_Branch],
    found: dict[str, list[SpecialPoint]],
    searched: str,
    notes: Iterable[str],
    span: tuple[float, float],
) -> Continuation:
    def described(point: SpecialPoint) -> dict[str, float]:
        z = np.where(np.abs(point.z) < _ROUNDING * curve.scale, 0.0, point.z)
        entry = {**rhs.named(z), **rhs.fixed}
        return entry if point.kind != "hopf" else {**entry, "lyapunov": lyapunov(rhs, point.z, curve.scale)}

    points = {kind: [described(point) for point in items] for kind, items in found.items()}
    remarks = tuple(dict.fromkeys(notes))
    data, ended = _dataset(rhs, branches), tuple((branch.before, branch.after) for branch in branches)
    stamp(
        data,
        kind="branches",
        flow=rhs.flow.about(),
        parameters={**rhs.fixed, rhs.free[0]: list(span)},
        parameter=rhs.free[0],
        folds=points["fold"],
        branch_points=points["branch point"],
        hopf=points["hopf"],
        ended=[list(pair) for pair in ended],
        searched=searched,
        notes=list(remarks),
    )
    return Continuation(data, points["fold"], points["branch point"], points["hopf"], ended, searched, remarks)


def _dataset(rhs: ParameterField, branches: list[_Branch]) -> xr.Dataset:
    longest = max((len(branch.points) for branch in branches), default=0)
    values = np.full((len(rhs.names), len(branches), longest), np.nan)
    growth = np.full((len(branches), longest), np.nan)
    for index, branch in enumerate(branches):
        count = len(branch.points)
        values[:, index, :count] = branch.points.T
        growth[index, :count] = [rhs.eigenvalues(z)[0].real for z in branch.points]
    stable = np.where(np.isnan(growth), -1, growth < _NEUTRAL).astype(np.int8)
    dims = ("branch", "along")
    variables: dict[str, Any] = {name: (dims, values[index]) for index, name in enumerate(rhs.names)}
    variables |= {"growth": (dims, growth), "stable": (dims, stable)}
    return xr.Dataset(variables)
