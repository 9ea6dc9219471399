"""The figure's data, and what they say: the flow's predictions against the ends of the networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from dynsim.gallery.dino import digits, regions
from dynsim.gallery.figure import concluded
from dynsim.gallery.trained_networks import images_of
from dynsim.methods.prototype_bifurcations import fold, hopf
from dynsim.methods.prototype_clusters import ALIVE as LEAST
from dynsim.methods.prototype_clusters import FATES
from dynsim.progress import Progress
from dynsim.records import stamp
from dynsim.verdict import Verdict

ALIVE, UNIFORM = FATES.index("alive"), FATES.index("uniform")
# Whether the published ablation found kNN accuracy above chance (Caron et al. 2021, arXiv:2104.14294, appendix D).
PUBLISHED = {
    "centre 0": True, "centre 0.9": True, "centre 0.99": True, "centre 0.999": False,
    "τ_t = 0.02": True, "τ_t = 0.06": True, "τ_t = 0.08": False, "τ_t .04 to 0.07": True,
}  # fmt: skip


def compute(
    progress: Progress | None = None,
    *,
    seeds: int = 5,
    steps: int = 600,
    published_steps: int = 2500,
    taus: Sequence[float] = digits.TAUS,
    momenta: Sequence[float] = digits.MOMENTA,
    settings: Sequence[str] | None = None,
    data: Any = "digits",
    clusters: int = regions.PROTOTYPES,
) -> xr.Dataset:
    """Regions of the flow with their curves, and networks on digits over the same plane.

    Parameters
    ----------
    progress : callable, optional
    seeds, steps, published_steps : int
        Of the networks; runs across the fold take 5/2 as many steps, those of the published settings their own.
    taus, momenta : sequence of float
        Temperatures of the teacher and momenta of the centre at which networks are trained.
    settings : sequence of str, optional
        Rows of the published ablation; by default all.
    data : str or images
        As `dynsim.networks.Experiment` takes them.
    clusters : int
        K of the flow whose runs fill the plane.

    Returns
    -------
    xarray.Dataset
        `flow_fate` over (flow_tau_t, flow_ratio, start), numbers of `dynsim.methods.prototype_clusters.FATES`;
        `hopf_ratio` (hopf_tau_t), `fold`, `uniform_loses` of the flow; `fate`, `agreement`, `told` over (tau_t,
        momentum, start, seed); `long_fate`, `long_told` over (long_tau_t, start, seed); `published_loss`,
        `published_told`, `published_fate` over (setting, seed).
    """
    done = [0]

    def note(what: str) -> None:
        if progress:
            progress(done[0], 100, what)
            done[0] = min(done[0] + 1, 99)

    small = steps < 100
    flow_taus = np.array([0.04, 0.06]) if small else FLOW_TAUS
    ratios = np.array([0.1, 5.0]) if small else FLOW_RATIOS
    parts = [
        regions.fates(flow_taus, ratios, note, prototypes=clusters),
        regions.points(clusters),
        regions.hopf_line(np.array([0.016, 0.0995])),
        digits.plane(seeds, steps, note, taus, momenta, data),
        digits.hysteresis(seeds, round(2.5 * steps), note, taus if small else digits.FINE_TAUS, data),
        digits.ablation(seeds, published_steps, note, settings, data),
    ]
    return joined(parts, clusters, steps, digits.experiment(steps, data=data).to_dict())


FLOW_TAUS = np.linspace(0.02, 0.1, 7)
FLOW_RATIOS = np.array([0.0, 0.05, 0.1, 0.2, 0.35, 0.6, 1.0, 1.5, 2.5, 5.0, 10.0])


def joined(
    parts: Sequence[xr.Dataset], clusters: int, steps: int, experiment: Mapping[str, Any] | None = None
) -> xr.Dataset:
    """One Dataset of all parts."""
    data = xr.merge(parts, compat="no_conflicts", join="outer", combine_attrs="drop")
    flags = {"flag_values": np.arange(len(FATES), dtype=np.int8), "flag_meanings": " ".join(FATES).replace(" p", "_p")}
    for name in ("flow_fate", "fate", "long_fate", "published_fate"):
        data[name] = data[name].astype(np.int8).assign_attrs(flags)
    about = dict(experiment or digits.experiment(steps).to_dict())
    return stamp(data, clusters=clusters, agreement=regions.AGREEMENT, steps=steps, experiment=about)


def measured_agreement(data: xr.Dataset) -> float:
    """Median r of the networks' assignments, over all that live."""
    alive = data["agreement"].where(data["fate"] == ALIVE)
    return float(np.nanmedian(alive)) if bool((data["fate"] == ALIVE).any()) else np.nan


