r"""Names as they are written, typed and shown, and the names that results keep for themselves.

Greek letters by their names; ``sigma2`` as σ² or \sigma^2, ``eta_p`` as η_p or \eta_p, ``phi0`` as φ₀ or \varphi_0.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from itertools import pairwise
from unicodedata import normalize

from dynsim.errors import bad

__all__ = [
    "LETTERS",
    "NAME_LENGTH",
    "RESERVED",
    "TIME",
    "VARIANCES",
    "canonical",
    "check_names",
    "is_name",
    "latex_name",
    "letter_name",
    "unicode_name",
]


NAME_LENGTH = 64
_NAME = re.compile(r"[A-Za-z](?:_?[A-Za-z0-9])*_?")

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
    >>> from dynsim.names import letter_name
    >>> [letter_name(character) for character in "θϕϵσ"]
    ['theta', 'phi', 'epsilon', 'sigma']
    """
    return None if character.isascii() else _NAMES.get(normalize("NFKC", character))


VARIANCES = {"sigma2": "sigma"}  # the 2 is a power there; every other number is an index
_INDICES = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
# fmt: off
_NO_COMMAND = {
    "Alpha": "A", "Beta": "B", "Epsilon": "E", "Zeta": "Z", "Eta": "H", "Iota": "I", "Kappa": "K",
    "Mu": "M", "Nu": "N", "Omicron": "O", "Rho": "P", "Tau": "T", "Chi": "X", "omicron": "o",
}
# fmt: on
_ONE_FORM = {"phi": "varphi", "epsilon": "varepsilon"}  # TeX's \\phi is ϕ, \\varphi is the φ that is printed elsewhere
_COMMAND = re.compile(r"\\(?:var)?([A-Za-z]+)")
_DROPPED = str.maketrans("", "", "{}")
_DIGITS = str.maketrans("₀₁₂₃₄₅₆₇₈₉²", "01234567892")


def is_name(text: str) -> bool:
    """Whether the text is one identifier that reads back as itself."""
    return len(text) <= NAME_LENGTH and _NAME.fullmatch(text) is not None


def canonical(name: str) -> str:
    r"""Return the name that is typed for one that was printed: Greek letters spelled out, indices and σ² as digits.

    Applied wherever a name enters, so that what a figure, a terminal or a notebook shows can be given back as a key.
    A name that has no typed form comes back as it is.

    Examples
    --------
    >>> from dynsim.names import canonical
    >>> [canonical(name) for name in ("φ", "ϕ", "σ²", "η_p", "φ₀", r"\varphi", r"\lambda_{d}", "phi", "x y")]
    ['phi', 'phi', 'sigma2', 'eta_p', 'phi0', 'phi', 'lambda_d', 'phi', 'x y']
    """
    if name.isascii() and "\\" not in name:
        return name
    plain = _COMMAND.sub(r"\1", name).translate(_DROPPED).translate(_DIGITS)
    for before, character in pairwise(plain):
        if (before + character).isalpha() and not (before + character).isascii():
            return name  # αθ would become alphatheta, which nobody typed
    typed = "".join(letter_name(character) or character for character in plain)
    return typed if is_name(typed) else name


def unicode_name(name: str) -> str:
    """Return a name as a line of plain text shows it; a name without Greek in it comes back as it is.

    Examples
    --------
    >>> from dynsim.names import unicode_name
    >>> [unicode_name(name) for name in ("phi", "sigma2", "eta_p", "phi0", "lr")]
    ['φ', 'σ²', 'η_p', 'φ₀', 'lr']
    """
    return "_".join(_unicode_part(part) for part in name.split("_"))


def _unicode_part(part: str) -> str:
    if part in VARIANCES:
        return f"{LETTERS[VARIANCES[part]]}²"
    stem, index = _split_index(part)
    return f"{LETTERS[stem]}{index.translate(_INDICES)}" if stem in LETTERS else part


