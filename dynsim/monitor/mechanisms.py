"""What makes each kind of collapse, at what threshold, and what to turn first; with the equation it rests on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf, isfinite, log
from typing import Any

from dynsim.methods.catalogue import method
from dynsim.methods.prototype_bifurcations import fold, hopf
from dynsim.monitor.observation import Observation

__all__ = ["REFERENCES", "Explanation", "explain"]

REFERENCES = {
    "dino": "Caron et al. 2021, Emerging Properties in Self-Supervised Vision Transformers, arXiv:2104.14294",
    "simsiam": "Chen & He 2021, Exploring Simple Siamese Representation Learning, arXiv:2011.10566",
    "byol": "Grill et al. 2020, Bootstrap Your Own Latent, arXiv:2006.07733",
    "linear": "Tian, Chen & Ganguli 2021, Understanding Self-Supervised Learning Dynamics without Contrastive Pairs, "
    "arXiv:2102.06810",
    "dimensional": "Jing et al. 2022, Understanding Dimensional Collapse in Contrastive Self-Supervised Learning, "
    "arXiv:2110.09348",
    "batch": "Richemond et al. 2020, BYOL works even without batch statistics, arXiv:2010.10241",
    "prototypes": "derived for symmetric prototypes in dynsim.method('dino'), checked there by integration",
    "rankme": "Garrido et al. 2023, RankMe, arXiv:2210.02885",
}


_TOGETHER = 0.5  # share of the spread at the start below which directions have come together


@dataclass(frozen=True)
class Explanation:
    """Why one kind of collapse happens.

    `sure` is "certain" where a law is exact and all its numbers are known, else "likely" or "possible".
    """

    sure: str
    mechanism: str
    threshold: str
    advice: tuple[str, ...]
    references: tuple[str, ...]


def explain(kind: str, seen: Observation, flow: Mapping[str, Any], given: frozenset[str]) -> Explanation:
    """Explain one kind.

    Parameters
    ----------
    kind : str
        As the judge says it.
    seen : Observation
    flow : mapping
        What `training_parameters` makes of the user's settings.
    given : frozenset of str
        Names in `flow` that follow from a setting and not from a default.
    """
    return _EXPLANATIONS[kind](seen, flow, given)


def _number(value: float) -> str:
    return f"{value:.4g}"


def _measured(seen: Observation, name: str) -> float | None:
    value = seen.measured.get(name)
    return value if value is not None and isfinite(value) else None


def _uniform(seen: Observation, flow: Mapping[str, Any], given: frozenset[str]) -> Explanation:
    count = seen.prototypes or 2
    r = _measured(seen, "agreement")
    entropy = _measured(seen, "mean_entropy")
    at = f"the mean entropy {_number(entropy)} is ln K = {_number(log(count))}" if entropy is not None else "ln K"
    rate = "(r/τ_t − 1/τ_s)/(K²τ_s)"
    mechanism = (
        f"no sample prefers a prototype: {at} for K = {count}. A pattern grows out of the uniform state at the rate "
        f"{rate}, so the teacher must be colder than r·τ_s, where r is how often two views choose the same prototype "
        "beyond chance"
    )
    shown = "r" if r is None else _number(max(r, 0.0))
    threshold = "uniform is stable iff τ_t ≥ r·τ_s (pass paired views to measure r)"
    sure, cure = "likely", "lower τ_t (a colder teacher), or raise τ_s"
    if {"tau_t", "tau_s"} <= given:
        tau_t, tau_s = float(flow["tau_t"]), float(flow["tau_s"])
        if r is None:
            threshold = (
                f"τ_t = {_number(tau_t)} is at or above r·τ_s = r·{_number(tau_s)} if r ≤ {_number(tau_t / tau_s)}; "
                "r was not measured (pass paired views)"
            )
            sure = "certain" if tau_t >= tau_s else "possible"
        else:
            bound = max(r, 0.0) * tau_s
            if tau_t >= bound:
                threshold = f"τ_t = {_number(tau_t)} ≥ r·τ_s = {shown}·{_number(tau_s)} = {_number(bound)}: it stays"
                if 0 < r < 1 and count > 2 and tau_t < (warm := fold(round(r, 6), tau_s, count)[0]):
                    threshold += f" from near uniform; from a trained start it would live up to τ_t = {_number(warm)}"
            else:
                threshold = f"τ_t = {_number(tau_t)} < r·τ_s = {shown}·{_number(tau_s)} = {_number(bound)}: it is left"
                sure = "possible"
                mechanism = (
                    f"no sample prefers a prototype: {at} for K = {count}. The temperatures do not explain it: the "
                    f"pattern grows, at the rate {rate}. Too few steps, a step too small, or a slow centre may"
                )
                cure = "train on: the uniform state is left by itself; then look at the learning rate and the centre"
    elif r is not None:
        threshold = f"uniform is stable iff τ_t ≥ r·τ_s = {shown}·τ_s (pass settings={{'tau_t': …, 'tau_s': …}})"
    note = "r is measured on this network, whose views may agree less than those of a trained one"
    return Explanation(sure, f"{mechanism} ({note})" if r is not None else mechanism, threshold,
                       (cure, "warm the teacher's temperature up from a low value"),
                       (REFERENCES["prototypes"], REFERENCES["dino"]))  # fmt: skip


def _one_prototype(seen: Observation, flow: Mapping[str, Any], given: frozenset[str]) -> Explanation:
    mechanism = (
        "all samples go to one prototype: the constant mode has grown. The centre must follow faster than it grows; "
        "the uniform state oscillates for centre rates m = −ln(centre momentum)/step below "
        "m_H = (1/τ_t − 1/τ_s)/(K²τ_s), without any centre the collapse is permanent"
    )
    threshold, sure = "m ≥ m_H = (1/τ_t − 1/τ_s)/(K²τ_s)", "likely"
    if {"tau_t", "tau_s"} <= given and seen.prototypes:
        beta = flow.get("beta")
        beta = None if beta is None or not isfinite(beta) or beta == 0 else float(beta)
        edge = hopf(float(flow["tau_s"]), float(flow["tau_t"]), seen.prototypes, beta)[0]
        threshold = f"m must reach m_H = {_number(edge)} (K = {seen.prototypes}, τ_t and τ_s as given)"
        if "centre_rate" in flow:
            rate = float(flow["centre_rate"])
            slow = rate < edge
            threshold = f"m = {_number(rate)} {'<' if slow else '≥'} m_H = {_number(edge)} per unit of flow time"
            sure = "likely" if slow else "possible"
            if not slow:
                mechanism = (
                    "all samples go to one prototype, though the centre follows fast enough for the uniform state "
                    "(m ≥ m_H): a start with a large constant mode, or a centre that is not subtracted, may be why"
                )
    elif "centre_rate" in flow:
        threshold = f"m = {_number(float(flow['centre_rate']))} against m_H = (1/τ_t − 1/τ_s)/(K²τ_s): give both τ"
    cures = ("lower the centre momentum, or switch centring on", "or assign by Sinkhorn, which centres exactly")
    return Explanation(sure, mechanism, threshold, cures, (REFERENCES["prototypes"], REFERENCES["dino"]))


def _constant(seen: Observation, flow: Mapping[str, Any], given: frozenset[str]) -> Explanation:
    share = _measured(seen, "mean_share")
    at_start = seen.start.get("mean_share")
    found = f"{_number(share)} of E‖z‖² is the mean" if share is not None else "the mean direction is all there is"
    sure = "possible"
    from_start = at_start is not None and at_start > 0.5
    if from_start:
        found += f", as {_number(at_start or 0.0)} of it was at the start"
        sure = "likely"
    mechanism = (
        f"all samples share one direction ({found}). The mean is the feature without augmentation noise, ν = 0: with "
        "biases or ReLU and no batch normalisation behind them nothing removes it, and it outgrows what tells images "
        "apart. The other cause looks the same afterwards: gradients through both branches, or no predictor, shrink "
        "every feature at the rate ν·λ_s or more, w' = −νλ_s·w"
    )
    threshold = "the mean has λ_d = λ_s = ‖E z‖², so its threshold λ_d²/(4λ_s) = ‖E z‖²/4 is the highest of all"
    signal, both = _measured(seen, "lambda_d"), _measured(seen, "lambda_s")
    if signal is not None and both:
        threshold += f"; the largest of another feature is {_number(signal**2 / (4 * both))}"
    advice = (
        "check that the target is detached (stop-gradient) and the predictor is in place",
        "put batch normalisation into the predictor or behind the encoder's last layer",
    )
    if from_start:
        advice = advice[::-1]
    return Explanation(sure, mechanism, threshold, advice, (REFERENCES["simsiam"], REFERENCES["batch"]))


def _decay(seen: Observation, flow: Mapping[str, Any], given: frozenset[str]) -> tuple[str, str]:
    """How sure decay is the cause, and the threshold with all numbers that are known."""
    form = "a feature dies where η > λ_d²/(4λ_s) = r²λ_s/4, r = λ_d/λ_s"
    signal, both = _scaled_moments(seen)
    if signal is None or both is None:
        if "eta_s" in given:
            return "possible", f"η = {_number(flow['eta_s'])}; {form} (pass paired views to measure r and λ_s)"
        return "possible", f"{form} (pass paired views and settings={{'weight_decay': …}})"
    bound = signal**2 / (4 * both) if signal > 0 else 0.0
    numbers = f"λ_d = {_number(signal)}, λ_s = {_number(both)} (largest feature measured): {_number(bound)}"
    if "eta_s" not in given:
        return "possible", f"{form}; {numbers}; with your weight_decay in settings it is compared"
    eta = float(flow["eta_s"])
    if eta == 0:
        return "excluded", f"η = 0: no decay; {numbers}"
    lives = signal > 0 and bool(
        method("simsiam").survives(lambda_d=signal, lambda_s=both, eta_s=eta, eta_p=eta, alpha=1.0).value
    )
    return ("unlikely" if lives else "likely"), f"η = {_number(eta)} {'≤' if lives else '>'} λ_d²/(4λ_s), {numbers}"


def _scaled_moments(seen: Observation) -> tuple[float | None, float | None]:
    """λ_d and λ_s of the leading feature: at the start, else with r of now and the scale of the start, else now."""
    start = [seen.start.get(name) for name in ("lambda_d", "lambda_s")]
    if all(value is not None and isfinite(value) and value > 0 for value in start):
        return start[0], start[1]
    signal, both = _measured(seen, "lambda_d"), _measured(seen, "lambda_s")
    if signal is None or not both:
        return None, None
    ratio = _measured(seen, "norm_ratio")
    scale = ratio**-2 if ratio else 1.0
    return signal * scale, both * scale


def _vanishing(seen: Observation, flow: Mapping[str, Any], given: frozenset[str]) -> Explanation:
    sure, threshold = _decay(seen, flow, given)
    ratio = _measured(seen, "norm_ratio")
    shrunk = f"the norm is {_number(ratio)} of its start. " if ratio is not None else ""
    other = (
        "gradients through both branches, or no predictor: w' = −νλ_s·w (twice that with both branches), whatever the "
        "decay"
    )
    if sure in ("excluded", "unlikely"):
        mechanism = f"{shrunk}Decay is below the threshold, so the likely cause is another: {other}"
        check = ("check that the target is detached (stop-gradient) and the predictor is in place",)
        return Explanation("likely", mechanism, threshold, check, (REFERENCES["linear"], REFERENCES["simsiam"]))
    mechanism = f"{shrunk}Weight decay above the threshold of the features: p' = αw(λ_d w − λ_s pw) − η_p p has no " \
        f"living state for η > λ_d²/(4λ_s), and w falls as e^(−ηt). Or {other}"  # fmt: skip
    advice = (
        "lower the weight decay (first of the encoder: the threshold is of η_s)",
        "check that the target is detached",
    )
    return Explanation(sure, mechanism, threshold, advice, (REFERENCES["linear"],))


def _dimensional(seen: Observation, flow: Mapping[str, Any], given: frozenset[str]) -> Explanation:
    sure, threshold = _decay(seen, flow, given)
    rank = _measured(seen, "rankme") or _measured(seen, "participation")
    of = f" of {seen.dimensions}" if seen.dimensions else ""
    used = f"RankMe is {_number(rank)}{of}: " if rank is not None else ""
    mechanism = (
        f"{used}some features live and the others have died. Each lives or dies by its own threshold, "
        "η < λ_d²/(4λ_s): weak and noisy ones go first"
    )
    if sure in ("excluded", "unlikely"):
        mechanism += (
            ". Decay does not kill the strongest feature here; it may have killed weaker ones, or the augmentation is "
            "stronger than they are (λ_d small), or a feature of the start was too small to escape"
            if sure == "unlikely"
            else ". There is no decay here: strong augmentation (λ_d small) or starts too small to escape are left"
        )
        sure = "possible"
    advice: tuple[str, ...] = (
        "weaken the augmentation, or lower the weight decay",
        "or add a term that keeps variances and decorrelates (VICReg, Barlow Twins)",
    )
    detached = "check that the target is detached (stop-gradient) and the predictor is in place"
    spread, before = _measured(seen, "spread"), seen.start.get("spread")
    if spread is not None and before is not None and spread < _TOGETHER * before:
        # Decay alone leaves the directions of what lives as they are.
        sure = "likely"
        mechanism = (
            f"{used}directions come together too (spread {_number(before)} → {_number(spread)}), as they do where "
            "gradients pass both branches or there is no predictor: w' = −νλ_s·w, the noisiest features first. "
            "Weight decay above η = λ_d²/(4λ_s) is the other cause"
        )
        advice = (detached, *advice)
    else:
        advice = (*advice, detached)
    references = (REFERENCES["dimensional"], REFERENCES["linear"], REFERENCES["rankme"])
    return Explanation(sure, mechanism, threshold, advice, references)


def _exploding(seen: Observation, flow: Mapping[str, Any], given: frozenset[str]) -> Explanation:
    ratio = _measured(seen, "norm_ratio")
    grown = f"the norm is {_number(ratio)} times its start" if ratio is not None else "the norm grows without bound"
    mechanism = (
        f"{grown}: nothing holds the scale. Where the predictor shrinks (p < λ_d/λ_s, by its own decay or fixed) the "
        "encoder grows to make up for it, s' = 2ps(λ_d − λ_s p) − 2η_s s, for ever if η_s = 0; so does a squared "
        "error behind batch normalisation in the predictor"
    )
    sure, threshold = "possible", "bounded iff 0 < η_s ≤ λ_d²/(4λ_s), or with a loss of directions (cosine)"
    if "eta_s" in given:
        eta_s, eta_p = float(flow["eta_s"]), float(flow.get("eta_p", 0.0))
        threshold = f"η_s = {_number(eta_s)}, η_p = {_number(eta_p)}; {threshold}"
        sure = "likely" if eta_s == 0 else "possible"
    advice = ("use the cosine loss, or normalise the outputs", "or give the encoder a small weight decay")
    return Explanation(sure, mechanism, threshold, advice, (REFERENCES["linear"],))


def _frozen(seen: Observation, flow: Mapping[str, Any], given: frozenset[str]) -> Explanation:
    mechanism = (
        "the teacher is where it was at the start: ξ' = β(θ − ξ) with β = 0. The student learns the outputs of a "
        "random network, w → (λ_d/λ_s)·v₀, which passes the usual checks of collapse"
    )
    threshold, sure = "β = −ln(ema)/step must be > 0", "likely"
    beta = flow.get("beta") if "beta" in given else None
    if beta is not None:
        step = float(flow.get("step", 1.0))
        if beta == 0:
            sure, threshold = "certain", "ema = 1, so β = 0"
        else:
            steps = 0.0 if beta == inf else 1 / (beta * step)
            threshold = f"β = {_number(beta)} > 0: it should follow within about {_number(steps)} steps"
            mechanism += ". The coefficient that was given would move it, so its update is not reached"
    advice = ("call the teacher's update after every optimiser step", "check that the coefficient is below 1")
    return Explanation(sure, mechanism, threshold, advice, (REFERENCES["byol"],))


def _dead(seen: Observation, flow: Mapping[str, Any], given: frozenset[str]) -> Explanation:
    layers = [name for name in seen.measured if name.startswith("dead_share") and seen.measured[name] >= 0.9]
    where = ", ".join(name.removeprefix("dead_share").strip("_") or "the output" for name in layers) or "a layer"
    mechanism = (
        f"units of {where} give every sample the same number: a ReLU whose input is negative for all samples has no "
        "gradient, ∂relu(x)/∂x = 0, and cannot come back. A residual or later layer may still look healthy"
    )
    advice = ("lower the learning rate, or warm it up", "put a normalisation before the ReLU, or use a leaky one")
    return Explanation(
        "likely", mechanism, "a unit is dead iff its pre-activation is < 0 for every sample", advice, ()
    )


def _not_finite(seen: Observation, flow: Mapping[str, Any], given: frozenset[str]) -> Explanation:
    mechanism = (
        "numbers are no longer finite: a step beyond the stable one grows a mode by |1 − hλ| > 1 in every step, or "
        "half precision has overflowed"
    )
    threshold = "stable iff step·λ < 2 for the largest curvature λ of the loss"
    if "step" in given:
        threshold = f"step = lr/(1 − momentum) = {_number(float(flow['step']))}: {threshold}"
    advice = ("lower the learning rate, or warm it up", "compute losses and norms in float32, clip the gradient")
    return Explanation("possible", mechanism, threshold, advice, ())


def _unsure(seen: Observation, flow: Mapping[str, Any], given: frozenset[str]) -> Explanation:
    missing = [
        text
        for name, text in (
            ("norm_ratio", "initial= (outputs at the start)"), ("lambda_s", "paired= (a second view)"),
            ("knn", "labels="),
        )
        if name not in seen.measured
    ]  # fmt: skip
    advice: tuple[str, ...] = (f"measure more: {', '.join(missing)}",) if missing else ("train on and diagnose again",)
    if seen.samples is not None and seen.samples < 100:
        advice = (f"pass more than {seen.samples} samples, some hundred", *advice)
    if "mean_entropy_at_0.1" in seen.measured:
        advice = ("name the student's temperature: settings={'tau_s': …}", *advice)
    return Explanation("unsure", "measures lie between their thresholds, or contradict each other", "", advice, ())


def _healthy(seen: Observation, flow: Mapping[str, Any], given: frozenset[str]) -> Explanation:
    unseen = [
        what
        for name, what in (("norm_ratio", "whether the norm has shrunk (initial=)"),
                           ("knn", "whether classes are told apart (labels=)"))
        if name not in seen.measured
    ]  # fmt: skip
    said = f"; not looked at: {', '.join(unseen)}" if unseen else ""
    knn = next((row["says"] for row in seen.evidence if row["measure"] == "knn"), "")
    if "knn" in seen.measured and not knn:
        said += "; kNN alone has no bound without a healthy run to compare with"
    if knn == "unsure":
        said += f"; but kNN ({seen.measured['knn']:.3g}) tells the classes of these labels apart no better than chance"
    return Explanation("as far as measured", f"every measure with a bound lies on its healthy side{said}", "", (), ())


_EXPLANATIONS: Mapping[str, Callable[[Observation, Mapping[str, Any], frozenset[str]], Explanation]] = {
    "not-finite": _not_finite,
    "constant": _constant,
    "one-prototype": _one_prototype,
    "uniform": _uniform,
    "vanishing": _vanishing,
    "exploding": _exploding,
    "dimensional": _dimensional,
    "dead-layer": _dead,
    "frozen-teacher": _frozen,
    "unsure": _unsure,
    "healthy": _healthy,
}
