"""Direct labels: words beside the lines they belong to, so that no legend lies on data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

__all__ = ["label_ends", "spread_out"]


def spread_out(heights: Iterable[float], gap: float, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """Move heights apart by at least `gap`, in their order, as little as that takes, between `low` and `high`.

    Examples
    --------
    >>> from dynsim.drawing.labels import spread_out
    >>> [round(float(y), 2) for y in spread_out([0.5, 0.5, 0.9], 0.1)]
    [0.45, 0.55, 0.9]
    """
    heights = np.asarray(list(heights), dtype=float)
    order = np.argsort(heights, kind="stable")
    if len(heights) == 0:
        return heights
    gap = min(gap, (high - low) / max(len(heights) - 1, 1))
    # Groups of labels that touch share the mean of what they would like; groups merge until none touch.
    groups = [[float(np.clip(heights[index], low, high)), 1] for index in order]
    merged: list[list[float]] = []
    for middle, count in groups:
        merged.append([middle, count])
        while len(merged) > 1 and merged[-1][0] - merged[-2][0] < gap * (merged[-1][1] + merged[-2][1]) / 2 - 1e-12:
            last, before = merged.pop(), merged.pop()
            size = last[1] + before[1]
            both = (last[0] * last[1] + before[0] * before[1]) / size
            reach = gap * (size - 1) / 2
            merged.append([float(np.clip(both, low + reach, high - reach)), size])
    placed = np.concatenate([middle + gap * (np.arange(count) - (count - 1) / 2) for middle, count in merged])
    result = np.empty(len(heights))
    result[order] = placed
    return result


def label_ends(axes: Any, labels: Iterable[tuple[float, str, Any]]) -> None:
    """Write labels at the right edge of the axes, each at its height in data and in its colour, none over another.

    Parameters
    ----------
    axes : matplotlib Axes
        With its limits already final.
    labels : iterable of (height, text, colour)
    """
    labels = [label for label in labels if np.isfinite(label[0])]
    if not labels:
        return
    to_axes = axes.transData + axes.transAxes.inverted()
    heights = [float(to_axes.transform((axes.get_xlim()[1], height))[1]) for height, _, _ in labels]
    points = axes.get_window_extent().height / axes.figure.dpi * 72
    size = _small(axes)
    for height, (_, text, colour) in zip(spread_out(heights, 1.25 * size / points), labels, strict=True):
        axes.text(1.015, height, text, transform=axes.transAxes, color=colour, va="center", fontsize=size)


def _small(axes: Any) -> float:
    sizes = [label.get_fontsize() for label in axes.get_yticklabels()]
    return float(sizes[0]) if sizes else 7.0
