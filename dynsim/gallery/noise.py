"""What minibatch noise does to a living state and to a linear network, over the size of the batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps

from dynsim.choices import NoiseMethod
from dynsim.drawing.canvas import panel_row
from dynsim.drawing.labels import label_ends
from dynsim.drawing.style import COLOURS, SEQUENCE
from dynsim.drawing.words import caption
from dynsim.errors import bad
from dynsim.gallery.figure import Figure, concluded
from dynsim.gallery.linear_networks import NOISE, image_moments, linear_experiment
from dynsim.integrate.noise.derivation import noisy_flow
from dynsim.integrate.noise.escape import escape_time
from dynsim.records import stamp
from dynsim.verdict import Verdict

LOSS = "E((phi*theta*(x + n1) - sg(theta*(x + n2)))^2)/2"
VIEWS = "x ~ normal(0, 1), n1 ~ normal(0, sigma2), n2 ~ normal(0, sigma2)"
BATCHES = (1, 2, 4, 8)
NETWORK_BATCHES = (2, 4, 8, 16, 32, 64, 256)
NEAR, NEAR_LR, NEAR_TIME = 0.13, 0.2, 600.0  # decay just below the digits' first threshold, .152; its runs
FAR, FAR_LR, FAR_TIME = 0.02, 0.1, 200.0  # decay that eight or nine modes survive
FEW = 4  # of the seeds, far below the threshold: they hardly differ
PROCESSES: dict[NoiseMethod, str] = {"minibatch": "minibatches", "weak-2": "diffusion"}


def compute(
    progress: Any = None,
    *,
    batches: Any = BATCHES,
    sigma2: float = 0.1,
    eta: float = 0.2,
    lr: float = 0.5,
    t_max: float = 1000.0,
    seeds: int = 2000,
    network_batches: Any = NETWORK_BATCHES,
    network_seeds: int = 10,
) -> xr.Dataset:
    """Times at which φ falls below 0.05 from the living equilibrium φ₊, by minibatches and by the diffusion.

    And linear networks on the digits: the size of the largest mode at a decay close below the first threshold, and,
    further below it, the imbalance ‖WWᵀ − PᵀP‖/‖WWᵀ‖ in which the noise keeps encoder and predictor.
    """
    fold = 1 / (4 * (1 + sigma2))
    if not 0 <= eta < fold:
        raise bad("eta", eta, f"from 0 to below {fold:.6g}, the fold", "beyond it there is no life to escape from")
    noisy = noisy_flow(LOSS, "phi, theta", random=VIEWS, decay={"phi": "eta", "theta": "eta"})
    # φ = θ is invariant under every minibatch; there φ' = φ²(1 − (1 + σ²)φ) − ηφ.
    alive = (1 + np.sqrt(1 - 4 * (1 + sigma2) * eta)) / (2 * (1 + sigma2))
    values = {"sigma2": sigma2, "eta": eta, "h": lr, "B": np.asarray(batches, float)}
    parts = []
    total = len(PROCESSES) + 2 * len(network_batches)
    for index, method in enumerate(PROCESSES):
        start = {"phi": alive, "theta": alive}
        out = escape_time(
            noisy, start, "phi < 0.05", t_max=t_max, seeds=seeds, parameters=values, method=method, workers=1
        )
        parts.append(out.drop_attrs())
        if progress:
            progress(index + 1, total, PROCESSES[method])
    data = xr.concat(parts, xr.DataArray(list(PROCESSES), dims="process", name="process"))
    data = data.merge(_networks(tuple(int(size) for size in network_batches), network_seeds, progress, total))
    known = {"sigma2": sigma2, "eta": eta, "h": lr}
    return stamp(
        data,
        "torch",
        "scikit-learn",
        flow=noisy.about(),
        parameters=known,
        initial={"phi": alive, "theta": alive},
        t_max=t_max,
    )


def _networks(batches: tuple[int, ...], seeds: int, progress: Any, total: int) -> xr.Dataset:
    """Linear networks over the batch: their largest mode near the threshold, and the imbalance far below it."""
    lambda_d = float(np.linalg.eigvalsh(image_moments()[0])[-1])
    sizes: list[Any] = []
    imbalance: list[Any] = []
    done = len(PROCESSES)
    for size in batches:
        for kept, (decay, lr, time, many) in (
            (sizes, (NEAR, NEAR_LR, NEAR_TIME, seeds)),
            (imbalance, (FAR, FAR_LR, FAR_TIME, min(FEW, seeds))),
        ):
            weights = _trained(decay, lr, round(time / lr), size, many)
            kept.append([np.linalg.norm(w, 2) ** 2 if kept is sizes else _imbalance(w, p) for w, p in weights])
            done += 1
            if progress:
                progress(done, total, f"linear network, batch {size}, decay {decay:g}")
    w, p = weights[0]  # of the largest batch: next to the equilibrium
    found = {
        "network_size": (("network_batch", "network_seed"), np.array(sizes)),
        "flow_size": ((), _living_size(lambda_d, NEAR)),
        "fold_size": ((), (lambda_d / (2 * (lambda_d + NOISE**2))) ** 2),
        "imbalance": (("network_batch", "few"), np.array(imbalance)),
        "imbalance_predicted": ("network_batch", _imbalance_per_sample(w, p) * FAR_LR / (2 * FAR * np.array(batches))),
    }
    return xr.Dataset(found, {"network_batch": list(batches)})


def _trained(decay: float, lr: float, steps: int, batch: int, seeds: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """W and P of every seed after training with plain gradient descent."""
    from dynsim.networks import fit

    settings = {"lr": lr, "batch": batch, "dtype": "float32", "steps": steps, "every": steps, "symmetric": False}
    trained = fit(linear_experiment(eta_p=decay, eta_s=decay, **settings), seeds)
    parts = [trained.parameters(seed) for seed in range(seeds)]
    return [(part["W"].astype(float), part["P"].astype(float)) for part in parts]


def _living_size(lambda_d: float, eta: float) -> float:
    """p₊² of an aligned mode, p₊ = (λ_d + √(λ_d² − 4ηλ_s))/(2λ_s)."""
    lambda_s = lambda_d + NOISE**2
    return float(((lambda_d + np.sqrt(lambda_d**2 - 4 * eta * lambda_s)) / (2 * lambda_s)) ** 2)


def _imbalance(w: np.ndarray, p: np.ndarray) -> float:
    """‖WWᵀ − PᵀP‖/‖WWᵀ‖, what the law of balance makes vanish along the flow."""
    square = w @ w.T
    return float(np.linalg.norm(square - p.T @ p) / np.linalg.norm(square))


def _imbalance_per_sample(w: np.ndarray, p: np.ndarray, rounds: int = 16) -> float:
    """‖PᵀCP − WDWᵀ‖/‖WWᵀ‖ with C = E[ggᵀ], D = E[gᵀg] of the noise g in the gradient of PW from one sample.

    A step adds h²(PᵀGGᵀP − WGᵀGWᵀ) to WWᵀ − PᵀP, of which the noise of a batch of B leaves its 1/B, and decay takes
    2hη of it away: they balance at h/(2ηB) times this.
    """
    from dynsim.networks.datasets import load_images

    pictures = load_images(linear_experiment()).train
    x = (pictures - pictures.mean(axis=0)).reshape(len(pictures), -1).astype(float)
    rng = np.random.default_rng(0)
    mean, rows, columns = np.zeros_like(w), np.zeros_like(p), np.zeros((w.shape[1], w.shape[1]))
    for _ in range(rounds):
        one, other = (x + NOISE * rng.normal(size=x.shape) for _ in range(2))
        force = one @ (p @ w).T - other @ w.T  # of every image; its gradient is force · oneᵀ
        mean = mean + force.T @ one / len(x)
        rows = rows + (force * (one**2).sum(axis=1)[:, None]).T @ force / len(x)
        columns = columns + (one * (force**2).sum(axis=1)[:, None]).T @ one / len(x)
    mean, rows, columns = mean / rounds, rows / rounds, columns / rounds
    change = p.T @ (rows - mean @ mean.T) @ p - w @ (columns - mean.T @ mean) @ w.T
    return float(np.linalg.norm(change) / np.linalg.norm(w @ w.T))


def verdict(data: xr.Dataset) -> Verdict:
    """Say how much longer the living state lives with larger batches, and how far the diffusion is off."""
    times, errors = data["mean_escape_time"], data["standard_error"]
    own = times.sel(process="minibatch")
    known = own.dropna("B")
    if not known.size:
        return concluded(
            "measured", "No path collapsed in the time that was watched", "0 paths of minibatches collapse"
        )
    small, large = (known.isel(B=i) for i in (0, -1))
    gaps = (own - times.sel(process="weak-2")) / np.hypot(
        errors.sel(process="minibatch"), errors.sel(process="weak-2")
    )
    grows = bool((known.diff("B") > 0).all()) and known.size > 1
    sooner = [f"{float(b):g}" for b in data["B"] if float(gaps.sel(B=b)) > 3]
    diffusion = f"the diffusion leaves sooner at B = {', '.join(sooner)}" if sooner else "the diffusion agrees"
    lost = int(data["escaped"].sel(process="minibatch").sum())
    detail = (
        f"{lost} of {data['B'].size * data.sizes['seed']} paths of minibatches collapse before t = "
        f"{float(data.attrs['t_max']):g}; mean times " + ", ".join(f"{float(t):.3g}" for t in own) + f"; {diffusion}, "
        f"beyond 3 standard errors; {_network_words(data)}"
    )
    return concluded(
        "measured",
        [
            f"Noise collapses the living state: after {float(small):.3g} at B = {float(small['B']):g}, "
            f"{float(large):.3g} at B = {float(large['B']):g}",
            "Minibatch noise collapses the living state",
        ]
        if grows
        else "How long the living state lives does not grow with the batch here",
        detail,
    )


def imbalance_error(data: xr.Dataset) -> xr.DataArray:
    """Mean imbalance of the networks over the predicted one, minus 1, for every batch."""
    return data["imbalance"].mean("few") / data["imbalance_predicted"] - 1


def network_alive(data: xr.Dataset) -> xr.DataArray:
    """Whether the largest mode is larger than half of its size at the fold."""
    return data["network_size"] > data["fold_size"] / 2


def _network_words(data: xr.Dataset) -> str:
    """How many networks live near the threshold, and how well their imbalance is predicted."""
    size = data["network_size"].where(network_alive(data))
    told = ", ".join(
        f"{int(size.sel(network_batch=b).count())} at B = {int(b)} ({float(size.sel(network_batch=b).mean()):.2f} ± "
        f"{float(size.sel(network_batch=b).std()):.2f})"
        for b in data["network_batch"].values
    )
    off = imbalance_error(data)
    return (
        f"linear networks on digits at decay {NEAR:g} (first threshold 0.152), of {data.sizes['network_seed']} seeds "
        f"live after t = {NEAR_TIME:g} (largest mode, {float(data['flow_size']):.2f} along the flow): {told}; "
        f"at decay {FAR:g} noise drives the networks away from balance, not to it, ‖WWᵀ − PᵀP‖/‖WWᵀ‖ = "
        + ", ".join(f"{float(x):.2g}" for x in data["imbalance"].mean("few"))
        + f"; predicted from the gradients of single samples as h/(2ηB) within {float(abs(off).max()):.0%}, within "
        f"{float(abs(off[-1])):.0%} at the largest batch"
    )


def draw(data: xr.Dataset, figure: Any) -> None:
    """Mean time of collapse of the toy over the batch; linear networks: the largest mode, the imbalance."""
    mean, sizes, imbalance = panel_row(figure, 3)
    _draw_mean(data, mean)
    _draw_sizes(data, sizes)
    _draw_imbalance(data, imbalance)
    caption(
        figure,
        data,
        f"Left: scalar system with decay, from its living equilibrium, {data.sizes['seed']} seeds, bars two standard "
        "errors; without noise nothing collapses. Others: linear networks on digits. Lines: the flow; h/(2ηB) "
        "times what gradients of single samples say",
    )


def draw_full(data: xr.Dataset, figure: Any) -> None:
    """The same, and the share of the toy's paths that are alive over time."""
    grid = figure.subplots(2, 2)
    _draw_share(data, grid[0, 0])
    _draw_mean(data, grid[0, 1])
    _draw_sizes(data, grid[1, 0])
    _draw_imbalance(data, grid[1, 1])
    caption(
        figure,
        data,
        f"Above: scalar system, stop-gradient and decay, from its living equilibrium; {data.sizes['seed']} seeds per "
        "batch, bars two standard errors; without noise nothing collapses. Below: linear networks on digits. Lines: "
        "the flow; h/(2ηB) times what gradients of single samples say",
    )


