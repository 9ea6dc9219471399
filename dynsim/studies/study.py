"""A study: what is run, over which axes, and what is kept, as one immutable value that is a plain file."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from dynsim.arguments import a_number, a_switch
from dynsim.errors import InvalidType, bad, explained, unknown
from dynsim.names import check_names
from dynsim.storage import looked_at
from dynsim.studies.axes import LONGEST, Axis, axis
from dynsim.studies.study_fields import StudyFields
from dynsim.studies.tasks import subject_of, tasks_of

__all__ = ["Study"]

MOST = 100_000_000  # tasks: weeks, even if they cost nothing
_RESERVED = ("seed", "step", "time", "status", "steps", "task_status")  # of the names in RESERVED, those of studies


@dataclass(frozen=True)
class Study(StudyFields):
    """A grid of parameters × initial conditions × seeds, of one system or of one network experiment.

    Parameters
    ----------
    system : str, optional
        A name of the catalogue, a typed loss, or ``"matrix-flow"``. Exactly one of `system` and `experiment`.
    experiment : Experiment or mapping, optional
        The fields that all networks share.
    axes : mapping
        ``{dimension: values}``, see `dynsim.studies.axes.axis`. An axis sets the parameter, the initial value
        (``phi0`` of the state phi), the branch, variant or structure keyword, or the field of the Experiment of its
        name, or all those listed under its ``sets``.
    seeds : int or iterable of int, optional
        A last dimension `seed`; an int n stands for 0…n−1. Of a network, its seeds; of a flow, the seeds of its
        random initial values.
    record : sequence of str, optional
        Variables to keep; default: all.
    name, summary : str
        One word and one line about it.
    branch, variant, states, structure
        Of the flow, as for `dynsim.system`; `states` of a typed loss. Structure of the matrix flow: sigma_d (a matrix,
        or a list that is its diagonal), k, predictor, and sigma_s or else a parameter sigma2, Σ_s = Σ_d + σ²I.
    initial, parameters : mapping
        Values that all runs of a flow share; left-out ones have the system's defaults. An initial value
        ``{"normal": [mean, deviation]}`` or ``{"uniform": [low, high]}`` is drawn anew for every seed.
    t_end, times : float, sequence of float, optional
        Flow time of the end, which alone is kept, or flow times that are all kept.
    rtol, atol : float, optional
        Tolerances of the flow's integration; default: those of `dynsim.ensemble`.
    history : bool
        Keep every recorded step of a network rather than the last.
    chunk : int, optional
        Runs per task: members integrated at once, default 1024, or seeds trained at once, default 16.

    Raises
    ------
    InvalidValue, InvalidType, UnknownName
        For anything that cannot be used, alone or together.

    Examples
    --------
    >>> from dynsim.studies.study import Study
    >>> study = Study(system="toy", axes={"phi0": [0.3, 0.6], "alpha": {"logspace": [-1, 1, 3]}}, t_end=30.0)
    >>> study.sizes
    {'phi0': 2, 'alpha': 3}
    >>> Study.from_dict(study.to_dict()) == study
    True
    """

    @explained("how-to/a-study-file")
    def __post_init__(self) -> None:
        put = object.__setattr__
        if (self.system is None) == (self.experiment is None):
            raise bad("study", {"system": self.system, "experiment": self.experiment}, "a system or an experiment")
        for name in ("name", "summary"):
            if not isinstance(getattr(self, name), str):
                raise bad(name, getattr(self, name), "a text", kind=InvalidType)
        for name in ("system", "branch", "variant"):
            if not isinstance(getattr(self, name), str | None):
                raise bad(name, getattr(self, name), "a name", kind=InvalidType)
        for name in ("t_end", "rtol", "atol"):
            if getattr(self, name) is not None:
                put(self, name, a_number(name, getattr(self, name)))
        put(self, "history", a_switch("history", self.history))
        put(self, "axes", _axes(self.axes))
        put(self, "seeds", _seeds(self.seeds))
        put(self, "record", _names("record", self.record))
        for name in ("structure", "initial", "parameters"):
            value = getattr(self, name)
            if not isinstance(value, Mapping):
                raise bad(name, value, "a mapping of names to values", kind=InvalidType)
            plain = {str(key): _plain(item) for key, item in value.items()}
            try:
                json.dumps(plain)
            except (TypeError, ValueError):
                raise bad(name, value, "plain values: numbers, texts, lists and mappings", kind=InvalidType) from None
            put(self, name, plain)
        if self.states is not None and not isinstance(self.states, str):
            put(self, "states", _names("states", self.states))
        if self.times is not None:
            put(self, "times", _numbers("times", self.times))
        if self.chunk is not None and (isinstance(self.chunk, bool) or not isinstance(self.chunk, int)):
            raise bad("chunk", self.chunk, "a whole number ≥ 1", kind=InvalidType)
        if self.chunk is not None and self.chunk < 1:
            raise bad("chunk", self.chunk, "a whole number ≥ 1")
        if self.experiment is not None:
            put(self, "experiment", self._shared_fields())
        subject_of(self).check(self)
        if (total := tasks_of(self).total) > MOST:
            raise bad("study", f"{total:.3g} tasks", f"at most {MOST:.0e}", "shorten an axis or raise chunk")

    def _shared_fields(self) -> Any:
        from dynsim.networks import Experiment

        for name in ("states", "structure", "initial", "parameters", "t_end", "times", "variant", "rtol", "atol"):
            if getattr(self, name) not in (None, {}):
                raise bad(name, getattr(self, name), "nothing beside an experiment", "it belongs to flows")
        if self.branch != "stop":
            raise bad("branch", self.branch, "nothing beside an experiment", "set the experiment's own branch")
        if isinstance(self.experiment, Experiment):
            return self.experiment
        if not isinstance(self.experiment, Mapping):
            raise bad("experiment", self.experiment, "an Experiment or a table of its fields", kind=InvalidType)
        return Experiment.from_dict(self.experiment)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what is run, in hexadecimal: equal for equal studies, on every machine and by every name."""
        plain = {key: value for key, value in self.to_dict().items() if key not in ("name", "summary")}
        described = [plain, list(self.sizes)]  # sorted keys, but the order of the axes matters
        return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return self.digest == other.digest if isinstance(other, Study) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.digest)

    def to_dict(self) -> dict[str, Any]:
        """Plain data without what was left out."""
        plain = {item.name: getattr(self, item.name) for item in fields(self)}
        plain["axes"] = {item.name: item.plain() for item in self.axes}
        plain["experiment"] = None if self.experiment is None else self.experiment.to_dict()
        for name in ("seeds", "record", "states", "times"):
            plain[name] = list(plain[name]) if isinstance(plain[name], tuple) else plain[name]
        return {name: value for name, value in plain.items() if value not in (None, "", {}, [])}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Study:
        """Inverse of `to_dict`.

        Raises
        ------
        UnknownName
            For a key that is no field.
        """
        known = [item.name for item in fields(cls)]
        for name in values:
            if name not in known:
                raise unknown("study", name, known)
        return cls(**values)

    @classmethod
    def load(cls, path: str | Path) -> Study:
        """Read a ``.toml`` or ``.json`` file; its stem is the study's name unless it gives one."""
        path = looked_at("study", path, "a readable .toml or .json file")
        readers = {".toml": tomllib.loads, ".json": json.loads}
        if path.suffix not in readers:
            raise bad("study", str(path), "a name that ends in .toml or .json")
        try:
            values = readers[path.suffix](path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise bad("study", str(path), "a readable .toml or .json file", str(error)) from None
        if not isinstance(values, dict):
            raise bad("study", str(path), "a table of fields")
        return cls.from_dict({"name": path.stem, **values})


def _axes(given: Any) -> tuple[Axis, ...]:
    """Axes as they are written, or read already; no name is reserved, nothing is set twice."""
    if isinstance(given, tuple) and all(isinstance(item, Axis) for item in given):
        axes: tuple[Axis, ...] = given
    elif isinstance(given, Mapping):
        axes = tuple(item if isinstance(item, Axis) else axis(str(name), item) for name, item in given.items())
    else:
        raise bad("axes", given, "a table of names to values", "axes = {alpha = [0.1, 1.0]}", kind=InvalidType)
    setters: dict[str, str] = {}
    for item in axes:
        check_names("axis", [item.name], _RESERVED)
        for name in item.sets:
            if name in setters:
                raise bad(f"sets of axis '{item.name}'", name, "what nothing else sets", f"'{setters[name]}' does")
            setters[name] = item.name
    return axes


def _seeds(given: Any) -> tuple[int, ...] | None:
    if given is None:
        return None
    numbers = range(given) if isinstance(given, int) and not isinstance(given, bool) else given
    if not isinstance(numbers, Iterable) or isinstance(numbers, str):
        raise bad("seeds", given, "a whole number ≥ 1 or a list of seeds", kind=InvalidType)
    if isinstance(numbers, range) and len(numbers) > LONGEST:
        raise bad("seeds", given, f"at most {LONGEST} seeds")
    values = tuple(_plain(numbers))
    if not values or not all(isinstance(v, int) and not isinstance(v, bool) and v >= 0 for v in values):
        raise bad("seeds", given, "a whole number ≥ 1 or a list of seeds ≥ 0")
    if len(set(values)) != len(values):
        raise bad("seeds", given, "seeds that are all different")
    return values


def _names(argument: str, given: Any) -> tuple[str, ...]:
    try:
        names = (given,) if isinstance(given, str) else tuple(given)
    except TypeError:
        raise bad(argument, given, "a name or a list of names", kind=InvalidType) from None
    if not all(isinstance(item, str) for item in names) or len(set(names)) != len(names):
        raise bad(argument, given, "names that are all different", kind=InvalidType)
    return names


def _numbers(argument: str, given: Any) -> tuple[float, ...]:
    plain = _plain(given)
    if not isinstance(plain, list) or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in plain):
        raise bad(argument, given, "a list of numbers", kind=InvalidType)
    return tuple(map(float, plain))


def _plain(value: Any) -> Any:
    """NumPy's numbers and arrays as Python's own, so that the description is the same however it was made."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, range | list | tuple):
        return [_plain(item) for item in value]
    return value
