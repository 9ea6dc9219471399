"""How often the judge of collapse and the alarm of a monitor are right: on planted cases and on stored runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import dynsim.gallery
from dynsim.gallery.collapse_table.training import judged as judged_cells
from dynsim.gallery.counter_examples import judged as judged_settings
from dynsim.gallery.plotting import stored_file
from dynsim.monitor.alarm import first_alarm
from dynsim.monitor.diagnosis import diagnose
from dynsim.monitor.ranking import rank_checkpoints
from dynsim.networks import measures
from dynsim.networks.collapse import KINDS, judge_run
from dynsim.storage import open_dataset
from dynsim.table import Table

__all__ = [
    "ALARM_RUNS", "PLANTED", "RANKED_RUNS", "alarm_outcomes", "alarm_table", "confusion", "judge_page",
    "ranking_table", "stored_runs_table",
]  # fmt: skip

ALARM_RUNS = Path(dynsim.gallery.__file__).with_name("data") / "alarm.nc"  # made by benchmarks/alarm.py
RANKED_RUNS = ALARM_RUNS.with_name("ranking.nc")  # made by benchmarks/ranking.py
_DIM, _SAMPLES, _PROTOTYPES = 32, 400, 64
_GAIN, _LEAST_GAIN = 0.5, 0.05  # of kNN: kept above this share; a smaller gain of the reference is scatter

Case = tuple[tuple[Any, ...], dict[str, Any]]


def _healthy(rng: np.random.Generator) -> np.ndarray:
    """Features whose spectrum falls, as those of networks do, in directions of their own."""
    spectrum = np.arange(1, _DIM + 1) ** -rng.uniform(0.2, 0.8)
    return rng.normal(size=(_SAMPLES, _DIM)) * spectrum @ np.linalg.qr(rng.normal(size=(_DIM, _DIM)))[0]


def _of_rank(rng: np.random.Generator, rank: int) -> Case:
    z = rng.normal(size=(_SAMPLES, rank)) @ rng.normal(size=(rank, _DIM))
    return (z + 10 ** -rng.uniform(2, 6) * rng.normal(size=z.shape),), {}


def _constant(rng: np.random.Generator) -> Case:
    z = _healthy(rng) * 10 ** -rng.uniform(1.3, 6) + rng.normal(size=_DIM)
    return (np.maximum(z, 0) if rng.random() < 0.5 else z,), {}


def _chosen(rng: np.random.Generator, scale: float = 20.0) -> np.ndarray:
    kinds = np.eye(_PROTOTYPES)[rng.integers(0, _PROTOTYPES, _SAMPLES)]
    return scale * kinds + rng.normal(size=(_SAMPLES, _PROTOTYPES))


def _one_prototype(rng: np.random.Generator) -> Case:
    return (_chosen(rng, 3) + 60 * np.eye(_PROTOTYPES)[rng.integers(_PROTOTYPES)],), {"outputs": "logits"}


def _uniform(rng: np.random.Generator) -> Case:
    logits = 10 ** -rng.uniform(1.3, 5) * rng.normal(size=(_SAMPLES, _PROTOTYPES))
    if rng.random() < 0.5:
        return (logits,), {"outputs": "logits"}
    return (np.exp(logits) / np.exp(logits).sum(1, keepdims=True),), {"outputs": "probabilities"}


def _scaled(rng: np.random.Generator, least: float, most: float) -> Case:
    z = _healthy(rng)
    return (10 ** rng.uniform(least, most) * z,), {"initial": z}


def _dead_layer(rng: np.random.Generator) -> Case:
    """What hooks on a layer record: a ReLU that never opens, and a residual output that is healthy all the same."""
    z = _healthy(rng)
    found = {name: float(getattr(measures, name)(z)) for name in ("spread", "rankme", "participation")}
    dead = float(measures.dead_share(np.maximum(z - 10 * np.abs(z).max(), 0)))
    row = {**found, "dead_share_block2": dead, "norm_ratio": 1.0}
    return (xr.Dataset({name: ("step", [value, value]) for name, value in row.items()}, attrs={"dim": _DIM}),), {}


def _frozen_teacher(rng: np.random.Generator) -> Case:
    start = _healthy(rng)
    return (_healthy(rng),), {"initial": start, "teacher": start.copy()}


def _not_finite(rng: np.random.Generator) -> Case:
    z = _healthy(rng)
    z[rng.integers(_SAMPLES), rng.integers(_DIM)] = rng.choice([np.nan, np.inf])
    return (z,), {}


def _lives(rng: np.random.Generator) -> Case:
    z = _healthy(rng)
    case = rng.integers(4)
    if case == 0:
        return (_chosen(rng),), {"outputs": "logits"}
    if case == 1:
        return (np.maximum(z, 0),), {}
    start = 10 ** rng.uniform(-0.5, 0.5) * _healthy(rng)
    return (z, z + 0.1 * rng.normal(size=z.shape)), {"initial": start} if case == 2 else {}


# What is planted → the kind that must be found, and how a case is drawn.
PLANTED: Mapping[str, tuple[str, Callable[[np.random.Generator], Case]]] = {
    "constant": ("constant", _constant),
    **{f"rank {rank} of {_DIM}": ("dimensional", partial(_of_rank, rank=rank)) for rank in range(1, 6)},
    "one prototype": ("one-prototype", _one_prototype),
    "uniform": ("uniform", _uniform),
    "vanishing": ("vanishing", partial(_scaled, least=-8, most=-1)),
    "exploding": ("exploding", partial(_scaled, least=3, most=8)),
    "a dead layer behind a healthy output": ("dead-layer", _dead_layer),
    "a frozen teacher": ("frozen-teacher", _frozen_teacher),
    "not finite": ("not-finite", _not_finite),
    "healthy": ("healthy", _lives),
}


def confusion(draws: int = 20, seed: int = 0) -> Table:
    """What is found in planted cases: how often each kind, and the share in which the planted one is among them.

    Examples
    --------
    >>> from dynsim.pages.judge import confusion
    >>> found = confusion(draws=2)
    >>> sorted(set(found["recall"]))
    [1.0]
    """
    rows = []
    for number, (name, (kind, draw)) in enumerate(PLANTED.items()):
        counts: Counter[str] = Counter()
        for i in range(draws):
            args, options = draw(np.random.default_rng([seed, number, i]))
            counts.update(diagnose(*args, **options).kinds)
        rows.append({"planted": name, **{one: counts[one] or "" for one in KINDS}, "recall": counts[kind] / draws})
    return Table(rows)


def _stored_runs() -> Iterator[tuple[str, xr.DataArray, Mapping[str, xr.DataArray]]]:
    """Name, judgements, and kNN: at the end, at the start, and of the reference, of every stored run that has it."""
    data = open_dataset(stored_file("collapse-table"))
    stop = data["knn"].sel(branch="stop", drop=True).mean("seed")
    yield "collapse-table", judged_cells(data), {"end": data["knn"], "start": data["start_knn"], "reference": stop}
    own = data["reference_knn"]
    yield (
        "collapse-table, other objectives",
        judged_cells(data, "reference_"),
        {"end": own, "start": data["start_knn"], "reference": own.mean("seed")},
    )
    data = open_dataset(stored_file("counter-examples"))
    start, end = (data["knn"].sel(moment=moment, drop=True) for moment in data["moment"].values)
    usual = end.mean("seed").where(data["usual"] == 1).groupby("network").max()
    reference = usual.sel(network=data["network"]).drop_vars("network")
    yield "counter-examples", judged_settings(data), {"end": end, "start": start, "reference": reference}
    data = open_dataset(stored_file("network-ema"))
    start, end = (data["knn"].isel(step=i, drop=True) for i in (0, -1))
    reference = end.max("teacher").mean("seed")
    runs = data[["spread", "rankme", "norm_ratio", "knn"]].assign_attrs(data.attrs)
    yield (
        "network-ema",
        judge_run(runs, reference=reference),
        {"end": end, "start": start, "reference": reference},
    )


def stored_runs_table() -> Table:
    """Stored runs by what kNN says became of them, and how they were judged.

    "kept": at least half of the gain that the reference makes; "lost": less than a fifth of it.
    """
    rows = []
    for name, judged, knn in _stored_runs():
        verdicts = judged.copy(
            data=np.array([_word(one.collapsed) for one in judged.values.flat]).reshape(judged.shape)
        )
        values = [value.broadcast_like(verdicts).transpose(*verdicts.dims).values for value in knn.values()]
        for fate in ("kept", "between", "lost"):
            counts = Counter(
                str(word)
                for word, end, start, reference in zip(*(v.flat for v in (verdicts.values, *values)), strict=True)
                if _fate(end, start, reference) == fate
            )
            rows.append({"stored run": name, "kNN's gain": fate, "runs": sum(counts.values()), **{
                word: counts[word] for word in ("healthy", "unsure", "collapsed")}})  # fmt: skip
    return Table(rows)


def _word(collapsed: bool | None) -> str:
    return {True: "collapsed", False: "healthy", None: "unsure"}[collapsed]


def _fate(end: float, start: float, reference: float) -> str:
    gain = reference - start
    if not gain >= _LEAST_GAIN:
        return "none to lose"
    share = (end - start) / gain
    return "kept" if share >= _GAIN else "lost" if share < 0.2 else "between"


def alarm_outcomes(data: xr.Dataset | None = None) -> Table:
    """One row per stored run of benchmarks/alarm.py: when its alarm was raised, and whether that was in time.

    A run that lives must not alarm. One that never lives must within the first tenth of the steps. One that dies at
    half of the steps must afterwards, before kNN has lost a fifth of its largest gain for good.
    """
    data = open_dataset(ALARM_RUNS) if data is None else data
    steps = int(data.attrs["steps"])
    rows = []
    for i in range(data.sizes["run"]):
        run = data.isel(run=i)
        fate, at = str(run["fate"].values), _alarm_step(run)
        lost = _lost_step(run["knn"].values, run["knn_step"].values)
        in_time = {
            "lives": at == np.inf,
            "never lives": at <= steps / 10,
            "dies later": steps / 2 <= at < lost,
        }[fate]
        rows.append({"loop": str(run["loop"].values), "fate": fate, "kept out": bool(run["kept_out"]), "alarm": at,
                     "lost": lost, "in time": bool(in_time)})  # fmt: skip
    return Table(rows)


def _alarm_step(run: xr.Dataset) -> float:
    names = ("spread", "rankme", "norm_ratio", "loss")
    records = [
        dict(zip(names, map(float, row), strict=True)) for row in zip(*(run[n].values for n in names), strict=True)
    ]
    said = first_alarm([int(step) for step in run["step"].values], records)
    return np.inf if said is None else float(said.split(":")[0].split()[1])


def _lost_step(knn: np.ndarray, steps: np.ndarray) -> float:
    """When kNN has lost a fifth of its largest gain over the start and does not find it again; infinite if never."""
    gain = knn - knn[0]
    low = gain < 0.8 * gain.max()
    ever = np.flatnonzero(~low)[-1] + 1
    return float(steps[ever]) if gain.max() > 0 and ever < len(knn) else np.inf


def alarm_table(data: xr.Dataset | None = None) -> Table:
    """Of the stored runs: how many alarms were in time, of those the bounds were chosen on and of those kept out."""
    found = list(alarm_outcomes(data))
    rows = []
    for fate in ("lives", "never lives", "dies later"):
        for kept_out in (False, True):
            here = [row for row in found if row["fate"] == fate and row["kept out"] == kept_out]
            right = sum(row["in time"] for row in here)
            rows.append({
                "runs that": {"lives": "live", "never lives": "never live", "dies later": "live, then die"}[fate],
                "bounds chosen on them": "no" if kept_out else "yes",
                "runs": len(here),
                "right": right,
                "share": f"{right / max(len(here), 1):.0%}",
                "kNN lost a fifth in": sum(row["lost"] < np.inf for row in here) if fate == "dies later" else "",
            })  # fmt: skip
    return Table(rows)


def ranking_table(data: xr.Dataset | None = None) -> Table:
    """Rank correlation (Spearman's) of orders without labels with kNN along each run, median over seeds.

    The order of `rank_checkpoints` with two views and with one, and those of single measures, larger taken as better.
    """
    from scipy.stats import spearmanr

    data = open_dataset(RANKED_RUNS) if data is None else data
    rows = []
    for setting in data["setting"].values:
        found: dict[str, list[float]] = {}
        for i in range(data.sizes["seed"]):
            run = data.sel(setting=setting).isel(seed=i)
            knn = run["knn"].values
            names = [str(name) for name in run.data_vars if name != "knn"]
            records = [{name: float(run[name][j]) for name in names} for j in range(len(knn))]
            orders = {"two views": records, "one view": [{**row, "noise_share": np.nan} for row in records]}
            for name, given in orders.items():
                order = rank_checkpoints(given, dimensions=int(data.attrs["dim"]))
                places = np.argsort(order)
                found.setdefault(f"ranking, {name}", []).append(float(spearmanr(-places, knn).statistic))
            for name in ("rankme", "alpha_req", "norm_ratio"):
                found.setdefault(name, []).append(float(spearmanr(run[name].values, knn).statistic))
        knn = data["knn"].sel(setting=setting).mean("seed").values
        medians = {name: f"{np.median(values):+.2f}" for name, values in found.items()}
        rows.append({"run": str(setting), "kNN at start and end": f"{knn[0]:.2f} → {knn[-1]:.2f}", **medians})
    return Table(rows)


def judge_page() -> str:
    """The page of the documentation, in Markdown."""
    planted = confusion()
    kinds = [kind for kind in KINDS if any(planted[kind])]
    shown = Table([{name: row[name] for name in ("planted", *kinds, "recall")} for row in planted])
    least = min(row["recall"] for row in planted)
    runs = stored_runs_table()
    wrong = sum(row["collapsed"] for row in runs if row["kNN's gain"] == "kept")
    kept = sum(row["runs"] for row in runs if row["kNN's gain"] == "kept")
    parts = [
        "# How often the judge is right",
        "Collapse is judged in one place, `dynsim.networks.collapse`; `dynsim.diagnose`, `assert_no_collapse`, "
        "`compare`, the end of `train` and every figure ask it. Computed when this page is built.",
        "## Planted cases",
        f"Twenty draws of each, {_SAMPLES} samples of {_DIM} dimensions or {_PROTOTYPES} prototypes, of random size, "
        "spectrum and noise. A row counts every kind that was found: a constant output has low rank as well. Recall, "
        f"the share of draws in which the planted kind is among those found, is at least {least:g}.",
        shown.to_markdown(),
        "## Stored runs of networks",
        "Healthy means that kNN on augmented test views keeps at least half of the gain that the reference run of "
        f"the same network makes (where that is at least {_LEAST_GAIN:g}). Of {kept} that keep it, {wrong} are called "
        "collapsed. A run between, or one that has lost less than all, may be either.",
        runs.to_markdown(),
        "## The alarm of a monitor",
        "Plain loops on digits (SimSiam, BYOL, VICReg, InfoNCE; linear, with a hidden layer, convolutional), recorded "
        "every five steps of 300; `benchmarks/alarm.py` trains them, their records are stored. Right means: no alarm "
        "in a run that lives; in one that never lives, within the first tenth of its steps; in one that is broken at "
        "half of its steps, after that and before kNN on augmented test images has lost a fifth of its largest gain.",
        alarm_table().to_markdown(),
        "## A ranking of checkpoints without labels",
        "`dynsim.diagnose` of a series has a `ranking`: what has collapsed last, and before it the smaller share of "
        "noise first (two views), or the steeper spectrum (one view). Spearman's rank correlation with kNN along runs "
        "of 300 steps on digits, recorded every twenty (`benchmarks/ranking.py`), median over seeds; 1 is the order "
        "of kNN. RankMe falls while a healthy network learns: within a run it ranks the wrong way round, and right "
        "only where the run collapses. Where decay takes back what was learned, no order is worth much.",
        ranking_table().to_markdown(),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"
