"""Neither stronger nor weaker? What sees curvature, or minimises exactly, on toy, linear and hidden-layer networks.

Momentum, Adam, sign descent and L-BFGS follow gradients and cannot refute the sentence; `optimisers` has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from dynsim.drawing.canvas import panel_row
from dynsim.drawing.style import BRANCH_STYLE, COLOURS
from dynsim.drawing.words import caption
from dynsim.errors import unknown
from dynsim.gallery.figure import Figure, concluded
from dynsim.gallery.trained_networks import images_of
from dynsim.networks.collapse import judge
from dynsim.progress import Progress
from dynsim.records import provenance, stamp
from dynsim.symbolic.flow import BRANCHES
from dynsim.verdict import Verdict, Word

SUBJECTS = ("toy", "linear", "hidden layer")
OPTIMISERS = {
    "gradient descent": (0.3,),
    "Gauss–Newton": (0.3, 1.0),
    "Newton": (0.3, 1.0),
    "exact, P first": (1.0,),
    "exact, W first": (1.0,),
}
FATES = ("lives", "collapses", "explodes", "in doubt")
_HUGE, _LEAST = 1e3, 1e-3  # the axis ends here


def compute(
    progress: Progress | None = None,
    *,
    seeds: int = 3,
    steps: int = 1000,
    rounds: int = 12,
    images: int = 200,
    data: Any = "digits",
    subjects: Sequence[str] = SUBJECTS,
) -> xr.Dataset:
    """Step a network on fixed views of digits, all of them at once, and judge what it ends with.

    Encoders are z = Wx and z = V tanh(Ux) on the first principal components of the images, predictors p = Pz, the loss
    is ½E‖p(x₁) − z(x₂)‖². Newton's steps look for a root of the field, with stop-gradient resolved before the Jacobian
    is taken; Gauss–Newton's are least squares of the residual, what is stopped held fixed; the exact ones minimise
    over P and over the encoder in turn.

    Parameters
    ----------
    progress : callable, optional
    seeds : int
    steps : int
        Of gradient descent.
    rounds : int
        Of what is stronger.
    images : int
    data : str or images
        As `dynsim.networks.Experiment` takes them.
    subjects : sequence of str
        Of toy, linear, hidden layer.

    Returns
    -------
    xarray.Dataset
        Over `subject`, `optimiser`, `size` (of the step: small, large), `branch`, `seed`: `norm_ratio`, `rankme` and
        `spread` of the features at the end, `loss`, and `fate`, an index into `FATES` by the judge of networks. NaN
        where an optimiser has one size only.
    """
    from dynsim.networks import Experiment
    from dynsim.networks.strong_steps import DIM, PIXELS, VIEW_NOISE, WIDTH, SmallNetwork, stepped

    for name in subjects:
        if name not in SUBJECTS:
            raise unknown("subject", name, SUBJECTS)
    shape = (len(subjects), len(OPTIMISERS), 2, len(BRANCHES), seeds)
    found = {name: np.full(shape, np.nan) for name in ("norm_ratio", "rankme", "spread", "loss", "fate")}
    total, done = len(subjects) * len(OPTIMISERS), 0
    for i, subject in enumerate(subjects):
        for j, (optimiser, sizes) in enumerate(OPTIMISERS.items()):
            for k, lr in enumerate(sizes):
                for b, branch in enumerate(BRANCHES):
                    for seed in range(seeds if subject != "toy" else 1):
                        number = steps if optimiser == "gradient descent" else rounds
                        network = SmallNetwork(subject, seed, images, data)
                        ends = _ends(network, stepped(network, optimiser, branch, lr, number), branch)
                        for name, value in ends.items():
                            found[name][i, j, k, b, seed if subject != "toy" else slice(None)] = value
            done += 1
            if progress:
                progress(done, total, f"{subject}, {optimiser}")
    dims = ("subject", "optimiser", "size", "branch", "seed")
    gathered = xr.Dataset({name: (dims, values.astype("float32")) for name, values in found.items()})
    gathered = gathered.assign_coords(subject=list(subjects), optimiser=list(OPTIMISERS), size=["small", "large"],
                                      branch=list(BRANCHES), seed=np.arange(seeds))  # fmt: skip
    about = {
        "data": Experiment(data=data).to_dict()["data"],
        "pixels": PIXELS,
        "dim": DIM,
        "width": WIDTH,
        "noise": VIEW_NOISE,
    }
    return stamp(gathered, "torch", "scikit-learn", experiment=about, step_sizes=OPTIMISERS, steps=steps,
                 rounds=rounds, initial={"phi": 0.6, "theta": 0.1})  # fmt: skip


def _ends(network: Any, y: Any, branch: str) -> dict[str, float]:
    from dynsim.networks import measures

    first, last = (network.features(one, 1).numpy() for one in (network.start, y))
    with np.errstate(all="ignore"):
        ends = {
            "norm_ratio": float(measures.norm_ratio(last, first)),
            "loss": float(network.residual(y, y, branch).square().sum() / 2),
        }
        start = {"norm_ratio": 1.0}
        if network.subject != "toy":
            for name in ("spread", "rankme"):
                ends[name], start[name] = (float(getattr(measures, name)(z)) for z in (last, first))
    if not np.isfinite(list(ends.values())).all():
        return {**ends, "fate": FATES.index("explodes")}
    kinds = judge({name: value for name, value in ends.items() if name != "loss"}, start=start).kinds
    fate = {"healthy": "lives", "unsure": "in doubt", "exploding": "explodes"}.get(kinds[0], "collapses")
    return {**ends, "fate": FATES.index(fate)}


def verdict(data: xr.Dataset) -> Verdict:
    """Count where a stronger optimiser changes the fate that gradient descent has, and say how."""
    facts, changed, always, exploded, counted = [], 0, 0, 0, 0
    for subject in data["subject"].values:
        for optimiser in data["optimiser"].values:
            told = []
            for branch in data["branch"].values:
                cell = data["fate"].sel(subject=subject, optimiser=optimiser, branch=branch)
                usual = _usual(data, str(subject), str(branch))
                for size in data["size"].values:
                    fates = cell.sel(size=size).values
                    fates = fates[np.isfinite(fates)]
                    if not fates.size:
                        continue
                    told.append(f"{branch} {_counted(fates)}" + (f" ({size} steps)" if size == "large" else ""))
                    if optimiser != "gradient descent" and usual is not None:
                        counted += 1
                        other = (fates != usual) & (fates < FATES.index("explodes"))
                        changed, always = changed + bool(other.any()), always + bool(other.all())
                        exploded += bool((fates == FATES.index("explodes")).any())
            facts.append(f"{subject}, {optimiser}: {', '.join(told)}")
    word: Word = (
        "open"
        if not counted
        else "holds"
        if changed == counted
        else "holds under conditions"
        if changed
        else "does not hold"
    )
    facts.append(f"of {counted} cases the fate is another in every seed in {always}, in some seed in {changed}")
    facts.append(f"not counted: seeds in doubt, and those that explode, as in {exploded} cases, which is no survival")
    return concluded(word, f"Stronger optimisers change the fate of gradient descent in {changed} of {counted} cases",
                     "; ".join(facts))  # fmt: skip


def _usual(data: xr.Dataset, subject: str, branch: str) -> float | None:
    """The fate under gradient descent, where it is one and known."""
    fates = data["fate"].sel(subject=subject, optimiser="gradient descent", size="small", branch=branch).values
    one = set(fates.tolist())
    return one.pop() if len(one) == 1 and FATES.index("in doubt") not in one else None


def _counted(fates: np.ndarray) -> str:
    return " and ".join(
        f"{word} {int((fates == index).sum())} of {fates.size}"
        for index, word in enumerate(FATES)
        if (fates == index).any()
    )


_MARKERS = {"stop": "o", "full": "s", "target": "^"}


def draw(data: xr.Dataset, figure: Any) -> None:
    """Size of the features at the end, a row per optimiser and a panel per subject."""
    names = [str(one) for one in data["optimiser"].values]
    panels = panel_row(figure, data.sizes["subject"])
    for axes, subject in zip(panels, data["subject"].values, strict=True):
        for row, optimiser in enumerate(names):
            for place, branch in enumerate(data["branch"].values):
                for size in data["size"].values:
                    here = data.sel(subject=subject, optimiser=optimiser, branch=branch, size=size)
                    ratio, fate = here["norm_ratio"].values, here["fate"].values
                    if not np.isfinite(fate).any():
                        continue
                    shown = np.clip(np.nan_to_num(ratio, nan=_HUGE, posinf=_HUGE), _LEAST, _HUGE)
                    y = row + 0.2 * (place - 1) + (0.07 if size == "large" else -0.03)
                    colour = BRANCH_STYLE[str(branch)]["color"]
                    lives = fate == FATES.index("lives")
                    axes.plot([shown.min(), shown.max()], [y, y], color=colour, linewidth=0.9)
                    for x, alive in zip(shown, lives, strict=True):
                        axes.plot(x, y, _MARKERS[str(branch)], color=colour, ms=4, mfc=colour if alive else "white")
        axes.axvline(1.0, color=COLOURS["grey"], linewidth=0.7)
        axes.set(xscale="log", xlim=(_LEAST / 2, 2 * _HUGE), ylim=(len(names) - 0.5, -0.5), title=str(subject))
        axes.set_xticks([_LEAST, 1.0, _HUGE], [f"≤ {_LEAST:g}", "1", f"≥ {_HUGE:g}"])
        axes.set_xticks([], minor=True)
        axes.set_yticks(range(len(names)), names)
        axes.set_xlabel("size / at start")
        axes.label_outer()
    for branch in data["branch"].values:
        panels[-1].plot([], [], _MARKERS[str(branch)], color=BRANCH_STYLE[str(branch)]["color"], label=str(branch))
    panels[-1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=1.0)
    about = provenance(data)["experiment"]
    caption(figure, data, "Filled: the features live by the judge of networks, open: they collapse, explode or are in "
            "doubt. Two heights: small and large steps",
            f"Data: {images_of(data)}, {about['pixels']} components, {about['dim']} features, all seeds")  # fmt: skip


FIGURE = Figure(
    name="stronger",
    summary="Newton, Gauss–Newton, exact minimisation: toy, linear, hidden layer",
    compute=compute,
    verdict=verdict,
    draw=draw,
    cost=140.0,
    height=3.4,
    panels=3,
    needs=("networks",),
    small={"seeds": 1, "steps": 50, "rounds": 3, "images": 60},
)