def centre_ratio(momentum: float, teacher: float = digits.TEACHER) -> float:
    """m/β: the rate of the centre over that of the teacher."""
    if momentum == 0:
        return np.inf
    return float(np.log(momentum) / np.log(teacher))


def hopf_ratio(tau_t: Any) -> Any:
    """m_H/β of a slow teacher, τ_s/τ_t − 1: it knows nothing of K, r or the network."""
    return regions.TAU_S / tau_t - 1


def predicted(tau_t: float, ratio: float, start: str, r: float) -> bool:
    """Whether the pattern lives, after the flow with K prototypes and agreement r behind a slow teacher."""
    if start == "warm":
        return tau_t < fold(r, regions.TAU_S, digits.PROTOTYPES)[0]
    return bool(tau_t < r * regions.TAU_S and ratio > hopf_ratio(tau_t))


def scores(data: xr.Dataset) -> dict[str, float]:
    """How often the flow is right about the networks, by start, and where cold and warm part."""
    r = measured_agreement(data)
    found: dict[str, float] = {"r": r, "fold": fold(round(r, 6), regions.TAU_S, digits.PROTOTYPES)[0]}
    for start in data["start"].values:
        right = [
            bool(one == ALIVE) == predicted(float(tau), centre_ratio(float(m)), str(start), r)
            for tau in data["tau_t"].values
            for m in data["momentum"].values
            for one in data["fate"].sel(tau_t=tau, momentum=m, start=start).values
        ]
        found[f"right_{start}"] = float(np.mean(right))
        found[f"up_to_{start}"] = _lives_up_to(data, str(start))
    warm = data["fate"].sel(start="warm") == ALIVE
    found["warm_slow"] = float(warm.where((data["tau_t"] < found["fold"]) & (data["momentum"] > 0.99)).mean())
    found["warm_hot"] = float(warm.where((data["tau_t"] > found["fold"]) & (data["momentum"] <= 0.99)).mean())
    return found


def _lives_up_to(data: xr.Dataset, start: str) -> float:
    """The hottest teacher at which most seeds live in long runs; of cold ones also in the plane, at momentum 0.9.

    Warm runs of the plane are too short: beyond the fold they decay slowly.
    """
    ends = [(data["long_tau_t"].values, data["long_fate"].sel(start=start))]
    if start == "cold" and digits.TRAINED["centre_momentum"] in data["momentum"].values:
        ends.append((data["tau_t"].values, data["fate"].sel(start=start, momentum=digits.TRAINED["centre_momentum"])))
    alive = [taus[((fates == ALIVE).mean("seed") > 0.5).values] for taus, fates in ends]
    return float(max((float(taus.max(initial=0.0)) for taus in alive), default=0.0))


def published(data: xr.Dataset) -> dict[str, tuple[bool | None, float, bool]]:
    """Per setting: what was published, the share of seeds that live, and whether dead ones lie at loss ln K."""
    found = {}
    top = np.log(digits.PROTOTYPES)
    for name in data["setting"].values:
        one = data.sel(setting=name)
        fates = one["published_fate"].values
        last = one["published_loss"].isel(record=-1).values
        at_top = np.abs(last[fates == UNIFORM] / top - 1) < 0.01
        found[str(name)] = (PUBLISHED.get(str(name)), float((fates == ALIVE).mean()), bool(at_top.all()))
    return found


