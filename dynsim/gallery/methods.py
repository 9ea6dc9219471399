"""The periodic table of collapse: what each method's theory says of a feature, and what linear networks did."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from dynsim.drawing.style import COLOURS
from dynsim.drawing.words import caption
from dynsim.gallery.figure import Figure, concluded
from dynsim.methods.catalogue import list_methods, method
from dynsim.progress import Progress
from dynsim.records import stamp
from dynsim.verdict import Verdict, Word

NOISE = 0.3  # standard deviation of the noise that makes the views; pixels lie in [0, 1]
DIRECTIONS = (0, 1, 3, 5, 8, 12, 16, 20)  # principal directions of the digits: reliabilities from .9 to .4
NEAR = 0.05  # share of λ_d by which a feature may move without changing its predicted fate


@dataclass(frozen=True)
class Plan:
    """How a method is trained: which knob is moved, on which data, and in which steps."""

    knob: str
    values: tuple[float, ...]
    lr: float
    steps: int
    batch: int | str
    gaussian: bool = False
    fields: Mapping[str, Any] = field(default_factory=dict)
    knobs: Mapping[str, float] = field(default_factory=dict)


PLANS = {
    "simsiam": Plan(
        "eta",
        (0.005, 0.012, 0.025, 0.05, 0.1),
        0.5,
        1000,
        "full",
        fields={"predictor": "linear", "predictor_init": "identity"},
    ),
    "vicreg": Plan(
        "mu",
        (0.06, 0.1, 0.14, 0.18, 0.22),
        2.0,
        1000,
        128,
        fields={"init": "identity"},
        knobs={"s": 1.0, "cov": 1.0, "epsilon": 0.01},
    ),
    "barlow": Plan("lam", (0.002, 0.01, 0.03, 0.1, 0.3), 0.1, 1200, 256),
    "spectral": Plan("eta_s", (0.3, 0.5, 0.8, 1.4, 2.2), 0.05, 800, 128),
    "infonce": Plan("eta_s", (0.15, 0.25, 0.4, 0.7, 1.1), 0.1, 800, 128, gaussian=True),
    "lejepa": Plan("batch", (4, 6, 8, 12, 16), 2.0, 400, 0, gaussian=True, knobs={"lam": 0.05}),
}


def compute(
    progress: Progress | None = None,
    *,
    seeds: int = 3,
    steps: float = 1.0,
    methods: Any = tuple(PLANS),
) -> xr.Dataset:
    """Train a linear encoder on the text of each method, over five values of the knob that kills features.

    The data are eight principal directions of the digits, with Gaussian noise as the augmentation; for InfoNCE and
    LeJEPA, whose theory needs Gaussian features, Gaussian data with the same second moments.

    Parameters
    ----------
    progress : callable, optional
    seeds : int
    steps : float
        Factor on the numbers of steps.
    methods : sequence of str

    Returns
    -------
    xarray.Dataset
        Over `method`, `value` (number of the knob's value), `feature` and `seed`: `measured` = λ_s‖Wq‖², the variance
        of the feature in the embedding. Over all but `seed`: `predicted`, the same at the end after the theory;
        `near`, whether λ_d · (1 ± 0.05) has another fate; `decided`, whether the rate times the flow time of the run
        is above 10. `knob` (`method`, `value`) and `knob_name` (`method`).
    """
    from dynsim.networks import Experiment, fit
    from dynsim.networks.datasets import load_images

    chosen = list(methods)
    names = ("predicted", "near", "decided")
    found: dict[str, list[Any]] = {name: [] for name in (*names, "measured", "knob")}
    total = sum(len(PLANS[name].values) for name in chosen)
    for name in chosen:
        plan = PLANS[name]
        rows: dict[str, list[Any]] = {key: [] for key in found}
        for value in plan.values:
            if progress:
                progress(sum(map(len, found["knob"])) + len(rows["knob"]), total, f"{name}, {plan.knob} = {value:g}")
            experiment = Experiment(
                data=_data(plan.gaussian),
                augmentation={"noise": NOISE},
                encoder="linear",
                norm="none",
                objective="squared" if name == "simsiam" else method(name).loss,
                dim=len(DIRECTIONS),
                dtype="float64",
                measures=(),
                momentum=0.0,
                lr=plan.lr,
                steps=max(2, round(plan.steps * steps)),
                every=10**6,
                **_settings(name, plan, value),
            )
            trained = fit(experiment, seeds)
            x = load_images(experiment).train.reshape(-1, len(DIRECTIONS))
            x = x - x.mean(0)
            lambda_d, directions = np.linalg.eigh(x.T @ x / len(x))
            lambda_d, directions = lambda_d[::-1], directions[:, ::-1]
            lambda_s = lambda_d + NOISE**2
            weights = np.stack([trained.parameters(seed)["W"] for seed in range(seeds)])
            rows["measured"].append(lambda_s[:, None] * np.square(weights @ directions).sum(1).T)
            answer = _theory(name, plan, value, lambda_d, lambda_s, experiment.steps * plan.lr)
            for key in names:
                rows[key].append(answer[key])
            rows["knob"].append(value)
        for key, kept in rows.items():
            found[key].append(kept)
    dims = ("method", "value", "feature")
    data = xr.Dataset({key: (dims, np.array(found[key])) for key in names})
    data["measured"] = ((*dims, "seed"), np.array(found["measured"]))
    data["knob"] = (("method", "value"), np.array(found["knob"], dtype=float))
    data = data.assign_coords(
        method=chosen,
        seed=range(seeds),
        feature=range(1, len(DIRECTIONS) + 1),
        lambda_d=("feature", lambda_d),
        knob_name=("method", [PLANS[name].knob for name in chosen]),
    )
    return stamp(
        data,
        kind="features",
        noise=NOISE,
        seeds=seeds,
        batches={name: str(PLANS[name].batch or "the knob") for name in chosen},
        steps={name: round(PLANS[name].steps * steps) for name in chosen},
    )


def _settings(name: str, plan: Plan, value: float) -> dict[str, Any]:
    """Fields of the experiment at one value of the knob."""
    fields = {"predictor": "none", "init": "orthogonal", "batch": plan.batch, "knobs": dict(plan.knobs), **plan.fields}
    if plan.knob == "eta":
        fields |= {"eta_p": value, "eta_s": value}
    elif plan.knob in ("eta_s", "batch"):
        fields[plan.knob] = value
    else:
        fields["knobs"][plan.knob] = value
    if name == "infonce":
        fields["knobs"]["tau"] = 1.0
    return fields


def _theory(name: str, plan: Plan, value: float, lambda_d: Any, lambda_s: Any, time: float) -> dict[str, np.ndarray]:
    values = {**plan.knobs, plan.knob: value, "dim": len(lambda_d)}
    if name == "lejepa":
        values["views"] = 2
    asked = method(name)
    alive, near = asked.survives(lambda_d=lambda_d, lambda_s=lambda_s, **values).value, []
    for j in range(len(lambda_d)):
        fates = set()
        for factor in (1 - NEAR, 1 + NEAR):
            moved = lambda_d.copy()
            moved[j] *= factor
            fates.add(bool(asked.survives(lambda_d=moved, lambda_s=moved + NOISE**2, **values).value[j]))
        near.append(fates != {bool(alive[j])})
    rate = np.abs(np.asarray(asked.origin_rate(lambda_d=lambda_d, lambda_s=lambda_s, **values).value, dtype=float))
    scale_free = name == "barlow"
    return {
        "predicted": np.asarray(asked.amplitude(lambda_d=lambda_d, lambda_s=lambda_s, **values).value, dtype=float),
        "near": np.array(near),
        "decided": np.full(len(rate), True) if scale_free else rate * time > 10,
    }


def _data(gaussian: bool) -> np.ndarray:
    """Coordinates of the digits along some principal directions, or Gaussian numbers with their second moments."""
    from dynsim.networks import Experiment
    from dynsim.networks.datasets import load_images

    x = load_images(Experiment()).train.reshape(-1, 64).astype(float)
    x -= x.mean(0)
    values, vectors = np.linalg.eigh(x.T @ x / len(x))
    kept = [len(values) - 1 - index for index in DIRECTIONS]
    if not gaussian:
        return x @ vectors[:, kept]
    drawn: np.ndarray = np.random.default_rng(0).normal(size=(len(x), len(kept))) * np.sqrt(values[kept])
    return drawn


def alive(data: xr.Dataset) -> xr.DataArray:
    """Whether a feature is there at the end: above 1 % of what is predicted, or of the largest where death is."""
    least = xr.where(data["predicted"] > 0, data["predicted"], data["measured"].max("feature"))
    return data["measured"] > 0.01 * least


def scores(data: xr.Dataset) -> dict[str, dict[str, float]]:
    """Per method: how many features are classed right, far from their thresholds and near, and how large they end."""
    found = {}
    for name in data["method"].values:
        one = data.sel({"method": name})
        right = alive(one) == (one["predicted"] > 0)
        far = (one["decided"] & ~one["near"]).broadcast_like(right)
        near = one["near"].broadcast_like(right)
        large = (one["decided"] & ~one["near"] & (one["predicted"] > 0.05 * one["predicted"].max("feature"))).values
        error = np.abs((one["measured"].mean("seed") / one["predicted"].where(one["predicted"] > 0) - 1).values[large])
        found[str(name)] = {
            "features": int(far.sum()),
            "right": float(right.values[far.values].mean()),
            "near": int(near.sum()),
            "right_near": float(right.values[near.values].mean()) if near.any() else np.nan,
            "error": float(np.median(error)) if error.size else np.nan,
        }
    return found


def verdict(data: xr.Dataset) -> Verdict:
    """Which methods' linear networks keep the features that theory lets live."""
    table = scores(data)
    good = [name for name, row in table.items() if row["right"] >= 0.95]
    details = []
    for name, row in table.items():
        nearby = f", {row['right_near']:.0%} of {row['near']} near it" if row["near"] else ", none near it"
        details.append(
            f"{name}: {row['right']:.1%} of {row['features']} features farther than 5 % from their threshold are "
            f"classed right{nearby}, median error of the amplitude {row['error']:.1%}"
        )
    details.append("order of learning, MLP, digits with their own augmentation: not measured here")
    close = [name for name, row in table.items() if row["error"] <= 0.05]
    all_hold = len(good) == len(close) == len(table)
    word: Word = "holds" if all_hold else "holds under conditions" if good else "does not hold"
    return concluded(
        word,
        f"Which live: ≥ 95 % right in {len(good)} of {len(table)} methods; amplitudes within 5 % in {len(close)}",
        "; ".join(details),
    )


MARKERS = "osD^vPX<>"


def draw(data: xr.Dataset, figure: Any) -> None:
    """Amplitudes against theory, and the table of all methods with what was observed."""
    wide = figure.bbox.width / (figure.dpi if hasattr(figure, "dpi") else figure.figure.dpi)
    above, below = figure.subplots(2, 1, height_ratios=(1, 2.9 if wide > 5 else 1.6))
    draw_amplitudes(data, above)
    draw_table(data, below, wide)
    caption(
        figure,
        data,
        "Linear encoders trained on each method's loss (SimSiam: full batch); eight principal directions of the "
        f"digits, Gaussian noise {NOISE:g} (InfoNCE, LeJEPA: Gaussian data with the same moments), "
        f"{data.sizes['value']} values of one knob, {data.sizes['seed']} seeds",
        "Empty: predicted to die; smaller values are drawn at 10⁻⁵. “–”: no run here. VICReg starts with aligned rows",
    )


def draw_amplitudes(data: xr.Dataset, axes: Any) -> None:
    """Measured over predicted variance of every feature, where the run is long enough to tell."""
    colours = ["blue", "vermilion", "green", "orange", "purple", "sky", "black"]
    for name, marker, colour in zip(data["method"].values, MARKERS, colours, strict=False):
        one = data.sel({"method": name}).where(data["decided"].sel({"method": name}))
        y = one["measured"].mean("seed").values.ravel()
        x = np.broadcast_to(one["predicted"].values, one["measured"].mean("seed").shape).ravel()
        lives = x > 0
        style = {"marker": marker, "s": 14, "edgecolors": COLOURS[colour], "linewidths": 0.8}
        axes.scatter(x[lives], np.maximum(y[lives], 1e-5), facecolors=COLOURS[colour], label=str(name), **style)
        axes.scatter(np.full((x == 0).sum(), 1e-5), np.maximum(y[x == 0], 1e-5), facecolors="none", **style)
    axes.plot([1e-5, 5], [1e-5, 5], color=COLOURS["grey"], linewidth=0.8, zorder=0)
    axes.set(xscale="log", yscale="log", xlim=(6e-6, 6), ylim=(6e-6, 6))
    axes.set(xlabel="predicted variance of the feature (left edge: dead)", ylabel="of the network")
    axes.legend(loc="lower right", ncols=2)


def draw_table(data: xr.Dataset, axes: Any, wide: float) -> None:
    """A row per method: survives iff, what kills it, what is learned first, what was observed."""
    observed = {
        name: f"{row['right']:.0%} of {row['features']} right, amplitude ±{row['error']:.0%}"
        for name, row in scores(data).items()
    }
    columns = [("method", 16, 0.0), ("survives iff", 38, 0.14), ("what kills it", 23, 0.51)]
    columns += [("first", 11, 0.725), ("observed", 18, 0.83)]
    if wide < 5:
        columns = [("method", 15, 0.0), ("survives iff", 23, 0.3), ("observed", 11, 0.78)]
    rows = []
    for name in list_methods()["name"]:
        asked = method(name)
        cells = {
            "method": name,
            "survives iff": asked.survives_if,
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


FIGURE = Figure(
    name="methods",
    summary="The periodic table of collapse: survives iff, what kills it, what networks did",
    compute=compute,
    verdict=verdict,
    draw=draw,
    cost=200.0,
    height=8.6,
    panels=2,
    needs=("networks",),
    small={"seeds": 1, "steps": 0.02, "methods": ("simsiam", "spectral")},
)
