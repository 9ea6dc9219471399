"""When is a representation collapsed? One definition, which every judge, experiment and figure asks.

No single measure answers, so all that are there are read: the spread of directions, the ranks, the norm against its
start, the assignments to prototypes, dead units, the teacher, kNN. Needs no torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import exp, isfinite, log, sqrt
from typing import Any

import numpy as np
import xarray as xr

from dynsim.errors import bad
from dynsim.records import provenance
from dynsim.status import Status
from dynsim.table import Table

__all__ = ["KINDS", "NORM", "SPREAD", "Judgement", "closing_sentence", "collapsed", "judge", "judge_run", "least_rank"]

# Gravest first; all but the last two are failures.
KINDS = (
    "not-finite", "constant", "one-prototype", "uniform", "vanishing", "exploding", "dimensional", "dead-layer",
    "frozen-teacher", "unsure", "healthy",
)  # fmt: skip

_SAYS = {
    "not-finite": "numbers are no longer finite",
    "constant": "all samples have the same direction",
    "one-prototype": "all samples are assigned to one prototype",
    "uniform": "no sample prefers a prototype",
    "vanishing": "the features have shrunk to nothing",
    "exploding": "the features grow without bound",
    "dimensional": "the features use few of their dimensions",
    "dead-layer": "a layer gives every sample the same",
    "frozen-teacher": "the teacher has not moved",
    "unsure": "between the thresholds",
    "healthy": "no sign of collapse",
}

# (collapsed below, healthy above). Digits, ten seeds: spread about .04 without stop-gradient and .88 with it.
SPREAD = (0.1, 0.2)
# Linear digits: .1 without stop-gradient and .9 with it; weight decay may shrink what lives a few times.
NORM = (0.15, 0.25)
# A start far too small grows a thousandfold while it escapes; nothing that lives grows beyond.
_NORM_UNSURE, _NORM_EXPLODED, _STILL_GROWING = 30.0, 1000.0, 1.2
_RANK_LEFT = 0.25  # share of the rank at the start, both above 1
_RANK_FEW = 0.6  # of the bound: no healthy spectrum, however steep, comes down to it
_FALLS = 1.5  # RankMe over participation: 1.2 for a few equal dimensions, 1.8 … 2.9 for VICReg and Barlow Twins
_ONE_DIMENSION = 1.3  # participation ratio: 1 on a line; healthy ones come down to 1.7 (Barlow Twins, digits)
_UNIFORM = (0.9, 0.98)  # mean entropy over ln K: healthy below, uniform above
_ONE_PROTOTYPE = (1.5, 2.0)  # effective number of prototypes used: collapsed below, healthy above (for K > 4)
_DEAD = (0.5, 0.9)  # share of dead units: healthy below, a dead layer above
_STILL = 1e-7  # relative move of a teacher: rounding of single precision
_GAIN = 0.5  # share of the reference's gain in kNN accuracy
_LEAST_GAIN = 0.05  # of the reference: a smaller one is within the scatter of seeds

_PROXIES = frozenset({"constant", "dimensional"})

MUST_BE_FINITE = ("loss", "spread", "rankme", "participation", "norm_ratio", "mean_entropy", "entropy_of_mean")
_READ = (*MUST_BE_FINITE[1:], "norm_growth", "teacher_moved", "knn", "dead_share")
_TIMES = ("step", "time", "epoch", "iteration", "checkpoint", "record", "update")


@dataclass(frozen=True)
class Judgement:
    """What the measures of one representation say.

    Parameters
    ----------
    kinds : tuple of str
        Of `KINDS`, gravest first; one that is healthy has this kind only.
    evidence : Table
        Every measure that was read: its value, where it is collapsed, where healthy, and what it speaks for.

    Examples
    --------
    >>> from dynsim.networks.collapse import judge
    >>> found = judge({"spread": 0.02, "norm_ratio": 0.9})
    >>> found.kinds, found.collapsed, str(found)
    (('constant',), True, 'constant: all samples have the same direction (spread 0.02)')
    """

    kinds: tuple[str, ...]
    evidence: Table

    @property
    def collapsed(self) -> bool | None:
        """True for any failure, False for a healthy one, None where unsure."""
        if self.kinds == ("healthy",):
            return False
        return None if self.kinds == ("unsure",) else True

    def says(self, measure: str) -> str:
        """What one measure speaks for; empty if it was not read."""
        return next((row["says"] for row in self.evidence if row["measure"] == measure), "")

    def __str__(self) -> str:
        kind = self.kinds[0]
        against = {says for row in self.evidence for says in row["says"].split(", ")} & _PROXIES
        if kind == "unsure" and against:
            read = ", ".join(f"{row['measure']} {row['value']:.3g}" for row in self.evidence if row["says"] in against)
            return f"unsure: {' and '.join(sorted(against))} ({read}), but kNN tells classes apart"
        seen = [f"{row['measure']} {row['value']:.3g}" for row in self.evidence if kind in row["says"].split(", ")]
        return f"{kind}: {_SAYS[kind]}" + (f" ({', '.join(seen)})" if seen else "")


def least_rank(dimensions: int, samples: int | None = None) -> float:
    """Rank below which features count as dimensionally collapsed: a fifth of up to 32 dimensions, then as √d.

    What is left of the rank grows more slowly than the dimension: healthy networks of thousands of dimensions use
    some hundreds. N samples have at most N − 1 dimensions.

    Examples
    --------
    >>> from dynsim.networks.collapse import least_rank
    >>> least_rank(32), least_rank(2048), least_rank(32, samples=11)
    (6.4, 51.2, 2.0)
    """
    most = dimensions if samples is None else min(dimensions, samples - 1)
    return 0.2 * most if most <= 32 else 6.4 * sqrt(most / 32)


def judge(
    measures: Mapping[str, float],
    *,
    start: Mapping[str, float] | None = None,
    dimensions: int | None = None,
    samples: int | None = None,
    prototypes: int | None = None,
    reference: float | None = None,
) -> Judgement:
    """Judge one representation from whatever was measured of it.

    Parameters
    ----------
    measures : mapping
        Measure → value, named as in `dynsim.networks.measures`: ``spread``, ``rankme``, ``participation``,
        ``norm_ratio``, ``knn``, ``mean_entropy``, ``entropy_of_mean``, ``dead_share`` (also of single layers, as
        ``dead_share_conv1``), ``loss``; besides ``norm_growth``, the factor of the norm over the last quarter of a
        run, and ``teacher_moved``, the relative distance of a teacher from its own start. What is not read is ignored.
    start : mapping, optional
        The same measures at the start of training: ranks and kNN are compared with them.
    dimensions, samples : int, optional
        Of the features; without the dimensions, ranks are compared with the start only.
    prototypes : int, optional
        K, where entropies are given.
    reference : float, optional
        kNN accuracy that this method reaches where all is well: a healthy run keeps half of its gain over the start.

    Returns
    -------
    Judgement

    Raises
    ------
    InvalidValue
        Nothing among the measures that could be read; entropies without the number of prototypes.

    Notes
    -----
    ``dimensional``: RankMe, and the participation ratio if it is there, are below `least_rank` or a quarter of RankMe
    at the start. It is unsure if RankMe is above 0.6 of that and 1.5 times the participation ratio: the spectrum falls
    as VICReg's and Barlow Twins' do. The participation ratio alone must be below 1.3, and leaves it unsure below half
    of `least_rank`. ``constant`` and ``dimensional`` become ``unsure`` where kNN keeps half of a reference's gain (of
    at least .05), which is what healthy means. ``exploding``: the norm is more than 1000 times its start, or more than
    30 times and grows by 20 % in the last quarter. Between the thresholds it is ``unsure``.

    Examples
    --------
    >>> from dynsim.networks.collapse import judge
    >>> judge({"spread": 0.9, "rankme": 3.0, "participation": 2.8}, dimensions=32).kinds
    ('dimensional',)
    >>> judge({"spread": 0.9, "rankme": 21.0, "norm_ratio": 1.1}, dimensions=32).kinds
    ('healthy',)
    """
    values = {name: float(value) for name, value in measures.items()}
    before = {name: float(value) for name, value in (start or {}).items()}
    if not any(_is_read(name) for name in values):
        raise bad("measures", sorted(values), f"some of {', '.join(_READ)}")
    if prototypes is None and {"mean_entropy", "entropy_of_mean"} & values.keys():
        raise bad("prototypes", None, "their number, for entropies are compared with ln K")
    rows = list(_rows(values, before, dimensions, samples, prototypes, reference))
    said = {kind for row in rows for kind in row["says"].split(", ")}
    if _keeps_its_gain(values, before, reference) and said & _PROXIES:
        # Directions and ranks are proxies for what can be told apart; where that is seen, they only raise doubt.
        said = (said - _PROXIES) | {"unsure"}
    kinds = tuple(kind for kind in KINDS[:-2] if kind in said)
    if not kinds:
        kinds = ("unsure",) if "unsure" in said else ("healthy",)
    return Judgement(kinds, Table(rows, columns=("measure", "value", "collapsed", "healthy", "says")))


def _keeps_its_gain(values: Mapping[str, float], start: Mapping[str, float], reference: float | None) -> bool:
    """Whether kNN keeps half of a gain worth the name over the start, as it does in a healthy run."""
    before, now = start.get("knn", float("nan")), values.get("knn", float("nan"))
    return reference is not None and reference - before >= _LEAST_GAIN and now >= before + _GAIN * (reference - before)


def _is_read(name: str) -> bool:
    return name in _READ or name == "loss" or name.startswith("dead_share")


def _row(measure: str, value: float, collapsed: str, healthy: str, says: str) -> dict[str, Any]:
    return {"measure": measure, "value": value, "collapsed": collapsed, "healthy": healthy, "says": says}


def _between(value: float, bounds: tuple[float, float], low: str, high: str) -> str:
    """Say `low` below the bounds, `high` above, unsure between."""
    return low if value < bounds[0] else high if value >= bounds[1] else "unsure"


def _rows(
    values: Mapping[str, float],
    start: Mapping[str, float],
    dimensions: int | None,
    samples: int | None,
    prototypes: int | None,
    reference: float | None,
) -> Iterator[dict[str, Any]]:
    """One row of evidence per measure."""
    lost = [name for name in MUST_BE_FINITE if name in values and not isfinite(values[name])]
    for name in lost:
        yield _row(name, values[name], "not finite", "finite", "not-finite")
    values = {name: value for name, value in values.items() if name not in lost and isfinite(value)}
    if "spread" in values:
        says = _between(values["spread"], SPREAD, "constant", "healthy")
        yield _row("spread", values["spread"], f"< {SPREAD[0]}", f"≥ {SPREAD[1]}", says)
    yield from _rank_rows(values, start, dimensions, samples)
    if "norm_ratio" in values:
        yield _norm_row(values["norm_ratio"], values.get("norm_growth"))
    if prototypes is not None and prototypes > 1:
        yield from _entropy_rows(values, prototypes)
    for name in sorted(name for name in values if name.startswith("dead_share")):
        says = _between(values[name], _DEAD, "healthy", "dead-layer")
        yield _row(name, values[name], f"≥ {_DEAD[1]}", f"< {_DEAD[0]}", says)
    if "teacher_moved" in values:
        says = "frozen-teacher" if values["teacher_moved"] <= _STILL else "healthy"
        yield _row("teacher_moved", values["teacher_moved"], f"≤ {_STILL:g}", f"> {_STILL:g}", says)
    if "knn" in values and reference is not None and isfinite(reference):
        base = start.get("knn", 0.0)
        least = base + _GAIN * max(reference - base, 0.0)
        yield _row("knn", values["knn"], "", f"≥ {least:.3g}", "healthy" if values["knn"] >= least else "unsure")


def _rank_rows(
    values: Mapping[str, float], start: Mapping[str, float], dimensions: int | None, samples: int | None
) -> Iterator[dict[str, Any]]:
    least = least_rank(dimensions, samples) if dimensions is not None and dimensions >= 4 else 0.0
    rankme, other = values.get("rankme"), values.get("participation")
    if rankme is not None:
        bound = max(least, 1 + _RANK_LEFT * (start.get("rankme", 1.0) - 1))
        few = _RANK_FEW * bound
        says = "healthy"
        if rankme < bound and (other is None or other < bound):
            falls = other is not None and rankme >= max(few, _FALLS * other)
            says = "unsure" if falls else "dimensional"
        for name, rank in (("rankme", rankme), ("participation", other)):
            if rank is not None and bound > 1:
                yield _row(name, rank, f"< {few if says == 'unsure' else bound:.3g}", f"≥ {bound:.3g}", says)
    elif other is not None and least:
        bounds = (min(_ONE_DIMENSION, least), least / 2)
        says = _between(other, bounds, "dimensional", "healthy")
        yield _row("participation", other, f"< {bounds[0]:.3g}", f"≥ {bounds[1]:.3g}", says)


def _norm_row(ratio: float, growth: float | None) -> dict[str, Any]:
    if ratio < _NORM_UNSURE:
        says = _between(ratio, NORM, "vanishing", "healthy")
    elif ratio >= _NORM_EXPLODED or (growth is not None and growth > _STILL_GROWING):
        says = "exploding"
    else:
        says = "unsure" if growth is None else "healthy"
    collapsed = f"< {NORM[0]} or ≥ {_NORM_EXPLODED:g}, or ≥ {_NORM_UNSURE:g} and growing"
    return _row("norm_ratio", ratio, collapsed, f"{NORM[1]} … {_NORM_UNSURE:g}", says)


def _entropy_rows(values: Mapping[str, float], prototypes: int) -> Iterator[dict[str, Any]]:
    most = log(prototypes)
    if "mean_entropy" in values:
        says = _between(values["mean_entropy"] / most, _UNIFORM, "healthy", "uniform")
        bounds = [share * most for share in _UNIFORM]
        yield _row("mean_entropy", values["mean_entropy"], f"≥ {bounds[1]:.4g}", f"< {bounds[0]:.4g}", says)
    if "entropy_of_mean" in values:
        number = exp(values["entropy_of_mean"])
        healthy = _ONE_PROTOTYPE[1] if prototypes > 4 else _ONE_PROTOTYPE[0]
        says = _between(number, (_ONE_PROTOTYPE[0], healthy), "one-prototype", "healthy")
        bounds = [log(_ONE_PROTOTYPE[0]), log(healthy)]
        yield _row("entropy_of_mean", values["entropy_of_mean"], f"< {bounds[0]:.3g}", f"≥ {bounds[1]:.3g}", says)


def judge_run(dataset: xr.Dataset, *, reference: float | xr.DataArray | None = None) -> xr.DataArray:
    """Judge the end of every run in a Dataset of `dynsim.networks.train`, of a monitor or of one's own.

    Parameters
    ----------
    dataset : xarray.Dataset
        Variables named as in `judge`, over any dimensions. One called step, time, epoch, iteration, checkpoint, record
        or update is the course of training: the last record is judged, the first is the start. Without such a one
        everything is an end.
    reference : float or xarray.DataArray, optional
        As for `judge`; an array over some of the other dimensions where runs have different ones.

    Returns
    -------
    xarray.DataArray
        A `Judgement` for each run, over the other dimensions.

    Raises
    ------
    InvalidValue
        There is nothing to judge.

    Examples
    --------
    >>> import xarray as xr
    >>> from dynsim.networks.collapse import judge_run
    >>> run = xr.Dataset({"spread": (("seed", "epoch"), [[0.9, 0.8], [0.9, 0.01]])})
    >>> [found.kinds[0] for found in judge_run(run).values]
    ['healthy', 'constant']
    """
    names = [str(name) for name in dataset.data_vars if _is_read(str(name)) and dataset[name].dtype.kind in "fiu"]
    if not [name for name in names if name != "loss"]:
        raise bad("dataset", list(dataset.data_vars), f"a run with some of {', '.join(_READ)}")
    chosen = dataset[names]
    along = next((name for name in _TIMES if name in chosen.dims), None)
    if along is not None and not chosen.sizes[along]:
        raise bad("dataset", f"no {along}", "a run with at least one record")
    about = _about(dataset)
    lost = dataset["stopped_step"] >= 0 if "stopped_step" in dataset else None
    finite = dataset["status"] != Status.NOT_FINITE if "status" in dataset else None
    chosen = xr.broadcast(chosen, exclude=[along] if along else [])[0]
    others = [str(name) for name in chosen.dims if name != along]
    shape = [chosen.sizes[name] for name in others]
    courses = {name: chosen[name].transpose(*others, ...).values for name in names}
    moving = {name for name in names if along in chosen[name].dims}
    wanted = xr.DataArray(np.nan if reference is None else reference)
    wanted = wanted.broadcast_like(chosen.isel({along: 0}) if along else chosen).transpose(*others)
    found = np.empty(shape, dtype=object)
    for place in np.ndindex(*shape):
        here = dict(zip(others, place, strict=True))
        run = {name: np.atleast_1d(course[place]) for name, course in courses.items()}
        end = {name: float(course[-1]) for name, course in run.items()}
        if finite is not None and bool(finite.isel(here, missing_dims="ignore").all()):
            end = {name: value for name, value in end.items() if value == value}  # NaN is what was not recorded there
        if lost is not None and bool(lost.isel(here, missing_dims="ignore").any()):
            end["loss"] = float("nan")
        first = {name: float(run[name][0]) for name in moving}
        if "norm_ratio" in moving & end.keys() and len(run["norm_ratio"]) >= 4:
            quarter = float(run["norm_ratio"][-1 - len(run["norm_ratio"]) // 4])
            end["norm_growth"] = end["norm_ratio"] / quarter if quarter > 0 else float("nan")
        found[place] = judge(end, start=first, reference=float(wanted.values[place]), **about)
    coords = {name: chosen.coords[name] for name in others if name in chosen.coords}
    return xr.DataArray(found, dims=others, coords=coords, name="judgement")


def collapsed(dataset: xr.Dataset, *, reference: float | xr.DataArray | None = None) -> xr.DataArray:
    """Whether each run of a Dataset has collapsed: 1, 0, or NaN where unsure; see `judge_run`.

    Examples
    --------
    >>> import xarray as xr
    >>> from dynsim.networks.collapse import collapsed
    >>> collapsed(xr.Dataset({"spread": ("seed", [0.9, 0.01, 0.15])})).values
    array([ 0.,  1., nan])
    """
    found = judge_run(dataset, reference=reference)
    numbers = np.array([{True: 1.0, False: 0.0, None: np.nan}[one.collapsed] for one in found.values.flat])
    return found.copy(data=numbers.reshape(found.shape)).rename("collapsed")


def closing_sentence(dataset: xr.Dataset, *, reference: float | None = None) -> str:
    """Say how the runs of a Dataset have ended, for the end of a command.

    Examples
    --------
    >>> import xarray as xr
    >>> from dynsim.networks.collapse import closing_sentence
    >>> closing_sentence(xr.Dataset({"spread": ("seed", [0.9, 0.01, 0.02])}))
    '2 of 3 runs have collapsed: constant (2), healthy (1)'
    """
    found = list(judge_run(dataset, reference=reference).values.flat)
    lost, first = sum(one.collapsed is True for one in found), [one.kinds[0] for one in found]
    counts = ", ".join(f"{kind} ({first.count(kind)})" for kind in KINDS if kind in first)
    return f"{lost} of {len(found)} run{'s' * (len(found) != 1)} {'has' if lost == 1 else 'have'} collapsed: {counts}"


def _about(dataset: xr.Dataset) -> dict[str, Any]:
    """Number of dimensions, samples and prototypes, as far as a Dataset says them."""
    attributes = provenance(dataset)
    told: Any = attributes.get("experiment") if isinstance(attributes.get("experiment"), Mapping) else {}
    found = {
        "dimensions": attributes.get("dim", told.get("dim")),
        "samples": attributes.get("samples"),
        "prototypes": attributes.get("prototypes", told.get("prototypes")),
    }
    return {name: int(value) if isinstance(value, int | float | np.integer) else None for name, value in found.items()}
