"""The contract of a claim: a sentence with its source, and a computation that decides it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from typing import Any

from dynsim.errors import InvalidType, bad, unknown
from dynsim.table import Table
from dynsim.verdict import HEADLINE_LENGTH, Verdict, Word

__all__ = ["Claim", "decided", "magnitude", "numbers"]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A checkable sentence.

    Parameters
    ----------
    id : str
        As ``dynsim claims ID`` calls it.
    sentence : str
        What is claimed, in our own words.
    source, place : str
        Author and year, and where in it.
    paper : str
        The arXiv number, the address of the article, or the repository of public code.
    decided_by : str
        The command, call or derivation that decides it.
    decide : str or callable
        ``"module:function"``, imported on first use, or the function itself: it computes the verdict and takes, as
        keywords with defaults, what the sentence is about.
    cost : float
        Seconds of the computation on one core, imports apart.
    quoted : bool
        The sentence is known from quotation: its source was not read at that place.
    needs : tuple of str
        Extras of dynsim that the computation needs.
    note : str
        In what the check is less than what decides it.

    See Also
    --------
    dynsim.claims : The table of all of them.

    Examples
    --------
    >>> import dynsim
    >>> one = dynsim.claim("three-branches")
    >>> print(one.check())
    holds: from (0.6, 0.1), α = 1, θ ends at 0.8062 (stop), 0 (full), 0 (target)
    >>> print(one.check(initial={"phi": 1.5, "theta": 0.1}).word)
    does not hold
    """

    id: str
    sentence: str
    source: str
    place: str
    paper: str
    decided_by: str
    decide: str | Callable[..., Verdict]
    cost: float
    quoted: bool = False
    needs: tuple[str, ...] = ()
    note: str = ""

    @property
    def name(self) -> str:
        """The id, as `dynsim.register` asks for it."""
        return self.id

    @property
    def reference(self) -> str:
        """Source and place; says so where the sentence is known from quotation only."""
        return f"{self.source}, {self.place}" + (" (known from quotation)" if self.quoted else "")

    @property
    def decider(self) -> str:
        """What decides it, and in what the check is less."""
        return self.decided_by + (f" ({self.note})" if self.note else "")

    def _function(self) -> Callable[..., Verdict]:
        if not isinstance(self.decide, str):
            return self.decide
        module, _, attribute = self.decide.partition(":")
        function: Callable[..., Verdict] = getattr(import_module(module), attribute)
        return function

    @property
    def options(self) -> dict[str, Any]:
        """What the computation takes, with its defaults."""
        return {name: one.default for name, one in signature(self._function()).parameters.items()}

    def check(self, **changes: Any) -> Verdict:
        """Compute the verdict anew.

        Parameters
        ----------
        **changes
            Other values of `options`: whether the sentence is still true elsewhere.

        Returns
        -------
        Verdict

        Raises
        ------
        UnknownName
            The computation has no such option.
        InvalidType
            It returned something else than a verdict.
        """
        function = self._function()
        for name in changes:
            if name not in (known := self.options):
                raise unknown(f"option of claim '{self.id}'", name, tuple(known), "" if known else "it has none")
        verdict = function(**changes)
        if not isinstance(verdict, Verdict):
            raise bad(f"check of claim '{self.id}'", verdict, "a Verdict", kind=InvalidType)
        return verdict


# What is smaller is rounding or the integrator's tolerance, and differs between machines.
NOTHING = 1e-9


def magnitude(value: float) -> str:
    """An error or a remainder as text that is the same on every machine.

    Examples
    --------
    >>> from dynsim.ledger.contract import magnitude
    >>> magnitude(3.2e-13), magnitude(0.034)
    ('less than 1e-09', '0.034')
    """
    return f"less than {NOTHING:.0e}" if abs(value) < NOTHING else f"{value:.2g}"


def decided(word: Word, headline: str, facts: Table) -> Verdict:
    """Verdict of a check; what options with many digits make longer than a title is cut behind a word.

    Examples
    --------
    >>> from dynsim.ledger.contract import decided, numbers
    >>> decided("measured", "one number after the other " * 9, numbers(("runs", 3))).headline[-25:]
    'ber after the other one …'
    """
    if len(headline) > HEADLINE_LENGTH:
        headline = headline[: HEADLINE_LENGTH - 1].rsplit(" ", 1)[0] + " …"
    return Verdict(word, headline, facts)


def numbers(*rows: tuple[str, Any]) -> Table:
    """Facts of a verdict: what was computed, and its value.

    Examples
    --------
    >>> from dynsim.ledger.contract import numbers
    >>> print(numbers(("runs", 3)))
    fact  value
    runs  3
    """
    return Table([{"fact": fact, "value": value} for fact, value in rows], ("fact", "value"))
