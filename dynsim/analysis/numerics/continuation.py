"""Equilibria as a parameter varies: branches with their stability, folds, branch points, Hopf points."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import numpy as np
import xarray as xr

from dynsim.analysis.numerics.arclength import Curve
from dynsim.analysis.numerics.branch import Branch, followed, scales_of, within
from dynsim.analysis.numerics.branching import ways_out
from dynsim.analysis.numerics.parameter_field import ParameterField, span_of
from dynsim.analysis.numerics.special_points import SpecialPoint, lyapunov, special_points
from dynsim.analysis.numerics.start_search import starts_of
from dynsim.deprecation import deprecated_arguments
from dynsim.integrate.validation import tolerance
from dynsim.names import RESERVED
from dynsim.records import stamp
from dynsim.symbolic.expressions import name_of
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.sources import as_flow
from dynsim.table import Table

__all__ = ["Continuation", "continuation"]

_MOST_BRANCHES, _MOST_POINTS = 24, 8000
_NEUTRAL = 1e-9
_ROUNDING = 1e-14  # what is smaller, in units of the typical size, is zero
_ACCURATE = 1e-11  # a special point that is known less well is said to be


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
    found: _Found = {"fold": [], "branch point": [], "hopf": []}
    branches: list[Branch] = []
    waiting: list[_Start] = [
        (z, None, Curve(rhs.function, rhs.jacobian, scale))
        for z, scale in zip(starts, scales_of(flow, starts, low, high), strict=True)
    ]
    while waiting:
        z, direction, curve = waiting.pop(0)
        limit = f"{budget:g} s" if monotonic() > end else _limit(branches)
        if limit:
            notes.append(f"the limit of {limit} was reached: there may be more branches")
            break
        if direction is None and any(branch.has(z) for branch in branches):
            continue
        branch = followed(rhs, curve, z, direction, low, high)
        middle = branch.points[len(branch.points) // 2]
        known = direction is not None and any(other.has(middle) for other in branches)
        if len(branch.points) < 3 or known:
            continue
        if np.ptp(branch.points[:, -1]) < 1e-9 * (high - low):
            notes.append(f"at {name} = {_tidy(z[-1], curve.scale[-1]):.9g} a line of equilibria: not followed")
            continue
        branches.append(branch)
        waiting += _noticed(rhs, branch, direction, (low, high), found, notes)
    if not branches:
        notes.append(_why_none(rhs, initial))
    return _result(rhs, branches, found, searched, notes, (low, high))


def _noticed(
    rhs: ParameterField,
    branch: Branch,
    direction: np.ndarray | None,
    span: tuple[float, float],
    found: _Found,
    notes: list[str],
) -> list[_Start]:
    """Add the special points of a branch to those found; return the ways out of its new branch points."""
    local = Curve(rhs.function, rhs.jacobian, branch.scale)
    waiting: list[_Start] = []
    for point in special_points(rhs, local, branch.points if direction is None else branch.points[1:]):
        where = f"{rhs.free[0]} = {_tidy(point.z[-1], local.scale[-1]):.9g}"
        if not within(point.z[-1], *span):
            continue
        if point.kind == "unresolved":
            notes.append(f"near {where} stability or direction changes, which no fold, branch or Hopf point explains")
            continue
        if any(_same(local, point.z, other.z) for other, _ in found[point.kind]):
            continue
        found[point.kind].append((point, local.scale))
        if point.accuracy > _ACCURATE:
            notes.append(f"the {point.kind} at {where} is accurate to {point.accuracy:.1g} of its scale only")
        if point.kind == "branch point":
            ways = ways_out(rhs, local, point.z)
            waiting += [(point.z, way, local) for way in ways]
            if not ways:
                notes.append(f"at {where} a surface of equilibria, or none, branches off: not followed")
    return waiting


def _limit(branches: list[Branch]) -> str:
    """The limit on what is followed that has been reached, in words."""
    if len(branches) >= _MOST_BRANCHES:
        return f"{_MOST_BRANCHES} branches"
    points = sum(len(branch.points) for branch in branches)
    return f"{_MOST_POINTS:,} points" if points >= _MOST_POINTS else ""


_Start = tuple[np.ndarray, np.ndarray | None, Curve]
_Found = dict[str, list[tuple[SpecialPoint, np.ndarray]]]


def _why_none(rhs: ParameterField, initial: Any) -> str:
    if initial is not None:
        return "the given start lies on no branch that leads anywhere"
    return "no branch: no isolated equilibrium was found at any of the values searched"


def _same(curve: Curve, a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.linalg.norm((a - b) / curve.scale) < 1e-5)


def _tidy(value: float, scale: float) -> float:
    return 0.0 if abs(value) < _ROUNDING * scale else float(value)


def _result(
    rhs: ParameterField,
    branches: list[Branch],
    found: _Found,
    searched: str,
    notes: Iterable[str],
    span: tuple[float, float],
) -> Continuation:
    def described(point: SpecialPoint, scale: np.ndarray) -> dict[str, float]:
        z = np.where(np.abs(point.z) < _ROUNDING * scale, 0.0, point.z)
        entry = {**rhs.named(z), **rhs.fixed}
        return entry if point.kind != "hopf" else {**entry, "lyapunov": lyapunov(rhs, point.z, scale)}

    points = {kind: [described(*item) for item in items] for kind, items in found.items()}
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


def _dataset(rhs: ParameterField, branches: list[Branch]) -> xr.Dataset:
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
