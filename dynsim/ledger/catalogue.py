"""The ledger as a table: listed from the verdicts last computed, checked anew on request."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from importlib.resources import files

from dynsim.errors import InvalidType, InvalidValue, bad, unknown
from dynsim.ledger.contract import Claim
from dynsim.ledger.sentences import SENTENCES
from dynsim.registry import Registry
from dynsim.table import Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CLAIMS", "claim", "claims", "headline_table", "stored_verdicts"]

CLAIMS: Registry[Claim] = Registry("claim", {one.id: one for one in SENTENCES})

# What the front page says: the toy, the condition, the mechanism, the popular explanation, the real network.
HEADLINES = (
    "three-branches",
    "stop-gradient-prevents",
    "flow-not-minima",
    "predictor-is-fast",
    "stop-gradient-on-digits",
)


def claim(id: str) -> Claim:
    """Return a claim of the ledger.

    Parameters
    ----------
    id : str
        As `claims` lists it.

    Returns
    -------
    Claim
        Its `check()` computes the verdict anew.

    Raises
    ------
    InvalidType, UnknownName
        No name, or none of the ledger.

    See Also
    --------
    claims : All of them.

    Examples
    --------
    >>> import dynsim
    >>> print(dynsim.claim("two-views-are-twice").check())
    holds: E‖F(T₁x) − F(T₂x)‖² is 2 times E‖F(Tx) − E F(Tx)‖²
    """
    if not isinstance(id, str):
        raise bad("id", id, "a name", "claims() shows all", kind=InvalidType)
    return CLAIMS[id]


_COLUMNS = ("id", "verdict", "headline", "claim", "source", "paper", "decided_by", "cost")


def claims(*, paper: str | None = None) -> Table:
    """List checkable sentences of the article, of papers and of public code, with their verdicts.

    Parameters
    ----------
    paper : str, optional
        Only those of one source: an arXiv number, the address of the article, or the repository of public code.

    Returns
    -------
    Table
        Columns id, verdict, headline, claim, source, paper, decided_by, cost (seconds of a check on one core). The
        verdicts are those last computed when this version was made; `claim(id).check()` computes them anew.

    Raises
    ------
    InvalidType, UnknownName
        No text, or a source of no claim.

    See Also
    --------
    claim : One of them, to be checked.

    Examples
    --------
    >>> import dynsim
    >>> dynsim.claims(paper="2110.04947")["id"]
    ['decay-drops-noisy-features']
    """
    loaded = list(CLAIMS.loaded())
    chosen = [one for _, one in loaded if not isinstance(one, InvalidValue)]
    # A claim of an installed package that cannot be loaded breaks its own line only.
    broken = [(name, error) for name, error in loaded if isinstance(error, InvalidValue) and paper is None]
    if paper is not None:
        if not isinstance(paper, str):
            raise bad("paper", paper, "an arXiv number as text", kind=InvalidType)
        known = tuple(dict.fromkeys(one.paper for one in chosen))
        wanted = _bare(paper)
        chosen = [one for one in chosen if _bare(one.paper) == wanted]
        if not chosen:
            raise unknown("paper", paper, known)
    stored = stored_verdicts()
    rows = [
        {
            "id": one.id,
            "verdict": stored.get(one.id, {}).get("verdict", "not checked"),
            "headline": stored.get(one.id, {}).get("headline", ""),
            "claim": one.sentence,
            "source": one.reference,
            "paper": one.paper,
            "decided_by": one.decider,
            "cost": one.cost,
        }
        for one in chosen
    ]
    rows += [{**dict.fromkeys(_COLUMNS, ""), "id": name, "headline": str(error)} for name, error in broken]
    return Table(rows, _COLUMNS)


def _bare(paper: str) -> str:
    """An arXiv number without prefix, address and version; an address without its protocol."""
    text = re.sub(r"^(https?://)?(www\.)?", "", paper.strip().lower())
    text = re.sub(r"^(arxiv:|arxiv\.org/(abs|pdf)/|github\.com/)", "", text).strip("/").removesuffix(".pdf")
    return re.sub(r"^(\d{4}\.\d{4,5})v\d+$", r"\1", text)


@lru_cache(maxsize=1)
def stored_verdicts() -> Mapping[str, Mapping[str, str]]:
    """Verdicts last computed, as ``dynsim claims --check --json`` prints them: id → verdict and headline."""
    text = (files("dynsim.ledger") / "verdicts.json").read_text(encoding="utf-8")
    return {row["id"]: row for row in json.loads(text)}


def headline_table() -> str:
    """The five claims of the front page as a Markdown table, from the verdicts last computed.

    Examples
    --------
    >>> from dynsim.ledger.catalogue import headline_table
    >>> print(headline_table().splitlines()[0])
    | claim | verdict | decided by |
    """
    lines = ["| claim | verdict | decided by |", "| --- | --- | --- |"]
    for name in HEADLINES:
        one, found = CLAIMS[name], stored_verdicts()[name]
        cells = (one.sentence, f"**{found['verdict']}**: {found['headline']}", one.decider)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)