def _draw_share(data: xr.Dataset, share: Any) -> None:
    end = float(data.attrs["t_max"])
    shades = colormaps[SEQUENCE](np.linspace(0.0, 0.85, data.sizes["B"]))
    labels = []
    for shade, batch in zip(shades, data["B"].values, strict=True):
        times = np.sort(data["escape_time"].sel(process="minibatch", B=batch).dropna("seed").values)
        alive = 1 - np.arange(len(times) + 1) / data.sizes["seed"]
        share.step([0.0, *times, end], [*alive, alive[-1]], where="post", color=shade)
        labels.append((float(alive[-1]), f"B = {batch:g}", shade))
    share.set(xlabel="flow time t", ylabel="share of paths alive", xlim=(0, end), ylim=(-0.02, 1.02))
    label_ends(share, labels)


def _draw_mean(data: xr.Dataset, mean: Any) -> None:
    ends = []
    looks = (("blue", "-", "o"), ("orange", "--", "s"))
    for (method, name), (tone, line, marker) in zip(PROCESSES.items(), looks, strict=True):
        one, colour = data.sel(process=method), COLOURS[tone]
        times, error = one["mean_escape_time"], 2 * one["standard_error"]
        mean.errorbar(data["B"], times, error, color=colour, linestyle=line, marker=marker, ms=3)
        ends.append((float(one["mean_escape_time"][-1]), name, colour))
    mean.set(xscale="log", yscale="log", xlabel="batch size B", ylabel="mean time of collapse", title="scalar system")
    mean.set_xticks(data["B"].values, [f"{batch:g}" for batch in data["B"].values])
    low, high = mean.get_ylim()
    ticks = [tick for power in range(-2, 9) for tick in (10.0**power, 3 * 10.0**power) if low < tick < high]
    mean.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    mean.minorticks_off()
    label_ends(mean, ends)


