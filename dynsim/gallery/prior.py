"""Pixels, random, self-supervised and supervised encoders: nearest neighbours and linear probes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from dynsim.drawing.canvas import panel_row
from dynsim.drawing.style import COLOURS
from dynsim.drawing.words import caption
from dynsim.gallery.figure import Figure, concluded
from dynsim.gallery.trained_networks import full_size, seed_count
from dynsim.progress import Progress
from dynsim.records import provenance, stamp
from dynsim.verdict import Verdict

if TYPE_CHECKING:
    from dynsim.networks import Experiment

PER_CLASS = 10
# Untrained features as Jarrett et al. (2009) had them: random filters, rectified and pooled; narrow and wide.
FILTERS = (16, 128)
ENCODERS: dict[str, dict[str, Any]] = {"linear": {"norm": "none"}, "mlp": {}, "cnn": {}}
INITS = ("default", "orthogonal", "identity", "zero")
TRAINED: dict[str, dict[str, Any]] = {
    "SimSiam": {},
    "BYOL": {"teacher": 0.99},
    "SimCLR": {"objective": "nt-xent"},
    "supervised": {"objective": "supervised", "predictor": "linear"},
}
SELF_SUPERVISED = ("SimSiam", "BYOL", "SimCLR")
TESTS, LABELS = ("clean", "augmented"), ("all labels", "10 per class")


def compute(
    progress: Progress | None = None,
    *,
    seeds: int | None = None,
    steps: int = 3000,
    data: Any = None,
    draws: int = 3,
    encoders: tuple[str, ...] = tuple(ENCODERS),
    filters: tuple[int, ...] = FILTERS,
    full: bool = False,
) -> xr.Dataset:
    """Judge frozen features by nearest neighbours and by a linear probe.

    Parameters
    ----------
    progress : callable, optional
    seeds : int, optional
        5 by default.
    steps : int
        Of every trained encoder.
    draws : int
        Random choices of 10 labelled images per class, averaged.
    encoders : tuple of str
        Of linear, mlp, cnn; the linear one is not trained.
    filters : tuple of int
        Numbers of random filters, whose rectified and pooled answers are judged as well.
    data : str or images, optional
        As `dynsim.networks.Experiment` takes them; the digits by default, in full MNIST.
    full : bool
        10 seeds.

    Returns
    -------
    xarray.Dataset
        Over `representation` (pixels; encoder and initialisation; encoder and objective), `labels`, `test`, `seed`:
        `knn`, `probe`. With few labels the self-supervised encoders have seen all images and no label, the
        supervised one nothing but the labelled images. `chance` is the share of the largest class.
    """
    from dynsim.networks import Experiment

    number = seed_count(seeds, full)
    base = Experiment(measures=(), every=max(1, steps), **full_size(full, data))
    judge = _Judge(base, draws)
    found: dict[str, np.ndarray] = {"pixels": judge.pixels(number)}
    for maps in filters:
        found[f"filters {maps}"] = judge.filters(maps, number)
        if progress:
            progress(len(found) - 1, len(filters), f"{maps} random filters")
    plans = {f"{e} {init}": base.but(encoder=e, init=init, steps=0, **ENCODERS[e]) for e in encoders for init in INITS}
    for encoder in encoders:
        for name, fields in TRAINED.items() if encoder != "linear" else ():
            plans[f"{encoder} {name}"] = base.but(encoder=encoder, steps=steps, **ENCODERS[encoder], **fields)
    for index, (name, experiment) in enumerate(plans.items()):
        found[name] = judge.network(experiment, number)
        if progress:
            progress(index + 1, len(plans), name)
    scores = xr.Dataset(
        {
            measure: (("representation", "labels", "test", "seed"), np.stack([values[i] for values in found.values()]))
            for i, measure in enumerate(("knn", "probe"))
        },
        {"representation": list(found), "labels": list(LABELS), "test": list(TESTS), "seed": np.arange(number)},
    )
    scores["chance"] = judge.chance()
    return stamp(scores, "torch", "scikit-learn", experiment=base.to_dict(), steps=steps, draws=draws)


class _Judge:
    """The same labelled images and the same test images for everyone."""

    def __init__(self, base: Experiment, draws: int) -> None:
        from dynsim.networks import fit

        source = fit(base.but(steps=0), 1)
        self.images = source.images
        self.tests = (self.images.test, source.views(self.images.test, 1, seed=1)[0].numpy())
        assert self.images.train_labels is not None
        self.few = [few_labels(self.images.train_labels, draw) for draw in range(draws)]

    def chance(self) -> float:
        """Share of the largest class among the test images."""
        labels = self.images.test_labels
        assert labels is not None
        return float(np.bincount(labels).max() / len(labels))

    def pixels(self, seeds: int) -> np.ndarray:
        """Scores of the images themselves, (measures, labels, tests, seeds)."""
        mean = self.images.train.mean(0)

        def encode(pictures: np.ndarray) -> np.ndarray:
            return (pictures - mean).reshape(1, len(pictures), -1)

        every = np.arange(len(self.images.train))
        many, few = self._scores(encode, every), [self._scores(encode, rows) for rows in self.few]
        return np.stack([many, np.mean(few, axis=0)], axis=1).repeat(seeds, axis=-1)

    def filters(self, maps: int, seeds: int) -> np.ndarray:
        """Scores of random filters, rectified and pooled, (measures, labels, tests, seeds)."""
        mean = self.images.train.mean(0)

        def encode(pictures: np.ndarray) -> np.ndarray:
            return np.stack([pooled_filters(pictures - mean, maps, seed) for seed in range(seeds)])

        every = np.arange(len(self.images.train))
        return np.stack(
            [self._scores(encode, every), np.mean([self._scores(encode, rows) for rows in self.few], 0)], 1
        )

    def network(self, experiment: Experiment, seeds: int) -> np.ndarray:
        """Scores of an encoder, (measures, labels, tests, seeds)."""
        every = np.arange(len(self.images.train))
        encode = _encoder(experiment, seeds)
        few = []
        for rows in self.few:
            of_few = encode
            if experiment.objective == "supervised":
                of_few = _encoder(experiment.but(data=self._only(rows)), seeds)
            few.append(self._scores(of_few, rows))
        return np.stack([self._scores(encode, every), np.mean(few, axis=0)], axis=1)

    def _only(self, rows: np.ndarray) -> Any:

        images = self.images
        assert images.train_labels is not None
        return replace(images, train=images.train[rows], train_labels=images.train_labels[rows], name="few labels")

    def _scores(self, encode: Callable[[np.ndarray], np.ndarray], rows: np.ndarray) -> np.ndarray:
        """(measures, tests, seeds) with the labels of these training images."""
        from dynsim.networks import measures

        images = self.images
        assert images.train_labels is not None
        known, labels = encode(images.train[rows]), images.train_labels[rows]
        asked = [encode(pictures) for pictures in self.tests]
        judges = (measures.knn, measures.probe)
        return np.array([[np.asarray(judge(known, labels, z, images.test_labels)) for z in asked] for judge in judges])


def pooled_filters(pictures: np.ndarray, maps: int, seed: int, size: int = 5) -> np.ndarray:
    """|x ∗ w| for random Gaussian filters w, averaged over a grid of 4 × 4 overlapping windows: (N, 16·maps).

    Parameters
    ----------
    pictures : numpy.ndarray
        (N, channels, height, width), centred.
    maps, seed, size : int
    """
    number, channels, height, width = pictures.shape
    filters = np.random.default_rng(np.random.SeedSequence(1, spawn_key=(seed,))).normal(
        size=(channels * size**2, maps)
    )
    half = size // 2
    padded = np.pad(pictures, ((0, 0), (0, 0), (half, half), (half, half)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(2, 3))
    rows, columns = (
        [slice(round(i * long / 5), round((i + 2) * long / 5)) for i in range(4)] for long in (height, width)
    )
    found = np.empty((number, 16 * maps))
    for first in range(0, number, 256):  # in pieces: the maps of all pictures at once would be large
        part = windows[first : first + 256].transpose(0, 2, 3, 1, 4, 5)
        answers = np.abs(part.reshape(len(part), height, width, -1) @ filters)
        pools = [answers[:, r, c].mean(axis=(1, 2)) for r in rows for c in columns]
        found[first : first + 256] = np.concatenate(pools, axis=1)
    return found


def _encoder(experiment: Experiment, seeds: int) -> Callable[[np.ndarray], np.ndarray]:
    from dynsim.networks import fit

    trained = fit(experiment, seeds)

    def encode(pictures: np.ndarray) -> np.ndarray:
        found: np.ndarray = trained.features(pictures).numpy()
        return found

    return encode


def few_labels(labels: np.ndarray, draw: int) -> np.ndarray:
    """Numbers of 10 images of each class, another choice for every draw."""
    rng = np.random.default_rng(np.random.SeedSequence(0, spawn_key=(draw,)))
    chosen = [rng.choice(np.flatnonzero(labels == label), PER_CLASS, replace=False) for label in np.unique(labels)]
    return np.concatenate(chosen)


def verdict(data: xr.Dataset) -> Verdict:
    """Say what a random encoder is worth, what training adds, and where pixels win."""
    known = [str(name) for name in data["representation"].values]
    random = [name for name in known if name.endswith(" default")]
    own = [name for name in known if name.split()[-1] in SELF_SUPERVISED]
    told_names = [name for name in known if name.endswith(" supervised")]
    words = []
    untrained = [name for name in known if name.startswith("filters ") or name.split()[-1] in INITS]
    groups = {"untrained": untrained, "self-supervised": own}
    beaten: dict[tuple[str, str], list[str]] = {(group, one): [] for group in groups for one in ("knn", "probe")}
    for labels in data["labels"].values:
        for test in data["test"].values:
            one = data.sel(labels=labels, test=test)
            knn = one["knn"]
            wide = [name for name in known if name.startswith("filters ")]
            shown = [
                "pixels",
                *wide,
                *random,
                random[-1].replace("default", "zero"),
                _best(knn, own),
                _best(knn, told_names),
            ]
            told = [f"{name} {_spread(knn.sel(representation=name))}" for name in shown if name]
            told += [
                f"by linear probe {name} {_spread(one['probe'].sel(representation=name))}"
                for name in ("pixels", *wide)
            ]
            words.append(f"{labels}, {test} test images: {', '.join(told)}; best of all {_best(knn, known)}")
            for (group, measure), cases in beaten.items():
                pixels = float(one[measure].sel(representation="pixels").mean())
                least = one[measure].sel(representation=groups[group]).min("seed")
                if groups[group] and float(least.max()) > pixels:
                    cases.append(f"{labels}, {test}")
    against = [
        f"{group} features beat pixels in every seed by {measure} {' and '.join(cases) or 'nowhere'}"
        for (group, measure), cases in beaten.items()
    ]
    detail = f"kNN accuracy with {'; with '.join(words)}; {'; '.join(against)}"
    of = data.sizes["labels"] * data.sizes["test"]
    counts = {group: len(beaten[group, "knn"]) + len(beaten[group, "probe"]) for group in groups}
    headline = (
        f"Some untrained features beat pixels in {counts['untrained']} of {2 * of} tests, self-supervised ones in "
        f"{counts['self-supervised']}"
    )
    return concluded("measured", headline, detail)


def _best(score: xr.DataArray, names: list[str]) -> str:
    return str(score.sel(representation=names).mean("seed").idxmax("representation").item()) if names else ""


def _spread(values: xr.DataArray) -> str:
    return f"{float(values.mean()):.2f} ± {float(values.std()):.2f}"


_MEASURES = (
    ("knn", "nearest neighbours", COLOURS["blue"], "o", -0.14),
    ("probe", "linear probe", COLOURS["vermilion"], "s", 0.14),
)


def draw(data: xr.Dataset, figure: Any) -> None:
    """Accuracy of every representation on augmented test images, a panel per number of labels."""
    names = [str(name) for name in data["representation"].values]
    test = "augmented" if "augmented" in data["test"].values else str(data["test"].values[-1])
    panels = panel_row(figure, data.sizes["labels"], sharey=True)
    for axes, labels in zip(panels, data["labels"].values, strict=True):
        _draw_panel(data.sel(labels=labels, test=test), names, axes)
        axes.set(title=f"{labels}, {test} test images", xlabel="accuracy")
    panels[0].set_yticks(range(len(names)), names, fontsize=7)
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    panels[0].legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2)
    caption(
        figure,
        data,
        f"{provenance(data)['experiment']['data']}. Mean and range over {data.sizes['seed']} seeds; "
        "dotted, dash-dotted: pixels, dashed: chance. Filters: so many random ones, rectified and pooled, untrained",
    )


def draw_full(data: xr.Dataset, figure: Any) -> None:
    """One panel for each choice of test images and labels, one row for each representation."""
    panels = figure.subplots(1, data.sizes["labels"] * data.sizes["test"], sharey=True)
    names = [str(name) for name in data["representation"].values]
    places = [(labels, test) for labels in data["labels"].values for test in data["test"].values]
    for axes, (labels, test) in zip(panels, places, strict=True):
        _draw_panel(data.sel(labels=labels, test=test), names, axes)
        axes.set_title(f"{labels},\n{test} test images")
        axes.set_xlabel("accuracy")
    panels[0].set_yticks(range(len(names)), names)
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    panels[0].legend(loc="lower left")
    about = provenance(data)
    shown = about["experiment"]
    caption(
        figure,
        data,
        f"{shown['data']}, kNN with 5 neighbours; trained encoders {about['steps']} steps. Mean and range "
        f"over {data.sizes['seed']} seeds; dotted, dash-dotted: pixels, dashed: chance",
    )


def _reach(values: xr.DataArray) -> np.ndarray:
    """Length of the bars to the smallest and to the largest seed."""
    middle = values.mean("seed")
    reach = np.stack([middle - values.min("seed"), values.max("seed") - middle])
    return reach.clip(min=0)  # equal seeds differ from their mean by rounding


def _draw_panel(data: xr.Dataset, names: list[str], axes: Any) -> None:
    y = np.arange(len(names))
    for name, label, colour, marker, shift in _MEASURES:
        values = data[name]
        axes.errorbar(
            values.mean("seed"),
            y + shift,
            xerr=_reach(values),
            fmt=marker,
            color=colour,
            ms=4.5,
            mfc="white",
            elinewidth=1.4,
            label=label,
        )
        dash = {"knn": ":", "probe": "-."}[name]
        axes.axvline(float(values.sel(representation="pixels").mean()), color=colour, linewidth=1, linestyle=dash)
    axes.axvline(float(data.get("chance", 0.1)), color=COLOURS["grey"], linewidth=0.8, linestyle="--")
    axes.set_xlim(0, 1.02)
    for before, (one, other) in enumerate(pairwise(names)):
        trained = [name.split()[-1] in ("SimSiam", "BYOL", "SimCLR", "supervised") for name in (one, other)]
        if one.split()[0] != other.split()[0] or trained[0] != trained[1]:
            axes.axhline(before + 0.5, color="#BBBBBB", linewidth=0.8)


FIGURE = Figure(
    name="prior",
    summary="Pixels, untrained, self-supervised and supervised encoders compared",
    compute=compute,
    verdict=verdict,
    draw=draw,
    draw_full=draw_full,
    cost=250.0,
    height=5.0,
    full_height=7.0,
    panels=2,
    needs=("networks",),
    small={"seeds": 2, "steps": 30, "draws": 1, "encoders": ("linear", "mlp"), "filters": (16,)},
)
