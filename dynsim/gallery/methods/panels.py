"""What the table says: how often theory is right about networks, and how it is drawn."""

from __future__ import annotations

import textwrap
from itertools import cycle
from typing import Any

import numpy as np
import xarray as xr

from dynsim.drawing.style import COLOURS
from dynsim.drawing.words import caption
from dynsim.gallery.figure import concluded
from dynsim.gallery.methods.features import NOISE
from dynsim.gallery.methods.training import CLOSE
from dynsim.methods.catalogue import list_methods, method
from dynsim.verdict import Verdict, Word


def alive(data: xr.Dataset, network: str = "measured") -> xr.DataArray:
    """Whether a feature is there at the end: above 1 % of what is predicted, or of the largest where death is.

    Where none ends at a finite amplitude, it is above 1 % of what it is in a linear encoder at the start.
    """
    finite = data["predicted"].where(np.isfinite(data["predicted"]), 0)
    largest = xr.where(finite.max("feature") > 0, data[network].max("feature"), data["lambda_s"])
    return data[network] > 0.01 * xr.where(finite > 0, finite, largest)


def scores(data: xr.Dataset) -> dict[str, dict[str, float]]:
    """Per row: features classed right, far from their thresholds and near, by either network; amplitudes; order."""
    from scipy.stats import spearmanr

    found = {}
    for name in data["method"].values:
        one = data.sel({"method": name})
        lives = one["predicted"] > 0
        right, mlp = alive(one) == lives, alive(one, "mlp") == lives
        far = (one["decided"] & ~one["near"]).broadcast_like(right)
        near = one["near"].broadcast_like(right)
        mean, end = one["measured"].mean("seed"), one["predicted"].where(lives)
        # By how much half the step, twice as often, changes a run.
        first = one["measured"].isel(seed=0)
        shift = np.sqrt(((one["halved"] - first) ** 2).sum("feature") / (first**2).sum("feature"))
        counted = one["decided"] & ~one["near"] & (one["predicted"] > 0.05 * one["predicted"].max("feature"))
        error = abs(mean / end - 1).where(counted & np.isfinite(end))
        close = error.where(shift <= CLOSE).values
        ranks, times = one["order"].values, one["half_time"].mean("seed").values
        timed = (ranks > 0) & (times > 0)
        together = spearmanr(ranks[timed], times[timed]).statistic if timed.sum() > 2 else np.nan
        found[str(name)] = {
            "theory": float(one["theory"]),
            "features": int(far.sum()),
            "right": float(right.values[far.values].mean()) if far.any() else np.nan,
            "mlp": float(mlp.values[far.values].mean()) if far.any() else np.nan,
            "near": int(near.sum()),
            "right_near": float(right.values[near.values].mean()) if near.any() else np.nan,
            "error": float(np.nanmedian(error.values)) if np.isfinite(error.values).any() else np.nan,
            "close": int((shift <= CLOSE).sum()),
            "error_close": float(np.nanmedian(close)) if np.isfinite(close).any() else np.nan,
            "order": float(together),
        }
    return found


def verdict(data: xr.Dataset) -> Verdict:
    """Which methods' linear networks keep the features that theory lets live, how large, in which order; the MLP."""
    table = scores(data)
    claimed = {name: row for name, row in table.items() if row["theory"]}
    good = [name for name, row in claimed.items() if row["right"] >= 0.95]
    sized = {name: row["error_close" if row["close"] else "error"] for name, row in claimed.items()}
    sized = {name: error for name, error in sized.items() if not np.isnan(error)}
    small = [name for name, error in sized.items() if error <= 0.05]
    agree = [name for name, row in claimed.items() if row["mlp"] >= 0.95]
    details = []
    for name, row in table.items():
        nearby = f", {row['right_near']:.0%} of {row['near']} near it" if row["near"] else ", none near it"
        error = f"median error of the amplitude {row['error']:.1%}"
        error += f", {row['error_close']:.1%} in the {row['close']}" if row["close"] else ", none"
        sure = f"{error} of {data.sizes['value']} runs within {CLOSE:.0%} of the flow"
        details.append(
            f"{name}{'' if row['theory'] else ' (a measurement)'}: {row['right']:.1%} of {row['features']} features "
            f"farther than 5 % from their threshold are classed right{nearby}, MLP {row['mlp']:.0%}, "
            + ("no times to order" if np.isnan(row["order"]) else f"order ρ = {row['order']:.2f}")
            + (", no finite amplitude to compare" if np.isnan(row["error"]) else f", {sure}")
        )
    details.append("the other methods, and images with their own augmentation, were not trained here")
    all_hold = bool(claimed) and len(good) == len(claimed) and len(small) == len(sized)
    word: Word = "holds" if all_hold else "holds under conditions" if good else "does not hold"
    many, of_sized = len(claimed), f"{len(small)} of {len(sized)}"
    return concluded(
        word,
        [
            f"≥ 95 % right in {len(good)} of {many} methods, MLP in {len(agree)}; size to 5 % in {of_sized}",
            f"≥ 95 % right in {len(good)} of {many} methods; amplitudes within 5 % in {of_sized}",
        ],
        "; ".join(details),
    )


