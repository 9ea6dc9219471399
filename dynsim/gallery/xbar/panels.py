"""How fates and features are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from dynsim.drawing.measures import draw_seeds
from dynsim.drawing.style import COLOURS
from dynsim.drawing.words import caption

if TYPE_CHECKING:
    pass


from dynsim.gallery.xbar.training import FATES, fate

# Background and text; the words in the cells carry the same in greyscale.
_LOOK = {
    "diverges": ("#222222", "white"),
    "shrinks": ("#F6C667", "black"),
    "to a point": ("#E58A4E", "black"),
    "few directions": (COLOURS["purple"], "black"),
    "worse than untrained": ("#CFE6F5", "black"),
    "keeps its features": (COLOURS["blue"], "white"),
}
_FEATURES: dict[str, dict[str, Any]] = {
    "F(x)": {"color": COLOURS["black"]},
    "F(x̄)": {"color": COLOURS["vermilion"], "marker": "s", "markersize": 4},
    "E F(T x)": {"color": COLOURS["blue"], "marker": "o", "markersize": 4},
}
_LINES = {"linear": ":", "mlp": "-", "cnn": "--"}


def draw(data: xr.Dataset, figure: Any) -> None:
    """Fates of all settings, and accuracy of the features on augmented test images over the number of views."""
    left, right = figure.subplots(1, 2, width_ratios=(1.35, 1.0))
    _draw_fates(data, left, numbers=False)
    test = str(data["test"].values[-1])
    _draw_features(data.sel(test=test), "knn", right)
    right.set(title=f"kNN, {test} test images", xlabel="views K of each image")
    right.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, columnspacing=0.8, handlelength=1.5)
    caption(
        figure,
        data,
        "By means over seeds, in this order: diverges, norm below ½ of its start, spread or RankMe below "
        "¼, "
        f"kNN below untrained (in brackets). Bands: range over {data.sizes['seed']} seeds",
    )


def draw_full(data: xr.Dataset, figure: Any) -> None:
    """Fates of all settings on the left; on the right accuracies over the number of views."""
    left, right = figure.add_gridspec(1, 2, width_ratios=(1.0, 1.25))
    _draw_fates(data, figure.add_subplot(left))
    panels = right.subgridspec(2, 2)
    for row, test in enumerate(data["test"].values):
        for column, (name, title) in enumerate((("knn", "kNN"), ("probe", "probe"))):
            axes = figure.add_subplot(panels[row, column])
            _draw_features(data.sel(test=test), name, axes)
            axes.set_title(f"{title}, {test} test images")
            if row:
                axes.set_xlabel("views K of each image")
            if not column:
                axes.set_ylabel("accuracy")
            if not row and not column:
                axes.legend(ncols=1, loc="lower right")
    caption(
        figure,
        data,
        "By means over seeds, in this order: diverges, norm below ½ of its start, spread or RankMe below "
        "¼, kNN below untrained (in brackets). Right: features from K views; bands: "
        f"range over {data.sizes['seed']} seeds",
    )


def _draw_fates(data: xr.Dataset, axes: Any, *, numbers: bool = True) -> None:
    found = fate(data)
    columns = [(o, b) for o in data["objective"].values for b in data["branch"].values]
    rows = [(e, q, p) for e in data["encoder"].values for q in data["loss"].values for p in data["predictor"].values]
    for y, (encoder, loss, predictor) in enumerate(rows):
        for x, (objective, branch) in enumerate(columns):
            where = {
                "encoder": encoder, "loss": loss, "predictor": predictor, "objective": objective, "branch": branch,
            }  # fmt: skip
            name = FATES[int(found.sel(where))]
            back, front = _LOOK[name]
            axes.fill_between([x, x + 1], y, y + 1, color=back, linewidth=0)
            words = _words(data, where, name)
            words = words if numbers else words.partition("\n")[0]
            axes.text(x + 0.5, y + 0.5, words, color=front, ha="center", va="center", fontsize=7)
    for y in range(1, len(rows)):
        axes.axhline(y, color="white", linewidth=3 if y % 4 == 0 else 1)
    for x in range(1, len(columns)):
        axes.axvline(x, color="white", linewidth=3 if x == 2 else 1)
    axes.set_yticks(np.arange(len(rows)) + 0.5, [f"{e}, {q},\n{p} predictor" for e, q, p in rows])
    names = {"mean view": "mean view x̄", "two views": "two views"}
    labels = [f"{names[str(o)]}\n{'stop-gradient' if b == 'stop' else 'full gradient'}" for o, b in columns]
    axes.set_xticks(np.arange(len(columns)) + 0.5, labels)
    axes.set(xlim=(0, len(columns)), ylim=(len(rows), 0))
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.grid(visible=False)
    for side in axes.spines.values():
        side.set_visible(False)


def _words(data: xr.Dataset, where: dict[str, Any], name: str) -> str:
    """What happened, and the number that says so."""
    one = data.sel(where)
    lost = int(one["lost"].sum())

    def told(key: str) -> str:
        return f"{float(one[key].mean()):.2f} ± {float(one[key].std()):.2f}"

    accuracy = f"kNN {told('knn')} ({float(one['knn_start'].mean()):.2f})"
    number = {
        "diverges": f"{lost} of {one.sizes['seed']} lost" if lost else f"norm × {float(one['norm_ratio'].mean()):.0f}",
        "shrinks": f"norm × {told('norm_ratio')}",
        "to a point": f"spread {told('spread')}",
        "few directions": f"rank {told('rankme')}",
        "worse than untrained": accuracy,
        "keeps its features": accuracy,
    }[name]
    return f"{name.removesuffix(' than untrained').removesuffix(' its features')}\n{number}"


def _draw_features(data: xr.Dataset, name: str, axes: Any) -> None:
    views = data["views"].values
    here = data[f"feature_{name}"].sel(objective="mean view")
    shown = [encoder for encoder in here["encoder"].values if encoder != "linear"] or list(here["encoder"].values)
    for encoder in shown:
        for feature, colour in _FEATURES.items():
            style = {**colour, "linestyle": _LINES[str(encoder)], "linewidth": 1.5}
            draw_seeds(axes, views, here.sel(encoder=encoder, feature=feature), style, label=f"{feature}, {encoder}")
    pixels = data[f"pixels_{name}"].sel(feature="F(x)")
    axes.plot(views, pixels, color=COLOURS["grey"], linewidth=1, linestyle="-.", label="x itself, pixels")
    mean = data[f"pixels_{name}"].sel(feature="F(x̄)")
    axes.plot(views, mean, color=COLOURS["grey"], linewidth=1, linestyle=":", label="x̄, pixels")
    axes.set_xscale("log", base=2)
    axes.set_xticks(views, [str(count) for count in views])