def latex_name(name: str) -> str:
    r"""Return a name in LaTeX, without dollar signs.

    Examples
    --------
    >>> from dynsim.names import latex_name
    >>> for name in ("phi", "sigma2", "eta_p", "phi0", "lr", "half_life_phi"):
    ...     print(latex_name(name))
    \varphi
    \sigma^2
    \eta_p
    \varphi_0
    \mathrm{lr}
    \mathrm{half}_{\mathrm{life},\varphi}
    """
    if not is_name(name):
        import sympy

        return str(sympy.latex(sympy.Symbol(name)))
    head, *tail = name.split("_")
    power = ""
    if head in VARIANCES:
        stem, index, power = VARIANCES[head], "", "^2"
    else:
        stem, index = _split_index(head)
    below = ",".join(_latex_part(part) for part in (index, *tail) if part)
    return _latex_part(stem) + (f"_{_group(below)}" if below else "") + power


def _latex_part(part: str) -> str:
    if part in LETTERS and part not in _NO_COMMAND:
        return rf"\{_ONE_FORM.get(part, part)}"
    letters = _NO_COMMAND.get(part, part)
    return letters if letters.isdigit() or part == letters[:1] else rf"\mathrm{{{letters}}}"


def _group(text: str) -> str:
    return text if len(text) == 1 else f"{{{text}}}"


def _split_index(part: str) -> tuple[str, str]:
    match = re.fullmatch(r"(.*?[^0-9])([0-9]*)", part)
    return (match[1], match[2]) if match else (part, "")


TIME = "t"
"""The flow time, in every text and expression."""

RESERVED = {
    TIME: "the flow time",
    "time": "the axis of times of a run",
    "step": "the axis of steps of an optimiser",
    "steps": "the number of steps that a run took",
    "status": "how a run ended",
    "event": "the axis of what happened on the way of a run",
    "index": "which event it was, in event_index",
    "counts": "how often an event happened, in event_counts",
    "seed": "the axis of random seeds of a study",
    "task_status": "how a task of a study ended",
    "branch": "the axis of branches of a continuation, and the branch of a loss",
    "along": "the axis along a curve",
    "growth": "the largest growth rate along a branch of equilibria",
    "stable": "whether an equilibrium is stable",
    "lyapunov": "the first Lyapunov coefficient at a Hopf point",
    "hopf_frequency": "the angular frequency at a Hopf point",
    "unstable_others": "how many further eigenvalues are unstable at a Hopf point",
    "separatrix": "the axis of separatrices",
    "manifold": "which manifold of a saddle a separatrix is",
    "origin_kind": "what a separatrix starts from",
    "ratio": "predictor over encoder, in half_life_ratio",
    "mode": "the axis of eigenvalues along a run",
    "kind": "what an equilibrium is",
    "collapse_fraction": "the share of starts that collapse",
    "undecided": "the share of starts of which it is not known whether they collapse",
}
"""Name → what it means where results are kept. No state, parameter or observable may be called so."""


def check_names(kind: str, names: Iterable[str], among: Collection[str] = RESERVED.keys()) -> None:
    """Refuse names that time or results use themselves.

    Parameters
    ----------
    kind : str
        What the names are: "state", "parameter", "observable", "axis".
    names : iterable of str
    among : collection of str
        Which names of the table `RESERVED` count; all of them by default.

    Raises
    ------
    InvalidValue
        A name of the table `RESERVED`.

    Examples
    --------
    >>> from dynsim.names import check_names
    >>> check_names("state", ["t"])
    Traceback (most recent call last):
        ...
    dynsim.errors.InvalidValue: state: got 't', expected a name that is not reserved: 't' is the flow time; ...
    """
    for name in names:
        if name in among:
            other = "tau" if name == TIME else f"{name}_1"
            reserved = f"a name that is not reserved: '{name}' is {RESERVED[name]}"
            raise bad(kind, name, reserved, f"call it '{other}', say")
