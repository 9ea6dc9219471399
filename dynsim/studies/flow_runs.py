"""How a part of a study of flows is run: one call of the ensemble engine per task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import xarray as xr

from dynsim.choices import Branch
from dynsim.errors import InvalidType, bad, unknown
from dynsim.field import Field
from dynsim.integrate.ensemble import ensemble
from dynsim.integrate.grid import state_axes
from dynsim.studies.axes import spanned
from dynsim.studies.study_fields import StudyFields
from dynsim.symbolic.sources import as_flow
from dynsim.systems.catalogue import entry_of, list_systems
from dynsim.systems.matrix_flow import matrix_flow

__all__ = ["batching", "check", "example", "run"]

MEMBERS = 1024
MATRIX = "matrix-flow"
_DRAWS: dict[str, Callable[..., Any]] = {"normal": np.random.Generator.normal, "uniform": np.random.Generator.uniform}
_MATRIX_RATES = ("alpha", "beta", "eta_p", "eta_s", "sigma2")
_EXAMPLE = 1e-6  # fraction of the flow time that is enough to see what a run looks like


def check(study: StudyFields) -> None:
    """Refuse what no run could use.

    Raises
    ------
    InvalidValue, UnknownName
    """
    if (study.t_end is None) == (study.times is None):
        raise bad("study", {"t_end": study.t_end, "times": study.times}, "exactly one of t_end and times")
    if study.t_end is not None and not (_is_number(study.t_end) and 0 < study.t_end < np.inf):
        raise bad("t_end", study.t_end, "a positive, finite number")
    if not isinstance(study.system, str):
        raise bad("system", study.system, "the name of a system, or a loss", kind=InvalidType)
    if study.states is not None and (study.system == MATRIX or study.system in list_systems()["name"]):
        raise bad("states", study.states, f"nothing for system '{study.system}'", "they are for a typed loss")
    if study.history:
        raise bad("history", True, "nothing for a flow", "give times, which are all kept")
    flow = _flow(study, {name: item.along(name)[0] for item in study.axes for name in _alone(study, item)})
    states = flow.states
    known = {*_structure(study), *_parameters(study, flow), *(f"{name}0" for name in states)}
    for dimension in study.axes:
        for name in dimension.sets:
            if name not in known:
                raise unknown(f"axis '{dimension.name}'", name, known)
            if name not in _structure(study) and not all(map(_is_number, dimension.along(name))):
                raise bad(f"axis '{dimension.name}'", dimension.along(name), f"numbers for {name}", kind=InvalidType)
        if dimension.name in states:
            raise bad("axis", dimension.name, f"'{dimension.name}0'", "the state itself is a result")
        if dimension.name in flow.observables:
            raise bad("axis", dimension.name, "a name that no result has")
    for kind, given, names in (("initial", study.initial, states), ("parameter", study.parameters, known)):
        for name in given:
            if name not in names:
                raise unknown(kind, name, names)
    for name, value in study.parameters.items():
        if not _is_number(value):
            raise bad(f"parameters['{name}']", value, "a number", "several are an axis", kind=InvalidType)
    for name, value in study.initial.items():
        if not flow.shape(name) and not isinstance(value, Mapping) and not _is_number(value):
            raise bad(f"initial['{name}']", value, "a number", f"several are an axis, {name}0", kind=InvalidType)
    random = [name for name, value in study.initial.items() if isinstance(value, Mapping)]
    for name in random:
        draw(study.initial[name], 0, 0, ())
    if bool(random) != (study.seeds is not None):
        advice = "initial = {theta = {normal = [0, 0.1]}} draws it anew for every seed"
        raise bad("seeds", study.seeds, "seeds where, and only where, an initial value is random", advice)


def batching(study: StudyFields) -> tuple[set[str], int]:
    """Axes along which every value needs a call of its own, and how many members go into one call."""
    return {item.name for item in study.axes if _alone(study, item)}, study.chunk or MEMBERS


def run(study: StudyFields, region: Mapping[str, slice]) -> xr.Dataset:
    """Integrate the members of a region of the grid."""
    return _run(study, region, 1.0)


def example(study: StudyFields) -> xr.Dataset:
    """A result for the first values of all axes, of the shape and kind that all have, for next to no work."""
    return _run(study, {name: slice(0, 1) for name in study.sizes}, _EXAMPLE)


def _run(study: StudyFields, region: Mapping[str, slice], part: float) -> xr.Dataset:
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
    states, parameters = flow.states, flow.parameters
    starts = _starts(study, flow, region) | {n: varying[f"{n}0"] for n in states if f"{n}0" in varying}
    settings = {name: varying.get(name, study.parameters.get(name)) for name in parameters}
    settings = {name: value for name, value in settings.items() if value is not None}
    times = {"t_end": study.t_end * part} if study.t_end is not None else {"times": np.multiply(study.times, part)}
    tolerances = {name: value for name in ("rtol", "atol") if (value := getattr(study, name)) is not None}
    data = ensemble(flow, starts, parameters=settings or None, workers=1, **times, **tolerances)
    ends = {"times": ("time", list(study.times))} if study.times is not None else {"times": ((), study.t_end)}
    data = data.assign_coords(time=(*ends["times"], data["time"].attrs))
    return spanned(data, study.sizes)


def _starts(study: StudyFields, flow: Any, region: Mapping[str, slice]) -> dict[str, Any]:
    """Shared and random initial values; the generator of a seed depends on nothing but the seed and the state."""
    starts: dict[str, Any] = {}
    for position, name in enumerate(flow.states):
        value = study.initial.get(name, flow.defaults.get(name))
        if isinstance(value, Mapping):
            seeds = (study.seeds or ())[region["seed"]]
            shape = flow.shape(name)
            drawn = np.stack([draw(value, seed, position, shape) for seed in seeds])
            starts[name] = xr.DataArray(drawn, dims=("seed", *state_axes(name, len(shape))))
        elif value is not None:
            starts[name] = value
    return starts


def draw(law: Mapping[str, Any], seed: int, position: int, shape: tuple[int, ...]) -> np.ndarray:
    """Random initial value of the state at `position` for one seed.

    Examples
    --------
    >>> from dynsim.studies.flow_runs import draw
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


