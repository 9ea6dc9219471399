"""What is computed: every setting trained, its fate and its features."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from dynsim.gallery.figure import concluded
from dynsim.gallery.trained_networks import full_size, seed_count
from dynsim.progress import Progress
from dynsim.records import stamp
from dynsim.verdict import Verdict

if TYPE_CHECKING:
    from dynsim.networks import Experiment

MEASURES = ("spread", "rankme", "norm_ratio", "knn", "probe")
OBJECTIVES = ("mean view", "two views")
FEATURES = ("F(x)", "F(x̄)", "E F(T x)")
FATES = ("diverges", "shrinks", "to a point", "few directions", "worse than untrained", "keeps its features")
ENCODERS: dict[str, dict[str, Any]] = {
    "linear": {"norm": "none", "cosine": "linear"},
    "mlp": {"norm": "batch", "cosine": "mlp"},
    "cnn": {"norm": "batch", "cosine": "mlp"},
}  # normalisation, and the predictor under the cosine loss; under squared error it is linear
RATES = {"squared": 0.02, "cosine": 0.1}


def compute(
    progress: Progress | None = None,
    *,
    seeds: int | None = None,
    steps: int = 300,
    encoders: tuple[str, ...] = tuple(ENCODERS),
    most_views: int = 64,
    data: Any = None,
    images: int | None = None,
    full: bool = False,
) -> xr.Dataset:
    """Train with the mean view, and with two views beside it, and compare the three candidates as features.

    Parameters
    ----------
    progress : callable, optional
    seeds : int, optional
        5 by default.
    steps : int
    encoders : tuple of str
        Of linear, mlp, cnn.
    most_views : int
        A power of two: features average 1, 2, 4, … of so many views.
    images : int, optional
        Use only the first so many training images.
    data : str or images, optional
        As `dynsim.networks.Experiment` takes them; the digits by default, in full MNIST.
    full : bool
        10 seeds.

    Returns
    -------
    xarray.Dataset
        Over `encoder`, `loss` (squared, cosine), `predictor` (without, with), `branch` (stop, full), `objective` (mean
        view: l(h(F(T x)), F(x̄)); two views: l(h(F(T₁x)), F(T₂x))), `seed`: `spread`, `rankme`, `norm_ratio`, `knn`,
        `probe` after training, with `lost` for a seed that left the finite numbers; without branch and objective:
        `spread_start`, … before it. Over `encoder`, `objective`, `feature`, `views`, `test` (clean, augmented),
        `seed`: `feature_knn`, `feature_probe` of the networks trained with predictor, stop-gradient and cosine loss;
        over `feature`, `views`, `test`: `pixels_knn`, `pixels_probe` of raw pixels in their place.
    """
    from dynsim.networks import Experiment

    number = seed_count(seeds, full)
    base = Experiment(measures=MEASURES, steps=steps, every=max(1, steps), images=images, **full_size(full, data))
    counts = [2**power for power in range(int(np.log2(most_views)) + 1)]
    settings = [(e, loss, p) for e in encoders for loss in RATES for p in ("without", "with")]
    total, cells, bank, rows = 4 * len(settings) + 2 * len(encoders), [], None, []
    for encoder, loss, predictor in settings:
        cells.append(_ends(_setting(base, encoder, loss, predictor), loss, number))
        if progress:
            progress(4 * len(cells), total, f"{encoder}, {loss}, {predictor} predictor")
    found = _folded(cells, settings)
    for encoder in encoders:
        chosen = _setting(base, encoder, "cosine", "with")
        bank = bank or _Bank(chosen, counts)
        rows.append(
            xr.concat([bank.compare(_of(chosen, "cosine", o), number) for o in OBJECTIVES], _axis("objective"))
        )
        if progress:
            progress(4 * len(cells) + 2 * len(rows), total, f"features of {encoder}")
    found = found.merge(xr.concat(rows, xr.DataArray(list(encoders), dims="encoder", name="encoder")))
    if bank is not None:
        found = found.merge(bank.pixels())
    return stamp(found.drop_attrs(), "torch", "scikit-learn", experiment=base.to_dict(), steps=steps)


def _axis(name: str) -> xr.DataArray:
    values = {"objective": OBJECTIVES, "branch": ("stop", "full")}[name]
    return xr.DataArray(list(values), dims=name, name=name)


def _setting(base: Experiment, encoder: str, loss: str, predictor: str) -> Experiment:
    fields = ENCODERS[encoder]
    kind = "none" if predictor == "without" else "linear" if loss == "squared" else fields["cosine"]
    return base.but(encoder=encoder, norm=fields["norm"], predictor=kind, lr=RATES[loss])


def _of(setting: Experiment, loss: str, objective: str) -> Experiment:
    """The same with the objective of that name."""
    if objective == "two views":
        return setting.but(objective=loss)
    return setting.but(objective="xbar", distance=loss)


def _ends(setting: Experiment, loss: str, seeds: int) -> xr.Dataset:
    """Measures before and after training, over `branch`, `objective`, `seed`."""
    from dynsim.networks import train

    rows = []
    for branch in ("stop", "full"):
        cells = []
        for objective in OBJECTIVES:
            trained = train(_of(setting, loss, objective).but(branch=branch), seeds)
            end = trained.isel(step=-1)[list(MEASURES)].drop_vars(["step", "time"])
            start = trained.isel(step=0)[list(MEASURES)].drop_vars(["step", "time"])
            cells.append(end.assign(lost=trained["status"] != 0))
        rows.append(xr.concat(cells, _axis("objective")))
    return xr.concat(rows, _axis("branch")).merge(start.rename({name: f"{name}_start" for name in MEASURES}))


def _folded(cells: list[xr.Dataset], settings: list[tuple[str, str, str]]) -> xr.Dataset:
    """One list of settings, the last part changing fastest, as the three dimensions it is made of."""
    for part, name in reversed(list(enumerate(("encoder", "loss", "predictor")))):
        values = list(dict.fromkeys(setting[part] for setting in settings))
        axis = xr.DataArray(values, dims=name, name=name)
        groups = [cells[i : i + len(values)] for i in range(0, len(cells), len(values))]
        cells = [xr.concat(group, axis, combine_attrs="drop") for group in groups]
    return cells[0]


class _Bank:
    """Views of all images, drawn once: every network sees the same."""

    def __init__(self, experiment: Experiment, counts: list[int]) -> None:
        from dynsim.networks import fit

        source = fit(experiment.but(steps=0, measures=()), 1)
        self.images, self.counts = source.images, counts
        pictures = {
            "train": self.images.train,
            "clean": self.images.test,
            "augmented": source.views(self.images.test, 1, seed=1)[0].numpy(),
        }
        self.views = {
            name: source.views(value, counts[-1], seed=2 + index).numpy()
            for index, (name, value) in enumerate(pictures.items())
        }
        self.pictures = pictures

    def compare(self, experiment: Experiment, seeds: int) -> xr.Dataset:
        """Features of the trained network: kNN and probe over `feature`, `views`, `test`, `seed`."""
        from dynsim.networks import fit

        trained = fit(experiment.but(measures=()), seeds)

        def encode(pictures: np.ndarray) -> np.ndarray:
            found: np.ndarray = trained.features(pictures).numpy()
            return found

        told = self._judged(encode)
        return told.assign_coords(seed=trained.dataset["seed"].values)

    def pixels(self) -> xr.Dataset:
        """The same of the images themselves, less the mean training image."""
        mean = self.images.train.mean(0)
        told = self._judged(lambda pictures: (pictures - mean).reshape(1, len(pictures), -1))
        return told.isel(seed=0).rename({f"feature_{name}": f"pixels_{name}" for name in ("knn", "probe")})

    def _judged(self, encode: Callable[[np.ndarray], np.ndarray]) -> xr.Dataset:
        from dynsim.networks import measures

        candidates = {name: self._candidates(name, encode) for name in self.pictures}
        labels, test_labels = self.images.train_labels, self.images.test_labels
        shape = (len(FEATURES), len(self.counts), 2)
        scores: dict[str, list[np.ndarray]] = {"feature_knn": [], "feature_probe": []}
        for feature in FEATURES:
            for index in range(len(self.counts)):
                for test in ("clean", "augmented"):
                    pair = (candidates[which][feature][index] for which in ("train", test))
                    known, asked = pair
                    scores["feature_knn"].append(np.asarray(measures.knn(known, labels, asked, test_labels)))
                    scores["feature_probe"].append(np.asarray(measures.probe(known, labels, asked, test_labels)))
        axes = ("feature", "views", "test", "seed")
        return xr.Dataset(
            {name: (axes, np.stack(values).reshape(*shape, -1)) for name, values in scores.items()},
            {"feature": list(FEATURES), "views": self.counts, "test": ["clean", "augmented"]},
        )

    def _candidates(self, name: str, encode: Callable[[np.ndarray], np.ndarray]) -> dict[str, list[np.ndarray]]:
        """F(x), F of the mean of K views, and the mean of F of K views, for every K."""
        found: dict[str, list[np.ndarray]] = {feature: [] for feature in FEATURES}
        itself = encode(self.pictures[name])
        total, sum_of_views = np.zeros_like(itself), np.zeros_like(self.views[name][0])
        for index, view in enumerate(self.views[name]):
            total, sum_of_views = total + encode(view), sum_of_views + view
            if index + 1 in self.counts:
                found["F(x)"].append(itself)
                found["F(x̄)"].append(encode(sum_of_views / (index + 1)))
                found["E F(T x)"].append(total / (index + 1))
        return found


def fate(data: xr.Dataset) -> xr.DataArray:
    """Index into `FATES` of every setting, by the means over seeds.

    Diverges: a seed is lost, or the norm grew tenfold; shrinks: the norm fell to less than half; to a point: spread
    below a quarter; few directions: RankMe below a quarter of what it was; worse than untrained: kNN accuracy fell.
    No single measure sees all of them.
    """
    mean = data[[name for name in data if "seed" in data[name].dims and "views" not in data[name].dims]].mean("seed")
    conditions = [
        (mean["lost"] > 0) | (mean["norm_ratio"] > 10),
        mean["norm_ratio"] < 0.5,
        mean["spread"] < 0.25,
        mean["rankme"] < mean["rankme_start"] / 4,
        mean["knn"] < mean["knn_start"],
    ]
    found = xr.full_like(mean["norm_ratio"], len(FATES) - 1).astype(int)
    for index, condition in reversed(list(enumerate(conditions))):
        found = found.where(~condition, index)
    return found


def verdict(data: xr.Dataset) -> Verdict:
    """Say who collapses, and which candidate is the better feature."""
    found = fate(data)
    mine = found.sel(objective="mean view")
    alive, better = mine >= len(FATES) - 2, mine == len(FATES) - 1

    def count(where: xr.DataArray, predictor: str, branch: str) -> int:
        return int(where.sel(predictor=predictor, branch=branch).sum())

    each = int(alive.sel(predictor="with", branch="stop").size)
    agree = int(((found.sel(objective="two views") >= len(FATES) - 2) == alive).sum())
    hidden = [name for name in data["encoder"].values if name != "linear"] or list(data["encoder"].values)
    words = []
    for test in ("clean", "augmented"):
        score = (
            data["feature_knn"].sel(test=test, objective="mean view", encoder=hidden).isel(views=-1).mean("encoder")
        )
        told = [f"{name} {_spread(score.sel(feature=name))}" for name in FEATURES]
        raw = float(data["pixels_knn"].sel(test=test, feature="F(x)").isel(views=-1))
        words.append(f"{test} test images {', '.join(told)}, raw pixels {raw:.3f}")
    linear = ""
    if "linear" in data["encoder"]:
        norm = data["norm_ratio"].sel(encoder="linear", loss="squared", predictor="without", objective="mean view")
        told = [_spread(norm.sel(branch=branch)) for branch in ("stop", "full")]
        linear = (
            f" (linear, squared: one and the same gradient on average, norm × {told[0]} with it, {told[1]} without)"
        )
    detail = (
        f"of {each} settings each, E‖F(T x) − F(x̄)‖² does not collapse in {count(alive, 'with', 'stop')} with "
        f"predictor and stop-gradient (kNN better than untrained in {count(better, 'with', 'stop')}), in "
        f"{count(alive, 'with', 'full')} with the predictor alone, in {count(alive, 'without', 'stop')} with "
        f"stop-gradient alone, in {count(alive, 'without', 'full')} with neither{linear}; the loss of two views has "
        f"the same fate, collapsed or not, in {agree} of {mine.size}; as features of {' and '.join(hidden)}, kNN from "
        f"{int(data['views'][-1])} views: {'; '.join(words)}"
    )
    headline = (
        f"The mean view as target: {count(alive, 'with', 'stop')} of {each} settings live with predictor "
        f"and stop-gradient"
    )
    return concluded("measured", headline, detail)


def _spread(values: xr.DataArray) -> str:
    return f"{float(values.mean()):.3f} ± {float(values.std()):.3f}"
