"""Verdict: what a figure, a claim or a comparison concludes, computed from its data."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import Literal, get_args

from dynsim.errors import bad
from dynsim.table import Table

__all__ = ["HEADLINE_LENGTH", "Verdict", "Word"]

Word = Literal["holds", "holds under conditions", "does not hold", "measured", "open"]

HEADLINE_LENGTH = 90


@dataclass(frozen=True)
class Verdict:
    """One conclusion: a word, a headline and the facts it rests on.

    The title of a figure, the line in a terminal, the site and the ledger of claims all show this object.

    Parameters
    ----------
    word : str
        "holds", "holds under conditions", "does not hold", "measured" (a number without a claim) or "open".
    headline : str
        At most 90 characters, computed from the data.
    facts : Table
        The numbers behind it, thresholds and their sensitivity included.

    Raises
    ------
    InvalidValue
        Another word, or a headline that is empty or too long for a title.

    Examples
    --------
    >>> from dynsim.table import Table
    >>> from dynsim.verdict import Verdict
    >>> print(Verdict("holds", "θ → 0.806: the encoder survives", Table([{"fact": "theta", "value": 0.806}])))
    holds: θ → 0.806: the encoder survives
    """

    word: Word
    headline: str
    facts: Table = field(default_factory=lambda: Table((), ("fact", "value")))

    def __post_init__(self) -> None:
        if self.word not in get_args(Word):
            raise bad("word", self.word, f"one of {', '.join(map(repr, get_args(Word)))}")
        if not 0 < len(self.headline) <= HEADLINE_LENGTH:
            raise bad("headline", self.headline, f"1 to {HEADLINE_LENGTH} characters")

    def __str__(self) -> str:
        return f"{self.word}: {self.headline}"

    def _repr_html_(self) -> str:
        return f"<p><b>{escape(self.word)}</b>: {escape(self.headline)}</p>{self.facts._repr_html_()}"
