"""The contract of a figure: what is computed, what it shows and how it is drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

from dynsim.verdict import Verdict

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["STORED_ABOVE", "Figure"]

# Bare `dynsim plot` computes what costs less than this many seconds and redraws the rest from its stored run.
STORED_ABOVE = 60.0


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A named figure of the gallery.

    Parameters
    ----------
    name : str
        As it is called: ``dynsim plot NAME``.
    summary : str
        One line for the list of figures.
    compute : callable
        ``compute(progress=None, **options)`` returns a Dataset with its provenance inside; `progress`, where given,
        is called as ``progress(done, total, what)``.
    verdict : callable
        ``verdict(data)``: what the data shows, computed from it alone.
    draw : callable
        ``draw(data, figure)`` draws a Dataset on a matplotlib Figure or SubFigure, whatever made the data.
    cost : float
        Seconds of `compute` on one core. A figure that costs more than `STORED_ABOVE` is drawn from its stored run.
    size : (float, float)
        Width and height in inches at which it is laid out.
    needs : sequence of str
        Extras of dynsim that computing needs.
    small : mapping
        Options of a run that takes a second or two, for tests.
    """

    name: str
    summary: str
    compute: Callable[..., xr.Dataset]
    verdict: Callable[[xr.Dataset], Verdict]
    draw: Callable[[xr.Dataset, Any], None]
    cost: float
    size: tuple[float, float]
    needs: tuple[str, ...] = ()
    small: Mapping[str, Any] = field(default_factory=dict)

    @property
    def options(self) -> dict[str, Any]:
        """Options of `compute` by name, with their defaults."""
        return {
            each.name: each.default
            for each in signature(self.compute).parameters.values()
            if each.kind is not Parameter.VAR_KEYWORD and each.name != "progress"
        }

    @property
    def takes_more(self) -> bool:
        """Whether `compute` takes further options: the fields of an Experiment, which are checked there."""
        return any(each.kind is Parameter.VAR_KEYWORD for each in signature(self.compute).parameters.values())
