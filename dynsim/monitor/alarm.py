"""The alarm of a monitor: the first record that looks like the beginning of a collapse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite

__all__ = ["first_alarm"]

# Chosen on half of the runs of benchmarks/alarm.py, between what runs that live come down to (0.95 of the spread, 0.23
# of the rank, 0.9 of the norm at the start, 0.83 of the largest) and those that die (0.1, 0.13, 0.15, 0.15). An alarm
# says where to look, a diagnosis whether it is a collapse.
_SPREAD = 0.8  # of the largest spread so far
_RANK = 0.18  # of the largest RankMe so far
_NORM_START, _NORM = 0.7, 0.5  # of the norm at the start, and of the largest so far
_UNIFORM = 0.98  # of ln K


def first_alarm(steps: Sequence[int], rows: Sequence[Mapping[str, float]], most: float | None = None) -> str | None:
    """Say which record is the first to look like a collapse, and why.

    Parameters
    ----------
    steps : sequence of int
    rows : sequence of mapping
        Measure → value, one per record.
    most : float, optional
        ln K, where there are prototypes.

    Returns
    -------
    str or None

    Examples
    --------
    >>> from dynsim.monitor.alarm import first_alarm
    >>> first_alarm([0, 50, 100], [{"spread": 0.9}, {"spread": 0.85}, {"spread": 0.3}])
    'step 100: directions come together (spread 0.3, at most 0.9 before)'
    """
    best: dict[str, float] = {}
    for i, (step, row) in enumerate(zip(steps, rows, strict=True)):
        for name in ("loss", "norm"):
            if name in row and not isfinite(row[name]):
                return f"step {step}: {name} is not finite"
        for name, share, text in (("spread", _SPREAD, "directions come together"),
                                  ("rankme", _RANK, "dimensions are lost")):  # fmt: skip
            value = row.get(name)
            if value is None or not isfinite(value):
                continue
            if i and value < share * best.get(name, 0.0):
                shown = f"{name} {value:.2g}, at most {best[name]:.2g} before"
                return f"step {step}: {text} ({shown})"
            best[name] = max(best.get(name, 0.0), value)
        ratio = row.get("norm_ratio")
        if ratio is not None and isfinite(ratio):
            largest = best["norm_ratio"] = max(best.get("norm_ratio", 1.0), ratio)
            if ratio < max(_NORM_START, _NORM * largest):
                return f"step {step}: features shrink (norm {ratio:.2g} of the start, at most {largest:.2g} before)"
        entropy = row.get("mean_entropy")
        if i and most and entropy is not None and entropy >= _UNIFORM * most:
            return f"step {step}: no sample prefers a prototype (mean entropy {entropy:.4g} of {most:.4g})"
    return None
