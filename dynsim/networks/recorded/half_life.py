"""Half-life and 90 % time of each block's displacement over the run, and their ratios predictor over encoder.

The weights of every recorded step are kept until the end, so ask for it with networks that are small.
"""

from __future__ import annotations

from torch import Tensor

from dynsim.networks import measures
from dynsim.networks.snapshot import Snapshot


def record(snapshot: Snapshot) -> dict[str, Tensor]:
    """Keep the weights."""
    return {"kept_predictor": snapshot.weights.predictor, "kept_encoder": snapshot.weights.encoder}


def finish(recorded: dict[str, Tensor], time: Tensor) -> dict[str, Tensor]:
    """Replace the weights (seeds, times, size) by times (seeds,)."""
    kept = {block: recorded.pop(f"kept_{block}") for block in ("predictor", "encoder")}
    if len(time) < 2:
        return recorded
    for name, share in (("half_life", 0.5), ("time90", 0.9)):
        for block, weights in kept.items():
            recorded[f"{name}_{block}"] = measures.done_after(time, weights, share)
        recorded[f"{name}_ratio"] = recorded[f"{name}_predictor"] / recorded[f"{name}_encoder"]
    return recorded
