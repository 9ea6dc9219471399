"""What the table computes: every cell trained in every branch, and the verdict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from dynsim.errors import bad
from dynsim.gallery.figure import concluded
from dynsim.networks.collapse import judge_run
from dynsim.progress import Progress
from dynsim.records import stamp
from dynsim.symbolic.flow import BRANCHES
from dynsim.verdict import Verdict

if TYPE_CHECKING:
    from dynsim.networks import Experiment

PREDICTORS = ("mlp", "linear")
ENCODERS = ("linear", "mlp", "cnn")
NORMS = ("none", "batch", "batch-out")
OBJECTIVES = ("cosine", "squared", "xbar")
REFERENCES = ("alternating", "nt-xent", "barlow")  # losses without branches, trained with the first predictor
MEASURES = ("spread", "rankme", "norm_ratio", "knn")  # the four that decide
ALSO = ("participation", "probe")  # recorded beside them
LEFT = 1 / 3  # share of a measure that is left, below which its number is printed bold
SURVIVED, COLLAPSED, GREW, UNSURE = 0, 1, 2, 3


def compute(
    progress: Progress | None = None,
    *,
    seeds: Any = 3,
    steps: int = 1000,
    data: Any = "digits",
    predictors: Sequence[str] = PREDICTORS,
    encoders: Sequence[str] = ENCODERS,
    norms: Sequence[str] = NORMS,
    objectives: Sequence[str] = OBJECTIVES,
    references: Sequence[str] = REFERENCES,
) -> xr.Dataset:
    """Train every cell of the table in every branch.

    Parameters
    ----------
    progress : callable, optional
    seeds : int or list
    steps : int
    data : str or images, optional
        As `dynsim.networks.Experiment` takes them; the digits by default.
    predictors, encoders, norms : sequence of str
        Names as `dynsim.networks.Experiment` takes them. An MLP predictor is normalised where the encoder is.
    objectives : sequence of str
        Losses with branches.
    references : sequence of str
        Losses without branches, trained with the first of the predictors.

    Returns
    -------
    xarray.Dataset
        After training, over `predictor`, `encoder`, `norm`, `objective`, `branch`, `seed`: `spread`, `rankme`,
        `norm_ratio`, `knn`, `participation`, `probe`; NaN where the weights grew until they were not finite. The same
        after half of the steps, named ``half_…``; over `encoder`, `norm`, `reference`, `seed`, named ``reference_…``;
        and before training over `encoder`, `norm`, `seed`, named ``start_…``. `chance` is the share of the largest
        class.
    """
    for name, given in {
        "predictors": predictors,
        "encoders": encoders,
        "norms": norms,
        "objectives": objectives,
    }.items():
        if isinstance(given, str) or not given:
            raise bad(name, given, "a list of at least one name")
    cells = list(product(predictors, encoders, norms, objectives, BRANCHES))
    others = list(product(encoders, norms, references))
    total, done = len(cells) + len(others), 0

    def train_all(experiments: Iterable[tuple[str, Experiment]]) -> list[xr.Dataset]:
        from dynsim.networks import train

        nonlocal done
        trained = []
        for what, experiment in experiments:
            trained.append(train(experiment, seeds))
            done += 1
            if progress:
                progress(done, total, what)
        return trained

    table = train_all(
        (f"{e}, {o}, {n}, {b}, predictor {p}", _experiment(p, e, n, o, steps, data, branch=b))
        for p, e, n, o, b in cells
    )
    reference = train_all((f"{e}, {r}, {n}", _experiment(predictors[0], e, n, r, steps, data)) for e, n, r in others)
    axes = {"predictor": predictors, "encoder": encoders, "norm": norms, "objective": objectives, "branch": BRANCHES}
    found = _gathered(table, axes, -1).merge(_gathered(table, axes, 1, "half_"))
    if others:
        axes = {"encoder": encoders, "norm": norms, "reference": references}
        found = found.merge(_gathered(reference, axes, -1, "reference_"))
    # A start knows its encoder and nothing of loss, branch and predictor.
    starts = [d for d, (p, _, _, o, b) in zip(table, cells, strict=True) if (p, o, b) == _first(cells)]
    found = found.merge(_gathered(starts, {"encoder": encoders, "norm": norms}, 0, "start_"))
    found["chance"] = _chance(data)
    about = _experiment(predictors[0], encoders[0], norms[0], objectives[0], steps, data).to_dict()
    common = {name: value for name, value in about.items() if name not in (*axes, *_OWN)}
    return stamp(found, "torch", "scikit-learn", experiment=common, learning_rates=LEARNING_RATES)


LEARNING_RATES = {"cosine": 0.1, "squared": 0.02, "xbar": 0.02, "alternating": 0.02, "nt-xent": 0.1, "barlow": 0.02}
_OWN = ("predictor", "predictor_norm", "objective", "branch", "lr", "depth", "width")  # fields that differ by cell
# Two layers each; the linear one has the MLP's shape, so that the two differ in ReLU and biases alone.
_SHAPES: dict[str, dict[str, Any]] = {"linear": {"depth": 2, "width": 128}, "cnn": {"width": 8}}


def _experiment(
    predictor: Any, encoder: Any, norm: Any, objective: str, steps: int, data: Any, **more: Any
) -> Experiment:
    from dynsim.networks import Experiment

    return Experiment(
        data=data,
        encoder=encoder,
        norm=norm,
        predictor=predictor,
        predictor_norm="none" if norm == "none" else "batch",
        objective=objective,
        lr=LEARNING_RATES[objective],
        steps=steps,
        measures=(*MEASURES, *ALSO),
        every=max(1, steps // 2),
        **_SHAPES.get(encoder, {}),
        **more,
    )


def _first(cells: Sequence[tuple[str, ...]]) -> tuple[str, str, str]:
    predictor, _, _, objective, branch = cells[0]
    return predictor, objective, branch


def _gathered(runs: list[xr.Dataset], axes: dict[str, Sequence[str]], moment: int, prefix: str = "") -> xr.Dataset:
    """One moment of many runs, which are in the order of the product of the axes, as arrays over these."""
    shape = [len(values) for values in axes.values()]
    variables = {
        f"{prefix}{name}": (
            (*axes, "seed"),
            np.array([data[name].isel(step=moment).values for data in runs]).reshape(*shape, -1),
        )
        for name in (*MEASURES, *ALSO)
    }
    return xr.Dataset(variables, {**{name: list(values) for name, values in axes.items()}, "seed": runs[0]["seed"]})


def _chance(data: Any) -> float:
    from dynsim.networks import Experiment
    from dynsim.networks.datasets import load_images

    labels = load_images(Experiment(data=data)).test_labels
    assert labels is not None
    return float(np.bincount(labels).max() / len(labels))


def left(data: xr.Dataset, name: str, prefix: str = "") -> xr.DataArray:
    """Share of a measure that is left after training, above what it reads on collapsed features.

    That is 0 for spread and norm, 1 for RankMe and chance for kNN.
    """
    floor = {"rankme": 1.0, "knn": float(data["chance"])}.get(name, 0.0)
    return (data[f"{prefix}{name}"] - floor) / (data[f"start_{name}"] - floor)


def judged(data: xr.Dataset, prefix: str = "") -> xr.DataArray:
    """A `Judgement` per run: start and end, kNN against what the same cell reaches with stop-gradient (or at all)."""
    moments = pd.Index(["start", "end"], name="record")
    runs = xr.Dataset({
        name: xr.concat(xr.broadcast(data[f"start_{name}"], data[f"{prefix}{name}"]), moments) for name in MEASURES
    })  # fmt: skip
    knn = data[f"{prefix}knn"]
    reference = (knn.sel(branch="stop", drop=True) if "branch" in knn.dims else knn).mean("seed")
    return judge_run(runs.assign_attrs(data.attrs), reference=reference)


def fate(data: xr.Dataset, prefix: str = "") -> xr.DataArray:
    """Per seed: 0 healthy, 1 collapsed, 2 grew without bound or until not finite, 3 unsure."""
    found = judged(data, prefix)
    numbers = [
        GREW if one.kinds[0] == "not-finite" or "exploding" in one.kinds
        else {True: COLLAPSED, False: SURVIVED, None: UNSURE}[one.collapsed]
        for one in found.values.flat
    ]  # fmt: skip
    return found.copy(data=np.array(numbers).reshape(found.shape))


def confirms(fates: xr.DataArray, unsure: int = UNSURE) -> xr.DataArray:
    """Whether, in every seed, stop survives while full and target collapse; over the cells of the table.

    `unsure` says as what a run in doubt counts.
    """
    fates = fates.where(fates != UNSURE, unsure)
    survived, collapsed = (fates == SURVIVED).all("seed"), (fates == COLLAPSED).all("seed")
    return survived.sel(branch="stop", drop=True) & collapsed.sel(branch=["full", "target"]).all("branch")


def verdict(data: xr.Dataset) -> Verdict:
    """Count the cells that confirm the article, say how the others fail, and what single measures would miss."""
    found, fates = judged(data), fate(data)
    confirmed = confirms(fates)
    per_table = confirmed.isel(predictor=0).size
    words = []
    for predictor in data["predictor"].values:
        here = confirmed.sel(predictor=predictor)
        by_norm = ", ".join(f"{norm} {int(here.sel(norm=norm).sum())}" for norm in data["norm"].values)
        words.append(f"{int(here.sum())} of {per_table} cells with predictor {predictor} (norm {by_norm})")
    others = ~confirmed
    grew = others & (fates == GREW).any(["branch", "seed"])
    stop = others & ~grew & (fates.sel(branch="stop") == COLLAPSED).any("seed")
    rest = others & ~grew & ~stop  # seeds of full or target survive, or are in doubt
    lenient, strict = (int(confirms(fates, kind).sum()) for kind in (SURVIVED, COLLAPSED))
    lost = [one for one in found.values.flat if one.collapsed]
    missed = {name: sum(one.says(name) == "healthy" for one in lost) for name in MEASURES}
    alone = ", ".join(f"{name} {number}" for name, number in missed.items())
    detail = (
        f"stop survives while full and target collapse, in all {data.sizes['seed']} seeds, in {' and '.join(words)}; "
        f"of the other {int(others.sum())}, seeds of stop collapse too in {int(stop.sum())}, seeds without "
        f"stop-gradient survive or are in doubt in {int(rest.sum())}, weights grow without bound in "
        f"{int(grew.sum())}; {int((fates == UNSURE).sum())} of {fates.size} runs are between the thresholds, were "
        f"they all alive, {lenient}, all collapsed, {strict} cells would confirm; of {len(lost)} collapsed runs one "
        f"measure alone would miss: {alone}"
    )
    if f"half_{MEASURES[0]}" in data:
        before = fate(data, "half_")
        detail += (
            f"; after half of the steps {int(confirms(before).sum())} cells confirm, and "
            f"{int((before != fates).sum())} of {fates.size} runs are judged otherwise"
        )
    cells = f"{int(confirmed.sum())} of {confirmed.size} cells"
    headline = f"Stop lives while full and target collapse, in every seed, in {cells}"
    return concluded(
        "holds" if bool(confirmed.all()) else ("holds under conditions" if bool(confirmed.any()) else "does not hold"),
        headline,
        detail,
    )
