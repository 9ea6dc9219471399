"""What decides the sentences about linear networks: modes, laws, thresholds, the order of learning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import sympy
import xarray as xr

from dynsim.analysis.numerics.outcome import outcome
from dynsim.choices import Branch, FlowOptimiser
from dynsim.integrate.ensemble import ensemble
from dynsim.integrate.optimise import optimise
from dynsim.integrate.solve import solve
from dynsim.ledger.contract import decided, magnitude, numbers
from dynsim.ledger.toy_checks import START, judged
from dynsim.methods.catalogue import method
from dynsim.symbolic.flow import BRANCHES
from dynsim.systems.catalogue import system
from dynsim.systems.matrix_flow import matrix_flow
from dynsim.verdict import Verdict


def decay_threshold(*, lambda_d: float = 0.8, lambda_s: float = 1.0, weak: float = 0.05) -> Verdict:
    """Integrate a mode under 401 decays, from a strong start and from a weak one, and see where it dies."""
    flow, formula = replace(system("modes", k=1), exact=None), lambda_d**2 / (4 * lambda_s)
    decays = xr.DataArray(np.linspace(0.8, 1.2, 401) * formula, dims="eta")
    values = {"lambda_d1": lambda_d, "lambda_s1": lambda_s, "eta_p": decays, "eta_s": decays}
    limit, alive = {}, {}
    for start in (lambda_d / lambda_s, weak):
        ends = ensemble(flow, {"p1": start, "w1": start}, 4000.0, parameters=values)
        lives = np.abs(ends["w1"].values) > 1e-3
        alive[start] = bool(lives[0])
        limit[start] = float(decays[lives].max()) if lives.any() else 0.0
    found = limit[lambda_d / lambda_s]
    close = abs(found - formula) < 0.005 * formula
    return decided(
        "does not hold" if not close else "holds" if alive[weak] else "holds under conditions",
        f"integrated, a mode lives up to η = {found:.4f}; λ_d²/(4λ_s) = {formula:.4f}",
        numbers(
            ("largest decay at which it lives", found),
            ("λ_d²/(4λ_s)", formula),
            (f"at 0.8 of it, from p = w = {weak:g} below the saddle, it lives", alive[weak]),
        ),
    )


def balance_law(*, eta_p: float = 0.1, eta_s: float = 0.1, alpha: float = 2.0, branch: Branch = "stop") -> Verdict:
    """Follow WWᵀ − PᵀP/α along a run of a random linear network."""
    random = np.random.default_rng(0)
    root = random.normal(size=(4, 4)) / 2
    field = matrix_flow(
        root @ root.T, root @ root.T + 0.2 * np.eye(4), 3, branch=branch, alpha=alpha, eta_p=eta_p, eta_s=eta_s
    )
    start = {"W": random.normal(size=(3, 4)) / 2, "P": random.normal(size=(3, 3)) / 2}
    run = solve(field, start, times=np.linspace(0, 8, 41), rtol=1e-10, atol=1e-12)
    w, p = (run[name].values.astype(float) for name in ("W", "P"))
    law = w @ w.transpose(0, 2, 1) - p.transpose(0, 2, 1) @ p / alpha
    expected = law[0] * np.exp(-2 * eta_s * run["time"].values)[:, None, None]
    error = float(np.abs(law - expected).max() / np.abs(law[0]).max())
    return decided(
        "holds" if error < 1e-6 else "does not hold",
        f"WWᵀ − PᵀP/α departs from C·e^(−2ηt) by {magnitude(error)} of its size",
        numbers(
            ("largest relative deviation", error), ("decays η_p, η_s", f"{eta_p:g}, {eta_s:g}"), ("branch", branch)
        ),
    )


def optimal_predictor(*, eta_s: float = 0.0) -> Verdict:
    """Follow WWᵀ with the best predictor at every instant, on moments that do not commute."""
    random = np.random.default_rng(1)
    signal, noise = (random.normal(size=(4, 4)) / 2 for _ in range(2))
    data = signal @ signal.T
    field = matrix_flow(data, data + noise @ noise.T, 2, predictor="optimal", eta_s=eta_s)
    run = solve(field, {"W": random.normal(size=(2, 4))}, times=np.linspace(0, 20, 41), rtol=1e-10, atol=1e-12)
    w = run["W"].values.astype(float)
    gram = w @ w.transpose(0, 2, 1)
    error = float(np.abs(gram - gram[0]).max() / np.abs(gram[0]).max())
    turned = float(np.linalg.norm(w[-1] - w[0]) / np.linalg.norm(w[0]))
    return decided(
        "holds" if error < 1e-6 else "does not hold",
        f"with the optimal predictor WWᵀ changes by {magnitude(error)} of its size while W moves by {turned:.0%}",
        numbers(("largest change of WWᵀ", error), ("change of W", turned), ("encoder's decay", eta_s)),
    )


def faster_predictor(*, alphas: Sequence[float] = (0.05, 0.3, 1.0, 3.0, 20.0), eta: float = 0.1) -> Verdict:
    """Ends of the article's start for slow and fast predictors, without decay and with it, under noise 0.1."""
    alive = {}
    for decay in (0.0, eta):
        values = {"sigma2": 0.1, "eta_p": decay, "eta_s": decay}
        ends = [outcome(system("scalar"), START, {**values, "alpha": alpha}) for alpha in alphas]
        alive[decay] = [alpha for alpha, end in zip(alphas, ends, strict=True) if not end.collapsed]
    # Speed decides where some survive and some do not, and the survivors are the fastest.
    decides = [0 < len(kept) < len(alphas) and kept == sorted(alphas)[-len(kept) :] for kept in alive.values()]
    return decided(
        judged(sum(decides), len(decides)),
        f"of {len(alphas)} ratios α {len(alive[0.0])} survive without decay, {len(alive[eta])} at η = {eta:g}: "
        f"{_listed(alive[eta])}",
        numbers(("α tried", _listed(alphas)), ("alive without decay", _listed(alive[0.0])),
                (f"alive at η = {eta:g}", _listed(alive[eta]))),
    )  # fmt: skip


