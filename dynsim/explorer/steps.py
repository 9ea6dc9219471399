"""Steps of sliders and of the start that is dragged: the same, so that both stand on one grid."""

from __future__ import annotations

import math

__all__ = ["slider_step"]


def slider_step(low: float, high: float) -> float:
    """Step of a slider: a power of ten that divides the range into at least a hundred parts.

    Examples
    --------
    >>> from dynsim.explorer.steps import slider_step
    >>> slider_step(-1.5, 1.5), slider_step(0.0, 0.5)
    (0.01, 0.001)
    """
    return float(f"1e{math.floor(math.log10((high - low) / 100))}")
