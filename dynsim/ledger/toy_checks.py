"""What decides the sentences about the scalar toy, its noisy relatives and the objectives around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import sympy

from dynsim.analysis.numerics.outcome import outcome
from dynsim.choices import Branch
from dynsim.integrate.solve import solve
from dynsim.ledger.contract import decided, numbers
from dynsim.methods.catalogue import method
from dynsim.symbolic.flow import BRANCHES
from dynsim.systems.catalogue import system
from dynsim.systems.matrix_flow import matrix_flow
from dynsim.verdict import Verdict, Word

# Where the article's run begins.
START = {"phi": 0.6, "theta": 0.1}


def judged(true: int, of: int) -> Word:
    """In how many of the tried settings the sentence is true, as a word."""
    return "holds" if true == of else "holds under conditions" if true else "does not hold"


def three_branches(*, initial: Mapping[str, float] = START, alpha: float = 1.0) -> Verdict:
    """Exact ends of one start in the three branches."""
    ends = {branch: outcome(system("toy", branch=branch), initial, {"alpha": alpha}) for branch in BRANCHES}
    alive = [branch for branch, end in ends.items() if not end.collapsed]
    told = ", ".join(f"{float(end.limit['theta']):.4g} ({branch})" for branch, end in ends.items())
    start = f"({initial['phi']:g}, {initial['theta']:g})"
    values = {"alpha": alpha}
    runs = {branch: solve(system("toy", branch=branch), initial, 100.0, parameters=values) for branch in BRANCHES}
    return decided(
        "holds" if alive == ["stop"] else "does not hold",
        f"from {start}, α = {alpha:g}, θ ends at {told}",
        numbers(
            *((f"{branch}: {end.reason}", f"θ → {end.limit['theta']:.10g}") for branch, end in ends.items()),
            *((f"{branch}: integrated to t = 100", float(run["theta"][-1])) for branch, run in runs.items()),
        ),
    )


def stop_prevents(*, reach: float = 1.5, side: int = 20, alpha: float = 1.0) -> Verdict:
    """Share of a grid of starts that collapses, with stop-gradient and without; no start has θ = 0."""
    axis = (np.arange(side) + 0.5) / side * 2 * reach - reach
    share = {}
    for branch in ("stop", "full"):
        flow = system("toy", branch=branch)
        ends = [
            outcome(flow, {"phi": p, "theta": q}, {"alpha": alpha}).collapsed is True for p, q in product(axis, axis)
        ]
        share[branch] = float(np.mean(ends))
    word: Word = "holds under conditions" if share["stop"] < share["full"] else "does not hold"
    if share == {"stop": 0.0, "full": 1.0}:
        word = "holds"
    return decided(
        word,
        f"of {side**2} starts {share['stop']:.0%} collapse with stop-gradient, {share['full']:.0%} without",
        numbers(
            (f"starts: |φ|, |θ| < {reach:g}, α", alpha),
            ("collapse with stop-gradient", share["stop"]),
            ("collapse without", share["full"]),
            ("exact rule with stop-gradient, φ₀ > 0", "collapses iff φ₀² − αθ₀² ≥ 1"),
            ("exact rule without", "collapses iff αθ₀² ≤ (1 − φ₀)²"),
        ),
    )


def full_collapses(*, sigma2: float = 0.1, starts: int = 12, seed: int = 0) -> Verdict:
    """Ends of random starts without stop-gradient, with noise and without; the bound on a linear network."""
    random = np.random.default_rng(seed)
    # Without the exact rule that the system knows, so that the ends are integrated.
    flow, gone = replace(system("scalar", branch="full"), exact=None), {}
    chosen = [{"phi": p, "theta": q} for p, q in random.uniform(-1.4, 1.4, (starts, 2))]
    for noise in (0.0, sigma2):
        gone[noise] = sum(bool(outcome(flow, start, {"sigma2": noise}).collapsed) for start in chosen)
    data = np.diag([1.0, 0.6, 0.3])
    field = matrix_flow(data, data + sigma2 * np.eye(3), 2, branch="full")
    run = solve(
        field, {"W": random.normal(size=(2, 3)), "P": random.normal(size=(2, 2))}, times=np.linspace(0, 10, 51)
    )
    norm = np.asarray(run["norm"].values, dtype=float)
    over = float((norm / (norm[0] * np.exp(-sigma2 * run["time"].values))).max())
    always = gone[sigma2] == starts and over <= 1 + 1e-6
    without = gone[0.0] == starts
    return decided(
        "does not hold" if not always else "holds" if without else "holds under conditions",
        f"without stop-gradient {gone[0.0]} of {starts} starts collapse at σ² = 0, {gone[sigma2]} at {sigma2:g}",
        numbers(
            ("starts that collapse without noise", gone[0.0]),
            (f"starts that collapse at σ² = {sigma2:g}", gone[sigma2]),
            ("linear network: largest ‖W‖ over its bound ‖W₀‖e^{−σ²t}", over),
        ),
    )


def loss_rises(*, initial: Mapping[str, float] = START, alpha: float = 1.0, t_end: float = 40.0) -> Verdict:
    """Loss along the runs with stop-gradient and without."""
    runs = {
        branch: solve(
            system("toy", branch=branch), initial, times=np.linspace(0, t_end, 801), parameters={"alpha": alpha}
        )
        for branch in ("stop", "full")
    }
    stop, full = (np.asarray(runs[branch]["loss"].values, dtype=float) for branch in ("stop", "full"))
    peak, falls = float(stop.max() / stop[0]), bool((np.diff(full) <= 1e-12).all())
    alive = abs(float(runs["stop"]["theta"][-1])) > abs(float(runs["full"]["theta"][-1]))
    return decided(
        "holds" if peak > 1 and falls and alive else "does not hold",
        f"with stop-gradient the loss rises {peak:.3g}-fold, without it {'only falls' if falls else 'rises too'}",
        numbers(
            ("highest loss over the first, stop", peak),
            ("at flow time", float(runs["stop"]["time"][stop.argmax()])),
            ("loss without stop-gradient never rises", falls),
            ("θ at the end, stop", float(runs["stop"]["theta"][-1])),
            ("θ at the end, full", float(runs["full"]["theta"][-1])),
        ),
    )


def no_potential(*, branch: Branch = "stop") -> Verdict:
    """Curl of the field at α = 1, symbolically; and a function that falls along every orbit all the same."""
    flow = system("toy", branch=branch)
    phi, theta = (flow.symbols[name] for name in flow.states)
    forward, encoder = (velocity.subs(flow.symbols["alpha"], 1) for velocity in flow.rhs)
    curl = sympy.simplify(sympy.diff(encoder, phi) - sympy.diff(forward, theta))
    falling = sympy.factor(sympy.diff((1 - phi) ** 2, phi) * forward)
    shown = str(curl).replace("theta", "θ").replace("phi", "φ").replace("**", "^").replace("*", "")
    return decided(
        "holds" if curl != 0 else "does not hold",
        f"'{branch}': ∂θ′/∂φ − ∂φ′/∂θ = {shown} at α = 1" + ("" if curl == 0 else ", not 0: no potential"),
        numbers(
            ("curl", shown),
            ("curl at the article's start", float(curl.subs({phi: START["phi"], theta: START["theta"]}))),
            ("still, (1 − φ)² changes at the rate", str(falling)),
        ),
    )


def teacher_unneeded(*, phi: float = 0.6, theta: float = 0.6, sigma2: float = 0.1, eta: float = 0.1) -> Verdict:
    """Ends without a teacher and with slower and slower ones; cold: the teacher starts at 0."""
    values, start = {"sigma2": sigma2, "eta_p": eta, "eta_s": eta}, {"phi": phi, "theta": theta}
    plain = outcome(system("scalar"), start, values)
    rows, cold = [("without teacher: θ ends at", float(plain.limit["theta"]))], 0
    for beta in (10.0, 1.0, 0.1, 0.01):
        ends = [outcome(system("byol"), {**start, "xi": xi}, {**values, "beta": beta}) for xi in (theta, 0.0)]
        rows.append((f"teacher of rate {beta:g}: θ ends at", float(ends[0].limit["theta"])))
        rows.append(("the same from a cold teacher: θ ends at", float(ends[1].limit["theta"])))
        cold += bool(ends[1].collapsed)
    return decided(
        "does not hold" if plain.collapsed else "holds",
        f"without a teacher θ ends at {float(plain.limit['theta']):.4g}; {cold} of 4 cold teachers collapse",
        numbers(*rows),
    )


def alternation_restates(*, lambda_d: float = 1.0, lambda_s: float = 1.1) -> Verdict:
    """The alternating reading without predictor, with and without stop-gradient; beside it a learned predictor."""
    values = {"lambda_d": lambda_d, "lambda_s": lambda_s}
    branches: tuple[Branch, ...] = ("stop", "full")
    ends = {b: outcome(system("alternating", branch=b), {"w": 1.0}, values) for b in branches}
    predictor = outcome(system("scalar"), START, {"sigma2": lambda_s / lambda_d - 1})
    rates = {b: float(system("alternating", branch=b).field(values).f(0.0, np.array([1.0]))[0]) for b in ends}
    alone = all(end.collapsed for end in ends.values())
    return decided(
        "holds" if alone and not predictor.collapsed else "does not hold",
        f"alternation alone moves w at {rates['stop']:.4g} with stop-gradient and {rates['full']:.4g} without",
        numbers(
            *((f"w ends at, {branch}", float(end.limit["w"])) for branch, end in ends.items()),
            ("θ ends at with a learned predictor", float(predictor.limit["theta"])),
        ),
    )


def predictor_is_key(*, nu: float = 0.2) -> Verdict:
    """Rates at the origin of the derived flows with stop-gradient: no predictor, and one that is fixed."""
    values, r = {"lambda_d": 1 - nu, "lambda_s": 1.0}, 1 - nu

    def rate(flow: Any) -> float:
        return float(np.asarray(flow.field(values).jacobian(0.0, np.array([0.0])))[0, 0])

    none = rate(method("no-predictor").flow())
    fixed = {p: rate(method("fixed-predictor", p=p).flow()) for p in (0.25 * r, 0.75 * r, 1.25 * r)}
    learned = outcome(system("scalar"), START, {"sigma2": 1 / r - 1})
    return decided(
        "holds" if none < 0 and not learned.collapsed else "does not hold",
        f"rate at the origin {none:.3g} without predictor, {fixed[0.75 * r]:.3g} with the fixed p = {0.75 * r:.3g}",
        numbers(
            ("without predictor, stop-gradient kept", none),
            *((f"predictor fixed at {p / r:.2f}·r: it need not learn", value) for p, value in fixed.items()),
            ("learned predictor: θ ends at", float(learned.limit["theta"])),
        ),
    )


def two_views_are_twice(*, shared: float = 0.0, views: int = 7, seed: int = 0) -> Verdict:
    """Both sides summed over all pairs of views of a random network; `shared`: chance that both views are one."""
    random = np.random.default_rng(seed)
    inner, outer = random.normal(size=(5, 3)), random.normal(size=(4, 5))
    features = np.tanh(random.normal(size=(views, 3)) @ inner.T) @ outer.T
    chance = random.dirichlet(np.ones(views))
    pairs = (1 - shared) * np.outer(chance, chance) + shared * np.diag(chance)
    gaps = ((features[:, None] - features[None]) ** 2).sum(-1)
    spread = float(chance @ ((features - chance @ features) ** 2).sum(-1))
    ratio = float((pairs * gaps).sum()) / spread
    return decided(
        "holds" if abs(ratio - 2) < 1e-12 else "does not hold",
        f"E‖F(T₁x) − F(T₂x)‖² is {ratio:.12g} times E‖F(Tx) − E F(Tx)‖²",
        numbers(("ratio", ratio), ("views", views), ("chance that the two views are one", shared)),
    )


# Noise of variance 1 by its values and their chances: two points, three nodes with a Gaussian's first five moments,
# and a rare large one.
NOISES = {
    "two points": ((-1.0, 1.0), (0.5, 0.5)),
    "Gaussian to fourth order": ((-np.sqrt(3), 0.0, np.sqrt(3)), (1 / 6, 2 / 3, 1 / 6)),
    "rare and large": ((-5.0, 0.0, 5.0), (0.02, 0.96, 0.02)),
}


def variance_grows(*, noises: Mapping[str, Any] = NOISES) -> Verdict:
    """Variance of the two-view loss and of the one-view loss n², scaled to the same mean, over all pairs."""
    ratios, plain = {}, {}
    for name, (values, chances) in noises.items():
        n, p = np.array(values), np.array(chances)
        one = float(p @ n**4 - (p @ n**2) ** 2)
        gaps, pairs = (n[:, None] - n[None]) ** 2 / 2, np.outer(p, p)
        two = float((pairs * gaps**2).sum() - (pairs * gaps).sum() ** 2)
        ratios[name], plain[name] = two - one, 4 * two - one
    larger = sum(value > 1e-12 for value in ratios.values())
    return decided(
        judged(larger, len(ratios)),
        f"at equal size the two-view loss has the larger variance for {larger} of {len(ratios)} kinds of noise",
        numbers(
            *((f"{name}: variance more, at equal size", value) for name, value in ratios.items()),
            *((f"{name}: variance more, as it stands (twice the size)", value) for name, value in plain.items()),
        ),
    )


def mean_view_target(*, lambda_s: float = 1.1) -> Verdict:
    """Ends of E‖F(Tx) − F(x̄)‖² for a linear F, with and without predictor and stop-gradient."""
    starts = {"no-predictor": {"w": 0.1}, "predictor": {"p": 0.6, "w": 0.1}}
    ends = {}
    branches: tuple[Branch, ...] = ("stop", "full")
    for variant, branch in product(starts, branches):
        ends[variant, branch] = outcome(
            system("xbar", variant=variant, branch=branch), starts[variant], {"lambda_s": lambda_s}
        )
    collapsed = sum(bool(end.collapsed) for end in ends.values())
    safe = float(ends["predictor", "stop"].limit["w"])
    return decided(
        judged(collapsed, len(ends)),
        f"it collapses in {collapsed} of {len(ends)} settings; with predictor and stop-gradient w → {safe:.3g}",
        numbers(*((f"{v}, {b}: w ends at", float(end.limit["w"])) for (v, b), end in ends.items())),
    )