def _listed(values: Sequence[float]) -> str:
    return "α = " + ", ".join(f"{value:g}" for value in values) if len(values) else "none"


def cosine_conserves(*, variant: str = "predictor", k: int = 3) -> Verdict:
    """Growth of ‖z‖² under the cosine loss at random states, relative to the sizes involved."""
    random = np.random.default_rng(2)
    branches = BRANCHES if variant == "predictor" else ("stop",)
    worst = {}
    for branch in branches:
        field = system("cosine", branch=branch, variant=variant, k=k).field()
        states = random.uniform(0.2, 1.5, (50, k))
        speeds = np.array([field.f(0.0, z) for z in states], dtype=float)
        size = np.linalg.norm(states, axis=1) * np.linalg.norm(speeds, axis=1)
        worst[branch] = float(np.max(np.abs((states * speeds).sum(1)) / size))
    error = max(worst.values())
    return decided(
        "holds" if error < 1e-10 else "does not hold",
        f"the largest cosine of z with its velocity is {magnitude(error)} over {len(branches)} branches",
        numbers(*((f"{branch}: largest |cos(z, z′)|", value) for branch, value in worst.items())),
    )


def noisy_features_fall(*, variant: str = "direct-copy", eta_s: float = 0.1, lambda_d: float = 1.0) -> Verdict:
    """Integrate DirectSet modes of one signal under more and more noise."""
    views = np.array([1.0, 1.5, 2.0, 2.4, 2.6, 3.0, 4.0]) * lambda_d
    flow = replace(system("direct-set", variant=variant), exact=None)
    values = {"lambda_d": lambda_d, "lambda_s": views, "eta_s": eta_s}
    alive = (ensemble(flow, {"s": 1.0}, 3000.0, parameters=values)["s"].values > 1e-3).tolist()
    formula = lambda_d**2 / (4 * eta_s) if eta_s else np.inf
    right = sum(lives == (view < formula) for lives, view in zip(alive, views, strict=True))
    cut = 0 < sum(alive) < len(views) and alive == sorted(alive, reverse=True)
    return decided(
        "holds" if cut and right == len(views) else "does not hold",
        f"{sum(alive)} of {len(views)} features live at η = {eta_s:g}: those of view variance below {formula:.3g}",
        numbers(
            *((f"λ_s = {view:g}: lives", lives) for view, lives in zip(views, alive, strict=True)),
            ("λ_d²/(4η)", formula),
        ),
    )


