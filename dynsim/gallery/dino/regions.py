"""Where DINO's prototypes live, after its flow: folds and Hopf points by continuation, ends by long runs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr

from dynsim.analysis.numerics.continuation import continuation
from dynsim.analysis.numerics.parameter_curves import hopf_curve
from dynsim.integrate.solve import solve
from dynsim.methods.catalogue import method
from dynsim.methods.prototype_clusters import assignments, cluster_field, cold_start, fate, warm_start
from dynsim.symbolic.flow import Flow
from dynsim.symbolic.rules import Descend, Move, Rule

AGREEMENT, TAU_S, PROTOTYPES = 0.7, 0.1, 10
SLOWNESS = 10.0  # how much faster the student's constant mode settles than its teacher follows
COLD, WARM = 1e-4, 1e-3  # how far the starts are from the uniform and from the trained state
STARTS = ("cold", "warm")


def fates(
    taus: np.ndarray, ratios: np.ndarray, note: Callable[[str], None], *, prototypes: int = PROTOTYPES
) -> xr.Dataset:
    """How long runs of all K² logits end, over the teacher's temperature and m/β, from cold and from warm."""
    beta = teacher_rate(prototypes)
    found = np.zeros((len(taus), len(ratios), len(STARTS)), dtype=np.int8)
    limit = float(points(prototypes)["fold"])
    for i, tau in enumerate(taus):
        note(f"runs of {prototypes}² logits, τ_t = {tau:g}")
        for j, ratio in enumerate(ratios):
            field = cluster_field(AGREEMENT, TAU_S, tau, prototypes, ratio * beta, beta)
            for k, start in enumerate(STARTS):
                # Where no trained state is left, a warm start is the last one there was.
                at = min(tau, 0.999 * limit)
                warm = warm_start(AGREEMENT, TAU_S, at, prototypes, WARM)
                initial = cold_start(prototypes, COLD) if start == "cold" else warm
                times = np.linspace(0, 200 / beta, 401)
                run = solve(field, initial, times=times, method="RK45", rtol=1e-5, atol=1e-8)
                found[i, j, k] = fate(*assignments(run["S"].values[200:], TAU_S))
    return xr.Dataset(
        {"flow_fate": (("flow_tau_t", "flow_ratio", "start"), found)},
        {"flow_tau_t": taus, "flow_ratio": ratios, "start": list(STARTS)},
    )


def teacher_rate(prototypes: int) -> float:
    """β, from the rate 1/(K²τ_s²) at which the student's constant mode settles."""
    return 1 / (prototypes**2 * TAU_S**2 * SLOWNESS)


def points(prototypes: int, agreement: float = AGREEMENT) -> xr.Dataset:
    """The fold and the loss of stability of the uniform state, by continuation of the pattern's flow in τ_t."""
    flow = method("dino", prototypes=prototypes, agreement=agreement, tau_t=0.6 * agreement * TAU_S).flow()
    found = continuation(flow, "tau_t", (0.5 * agreement * TAU_S, TAU_S), parameters={"r": agreement})
    folds = [fold["tau_t"] for fold in found.folds if fold["b"] > 0]
    crossings = [point["tau_t"] for point in found.branch_points if abs(point["b"]) < 1e-6]
    return xr.Dataset({"fold": max(folds, default=np.nan), "uniform_loses": min(crossings, default=np.nan)})


def two_clusters() -> Flow:
    """K = 2 with a teacher: constant mode a and pattern b of the student, A and B of the teacher, centre c."""
    student = "(a + b*X)/tau_s"
    loss = f"softplus({student}) - sigmoid((sg(A + B*X2) - c)/tau_t)*{student}"
    rules: dict[str, Rule] = {
        "a": Descend(loss),
        "b": Descend(loss),
        "A": Move("beta*(a - A)"),
        "B": Move("beta*(b - B)"),
        "c": Move("mu*beta*(A - c)"),
    }
    return Flow.of(rules, random=method("dino").drawn)


def hopf_line(taus: np.ndarray) -> xr.Dataset:
    """m/β at which the uniform state starts to cycle, by continuation of the Hopf point."""
    beta = 1 / (4 * TAU_S**2 * SLOWNESS)
    flow = two_clusters()
    fixed = {"tau_s": TAU_S, "beta": beta, "r": AGREEMENT}
    rest = dict.fromkeys(flow.states, 0.0)
    found = continuation(flow, "mu", (0.05, 20.0), parameters={**fixed, "tau_t": 0.04}, initial=rest)
    first = next(point for point in found.hopf if abs(point["b"]) < 1e-9)
    curve = hopf_curve(
        flow, ("mu", "tau_t"), first, parameters=fixed, span={"mu": (1e-3, 1e3), "tau_t": (taus.min(), taus.max())}
    )
    order = np.argsort(curve["tau_t"].values)
    return xr.Dataset(
        {"hopf_ratio": ("hopf_tau_t", curve["mu"].values[order])}, {"hopf_tau_t": curve["tau_t"].values[order]}
    )
