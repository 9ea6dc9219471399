"""Drawings of the documentation as SVG, made by code: the house of the rooms, and the two branches of the gradient."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import cache
from html import escape
from pathlib import Path

import dynsim

__all__ = ["floors", "house", "two_branches"]

_STYLE = 'font-family="sans-serif" font-size="13" fill="currentColor" text-anchor="middle"'


@cache
def _imports() -> Mapping[str, frozenset[str]]:
    """Which rooms each room of dynsim imports."""
    root = Path(dynsim.__file__).parent
    found: dict[str, set[str]] = {}
    for path in sorted(root.rglob("*.py")):
        room = path.relative_to(root).parts[0].removesuffix(".py")
        if room in ("__init__", "__main__"):
            continue
        rooms = found.setdefault(room, set())
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            rooms |= {name.split(".")[1] for name in names if name.startswith("dynsim.")}
    return {room: frozenset(rooms & found.keys() - {room}) for room, rooms in found.items()}


def floors() -> list[list[str]]:
    """Return the rooms of dynsim by floor, from the ground up: each stands one floor above the highest it imports.

    Examples
    --------
    >>> from dynsim.pages.drawings import floors
    >>> height = {room: level for level, rooms in enumerate(floors()) for room in rooms}
    >>> height["errors"], height["symbolic"] < height["integrate"] < height["pages"]
    (0, True)
    """
    imports = _imports()

    @cache
    def height(room: str) -> int:
        return 1 + max((height(lower) for lower in imports[room]), default=-1)

    levels: list[list[str]] = [[] for _ in range(1 + max(map(height, imports)))]
    for room in sorted(imports):
        levels[height(room)].append(room)
    return levels


def house() -> str:
    """Return the house of the rooms as SVG, the ground at the bottom."""
    levels, width, row = floors(), 760, 44
    parts = []
    for level, rooms in enumerate(levels):
        top = (len(levels) - 1 - level) * row + 8
        step = (width - 20) / len(rooms)
        for place, room in enumerate(rooms):
            left = 10 + place * step
            below = ", ".join(sorted(_imports()[room])) or "nothing"
            parts.append(
                f"<g><title>{escape(room)} imports {escape(below)}</title>"
                f'<rect x="{left + 3:.0f}" y="{top}" width="{step - 6:.0f}" height="{row - 10}" rx="4" '
                f'fill="currentColor" fill-opacity="0.08" stroke="currentColor" stroke-opacity="0.5"/>'
                f'<text x="{left + step / 2:.0f}" y="{top + 22}" {_STYLE}>{escape(room)}</text></g>'
            )
    label = "The rooms of dynsim by floor: " + "; ".join(", ".join(rooms) for rooms in reversed(levels))
    return _svg(width, len(levels) * row + 10, label, parts)


def two_branches() -> str:
    """Return the two branches of the encoder's gradient as SVG: through the predictor, and through the target."""
    boxes = {
        "image x": (60, 110), "view 1": (170, 60), "view 2": (170, 160), "encoder θ": (300, 60),
        "encoder θ ": (300, 160), "predictor φ": (440, 60), "loss": (580, 110),
    }  # fmt: skip
    arrows = [
        ("image x", "view 1"), ("image x", "view 2"), ("view 1", "encoder θ"), ("view 2", "encoder θ "),
        ("encoder θ", "predictor φ"), ("predictor φ", "loss"), ("encoder θ ", "loss"),
    ]  # fmt: skip
    parts = ['<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
             'orient="auto"><path d="M0 0L8 4L0 8z" fill="context-stroke"/></marker></defs>']  # fmt: skip
    for start, end in arrows:
        (x1, y1), (x2, y2) = boxes[start], boxes[end]
        parts.append(f'<line x1="{x1 + 48}" y1="{y1}" x2="{x2 - 50}" y2="{y2}" stroke="currentColor" '
                     'stroke-opacity="0.6" marker-end="url(#tip)"/>')  # fmt: skip
    for name, (x, y) in boxes.items():
        parts.append(
            f'<rect x="{x - 48}" y="{y - 17}" width="96" height="34" rx="4" fill="currentColor" fill-opacity="0.08" '
            f'stroke="currentColor" stroke-opacity="0.5"/><text x="{x}" y="{y + 5}" {_STYLE}>{name.strip()}</text>'
        )
    first, second = "#2b7bba", "#c0392b"
    parts += [
        f'<path d="M570 88C520 22 380 22 320 38" fill="none" stroke="{first}" stroke-width="2" '
        'marker-end="url(#tip)"/>',
        f'<text x="440" y="16" {_STYLE.replace("currentColor", first)}>first branch: kept</text>',
        f'<path d="M570 132C520 214 380 206 320 182" fill="none" stroke="{second}" stroke-width="2" '
        'stroke-dasharray="6 4" marker-end="url(#tip)"/>',
        f'<text x="440" y="222" {_STYLE.replace("currentColor", second)}>second branch: cut by stop-gradient</text>',
    ]
    label = (
        "Two views of one image pass the same encoder; the first goes on through the predictor; the loss compares. "
        "The gradient returns to the encoder through the predictor, the first branch, and through the target, the "
        "second branch, which stop-gradient cuts."
    )
    return _svg(640, 232, label, parts)


def _svg(width: int, height: int, label: str, parts: list[str]) -> str:
    """Wrap parts without an empty line, which would end an HTML block in Markdown."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(label, quote=True)}" style="max-width:100%;height:auto">' + "".join(parts) + "</svg>"
    )