def stepwise(*, start: float = 1e-4, gammas: Sequence[float] = (1.0, 0.5, 0.25, 0.125)) -> Verdict:
    """Times at which integrated singular values pass 10 and 90 % of their ends, mode after mode."""
    flow, spans = system("barlow"), []
    for gamma in gammas:
        times = np.linspace(0, 40 / gamma, 4001)
        run = solve(flow, {"s": start}, times=times, parameters={"gamma": gamma})
        share = run["s"].values.astype(float) * np.sqrt(gamma)
        spans.append((float(times[np.argmax(share > 0.1)]), float(times[np.argmax(share > 0.9)])))
    apart = sum(later[0] > earlier[1] for earlier, later in pairwise(spans))
    return decided(
        judged(apart, len(gammas) - 1),
        f"from s = {start:g}, {apart} of {len(gammas) - 1} modes begin after the one before has risen",
        numbers(
            *((f"γ = {g:g}: 10 and 90 % at t", f"{a:.3f}, {b:.3f}") for g, (a, b) in zip(gammas, spans, strict=True))
        ),
    )


def eigenvalues_multiply(*, variant: str = "isoloss", size: float = 0.5) -> Verdict:
    """Ratio of the derived velocities of DirectPred's loss and of IsoLoss, symbolically."""
    plain, other = (system("euclidean", k=1, variant=name) for name in ("predictor", variant))
    z = plain.symbols["z1"]
    ratio = sympy.simplify(plain.rhs[0] / other.rhs[0])
    here = float(ratio.subs(z, size))
    return decided(
        "holds" if sympy.simplify(ratio - z**2) == 0 else "does not hold",
        f"at λ = z² = {size**2:g} the velocity is {here:g} times that of '{variant}'",
        numbers(("ratio of velocities", str(ratio)), ("plain", str(plain.rhs[0])), (variant, str(other.rhs[0]))),
    )


def spectral_ends(*, lambda_d: float = 0.6, lambda_s: float = 1.3) -> Verdict:
    """Integrate the mode of the spectral contrastive loss from both sides."""
    values, formula = {"lambda_d": lambda_d, "lambda_s": lambda_s}, lambda_d / lambda_s**2
    ends = [
        float(solve(method("spectral").flow(), {"w": w}, 60.0, parameters=values)["w"][-1]) ** 2 for w in (0.01, 2.0)
    ]
    error = max(abs(end - formula) for end in ends)
    return decided(
        "holds" if formula > 0 and error < 1e-6 else "does not hold",
        f"w² ends at {ends[0]:.6f} and {ends[1]:.6f}; λ_d/λ_s² = {formula:.6f}",
        numbers(("from w = 0.01", ends[0]), ("from w = 2", ends[1]), ("λ_d/λ_s²", formula)),
    )


def negatives_prevent(*, lambda_d: float = 0.6, lambda_s: float = 1.0, tau: float = 0.5) -> Verdict:
    """Rates at the origin with negatives and without, no predictor and no stop-gradient in either."""
    values = {"lambda_d": lambda_d, "lambda_s": lambda_s}
    rates = {}
    for name, flow in (("with", method("infonce", tau=tau).flow()), ("without", system("alternating", branch="full"))):
        rates[name] = float(np.asarray(flow.field(values).jacobian(0.0, np.array([0.0])))[0, 0])
    return decided(
        "holds" if rates["with"] > 0 > rates["without"] else "does not hold",
        f"rate at the origin {rates['with']:.3g} with negatives, {rates['without']:.3g} without",
        numbers(
            ("InfoNCE", rates["with"]), ("its attraction alone", rates["without"]), ("2λ_d/τ", 2 * lambda_d / tau)
        ),
    )


