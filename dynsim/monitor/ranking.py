"""An order of checkpoints without labels: which looks best, from what was measured of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from dynsim.networks.collapse import judge

__all__ = ["rank_checkpoints"]


def rank_checkpoints(rows: Sequence[Mapping[str, float]], **about: Any) -> tuple[int, ...]:
    """Numbers of checkpoints, the best first; those that have collapsed come last.

    Among those that have not, the smaller share of noise is the better (ν, where all have two views), else the
    steeper spectrum (α-ReQ); among those that have, the larger RankMe. RankMe falls while a healthy network learns,
    so that it orders the checkpoints of one run the wrong way round; the documentation's page on the judge says what
    either order is worth.

    Parameters
    ----------
    rows : sequence of mapping
        Measures of each checkpoint, named as `dynsim.networks.collapse.judge` reads them.
    **about
        Dimensions and samples, of `judge`; the first row is the start.

    Examples
    --------
    >>> from dynsim.monitor.ranking import rank_checkpoints
    >>> rank_checkpoints([{"spread": 0.8, "alpha_req": a} for a in (0.5, 1.5, 1.0)] + [{"spread": 0.01}])
    (1, 2, 0, 3)
    """
    noise = all(isfinite(row.get("noise_share", float("nan"))) for row in rows)
    keys = []
    for i, row in enumerate(rows):
        lost = judge(row, start=rows[0], **about).collapsed is True
        name, sign = ("rankme", -1) if lost else ("noise_share", 1) if noise else ("alpha_req", -1)
        value = row.get(name, float("nan"))
        keys.append((lost, sign * value if isfinite(value) else float("inf"), i))
    return tuple(key[-1] for key in sorted(keys))