def _over_batches(data: xr.Dataset, axes: Any) -> None:
    sizes = data["network_batch"].values
    axes.set(xscale="log", xlabel="batch size B")
    axes.set_xticks(sizes, [f"{size:g}" for size in sizes])
    axes.minorticks_off()


def _draw_sizes(data: xr.Dataset, axes: Any) -> None:
    """Largest mode of every seed near the threshold, beside its size along the flow."""
    style = {"color": COLOURS["blue"], "markerfacecolor": "none", "markersize": 4}
    for index in range(data.sizes["network_seed"]):
        axes.plot(data["network_batch"], data["network_size"].isel(network_seed=index), "o", **style)
    axes.axhline(float(data["flow_size"]), color=COLOURS["vermilion"], linewidth=1.2)
    _over_batches(data, axes)
    axes.set(ylim=(-0.03, None), ylabel="largest mode of WWᵀ", title=f"linear network, η = {NEAR:g}")


def _draw_imbalance(data: xr.Dataset, axes: Any) -> None:
    """How far encoder and predictor are from balance: every seed, and what is predicted."""
    for index in range(data.sizes["few"]):
        style = {"color": COLOURS["blue"], "markerfacecolor": "white", "markersize": 5}
        axes.plot(data["network_batch"], data["imbalance"].isel(few=index), "o", **style)
    axes.plot(data["network_batch"], data["imbalance_predicted"], color=COLOURS["vermilion"], linewidth=1.2)
    axes.set_yscale("log")
    _over_batches(data, axes)
    axes.set(ylabel="imbalance of WWᵀ and PᵀP", title=f"linear network, η = {FAR:g}")


FIGURE = Figure(
    name="noise",
    summary="What minibatch noise does to a living state and a linear network, over the batch",
    compute=compute,
    verdict=verdict,
    draw=draw,
    draw_full=draw_full,
    cost=90,
    height=3.1,
    full_height=5.8,
    panels=3,
    needs=("networks",),
    small={"batches": (1, 2), "t_max": 100.0, "seeds": 40, "network_batches": (64,), "network_seeds": 1},
)
