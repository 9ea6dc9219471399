r"""How a name is shown: ``sigma2`` as σ² or \sigma^2, ``eta_p`` as η_p or \eta_p, ``phi0`` as φ₀ or \phi_0."""

from __future__ import annotations

import re

import sympy

from dynsim.symbolic.grammar import is_name
from dynsim.symbolic.greek import LETTERS

__all__ = ["latex_name", "unicode_name"]

_VARIANCES = {"sigma2": "sigma"}  # the 2 is a power there; every other number is an index
_INDICES = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
# fmt: off
_NO_COMMAND = {
    "Alpha": "A", "Beta": "B", "Epsilon": "E", "Zeta": "Z", "Eta": "H", "Iota": "I", "Kappa": "K",
    "Mu": "M", "Nu": "N", "Omicron": "O", "Rho": "P", "Tau": "T", "Chi": "X", "omicron": "o",
}
# fmt: on


def unicode_name(name: str) -> str:
    """Return a name as a line of plain text shows it; a name without Greek in it comes back as it is.

    Examples
    --------
    >>> from dynsim.symbolic.printing import unicode_name
    >>> [unicode_name(name) for name in ("phi", "sigma2", "eta_p", "phi0", "lr")]
    ['φ', 'σ²', 'η_p', 'φ₀', 'lr']
    """
    return "_".join(_unicode_part(part) for part in name.split("_"))


def _unicode_part(part: str) -> str:
    if part in _VARIANCES:
        return f"{LETTERS[_VARIANCES[part]]}²"
    stem, index = _split_index(part)
    return f"{LETTERS[stem]}{index.translate(_INDICES)}" if stem in LETTERS else part


def latex_name(name: str) -> str:
    r"""Return a name in LaTeX, without dollar signs.

    Examples
    --------
    >>> from dynsim.symbolic.printing import latex_name
    >>> for name in ("phi", "sigma2", "eta_p", "phi0", "lr", "half_life_phi"):
    ...     print(latex_name(name))
    \phi
    \sigma^2
    \eta_p
    \phi_0
    \mathrm{lr}
    \mathrm{half}_{\mathrm{life},\phi}
    """
    if not is_name(name):
        return str(sympy.latex(sympy.Symbol(name)))
    head, *tail = name.split("_")
    power = ""
    if head in _VARIANCES:
        stem, index, power = _VARIANCES[head], "", "^2"
    else:
        stem, index = _split_index(head)
    below = ",".join(_latex_part(part) for part in (index, *tail) if part)
    return _latex_part(stem) + (f"_{_group(below)}" if below else "") + power


def _latex_part(part: str) -> str:
    if part in LETTERS and part not in _NO_COMMAND:
        return rf"\{part}"
    letters = _NO_COMMAND.get(part, part)
    return letters if letters.isdigit() or part == letters[:1] else rf"\mathrm{{{letters}}}"


def _group(text: str) -> str:
    return text if len(text) == 1 else f"{{{text}}}"


def _split_index(part: str) -> tuple[str, str]:
    match = re.fullmatch(r"(.*?[^0-9])([0-9]*)", part)
    return (match[1], match[2]) if match else (part, "")
