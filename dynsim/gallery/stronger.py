"""Neither stronger nor weaker? What sees curvature, or minimises exactly, on toy, linear and hidden-layer networks.

Momentum, Adam, sign descent and L-BFGS follow gradients and cannot refute the sentence; `optimisers` has them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from dynsim.drawing.canvas import panel_row
from dynsim.drawing.style import BRANCH_STYLE, COLOURS
from dynsim.drawing.words import caption
from dynsim.errors import unknown
from dynsim.gallery.figure import Figure, concluded
from dynsim.networks.collapse import judge
from dynsim.progress import Progress
from dynsim.records import stamp
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
PIXELS, DIM, WIDTH, VIEW_NOISE = 16, 4, 8, 0.3
_EXPLODED = 1e6  # times its start: steps beyond are not taken
_HUGE, _LEAST = 1e3, 1e-3  # the axis ends here


def compute(
    progress: Progress | None = None,
    *,
    seeds: int = 3,
    steps: int = 1000,
    rounds: int = 12,
    images: int = 200,
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
    subjects : sequence of str
        Of toy, linear, hidden layer.

    Returns
    -------
    xarray.Dataset
        Over `subject`, `optimiser`, `size` (of the step: small, large), `branch`, `seed`: `norm_ratio`, `rankme` and
        `spread` of the features at the end, `loss`, and `fate`, an index into `FATES` by the judge of networks. NaN
        where an optimiser has one size only.
    """
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
                        ends = _run(NetworkDescent(subject, seed, images), optimiser, branch, lr, number)
                        for name, value in ends.items():
                            found[name][i, j, k, b, seed if subject != "toy" else slice(None)] = value
            done += 1
            if progress:
                progress(done, total, f"{subject}, {optimiser}")
    dims = ("subject", "optimiser", "size", "branch", "seed")
    data = xr.Dataset({name: (dims, values.astype("float32")) for name, values in found.items()})
    data = data.assign_coords(subject=list(subjects), optimiser=list(OPTIMISERS), size=["small", "large"],
                              branch=list(BRANCHES), seed=np.arange(seeds))  # fmt: skip
    about = {"data": "digits", "pixels": PIXELS, "dim": DIM, "width": WIDTH, "noise": VIEW_NOISE}
    return stamp(data, "torch", "scikit-learn", experiment=about, step_sizes=OPTIMISERS, steps=steps, rounds=rounds,
                 initial={"phi": 0.6, "theta": 0.1})  # fmt: skip


class NetworkDescent:
    """Views, a vector of parameters, and the residual of the loss as a function of it."""

    def __init__(self, subject: str, seed: int, images: int) -> None:
        import torch

        self.subject = subject
        if subject == "toy":
            self.views = [torch.ones(1, 1, dtype=torch.float64)] * 2
            self.shapes = [(1, 1), (1, 1)]
            self.start = torch.tensor([0.6, 0.1], dtype=torch.float64)
            return
        rng = np.random.default_rng(seed)
        x = _components(images)
        self.views = [torch.tensor(x + VIEW_NOISE * rng.normal(size=x.shape)) for _ in range(2)]
        inner = [(DIM, PIXELS)] if subject == "linear" else [(WIDTH, PIXELS), (DIM, WIDTH)]
        self.shapes = [(DIM, DIM), *inner]
        parts = [rng.uniform(-1, 1, size=s).ravel() / np.sqrt(s[1]) for s in self.shapes]
        self.start = torch.tensor(np.concatenate(parts))

    def parts(self, y: Any) -> list[Any]:
        """Predictor first, then the layers of the encoder."""
        sizes = [int(np.prod(shape)) for shape in self.shapes]
        return [part.reshape(shape) for part, shape in zip(y.split(sizes), self.shapes, strict=True)]

    def features(self, y: Any, view: int) -> Any:
        """(images, features)."""
        layers = self.parts(y)[1:]
        z = self.views[view] @ layers[0].T
        return z if len(layers) == 1 else z.tanh() @ layers[1].T

    def residual(self, y: Any, held: Any, branch: str) -> Any:
        """Predictions minus targets over √N; `held` stands where the branch stops gradients."""
        first = self.features(held if branch == "target" else y, 0)
        second = self.features(held if branch == "stop" else y, 1)
        return (first @ self.parts(y)[0].T - second).ravel() / len(first) ** 0.5

    def slope(self, y: Any, branch: str) -> Any:
        """−field: the gradient of ½‖residual‖² with what is stopped held at y itself."""
        from torch.func import vjp

        pulled: Any = vjp(lambda one: self.residual(one, y, branch), y)
        return pulled[1](pulled[0])[0]


