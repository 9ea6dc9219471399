"""From what a user has, arrays or a Dataset, to one observation: the judge's kinds, evidence, and the course."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite, log, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from dynsim.arguments import a_word
from dynsim.errors import bad
from dynsim.monitor.array_files import read_array
from dynsim.monitor.features import (
    OUTPUTS,
    as_features,
    checked_labels,
    decay_thresholds,
    direction_moments,
    measure_outputs,
)
from dynsim.monitor.ranking import rank_checkpoints
from dynsim.networks import measures
from dynsim.networks.collapse import KINDS, Judgement, judge, judge_run
from dynsim.records import provenance
from dynsim.storage import open_dataset
from dynsim.table import Table

__all__ = ["Observation", "observe"]

# A judgement that rests on a temperature which nobody named is worth nothing where a typical one contradicts it.
_CHOSEN = 0.75
_FEWEST = 10  # samples of which a diagnosis dares to say that they are healthy
_ARRAYS = (".npy", ".pt", ".pth")
_KNOWN_TIMES = ("step", "checkpoint", "epoch", "time", "iteration", "record", "update")


@dataclass(frozen=True)
class Observation:
    """Everything that a diagnosis rests on.

    `measured` is the end, `start` the first checkpoint or the given start, `course` all checkpoints in order,
    `settings` what the source itself says about its training, `thresholds` λ_d²/(4λ_s) of every feature, `when` these
    were measured, `ranking` the checkpoints of a series of embeddings, best first.
    """

    kinds: tuple[str, ...]
    evidence: Table
    summary: str
    measured: Mapping[str, float]
    start: Mapping[str, float]
    course: xr.Dataset
    dimensions: int | None = None
    samples: int | None = None
    prototypes: int | None = None
    features: np.ndarray | None = None
    labels: np.ndarray | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    thresholds: np.ndarray | None = None
    when: str = ""
    ranking: tuple[int, ...] = ()


def observe(
    source: Any, paired: Any, outputs: str, labels: Any, initial: Any, teacher: Any, temperature: float | None
) -> Observation:
    """Measure and judge; see `dynsim.diagnose` for what is taken."""
    a_word("outputs", outputs, OUTPUTS, " or ".join(map(repr, OUTPUTS)))
    inner = getattr(source, "dataset", source)
    if isinstance(inner, str | Path):
        inner = _read(inner, "source") if Path(inner).suffix in _ARRAYS else open_dataset(inner)
    if isinstance(inner, xr.Dataset):
        beside = {"paired": paired, "labels": labels, "initial": initial, "teacher": teacher}
        for name, value in beside.items():
            if value is not None:
                raise bad(name, "a value", "nothing beside a Dataset", "it goes with arrays")
        seen = _of_dataset(inner)
        last = getattr(source, "features", None)  # what a Monitor keeps of its first and last record
        if isinstance(last, np.ndarray):
            seen = replace(seen, features=last, thresholds=getattr(source, "thresholds", None), when="at the start")
        return seen
    given = (inner, paired, labels, initial, teacher)
    names = ("source", "paired", "labels", "initial", "teacher")
    inner, paired, labels, initial, teacher = (_read(value, name) for value, name in zip(given, names, strict=True))
    return _of_arrays(inner, paired, outputs, labels, initial, teacher, temperature)


def _read(value: Any, name: str) -> Any:
    """Arrays in place of the paths of files of arrays."""
    if isinstance(value, str | Path):
        return read_array(name, str(value))
    if isinstance(value, list | tuple) and value and all(isinstance(item, str | Path) for item in value):
        words = name == "labels" or not all(Path(item).suffix in _ARRAYS for item in value)
        return value if words else [read_array(f"{name}[{i}]", str(item)) for i, item in enumerate(value)]
    return value


def _series(value: Any, name: str) -> list[np.ndarray]:
    """A matrix, or matrices in order, each checked."""
    if isinstance(value, list | tuple) and value and all(_axes(item) >= 2 for item in value):
        found = [as_features(item, f"{name}[{i}]") for i, item in enumerate(value)]
        for i, item in enumerate(found):
            if item.shape[1] != found[0].shape[1]:
                expected = f"{found[0].shape[1]} dimensions, as the first has"
                raise bad(f"{name}[{i}]", f"shape {item.shape}", expected, "a series is of one network")
        return found
    return [as_features(value, name)]


def _axes(value: Any) -> int:
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):  # torch.Size is one
        return len(shape)
    if isinstance(value, list | tuple):
        return 1 + _axes(value[0]) if value else 1
    return 0


def _pairs(paired: Any, series: Sequence[np.ndarray]) -> list[np.ndarray | None]:
    if paired is None:
        return [None] * len(series)
    given = _series(paired, "paired")
    if len(given) not in (1, len(series)):
        raise bad("paired", f"{len(given)} arrays", f"{len(series)}, one for each of the series, or one for its end")
    own: list[np.ndarray | None] = [None] * (len(series) - len(given)) + list(given)
    for one, other in zip(series, own, strict=True):
        if other is not None and one.shape != other.shape:
            raise bad("paired", f"shape {other.shape}", f"the shape of the first view, {one.shape}",
                      "row i shows image i")  # fmt: skip
    return own


def _of_arrays(
    source: Any, paired: Any, outputs: str, labels: Any, initial: Any, teacher: Any, temperature: float | None
) -> Observation:
    series = _series(source, "source")
    pairs = _pairs(paired, series)
    last = series[-1]
    if outputs != "embedding" and last.shape[1] < 2:
        raise bad("source", f"shape {last.shape}", f"{outputs} of at least two prototypes")
    numbers = None if labels is None else checked_labels(labels, len(last))
    rows = [
        measure_outputs(
            z, other, outputs=outputs, temperature=temperature,
            labels=numbers if numbers is not None and len(z) == len(numbers) else None,
        )
        for z, other in zip(series, pairs, strict=True)
    ]  # fmt: skip
    begin = dict(rows[0]) if len(rows) > 1 else {}
    first = series[0] if len(series) > 1 else None
    if initial is not None:
        first = as_features(initial, "initial")
        if first.shape[1] != last.shape[1]:
            raise bad("initial", f"shape {first.shape}", f"{last.shape[1]} dimensions, as the source has")
        if not _has_norm(first):
            raise bad("initial", "features that are zero or not finite", "outputs that have a norm to compare with",
                      "leave it out, or take a later checkpoint")  # fmt: skip
        begin = measure_outputs(first, outputs=outputs, temperature=temperature)
    if first is not None and _has_norm(first):
        for row, z in zip(rows, series, strict=True):
            row["norm_ratio"] = float(measures.norm_ratio(z, first))
    found = dict(rows[-1])
    if len(rows) >= 4 and "norm_ratio" in found:
        before = rows[-1 - len(rows) // 4]["norm_ratio"]
        found["norm_growth"] = found["norm_ratio"] / before if before > 0 else float("nan")
    if teacher is not None:
        found |= _teacher_measures(teacher, last, None if initial is None else first)
    prototypes = None if outputs == "embedding" else last.shape[1]
    judged = judge(
        found,
        start=begin,
        dimensions=last.shape[1] if outputs == "embedding" else None,
        samples=len(last),
        prototypes=prototypes,
    )
    names = sorted(set().union(*rows))
    course = xr.Dataset(
        {name: ("checkpoint", [row.get(name, np.nan) for row in rows]) for name in names},
        {"checkpoint": np.arange(len(rows))},
    )
    ranking: tuple[int, ...] = ()
    if outputs == "embedding" and len(rows) > 1:
        ranking = rank_checkpoints(rows, dimensions=last.shape[1], samples=len(last))
    thresholds, when = _thresholds(series, pairs, found.get("norm_ratio")) if outputs == "embedding" else (None, "")
    kinds, summary = judged.kinds, str(judged)
    if "uniform" in kinds and _doubtful(found, last.shape[1]):
        kinds = tuple(kind for kind in kinds if kind != "uniform") or ("unsure",)
        summary = "unsure: uniform at temperature 1, but not at 0.1; the temperature was not named (settings: tau_s)"
    if kinds == ("healthy",) and len(last) < _FEWEST:
        kinds, summary = (
            ("unsure",),
            f"unsure: {len(last)} samples are too few to say more; no sign of collapse in them",
        )
    evidence = _with_rest(judged, found)
    if numbers is not None and (chance := _chance(numbers)) < 1:
        says = {"healthy": f"> {chance:.3g}, chance", "says": "healthy" if found["knn"] > chance else "unsure"}
        rated = [{**row, **says} if row["measure"] == "knn" else row for row in evidence]
        evidence = Table(rated, columns=evidence.columns)
    return Observation(
        kinds, evidence, summary, found, begin, course, last.shape[1], len(last), prototypes,
        last, numbers, thresholds=thresholds, when=when, ranking=ranking,
    )  # fmt: skip


def _thresholds(
    series: Sequence[np.ndarray], pairs: Sequence[np.ndarray | None], ratio: float | None
) -> tuple[np.ndarray | None, str]:
    """Of the start if both its views are there, else of the end, scaled to the norm of the start if that is known."""
    if len(series) > 1 and pairs[0] is not None:
        return decay_thresholds(*direction_moments(series[0], pairs[0])[:2]), "at the start"
    if pairs[-1] is None:
        return None, ""
    found = decay_thresholds(*direction_moments(series[-1], pairs[-1])[:2])
    return (found / ratio**2, "at the end, at the norm of the start") if ratio else (found, "at the end")


def _has_norm(z: np.ndarray) -> bool:
    return bool(np.isfinite(z).all() and z.any())


def _chance(numbers: np.ndarray) -> float:
    """The kNN accuracy between two halves that chance reaches: the share of the largest class, and its scatter."""
    share = float(np.bincount(numbers).max()) / len(numbers)
    return share + 2 * sqrt(share * (1 - share) / (len(numbers) / 2))


def _doubtful(found: Mapping[str, float], prototypes: int) -> bool:
    other = found.get("mean_entropy_at_0.1")
    return other is not None and other < _CHOSEN * log(prototypes)


def _with_rest(judged: Judgement, found: Mapping[str, float]) -> Table:
    """The judge's evidence, and below it what was measured without a bound."""
    read = set(judged.evidence["measure"]) if len(judged.evidence) else set()
    rest = [
        {"measure": name, "value": value, "collapsed": "", "healthy": "", "says": ""}
        for name, value in sorted(found.items())
        if name not in read
    ]
    return Table([*judged.evidence, *rest], columns=("measure", "value", "collapsed", "healthy", "says"))


