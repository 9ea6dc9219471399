"""How a part of a study of networks is run: one training of a batch of seeds per task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from dynsim.errors import DynsimError, bad, unknown
from dynsim.studies.axes import spanned
from dynsim.studies.study_fields import StudyFields

if TYPE_CHECKING:
    from dynsim.networks import Experiment

__all__ = ["batching", "cells", "check", "example", "experiment_of", "run"]

SEEDS = 16
_CLOCK = ("lr", "momentum", "schedule")  # fields on which the flow time of a step depends
_RHYTHM = ("steps", "every")


def check(study: StudyFields) -> None:
    """Refuse what no run could use; a cell whose fields exclude each other is left to fail by itself.

    Raises
    ------
    InvalidValue, UnknownName
    """
    from dataclasses import fields

    known = [item.name for item in fields(study.experiment)]
    swept = [name for item in study.axes for name in item.sets]
    for name in swept:
        if name not in known:
            raise unknown("axis", name, known)
    if study.seeds is None:
        raise bad("seeds", None, "a number of seeds or a list", "every network starts from a seed")
    if study.history and set(swept) & set(_RHYTHM):
        raise bad("history", True, f"no axis over {' or '.join(_RHYTHM)}", "all runs must record the same steps")
    if study.experiment.to_dict()["data"].startswith("sha256:"):
        raise bad("data", study.experiment.data, "a name or a path", "save data that live in memory as .npz first")


def batching(study: StudyFields) -> tuple[set[str], int]:
    """Every cell is a training of its own; its seeds are trained together."""
    return {item.name for item in study.axes}, study.chunk or SEEDS


def experiment_of(study: StudyFields, values: Mapping[str, Any]) -> Experiment:
    """Experiment of a cell, ``{axis: value}``.

    Raises
    ------
    InvalidValue, UnknownName
        Fields that exclude each other.
    """
    chosen = {item: item.values.index(values[item.name]) for item in study.axes}
    return study.experiment.but(**{name: item.along(name)[at] for item, at in chosen.items() for name in item.sets})


def cells(study: StudyFields) -> Iterator[dict[str, Any]]:
    """All cells, the last axis fastest."""
    for values in product(*(item.values for item in study.axes)):
        yield dict(zip((item.name for item in study.axes), values, strict=True))


def run(study: StudyFields, region: Mapping[str, slice]) -> xr.Dataset:
    """Train the seeds of one cell."""
    here = {item.name: item.values[region[item.name]][0] for item in study.axes}
    seeds = (study.seeds or ())[region["seed"]]
    data = _trained(experiment_of(study, here), seeds)
    if not study.history:
        data = data.isel(step=-1, drop=True)
    elif data.sizes["step"] < len(steps := _steps(study)):  # all seeds were lost before the end
        data = data.reindex(step=steps)
    return spanned(data, study.sizes)


def example(study: StudyFields) -> xr.Dataset:
    """A result of the first cell that can be run, of the shape and kind that all have, after one step."""
    for values in cells(study):
        try:
            experiment = experiment_of(study, values)
        except DynsimError as error:
            refused = error
            continue
        data = _trained(experiment.but(steps=1, every=1), (study.seeds or ())[:1])
        if study.history:
            clock = set(_CLOCK) & {name for item in study.axes for name in item.sets}
            data = data.isel(step=[0] * len(_steps(study))).assign_coords(step=_steps(study))
            data = data if clock else data.assign_coords(time=_time(study))
        else:
            data = data.isel(step=-1, drop=True)
        return spanned(data, study.sizes)
    raise refused


def _trained(experiment: Experiment, seeds: Any) -> xr.Dataset:
    from dynsim.networks import train
    from dynsim.networks.torch_settings import one_thread

    with one_thread():
        return train(experiment, list(seeds)).drop_vars("time")


def _steps(study: StudyFields) -> list[int]:
    last, every = study.experiment.steps, study.experiment.every
    return sorted({*range(0, last, every), last})


def _time(study: StudyFields) -> xr.DataArray:
    from dynsim.networks.schedules import flow_times

    times = np.asarray(flow_times(study.experiment))[_steps(study)]
    return xr.DataArray(times, dims="step", attrs={"long_name": "flow time"})