# Optimiser → step, number of steps, whether it is no gradient method but a stronger one.
OPTIMISERS: dict[FlowOptimiser, tuple[float, int, bool]] = {
    "gd": (0.1, 600, False),
    "momentum": (0.02, 400, False),
    "sign": (0.01, 200, False),
    "adam": (0.01, 1500, False),
    "newton": (1.0, 300, True),
    "gauss-newton": (1.0, 300, True),
    "alternating-minimisation": (1.0, 100, True),
}


# Weaker than a gradient method: name → size of the step, number of steps. The first take a random step if it lowers
# the loss, with what is stopped held where it is; the last goes down a slope measured along one random direction.
SEEDS = 100
WEAKER = {
    "random search, steps of 0.01": (0.01, 4000),
    "random search, steps of 0.03": (0.03, 4000),
    "two-point slope, steps of 0.1": (0.1, 1000),
}


def _ends_of_the_weaker(name: str, branch: Branch, start: tuple[float, float], seeds: int) -> np.ndarray:
    """φ and θ of all seeds at the end, (2, seeds)."""
    size, steps = WEAKER[name]
    rng, y = np.random.default_rng(0), np.tile(np.array(start)[:, None], (1, seeds))

    def loss(phi: np.ndarray, theta: np.ndarray, held: np.ndarray) -> np.ndarray:
        target = held if branch == "stop" else theta
        return (phi * theta - target) ** 2 / 2

    for _ in range(steps):
        step = rng.normal(size=y.shape)
        if name.startswith("random search"):
            (phi, theta), (later_phi, later_theta) = y, y + size * step
            better = loss(later_phi, later_theta, theta) < loss(phi, theta, theta)
            y = np.where(better, y + size * step, y)
        else:
            (above_phi, above_theta), (below_phi, below_theta) = y + 1e-3 * step, y - 1e-3 * step
            slope = (loss(above_phi, above_theta, y[1]) - loss(below_phi, below_theta, y[1])) / 2e-3
            y = y - size * slope * step
    return y


def neither_stronger_nor_weaker(*, phi: float = 0.6, theta: float = 0.1) -> Verdict:
    """Ends of the article's start under gradient methods, stronger ones and weaker ones."""
    rows, good = [], {True: 0, False: 0}
    for name, (lr, steps, stronger) in OPTIMISERS.items():
        ends = []
        for branch in ("stop", "full"):
            start = {"phi": phi, "theta": theta}
            run = optimise(system("toy", branch=branch), start, steps, optimiser=name, lr=lr, every=steps)
            ends.append((float(run["phi"][-1]), float(run["theta"][-1])))
        alive = [abs(end[1]) > 0.05 * abs(theta) for end in ends]
        good[stronger] += alive == [True, False]
        kind = "stronger" if stronger else "gradient"
        rows.append((f"{name} ({kind}): ends with stop-gradient | without",
                     " | ".join(f"({a:.4g}, {b:.4g})" for a, b in ends)))  # fmt: skip
    weak = 0
    for weaker in WEAKER:
        ends_of = [_ends_of_the_weaker(weaker, branch, (phi, theta), SEEDS) for branch in ("stop", "full")]
        lost = [float((abs(one[1]) < 0.05 * abs(theta)).mean()) for one in ends_of]
        weak += lost[0] < 0.05 and lost[1] > 0.95
        rows.append((f"{weaker} (weaker): share of {SEEDS} seeds that collapse with stop-gradient | without",
                     " | ".join(f"{one:.2g}" for one in lost)))  # fmt: skip
    kinds = {kind: sum(entry[2] == kind for entry in OPTIMISERS.values()) for kind in (True, False)}
    others = kinds[True] + len(WEAKER)
    word = judged(others - good[True] - weak, others) if good[False] == kinds[False] else "does not hold"
    return decided(
        word,
        f"as claimed: {good[False]} of {kinds[False]} gradient methods, {good[True]} of {kinds[True]} stronger, "
        f"{weak} of {len(WEAKER)} weaker ones",
        numbers(*rows, ("as claimed: alive with stop-gradient and collapsed without", sum(good.values()) + weak)),
    )
