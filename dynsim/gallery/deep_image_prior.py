"""Deep image prior: pictures, distance to the clean and to the corrupted photograph, frequencies over steps."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
import xarray as xr
from scipy.fft import dctn
from scipy.ndimage import gaussian_filter

from dynsim.drawing.canvas import panel_row
from dynsim.drawing.measures import draw_seeds
from dynsim.drawing.style import COLOURS, SEQUENCE
from dynsim.drawing.words import caption
from dynsim.gallery.figure import Figure, concluded
from dynsim.gallery.trained_networks import seed_count
from dynsim.progress import Progress
from dynsim.records import provenance, stamp
from dynsim.verdict import Verdict

SIGMA = 25 / 255  # of the noise on the photograph
CONTRAST = 0.2  # of noise alone: about that of a photograph
MISSING = 0.5
BANDS = 8
TASKS = ("denoise", "in-paint", "white noise")


def compute(
    progress: Progress | None = None,
    *,
    seeds: int | None = None,
    steps: int = 640,
    size: int = 64,
    photo: str = "flower",
    records: int = 40,
    full: bool = False,
) -> xr.Dataset:
    """Fit networks to a noisy photograph, to one with missing pixels and, as a control, to noise alone.

    Parameters
    ----------
    progress : callable, optional
    seeds : int, optional
        Of weights, input and corruption; 3 by default.
    steps : int
        Of Adam.
    size : int
        Side of the square, in pixels.
    photo : {"flower", "china"}
    records : int
        About how many moments are recorded, evenly in the logarithm of the step.
    full : bool
        10 seeds.

    Returns
    -------
    xarray.Dataset
        Over `task` (denoise, in-paint), `seed`, `step`: `psnr_fitted`, to the corrupted picture where it is known,
        and `psnr_clean`, to the clean one, of in-painting where pixels are missing; without `step`: `psnr_start` of
        the corrupted picture itself, grey where pixels are missing, and `psnr_blur` of the best Gaussian blur, chosen
        with the clean picture at hand. Over `target` (denoise, white noise), `seed`, `step`, `band`: `band_error`,
        power of what is not yet fitted over that of the target, in eight bands of radial frequency (1: one half cycle
        per pixel along an axis), without the mean colour. `picture`: of the first seed.
    """
    from dynsim.networks import deep_image_prior, photograph

    number = seed_count(seeds, full, usual=3)
    clean = photograph(photo, size=size)
    targets, known = corrupted(clean, number)
    moments = sorted({0, *np.unique(np.round(np.geomspace(1, steps, records)).astype(int)).tolist()})
    shown = deep_image_prior(targets, known, seeds=number, moments=moments, progress=progress).astype(float)
    coordinates = {"seed": np.arange(number), "step": moments}
    rows = []
    for index, task in enumerate(TASKS[:2]):
        missing = 1 - known[index]
        judged = missing if task == "in-paint" else np.ones_like(missing)
        given = np.where(missing > 0, 0.5, targets[index])
        restored, fitted = shown[:, index], known[index]
        rows.append(
            xr.Dataset(
                {
                    "psnr_fitted": (("step", "seed"), psnr(restored, targets[index], fitted)),
                    "psnr_clean": (("step", "seed"), psnr(restored, clean, judged)),
                    "psnr_start": ("seed", psnr(given, clean, judged)),
                    "psnr_blur": ("seed", _best_blur(targets[index], clean, fitted, judged)),
                },
                coordinates,
            )
        )
    data = xr.concat(rows, xr.DataArray(list(TASKS[:2]), dims="task", name="task"))
    spectra = [_band_errors(shown[:, i], targets[i]) for i in (0, 2)]
    data["band_error"] = (("target", "step", "seed", "band"), np.stack(spectra))
    data = data.assign_coords(target=[TASKS[0], TASKS[2]], band=_edges()[:-1] + 0.5 / BANDS)
    data["picture"] = _pictures(data, clean, targets, known, shown)
    about = {"photo": photo, "steps": steps, "sigma": SIGMA, "missing": MISSING, "size": size, "lr": 0.01}
    return stamp(data, "torch", "scikit-learn", **about)


def corrupted(clean: np.ndarray, seeds: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy photograph, photograph, noise around grey, and what is known of each: (tasks, seeds, …)."""
    noisy, white, known = [], [], []
    for stream in np.random.SeedSequence(0).spawn(seeds):
        rng = np.random.default_rng(stream)
        noisy.append(clean + SIGMA * rng.normal(size=clean.shape))
        white.append(0.5 + CONTRAST * rng.normal(size=clean.shape))
        known.append(np.broadcast_to(rng.random(clean.shape[1:]) >= MISSING, clean.shape))
    everything = np.ones((seeds, *clean.shape))
    targets = np.stack([np.stack(noisy), np.broadcast_to(clean, everything.shape), np.stack(white)])
    return targets, np.stack([everything, np.stack(known).astype(float), everything])