def _as_predicted(table: dict[str, tuple[bool | None, float, bool]], r: float) -> str:
    """How many settings of constant temperature and momentum end as `predicted`, and which do not."""
    settings = {
        name: (rows["tau_t"], centre_ratio(rows["centre_momentum"], digits.PUBLISHED_TEACHER))
        for name, rows in digits.published(1).items()
        if name in table and not isinstance(rows["tau_t"], str)
    }
    wrong = [name for name, at in settings.items() if predicted(*at, "cold", r) != (table[name][1] > 0.5)]
    return f"{len(settings) - len(wrong)} of {len(settings)}" + (f", not {', '.join(wrong)}" if wrong else "")


def _listed(values: np.ndarray) -> str:
    return ", ".join(f"{value:g}" for value in values)


def verdict(data: xr.Dataset) -> Verdict:
    """Whether the networks do what the flow says, and what was published."""
    found, table = scores(data), published(data)
    agree = {name: (share > 0.5) == said for name, (said, share, _) in table.items() if said is not None}
    bistable = found["up_to_warm"] > found["up_to_cold"]
    continued = data["hopf_ratio"].values
    beta = regions.teacher_rate(2)
    exact = [hopf(regions.TAU_S, float(tau), 2, beta)[0] / beta for tau in data["hopf_tau_t"].values]
    off = float(np.abs(continued - exact).max())
    wrong = [name for name, same in agree.items() if not same]
    uniform_at_top = all(at_top for *_, at_top in table.values())
    details = [
        f"flow, K = {data.attrs['clusters']}, r = {data.attrs['agreement']:g}: the uniform state loses stability at "
        f"τ_t = {float(data['uniform_loses']):.4g}, fold at {float(data['fold']):.6g}, both by continuation; "
        f"the Hopf curve by continuation differs from its formula by at most {off:.1g}",
        f"r of the networks' own assignments {found['r']:.2f} (median of those that live), for K = 64 the fold is at "
        f"τ_t = {found['fold']:.3f}, the loss of stability at {found['r'] * regions.TAU_S:.3f}",
        f"alive or not is right for {found['right_cold']:.0%} of cold networks and {found['right_warm']:.0%} of warm "
        f"ones after {data.attrs['steps']} steps; of warm ones below the fold {found['warm_slow']:.0%} live with a "
        f"centre momentum above 0.99 (the flow: all), of those beyond it {found['warm_hot']:.0%} still with a faster "
        "centre (the flow: none)",
        f"covered: {data.sizes['tau_t']} temperatures × {data.sizes['momentum']} momenta of the centre, cold and "
        f"warm, {data.sizes['seed']} seeds; long runs at τ_t = {_listed(data['long_tau_t'].values)} with momentum 0.9",
        f"of the temperatures tried most cold networks live up to τ_t = {found['up_to_cold']:g}, warm ones in long "
        f"runs up to {found['up_to_warm']:g}: {'bistable' if bistable else 'not bistable'}",
        f"published settings: {sum(agree.values())} of {len(agree)} in kind"
        + (f", not {', '.join(wrong)}" if wrong else "")
        + f": alive is information above {LEAST:g} of ln K here, kNN accuracy above chance there",
        f"of these the flow with the networks' r, from cold, has {_as_predicted(table, found['r'])}",
        "loss = ln K where the end is uniform: " + ("yes" if uniform_at_top else "no"),
        "one r for all clusters, a centre and a teacher of constant rate, are the flow's; a network has many r",
    ]
    holds = not wrong and bistable and uniform_at_top and min(found["right_cold"], found["right_warm"]) >= 0.9
    kind = f"{sum(agree.values())} of {len(agree)}"
    ends = f"cold lives to τ_t = {found['up_to_cold']:g}, warm to {found['up_to_warm']:g}"
    headlines = [f"DINO on {images_of(data)}: {kind} published settings in kind; {ends}", f"{kind} in kind; {ends}"]
    return concluded("holds" if holds else "holds under conditions", headlines, "; ".join(details))
