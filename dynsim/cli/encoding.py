"""Output without UTF-8: θ is read as theta instead of ending the command."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

__all__ = ["spell_out_what_cannot_be_encoded", "spelled"]

# What the names of characters do not spell well.
_SPELLINGS = {
    "→": "->",
    "−": "-",
    "·": "*",
    "…": "...",
    "≥": ">=",
    "≤": "<=",
    "≠": "!=",
    "∞": "inf",
    "×": "x",
    "½": "1/2",
    "√": "sqrt",
    "′": "'",
    "’": "'",
    "—": "-",
    "–": "-",
    "≈": "~",
    "‖": "||",
    "█": "#",
    "░": ".",
    "∂": "d",
    "∈": "in",
    "\u0304": "_bar",
    "\u0302": "_hat",
    "\u0303": "_tilde",
}


def spell_out_what_cannot_be_encoded(*streams: TextIO) -> None:
    """Set up streams whose encoding has no Greek letters; the others are left alone."""
    for stream in streams:
        encoding = (getattr(stream, "encoding", None) or "utf8").lower().replace("-", "").replace("_", "")
        if not encoding.startswith("utf") and hasattr(stream, "reconfigure"):
            import codecs

            codecs.register_error("dynsim.spelled", spelled)
            stream.reconfigure(errors="dynsim.spelled")


def spelled(error: UnicodeError) -> tuple[str, int]:
    """Error handler of an encoding: Greek letters by name, superscripts as powers, the rest as near as may be.

    Examples
    --------
    >>> import codecs
    >>> from dynsim.cli.encoding import spelled
    >>> codecs.register_error("dynsim.spelled", spelled)
    >>> "θ² → √0.65".encode("ascii", "dynsim.spelled").decode()
    'theta^2 -> sqrt0.65'
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_spelling, error.object[error.start : error.end])), error.end


def _spelling(letter: str) -> str:
    from unicodedata import name, normalize

    words = name(letter, "").split()
    if letter in _SPELLINGS:
        return _SPELLINGS[letter]
    if words[:1] == ["GREEK"]:
        return words[-1].capitalize() if "CAPITAL" in words else words[-1].lower()
    plain = normalize("NFKD", letter).encode("ascii", "ignore").decode()
    return ("^" if words[:1] == ["SUPERSCRIPT"] else "") + plain if plain else "?"