def _teacher_measures(teacher: Any, last: np.ndarray, first: np.ndarray | None) -> dict[str, float]:
    """Teacher's distance from its own start, and from the student, of outputs or of parameters."""
    if isinstance(teacher, list | tuple) and len(teacher) > 1 and not _is_rows(teacher):
        if all(_axes(item) >= 2 for item in teacher):
            matrices = _series(teacher, "teacher")
            if matrices[0].shape == matrices[-1].shape:
                return {"teacher_moved": measures.relative_distance(matrices[-1], matrices[0])}
        return {"teacher_moved": measures.relative_distance(teacher[-1], teacher[0])}
    z = as_features(teacher, "teacher")
    if z.shape != last.shape:
        raise bad(
            "teacher", f"shape {z.shape}", f"outputs of the shape of the source, {last.shape}, or a series of them"
        )
    found = {"teacher_distance": measures.relative_distance(z, last)}
    if first is not None and first.shape == z.shape:
        # A teacher begins as a copy of its student: where it still gives the student's first outputs, it never moved.
        found["teacher_moved"] = measures.relative_distance(z, first)
    return found


def _is_rows(value: Sequence[Any]) -> bool:
    return all(_axes(item) == 1 and not isinstance(item, Mapping) for item in value)


def _of_dataset(dataset: xr.Dataset) -> Observation:
    judged = judge_run(dataset)
    found: list[Judgement] = list(judged.values.reshape(-1))
    if not found:
        raise bad("source", "a Dataset without runs", "at least one run")
    said = {kind for one in found for kind in one.kinds}
    kinds = tuple(kind for kind in KINDS[:-1] if kind in said) or ("healthy",)
    worst = min(range(len(found)), key=lambda i: KINDS.index(found[i].kinds[0]))
    count = sum(found[worst].kinds[0] in one.kinds for one in found)
    summary = str(found[worst]) + (f"; so in {count} of {len(found)} runs" if len(found) > 1 else "")
    place = np.unravel_index(worst, judged.shape) if judged.shape else ()
    here = {str(name): int(i) for name, i in zip(judged.dims, place, strict=True)}
    run = dataset.isel(here)
    along = next((name for name in _KNOWN_TIMES if name in run.dims), None)
    names = [name for name in run.data_vars if run[name].dims in ((), (along,)) and run[name].dtype.kind in "fiu"]
    course = run[names]
    ends = course.isel({along: -1}) if along else course
    begins = course.isel({along: 0}) if along else course
    about = provenance(dataset)
    return Observation(
        kinds,
        _with_rest(found[worst], {}),
        summary,
        {str(name): float(ends[name]) for name in names},
        {str(name): float(begins[name]) for name in names} if along else {},
        course,
        _whole(about, "dim"),
        None,
        _whole(about, "prototypes"),
        settings=_settings_of(about),
    )


def _whole(about: Mapping[str, Any], name: str) -> int | None:
    experiment = about.get("experiment")
    value = about.get(name, experiment.get(name) if isinstance(experiment, Mapping) else None)
    return int(value) if isinstance(value, int | float | np.integer) else None


def _settings_of(about: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that a Dataset carries: those a Monitor was given, or the parameters of `networks.train`."""
    own = about.get("settings")
    if isinstance(own, Mapping):
        return dict(own)
    parameters = about.get("parameters")
    found = {}
    if isinstance(parameters, Mapping):
        for name in ("alpha", "eta_p", "eta_s", "lr"):
            value = parameters.get(name)
            if isinstance(value, int | float) and isfinite(value):
                found[name] = float(value)
    return found
