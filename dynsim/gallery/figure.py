"""The contract of a figure: what is computed, what it shows and how it is drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

from dynsim.drawing.style import SIZES
from dynsim.table import Table
from dynsim.verdict import HEADLINE_LENGTH, Verdict, Word

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["STORED_ABOVE", "Figure", "concluded"]

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
        One line for the list of figures; what it answers, not the answer.
    compute : callable
        ``compute(progress=None, **options)`` returns a Dataset with its provenance inside; `progress`, where given,
        is called as ``progress(done, total, what)``.
    verdict : callable
        ``verdict(data)``: what the data shows, computed from it alone; its headline is the title of the figure.
    draw : callable
        ``draw(data, figure)`` draws at most three panels on a matplotlib Figure or SubFigure, and what a reader has
        to know below them: ``caption(figure, data, *sentences)`` of `dynsim.drawing.words`.
    draw_full : callable, optional
        The same with all panels.
    cost : float
        Seconds of `compute` on one core. A figure that costs more than `STORED_ABOVE` is drawn from its stored run.
    height : float
        Inches at the width of a text, 7 inches.
    full_height : float, optional
        The same for `draw_full`.
    panels : int
        At the front; in a column they lie below each other.
    needs : sequence of str
        Extras of dynsim that computing needs.
    small : mapping
        Options of a run that takes a second or two, for tests.
    stored : bool
        Drawn from its stored run whatever it costs: what it computes is chaotic and differs between machines.
    run : str
        The figure whose stored run it draws, where two share one; by default its own.
    """

    name: str
    summary: str
    compute: Callable[..., xr.Dataset]
    verdict: Callable[[xr.Dataset], Verdict]
    draw: Callable[[xr.Dataset, Any], None]
    cost: float
    height: float = 3.0
    panels: int = 1
    draw_full: Callable[[xr.Dataset, Any], None] | None = None
    full_height: float | None = None
    needs: tuple[str, ...] = ()
    small: Mapping[str, Any] = field(default_factory=dict)
    stored: bool = False
    run: str = ""

    @property
    def from_store(self) -> bool:
        """Whether it is drawn from its stored run, when no option is given."""
        return self.stored or self.cost >= STORED_ABOVE

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

    def size(self, size: str = "text", *, full: bool = False, width: float | None = None) -> tuple[float, float]:
        """Width and height in inches of a new figure."""
        wide = SIZES[size][0]
        tall = (self.full_height or self.height) if full and self.draw_full else self.height
        if size == "column":
            tall = tall * (1.15 if full else 0.72 * self.panels if self.panels > 1 else 0.85)
        elif size == "slide":
            tall = min(tall * wide / 7.0, 5.63) if not full else tall * wide / 7.0
        if width is not None:
            wide, tall = width, tall * width / wide
        return wide, tall


def concluded(word: Word, headlines: str | Sequence[str], detail: str) -> Verdict:
    """Verdict of a figure: the first of the headlines that fits a title, and the clauses of `detail` as its facts.

    Parameters
    ----------
    word : str
        As `Verdict` takes it.
    headlines : str or sequence of str
        The fullest first; the one that is taken begins with a capital, unless that is a symbol.
    detail : str
        Clauses separated by "; ", each one fact.

    Examples
    --------
    >>> from dynsim.gallery.figure import concluded
    >>> concluded("holds", ["long " * 30, "short"], "one thing; another")
    Verdict(word='holds', headline='Short', facts=fact
    one thing
    another)
    """
    choices = [headlines] if isinstance(headlines, str) else list(headlines)
    fitting = [one for one in choices if len(one) <= HEADLINE_LENGTH]
    headline = fitting[0] if fitting else choices[-1][: HEADLINE_LENGTH - 1] + "…"
    first = headline.split(" ")[0]
    if first.isascii() and (len(first) > 1 or first == "a"):  # a symbol keeps its letter
        headline = headline[:1].upper() + headline[1:]
    return Verdict(word, headline, Table([{"fact": clause.strip()} for clause in detail.split("; ")], ("fact",)))
