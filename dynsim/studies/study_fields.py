"""The fields of a Study and the lengths of its grid, without its checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from dynsim.studies.axes import Axis

__all__ = ["StudyFields"]


@dataclass(frozen=True)
class StudyFields:
    """What a `Study` holds, as its docstring says."""

    system: str | None = None
    experiment: Any = None
    axes: Any = field(default_factory=dict)
    seeds: Any = None
    record: Any = ()
    name: str = ""
    summary: str = ""
    branch: str = "stop"
    variant: str | None = None
    states: Any = None
    structure: Mapping[str, Any] = field(default_factory=dict)
    initial: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    t_end: float | None = None
    times: Any = None
    rtol: float | None = None
    atol: float | None = None
    history: bool = False
    chunk: int | None = None

    @cached_property
    def dimensions(self) -> tuple[Axis, ...]:
        """The axes, then that of the seeds if there are any."""
        return self.axes if self.seeds is None else (*self.axes, Axis("seed", self.seeds, ("seed",)))

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Length of every dimension."""
        return {item.name: len(item.values) for item in self.dimensions}
