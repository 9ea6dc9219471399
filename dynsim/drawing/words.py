"""Words and symbols of every figure in one place: names of branches, measures and states, titles, captions."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import xarray as xr

from dynsim.names import latex_name, unicode_name
from dynsim.records import provenance

__all__ = [
    "BRANCHES",
    "CAPTION_LENGTH",
    "MEASURES",
    "as_text",
    "caption",
    "captions",
    "measure",
    "settings",
    "symbol",
    "title",
    "typeset",
    "values",
]

BRANCHES = {
    "stop": "with stop-gradient",
    "full": "without stop-gradient",
    "target": "only the second branch",
}
MEASURES = {
    "spread": "spread of directions",
    "rankme": "RankMe",
    "participation": "participation ratio",
    "norm_ratio": "norm / norm at start",
    "knn": "kNN accuracy",
    "probe": "linear-probe accuracy",
    "loss": "loss",
    "relative_speed_ratio": "relative speed, predictor / encoder",
    "absolute_speed_ratio": "absolute speed, predictor / encoder",
    "half_life_ratio": "half-way time, predictor / encoder",
    "time90_ratio": "90 % time, predictor / encoder",
}
CAPTION_LENGTH = 60

_CAPTIONS: ContextVar[bool] = ContextVar("captions", default=True)


@contextmanager
def captions(shown: bool) -> Iterator[None]:
    """Figures drawn inside have captions, or none."""
    token = _CAPTIONS.set(shown)
    try:
        yield
    finally:
        _CAPTIONS.reset(token)


def symbol(name: str) -> str:
    r"""Return a state or parameter as mathtext.

    Examples
    --------
    >>> from dynsim.drawing.words import symbol
    >>> print(symbol("theta"), symbol("eta_p"), symbol("x"))
    $\theta$ $\eta_p$ $x$
    """
    shape = latex_name(name).replace(r"\phi", r"\varphi").replace(r"\epsilon", r"\varepsilon")  # as text prints them
    return f"${shape}$"


def measure(name: str) -> str:
    """Return a measure in words; one without a name of its own as it is written.

    Examples
    --------
    >>> from dynsim.drawing.words import measure
    >>> measure("rankme"), measure("my_own")
    ('RankMe', 'my own')
    """
    return MEASURES.get(name, name.replace("_", " "))


def values(named: Mapping[str, Any]) -> str:
    """``{"phi": 0.6, "alpha": 1.0}`` as "φ = 0.6, α = 1".

    Examples
    --------
    >>> from dynsim.drawing.words import values
    >>> values({"phi": 0.6, "alpha": 1.0})
    'φ = 0.6, α = 1'
    """
    return ", ".join(
        f"{unicode_name(name)} = {value:g}" if isinstance(value, int | float) else f"{unicode_name(name)} = {value}"
        for name, value in named.items()
    )


def settings(data: xr.Dataset) -> str:
    """Start, parameters and source of a run, read from its provenance."""
    about = provenance(data)
    parts = []
    initial = about.get("initial")
    if isinstance(initial, dict) and all(isinstance(value, int | float) for value in initial.values()) and initial:
        parts.append("Start " + values(initial))
    parameters = about.get("parameters")
    if isinstance(parameters, dict) and parameters:
        parts.append(values({k: v for k, v in parameters.items() if isinstance(v, int | float | str)}))
    reference = about.get("flow", {}).get("reference") if isinstance(about.get("flow"), dict) else None
    if reference:
        parts.append(f"source: {reference}")
    return "; ".join(part for part in parts if part)


def caption(figure: Any, data: xr.Dataset, *sentences: str) -> None:
    """Write the caption under a figure: how to read it, then, in a second block, the settings of the data."""
    if not _CAPTIONS.get():
        return
    how = [sentence.rstrip(".") for sentence in sentences if sentence]
    blocks = [". ".join(how), settings(data)]
    if data.attrs.get("stored_run"):
        # An earlier version measured networks on other test images and with other batch statistics.
        earlier = data.attrs.get("evaluated_as_in")
        told = f"evaluated as in {earlier}: --recompute" if earlier else "made again by --recompute"
        blocks[1] = "; ".join(part for part in (blocks[1], f"stored run, {told}") if part)
    size = _points(figure)
    wide = max(30, int(_width(figure) * 72 / (0.56 * size)))
    text = "\n".join(textwrap.fill(f"{_capital(block)}.", wide) for block in blocks if block)
    figure.supxlabel(_as_mathtext(text), fontsize=size, x=0.01, ha="left", color="#444444")


def _capital(block: str) -> str:
    """Begin with a capital, unless with a symbol: one letter, or what is no letter of a word."""
    first = re.match(r"[a-z]+", block)
    return block[:1].upper() + block[1:] if first and len(first[0]) > 1 else block


# A Latin letter with a subscript stands alone, or it would be part of a name; a Greek one may follow a factor.
_SUBSCRIPT = re.compile(r"(?:(?<![$\\a-zA-Zα-ω_])([a-zA-Z])|(?<![$\\_])([α-ωΑ-Ω]))_([a-zA-Z0-9*×])(?![a-zA-Z0-9_])")
_POWER = re.compile(r"(?<=[a-zA-Zα-ω0-9)$])\^(?:\{([^{}]*)\}|\(([^()]*)\)|([a-zA-Z]|[-−]?[0-9.]+))")


def typeset(figure: Any) -> None:
    """Set symbols with a subscript or a power, as η_c or s^a, in the text of all panels; the rest stays."""
    from matplotlib.text import Text

    for axes in figure.axes:
        for text in axes.findobj(Text):
            words = text.get_text()
            if "_" in words or "^" in words:
                pieces = re.split(r"(\$[^$]*\$)", words)
                text.set_text("".join(one if one.startswith("$") else _as_mathtext(one) for one in pieces))


def _as_mathtext(words: str, bold: bool = False) -> str:
    """Set subscripts and powers: η_c, r_*, s^a, ε^0.67, 2^{-3/2}."""

    def math(shape: str) -> str:
        return rf"$\mathbf{{{shape}}}$" if bold else f"${shape}$"

    words = _SUBSCRIPT.sub(lambda found: math(f"{found[1] or found[2]}_{found[3]}"), words)
    return _POWER.sub(lambda found: math(f"^{{{found[1] or found[2] or found[3]}}}"), words)


def as_text(words: str) -> str:
    r"""Words of a title or caption without mathtext, on one line.

    Examples
    --------
    >>> from dynsim.drawing.words import as_text
    >>> as_text(r"The fold at $\mathbf{η_c}$ = 0.227, like $ε$^{2/3}")
    'The fold at η_c = 0.227, like ε^(2/3)'
    """
    words = re.sub(r"\$(?:\\mathbf\{)?(\^\{[^{}]*\}|[^$^{}]+)\}?\$", lambda found: found[1], words)

    def power(found: re.Match[str]) -> str:
        plain = re.fullmatch(r"[a-zA-Z]|[-−]?[0-9.]+", found[1])
        return f"^{found[1]}" if plain else f"^({found[1]})"

    return re.sub(r"\^\{([^{}]*)\}", power, " ".join(words.split()))


def title(figure: Any, text: str) -> None:
    """Write the headline over a figure, wrapped to its width."""
    from matplotlib import rcParams

    size = float(rcParams["figure.titlesize"])
    wide = max(30, int(_width(figure) * 72 / (0.60 * size)))
    figure.suptitle(_as_mathtext(textwrap.fill(text, wide), bold=True), x=0.01, ha="left", fontsize=size)


def _width(figure: Any) -> float:
    dpi = figure.dpi if hasattr(figure, "dpi") else figure.figure.dpi
    return float(figure.bbox.width / dpi)


def _points(figure: Any) -> float:
    from matplotlib import rcParams

    return float(rcParams["legend.fontsize"])