def psnr(picture: np.ndarray, reference: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Peak signal-to-noise ratio in decibel over the pixels where `where` is 1; peak 1."""
    error = ((picture - reference) ** 2 * where).sum((-3, -2, -1)) / where.sum((-3, -2, -1))
    return -10 * np.log10(np.maximum(error, 1e-30))


def _best_blur(targets: np.ndarray, clean: np.ndarray, known: np.ndarray, judged: np.ndarray) -> np.ndarray:
    """The yardstick without a network: blur over the known pixels, with the width that suits the clean picture."""
    found = []
    for width in np.geomspace(0.3, 3.0, 24):
        widths = (0, 0, width, width)
        weight = np.maximum(gaussian_filter(known, widths), 1e-12)
        found.append(psnr(gaussian_filter(targets * known, widths) / weight, clean, judged))
    best: np.ndarray = np.max(found, axis=0)
    return best


def _edges() -> np.ndarray:
    return np.linspace(0, 1, BANDS + 1)


def _power(pictures: np.ndarray) -> np.ndarray:
    """Power in each band, (…, bands), without the mean; the cosine transform sees no jump at a photograph's edges."""
    power = dctn(pictures, axes=(-2, -1), norm="ortho") ** 2
    size = pictures.shape[-1]
    radius = np.hypot(*np.meshgrid(np.arange(size), np.arange(size))) / size
    summed = power.sum(-3)
    inside = [
        (radius >= low) & (radius < high) & (radius > 0) for low, high in zip(_edges(), _edges()[1:], strict=False)
    ]
    return np.stack([summed[..., band].sum(-1) for band in inside], axis=-1)


def _band_errors(shown: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return _power(shown - targets) / _power(targets)


def _pictures(
    data: xr.Dataset, clean: np.ndarray, targets: np.ndarray, known: np.ndarray, shown: np.ndarray
) -> xr.DataArray:
    """Bytes (pictures, height, width, colour) of seed 0; missing pixels are grey."""
    chosen = {"clean": clean}
    for index, task in enumerate(TASKS[:2]):
        best = int(data["psnr_clean"].sel(task=task).isel(seed=0).argmax("step"))
        chosen |= {
            f"{task}: given": np.where(known[index, 0] > 0, targets[index, 0], 0.5),
            f"{task}: best": shown[best, index, 0],
            f"{task}: last": shown[-1, index, 0],
        }
    pixels = np.stack([np.moveaxis(value, 0, 2) for value in chosen.values()])
    pixels = np.round(255 * pixels.clip(0, 1)).astype(np.uint8)
    return xr.DataArray(pixels, {"shown": list(chosen)}, ("shown", "row", "column", "colour"))


def fitted_after(data: xr.Dataset, share: float = 0.5) -> xr.DataArray:
    """Step at which a band's error first falls to this share, by interpolation in the logarithm; NaN if it never does.

    Returns
    -------
    xarray.DataArray
        Over `target`, `seed`, `band`.
    """
    error = data["band_error"].transpose("step", ...)
    steps = np.log(np.maximum(data["step"].values, 0.5))
    below = error.values <= share
    first = below.argmax(0)
    later = np.maximum(first, 1)
    high = np.log(np.take_along_axis(error.values, later[None] - 1, 0)[0])
    low = np.log(np.take_along_axis(error.values, later[None], 0)[0])
    weight = np.clip((high - np.log(share)) / np.where(high > low, high - low, 1), 0, 1)
    moment = np.exp(steps[later - 1] + weight * (steps[later] - steps[later - 1]))
    moment = np.where(below.any(0), np.where(first == 0, 0.0, moment), np.nan)
    return error.isel(step=0, drop=True).copy(data=moment)


def verdict(data: xr.Dataset) -> Verdict:
    """Say how well it restores, when it overfits, and in which order frequencies are fitted."""
    words = []
    for task in data["task"].values:
        one = data.sel(task=task)
        clean = one["psnr_clean"]
        best, last = clean.max("step"), clean.isel(step=-1)
        when = clean["step"].values[clean.mean("seed").argmax("step").item()]
        drop = float((best - last).mean())
        then = f"falls to {float(last.mean()):.1f} as it overfits" if drop > 0.5 else "stays there to the end"
        words.append(
            f"{task} reaches {float(best.mean()):.1f} ± {float(best.std()):.1f} dB to the clean photograph at step "
            f"{when} (given: {float(one['psnr_start'].mean()):.1f}, best Gaussian blur: "
            f"{float(one['psnr_blur'].mean()):.1f}) and {then}"
        )
    orders = []
    for target in data["target"].values:
        moments = fitted_after(data).sel(target=target).mean("seed", skipna=False).values
        reached = moments[np.isfinite(moments)]
        if not reached.size:
            orders.append(f"{target} none of {len(moments)} bands by the end")
            continue
        left = len(moments) - len(reached)
        rising = "" if (np.diff(reached) > 0).all() and np.isnan(moments[len(reached) :]).all() else "not "
        never = f", {left} of {len(moments)} bands not by the end" if left else ""
        orders.append(
            f"{target} {reached.min():.0f} to {reached.max():.0f} steps, {rising}low frequencies first{never}"
        )
    detail = "; ".join(words) + "; half of each frequency band is fitted after: " + "; ".join(orders)
    gains = {
        str(task): float((data["psnr_clean"].max("step") - data["psnr_blur"]).sel(task=task).mean())
        for task in data["task"].values
    }
    headline = "An untrained network against the best blur: " + ", ".join(
        f"{task} {'−' if gain < 0 else '+'}{abs(gain):.1f} dB" for task, gain in gains.items()
    )
    return concluded("measured", headline, detail)


_CLEAN = {"color": COLOURS["blue"], "linestyle": "-"}
_FITTED = {"color": COLOURS["vermilion"], "linestyle": "--"}


def draw(data: xr.Dataset, figure: Any) -> None:
    """Distance to the clean photograph per task, and the spectrum of the first target."""
    panels = panel_row(figure, 1 + data.sizes["task"])
    for axes, task in zip(panels, data["task"].values, strict=False):
        _draw_distances(data.sel(task=task), str(task), axes)
        axes.set_ylim(None, float(data["psnr_fitted"].max()) + 1)
    panels[0].legend(loc="upper center", bbox_to_anchor=(0.5, -0.22))
    target = str(data["target"].values[0])
    _draw_spectrum(data.sel(target=target), target, panels[-1])
    panels[-1].legend(title="frequency", loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=2, handlelength=1.5)
    caption(
        figure,
        data,
        "Hourglass networks fitted by Adam to one photograph with noise, or with half of its pixels "
        "missing; "
        f"right: error per frequency. Shaded: range over {data.sizes['seed']} seeds",
    )


def draw_full(data: xr.Dataset, figure: Any) -> None:
    """Pictures of one seed above; below, both distances per task and both spectra."""
    names = [str(name) for name in data["shown"].values]
    above, under = figure.add_gridspec(2, 1, height_ratios=(1.0, 1.9))
    for name, place in zip(names, above.subgridspec(1, len(names)), strict=True):
        _draw_picture(data["picture"].sel(shown=name), name, figure.add_subplot(place))
    below = [figure.add_subplot(place) for place in under.subgridspec(1, 4)]
    for axes, task in zip(below[:2], data["task"].values, strict=True):
        _draw_distances(data.sel(task=task), str(task), axes)
    highest = float(data["psnr_fitted"].max())
    for axes in below[:2]:
        axes.set_ylim(None, highest + 1)
    below[0].legend(fontsize=7, loc="lower right")
    for axes, target in zip(below[2:], data["target"].values, strict=True):
        _draw_spectrum(data.sel(target=target), str(target), axes)
    below[-1].legend(fontsize=7, title="frequency", loc="lower left")
    below[2].set_ylabel("power of the error / power of the target")
    about = provenance(data)
    caption(
        figure,
        data,
        f"Hourglass networks fitted by Adam to one {about['size']}×{about['size']} photograph. Best: at "
        f"the step that suits the clean one, unknown in use. Shaded: range over {data.sizes['seed']} seeds",
    )


def _draw_picture(pixels: xr.DataArray, name: str, axes: Any) -> None:
    axes.imshow(pixels.values, interpolation="nearest")
    axes.set_title(name)
    axes.set_axis_off()


def _draw_distances(one: xr.Dataset, task: str, axes: Any) -> None:
    steps = one["step"].values
    draw_seeds(axes, steps, one["psnr_fitted"], _FITTED, label="to what it is fitted to")
    draw_seeds(axes, steps, one["psnr_clean"], _CLEAN, label="to the clean one")
    for name, label, style in (("psnr_start", "as given", ":"), ("psnr_blur", "best Gaussian blur", "-.")):
        level = float(one[name].mean())
        axes.axhline(level, color=COLOURS["black"], linewidth=1, linestyle=style, label=label)
    where = "" if task == "denoise" else ", where missing"
    _over_steps(axes, steps)
    axes.set(ylabel="PSNR (dB)" if task == "denoise" else "", title=f"{task}{where}")


def _draw_spectrum(one: xr.Dataset, target: str, axes: Any) -> None:
    colours = matplotlib.colormaps[SEQUENCE](np.linspace(0, 0.9, one.sizes["band"]))
    half = 0.5 / one.sizes["band"]
    for index, (band, colour) in enumerate(zip(one["band"].values, colours, strict=True)):
        style = {"color": colour, "linestyle": ("-", "--")[index % 2], "linewidth": 1.5}
        label = f"{band - half:.2g}–{band + half:.2g}"
        draw_seeds(axes, one["step"].values, one["band_error"].isel(band=index), style, label=label)
    axes.axhline(0.5, color=COLOURS["grey"], linewidth=0.8, linestyle=":")
    _over_steps(axes, one["step"].values)
    axes.set(ylim=(0, 1.3), title=f"fitted frequencies: {target}")


def _over_steps(axes: Any, steps: np.ndarray) -> None:
    axes.set_xscale("symlog", linthresh=1)
    axes.set_xlim(0, steps[-1])
    axes.set_xlabel("step")


FIGURE = Figure(
    name="deep-image-prior",
    summary="Deep image prior: a photograph from an untrained network",
    compute=compute,
    verdict=verdict,
    draw=draw,
    draw_full=draw_full,
    cost=70.0,
    height=3.5,
    full_height=7.0,
    panels=3,
    needs=("networks",),
    small={"seeds": 2, "steps": 64, "size": 32, "records": 12},
)
