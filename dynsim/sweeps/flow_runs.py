"""How a part of a study of flows is run: one call of the ensemble engine per task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from dynsim.errors import bad, unknown
from dynsim.field import Field
from dynsim.integrate.ensemble import ensemble
from dynsim.integrate.runs import state_axes
from dynsim.sweeps.axes import spanned
from dynsim.symbolic.flow import Flow
from dynsim.systems.catalogue import entry_of, list_systems
from dynsim.systems.matrix_flow import matrix_flow
from dynsim.systems.parts.named_or_typed import named_or_typed

if TYPE_CHECKING:
    from dynsim.sweeps.study import Study

__all__ = ["batching", "check", "example", "run"]

MEMBERS = 1024
MATRIX = "matrix-flow"
_DRAWS: dict[str, Callable[..., Any]] = {"normal": np.random.Generator.normal, "uniform": np.random.Generator.uniform}
_MATRIX_RATES = ("alpha", "beta", "eta_p", "eta_s", "sigma2")
_EXAMPLE = 1e-6  # fraction of the flow time that is enough to see what a run looks like


def check(study: Study) -> None:
    """Refuse what no run could use.

    Raises
    ------
    InvalidValue, UnknownName
    """
    if (study.t_end is None) == (study.times is None):
        raise bad("study", {"t_end": study.t_end, "times": study.times}, "exactly one of t_end and times")
    if study.history:
        raise bad("history", True, "nothing for a flow", "give times, which are all kept")
    flow = _flow(study, {name: item.along(name)[0] for item in study.axes for name in _alone(study, item)})
    states = _states(flow)
    known = {*_structure(study), *_parameters(study, flow), *(f"{name}0" for name in states)}
    for dimension in study.axes:
        for name in dimension.sets:
            if name not in known:
                raise unknown(f"axis '{dimension.name}'", name, known)
        if dimension.name in states:
            raise bad("axis", dimension.name, f"'{dimension.name}0'", "the state itself is a result")
        if dimension.name in flow.observables:
            raise bad("axis", dimension.name, "a name that no result has")
    for kind, given, names in (("initial", study.initial, states), ("parameter", study.parameters, known)):
        for name in given:
            if name not in names:
                raise unknown(kind, name, names)
    random = [name for name, value in study.initial.items() if isinstance(value, Mapping)]
    for name in random:
        draw(study.initial[name], 0, 0, ())
    if bool(random) != (study.seeds is not None):
        advice = "initial = {theta = {normal = [0, 0.1]}} draws it anew for every seed"
        raise bad("seeds", study.seeds, "seeds where, and only where, an initial value is random", advice)


def batching(study: Study) -> tuple[set[str], int]:
    """Axes along which every value needs a call of its own, and how many members go into one call."""
    return {item.name for item in study.axes if _alone(study, item)}, study.chunk or MEMBERS


def run(study: Study, region: Mapping[str, slice]) -> xr.Dataset:
    """Integrate the members of a region of the grid."""
    return _run(study, region, 1.0)


def example(study: Study) -> xr.Dataset:
    """A result for the first values of all axes, of the shape and kind that all have, for next to no work."""
    return _run(study, {name: slice(0, 1) for name in study.sizes}, _EXAMPLE)


def _run(study: Study, region: Mapping[str, slice], part: float) -> xr.Dataset:
    fixed: dict[str, Any] = {}
    varying: dict[str, xr.DataArray] = {}
    for item in study.axes:
        labels, alone = list(item.values[region[item.name]]), _alone(study, item)
        for name in item.sets:
            values = item.along(name)[region[item.name]]
            if name in alone:
                fixed[name] = values[0]
            else:
                varying[name] = xr.DataArray(np.asarray(values, dtype=float), {item.name: labels}, (item.name,))
    flow = _flow(study, fixed)
    states, parameters = _states(flow), flow.parameters if isinstance(flow, Flow) else ()
    starts = _starts(study, flow, region) | {n: varying[f"{n}0"] for n in states if f"{n}0" in varying}
    settings = {name: varying.get(name, study.parameters.get(name)) for name in parameters}
    settings = {name: value for name, value in settings.items() if value is not None}
    times = {"t_end": study.t_end * part} if study.t_end is not None else {"times": np.multiply(study.times, part)}
    tolerances = {name: value for name in ("rtol", "atol") if (value := getattr(study, name)) is not None}
    data = ensemble(flow, starts, parameters=settings or None, threads=1, **times, **tolerances)
    ends = {"times": ("time", list(study.times))} if study.times is not None else {"times": ((), study.t_end)}
    data = data.assign_coords(time=(*ends["times"], data["time"].attrs))
    return spanned(data, study.sizes)


def _starts(study: Study, flow: Any, region: Mapping[str, slice]) -> dict[str, Any]:
    """Shared and random initial values; the generator of a seed depends on nothing but the seed and the state."""
    defaults = flow.defaults if isinstance(flow, Flow) else {}
    starts: dict[str, Any] = {}
    for position, name in enumerate(_states(flow)):
        value = study.initial.get(name, defaults.get(name))
        if isinstance(value, Mapping):
            seeds = (study.seeds or ())[region["seed"]]
            shape = flow.shape(name) if isinstance(flow, Field) else ()
            drawn = np.stack([draw(value, seed, position, shape) for seed in seeds])
            starts[name] = xr.DataArray(drawn, dims=("seed", *state_axes(name, len(shape))))
        elif value is not None:
            starts[name] = value
    return starts


def draw(law: Mapping[str, Any], seed: int, position: int, shape: tuple[int, ...]) -> np.ndarray:
    """Random initial value of the state at `position` for one seed.

    Examples
    --------
    >>> from dynsim.sweeps.flow_runs import draw
    >>> draw({"uniform": [2.0, 3.0]}, 0, 0, ()) == draw({"uniform": [2.0, 3.0]}, 0, 0, ())
    np.True_
    """
    try:
        ((kind, (first, second)),) = law.items()
        if kind not in _DRAWS:
            raise ValueError(kind)
        generator = np.random.default_rng(np.random.SeedSequence(0, spawn_key=(seed, position)))
        return np.asarray(_DRAWS[kind](generator, float(first), float(second), size=shape))
    except (TypeError, ValueError):
        raise bad("initial", dict(law), "{normal = [mean, deviation]} or {uniform = [low, high]}") from None


def _alone(study: Study, item: Any) -> tuple[str, ...]:
    """What an axis sets that changes the flow itself, so that every value needs a call of its own."""
    structure = _structure(study)
    return tuple(name for name in item.sets if name in structure)


def _structure(study: Study) -> tuple[str, ...]:
    if study.system == MATRIX:
        return ("branch", "k", "predictor", *_MATRIX_RATES)
    name = str(study.system)
    more = entry_of(name).structure if name in list_systems()["name"] else ()
    return ("branch", "variant", *more)


def _states(flow: Any) -> tuple[str, ...]:
    return flow.states if isinstance(flow, Flow) else flow.names


def _parameters(study: Study, flow: Any) -> tuple[str, ...]:
    return flow.parameters if isinstance(flow, Flow) else _MATRIX_RATES


def _flow(study: Study, fixed: Mapping[str, Any]) -> Any:
    return _built(study, tuple(sorted(fixed.items())))


@lru_cache(maxsize=64)
def _built(study: Study, fixed: tuple[tuple[str, Any], ...]) -> Any:
    values = {"branch": study.branch, "variant": study.variant, **study.structure, **dict(fixed)}
    branch, variant = values.pop("branch"), values.pop("variant")
    if study.system == MATRIX:
        return _matrices({**values, **{n: v for n, v in study.parameters.items() if n not in dict(fixed)}}, branch)
    name = str(study.system)
    if name in list_systems()["name"]:
        return entry_of(name).flow(branch, variant, **values)
    return named_or_typed(name, study.states, branch=branch, variant=variant)


def _matrices(values: dict[str, Any], branch: str) -> Field:
    data = np.asarray(values.pop("sigma_d", None), dtype=float)
    data = np.diag(data) if data.ndim == 1 else data
    views = data + values.pop("sigma2") * np.eye(len(data)) if "sigma2" in values else values.pop("sigma_s", None)
    return matrix_flow(data, views, branch=branch, **values)