def _components(images: int) -> np.ndarray:
    """The first principal components of digits, as wide as they are, and 1 for the widest."""
    from dynsim.gallery.linear_networks import linear_experiment
    from dynsim.networks.datasets import load_images

    pictures = load_images(linear_experiment()).train
    x = (pictures - pictures.mean(axis=0)).reshape(len(pictures), -1).astype(float)
    _, _, axes = np.linalg.svd(x, full_matrices=False)
    shown = x[:images] @ axes[:PIXELS].T
    return np.asarray(shown / shown[:, 0].std())


def _run(network: NetworkDescent, optimiser: str, branch: str, lr: float, number: int) -> dict[str, float]:
    step = _STEPS[optimiser.partition(",")[0]]
    y = network.start.clone()
    order = "WP" if optimiser.endswith("W first") else "PW"
    size = float(network.start.norm())
    for _ in range(number):
        y = step(network, y, branch, lr, order)
        if not float(y.norm()) < _EXPLODED * size:
            break
    return _ends(network, y, branch)


def _ends(network: NetworkDescent, y: Any, branch: str) -> dict[str, float]:
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


def _descent(network: NetworkDescent, y: Any, branch: str, lr: float, order: str) -> Any:
    return y - lr * network.slope(y, branch)


def _newton(network: NetworkDescent, y: Any, branch: str, lr: float, order: str) -> Any:
    import torch

    jacobian = torch.func.jacrev(lambda one: network.slope(one, branch))(y)
    return y - lr * torch.linalg.pinv(jacobian, rtol=1e-10) @ network.slope(y, branch)


def _gauss_newton(network: NetworkDescent, y: Any, branch: str, lr: float, order: str) -> Any:
    import torch

    jacobian = torch.func.jacrev(lambda one: network.residual(one, y, branch))(y)
    return y - lr * torch.linalg.pinv(jacobian, rtol=1e-10) @ network.residual(y, y, branch)


def _exact(network: NetworkDescent, y: Any, branch: str, lr: float, order: str) -> Any:
    for block in order:
        y = (_best_predictor if block == "P" else _best_encoder)(network, y, branch)
    return y


def _best_predictor(network: NetworkDescent, y: Any, branch: str) -> Any:
    import torch

    z, target = network.features(y, 0), network.features(y, 1)
    found = torch.linalg.pinv(z, rtol=1e-10) @ target
    return torch.cat([found.T.ravel(), y[found.numel() :]])


def _best_encoder(network: NetworkDescent, y: Any, branch: str) -> Any:
    """Minimise over the encoder with the predictor, and what is stopped, held fixed; from where it is."""
    import torch
    from scipy.optimize import minimize

    held, own = y.clone(), int(np.prod(network.shapes[0]))

    def loss(encoder: np.ndarray) -> tuple[float, np.ndarray]:
        free = torch.tensor(encoder, requires_grad=True)
        value = network.residual(torch.cat([held[:own], free]), held, branch).square().sum() / 2
        (slope,) = torch.autograd.grad(value, free)
        return float(value.detach()), slope.numpy()

    options = {"maxiter": 300, "maxfun": 600, "ftol": 1e-14, "gtol": 1e-9}
    found = minimize(loss, y[own:].numpy(), jac=True, method="L-BFGS-B", options=options)
    return torch.cat([held[:own], torch.tensor(found.x)])


_STEPS: dict[str, Callable[..., Any]] = {
    "gradient descent": _descent,
    "Newton": _newton,
    "Gauss–Newton": _gauss_newton,
    "exact": _exact,
}


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
    caption(figure, data, "Filled: the features live by the judge of networks, open: they collapse, explode or are in "
            "doubt. Two heights: small and large steps",
            f"Digits, {PIXELS} components, {DIM} features; every seed shown")  # fmt: skip


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