def _alone(study: StudyFields, item: Any) -> tuple[str, ...]:
    """What an axis sets that changes the flow itself, so that every value needs a call of its own."""
    structure = _structure(study)
    return tuple(name for name in item.sets if name in structure)


def _structure(study: StudyFields) -> tuple[str, ...]:
    if study.system == MATRIX:
        return ("branch", "k", "predictor", *_MATRIX_RATES)
    name = str(study.system)
    more = entry_of(name).structure if name in list_systems()["name"] else ()
    return ("branch", "variant", *more)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _parameters(study: StudyFields, flow: Any) -> tuple[str, ...]:
    return _MATRIX_RATES if study.system == MATRIX else flow.parameters


def _flow(study: StudyFields, fixed: Mapping[str, Any]) -> Any:
    return _built(study, tuple(sorted(fixed.items())))


@lru_cache(maxsize=64)
def _built(study: StudyFields, fixed: tuple[tuple[str, Any], ...]) -> Any:
    values = {"branch": study.branch, "variant": study.variant, **study.structure, **dict(fixed)}
    branch, variant = values.pop("branch"), values.pop("variant")
    if study.system == MATRIX:
        return _matrices({**values, **{n: v for n, v in study.parameters.items() if n not in dict(fixed)}}, branch)
    name = str(study.system)
    if name in list_systems()["name"]:
        return entry_of(name).flow(branch, variant, **values)
    return as_flow(name, study.states, branch=branch, variant=variant)


def _matrices(values: dict[str, Any], branch: Branch) -> Field:
    for name in values:
        if name not in ("sigma_d", "sigma_s", "k", "predictor", *_MATRIX_RATES):
            raise unknown("structure", name, ("sigma_d", "sigma_s", "k", "predictor"))
    for name in ("sigma_d", "k"):
        if name not in values:
            raise bad("structure", None, f"a value for {name}", "structure = {sigma_d = [1.0, 0.5], k = 2}")
    data = _moment("sigma_d", values.pop("sigma_d"))
    if "sigma2" in values:
        views = data + values.pop("sigma2") * np.eye(len(data))
    elif "sigma_s" in values:
        views = _moment("sigma_s", values.pop("sigma_s"))
    else:
        raise bad("structure", None, "a value for sigma_s", "or a parameter sigma2, Σ_s = Σ_d + σ²I")
    return matrix_flow(data, views, branch=branch, **values)


def _moment(name: str, given: Any) -> np.ndarray:
    """A matrix, or a list that is its diagonal."""
    try:
        values = np.asarray(given, dtype=float)
    except (TypeError, ValueError, OverflowError):
        raise bad(name, given, "a matrix of numbers, or a list that is its diagonal", kind=InvalidType) from None
    return np.diag(values) if values.ndim == 1 else values