MARKERS = "osD^vPX<>"


def draw(data: xr.Dataset, figure: Any) -> None:
    """Amplitudes against theory, and the table of all methods with what was observed."""
    wide = figure.bbox.width / (figure.dpi if hasattr(figure, "dpi") else figure.figure.dpi)
    above, below = figure.subplots(2, 1, height_ratios=(1, 3.9 if wide > 5 else 2.2))
    draw_amplitudes(data, above)
    draw_table(data, below, wide)
    caption(
        figure,
        data,
        f"Linear encoders, MLPs; eight principal directions of the digits, noise {NOISE:g} (Gaussian data for "
        f"InfoNCE, LeJEPA; for next-latent a walk), {data.sizes['value']} values of a knob, "
        f"{data.sizes['seed']} seeds. Observed: features that live or die as predicted, linear, MLP; order (ρ), "
        "error of the amplitude; "
        "* not claimed by theory; “–”: no run",
    )


def draw_amplitudes(data: xr.Dataset, axes: Any) -> None:
    """Measured over predicted variance of every feature, where the run is long enough to tell."""
    colours = ["blue", "vermilion", "green", "orange", "purple", "sky", "black"]
    claimed = data["method"].values[data["theory"].values]
    for name, marker, colour in zip(claimed, cycle(MARKERS), cycle(colours), strict=False):
        one = data.sel({"method": name}).where(data["decided"].sel({"method": name}))
        y = one["measured"].mean("seed").values.ravel()
        x = np.broadcast_to(one["predicted"].values, one["measured"].mean("seed").shape).ravel()
        lives = np.isfinite(x) & (x > 0)
        style = {"marker": marker, "s": 14, "edgecolors": COLOURS[colour], "linewidths": 0.8}
        axes.scatter(
            x[lives],
            np.maximum(y[lives], 1e-5),
            facecolors=COLOURS[colour],
            label=str(name) if lives.any() else None,
            **style,
        )
        axes.scatter(np.full((x == 0).sum(), 1e-5), np.maximum(y[x == 0], 1e-5), facecolors="none", **style)
    axes.plot([1e-5, 5], [1e-5, 5], color=COLOURS["grey"], linewidth=0.8, zorder=0)
    axes.set(xscale="log", yscale="log", xlim=(6e-6, 6), ylim=(6e-6, 6))
    axes.set(xlabel="predicted variance of the feature (left edge: dead)", ylabel="of the network")
    if any(one.get_label()[:1] != "_" for one in axes.collections):  # none in a run that is too short to tell
        axes.legend(loc="lower right", ncols=3)


def draw_table(data: xr.Dataset, axes: Any, wide: float) -> None:
    """A row per method: survives iff, amplitude, what kills it, what is learned first, what was observed."""
    observed = {"dino": "see figure dino"}
    for name, found in scores(data).items():
        star = "" if found["theory"] else "* "
        order = "" if np.isnan(found["order"]) else f", ρ {found['order']:.2f}"
        error = "" if np.isnan(found["error"]) else f", ±{found['error']:.0%}"
        told = f"{star}{found['right']:.0%}, MLP {found['mlp']:.0%}{order}{error}"
        key = name.partition(",")[0]
        observed[key] = f"{observed[key]} {told}" if key in observed else told
    columns = [("method", 15, 0.0), ("survives iff", 28, 0.125), ("ends at", 22, 0.365), ("what kills it", 17, 0.575)]
    columns += [("first", 10, 0.735), ("observed", 18, 0.835)]
    if wide < 5:
        columns = [("method", 15, 0.0), ("survives iff", 20, 0.29), ("observed", 15, 0.7)]
    rows = []
    for name in list_methods()["name"]:
        asked = method(name)
        cells = {
            "method": name,
            "survives iff": asked.survives_if,
            "ends at": asked.ends_at,
            "what kills it": asked.killed_by,
            "first": asked.learned_first,
            "observed": observed.get(name, "–"),
        }
        rows.append([textwrap.wrap(cells[title], width) for title, width, _ in columns])
    heights = [max(map(len, row)) + 0.5 for row in rows]
    total, top = sum(heights) + 1.5, 0.0
    axes.set(xlim=(0, 1), ylim=(total, 0))
    axes.axis("off")
    for title, _, x in columns:
        axes.text(x, 0.2, title, fontsize=7, weight="bold", va="top")
    top = 1.5
    for row, height in zip(rows, heights, strict=True):
        axes.axhline(top - 0.1, color=COLOURS["grey"], linewidth=0.3)
        for (_, _, x), lines in zip(columns, row, strict=True):
            axes.text(x, top, "\n".join(lines), fontsize=7, va="top", linespacing=1.05)
        top += height
