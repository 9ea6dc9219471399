"""What Sphinx needs to print dynsim: mathematics as MathML, which browsers draw by themselves, and bars as bars."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

__all__ = ["mathml_of_latex", "setup"]


def mathml_of_latex(latex: str, display: bool = False) -> str:
    r"""Presentation MathML of LaTeX; several lines (``\\``) become an aligned table.

    Examples
    --------
    >>> from dynsim.pages.sphinx_extension import mathml_of_latex
    >>> mathml_of_latex(r"\theta^2").startswith("<math")
    True
    """
    from latex2mathml.converter import convert

    return str(convert(latex.strip(), display="block" if display else "inline"))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the renderer with Sphinx."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    app.connect("autodoc-process-docstring", _keep_bars, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _inline(translator: Any, node: Any) -> None:
    _write(translator, node, display=False)


def _block(translator: Any, node: Any) -> None:
    _write(translator, node, display=True)


def _write(translator: Any, node: Any, *, display: bool) -> None:
    from docutils.nodes import SkipNode

    latex = node.astext()
    try:
        translator.body.append(mathml_of_latex(latex, display))
    except Exception:  # whatever a formula does, the page is built and shows its source
        translator.body.append(f"<code>{escape(latex)}</code>")
    raise SkipNode


def _keep_bars(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Let |x| in a docstring be an absolute value: to docutils it would be the name of a substitution."""
    example = False
    for index, line in enumerate(lines):
        example = line.lstrip().startswith(">>>") or (example and bool(line.strip()))
        if not example and "|" in line:
            pieces = re.split(r"(``.*?``|`[^`]*`)", line)
            lines[index] = "".join(piece if piece.startswith("`") else piece.replace("|", r"\|") for piece in pieces)
