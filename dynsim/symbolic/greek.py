"""Greek letters: what a character is called, and which character a name stands for."""

from __future__ import annotations

from unicodedata import normalize

__all__ = ["LETTERS", "letter_name"]

# fmt: off
LETTERS: dict[str, str] = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "zeta": "ζ",
    "eta": "η", "theta": "θ", "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ",
    "nu": "ν", "xi": "ξ", "omicron": "ο", "pi": "π", "rho": "ρ", "sigma": "σ",
    "tau": "τ", "upsilon": "υ", "phi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω",
}
# fmt: on
"""Name of a letter → the letter, small and capital: ``theta`` → θ, ``Theta`` → Θ."""

LETTERS |= {name.capitalize(): letter.upper() for name, letter in LETTERS.items()}

_NAMES = {letter: name for name, letter in LETTERS.items()} | {"ς": "sigma"}


def letter_name(character: str) -> str | None:
    """Return the name of a Greek letter, None for any other character.

    Variant forms count as the letter: ϕ and 𝜙 are phi, ϵ is epsilon, the micro sign is mu.

    Examples
    --------
    >>> from dynsim.symbolic.greek import letter_name
    >>> [letter_name(character) for character in "θϕϵσ"]
    ['theta', 'phi', 'epsilon', 'sigma']
    """
    return None if character.isascii() else _NAMES.get(normalize("NFKC", character))
