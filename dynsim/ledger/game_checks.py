"""What decides the sentences about the Dirac-GAN."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import brentq

from dynsim.choices import FlowOptimiser
from dynsim.integrate.optimise import optimise
from dynsim.integrate.solve import solve
from dynsim.ledger.contract import decided, magnitude, numbers
from dynsim.systems.catalogue import system
from dynsim.verdict import Verdict

NAMES = {"gamma": "γ", "sigma2": "σ²"}


def _linearised(variant: str) -> Callable[..., np.ndarray]:
    """Eigenvalues at (0, 0) as a function of the parameters, the Jacobian derived once."""
    flow = system("dirac-gan", variant=variant)
    states = [flow.symbols[name] for name in flow.states]
    matrix = flow.rhs.jacobian(states).subs(dict.fromkeys(states, 0))

    def eigenvalues(**parameters: float) -> np.ndarray:
        values = {flow.symbols[name]: value for name, value in parameters.items()}
        return np.linalg.eigvals(np.array(matrix.subs(values).evalf(), dtype=float))

    return eigenvalues


def circles(*, variant: str = "unregularised", gamma: float = 0.0) -> Verdict:
    """Eigenvalues at the equilibrium, and the radius along a run."""
    flow = system("dirac-gan", variant=variant)
    values = {"gamma": gamma} if "gamma" in flow.parameters else {}
    found = _linearised(variant)(**values)
    run = solve(flow, {"theta": 1.0, "psi": 1.0}, times=np.linspace(0, 100, 201), parameters=values)
    radius = np.asarray((run["theta"] ** 2 + run["psi"] ** 2).values, dtype=float)
    change = float(np.abs(radius / radius[0] - 1).max())
    real, imaginary = float(np.abs(found.real).max()), float(np.abs(found.imag).max())
    return decided(
        "holds" if real < 1e-12 and imaginary > 0 and change < 1e-6 else "does not hold",
        f"eigenvalues {found.real.max():.3g} ± {imaginary:.3g}i; θ² + ψ² changes by {magnitude(change)} over t = 100",
        numbers(("real part", real), ("imaginary part", imaginary), ("relative change of θ² + ψ²", change)),
    )


def damped(*, variant: str = "r1", strengths: Sequence[float] = (0.1, 0.5, 2.0, 4.0)) -> Verdict:
    """Real parts at the equilibrium over the strength of a regulariser, and where oscillation ends."""
    knob = "sigma2" if variant == "instance-noise" else "gamma"
    eigenvalues = _linearised(variant)
    largest = [float(eigenvalues(**{knob: strength}).real.max()) for strength in strengths]

    def discriminant(strength: float) -> float:
        values = eigenvalues(**{knob: strength})
        return float(((values[0] - values[1]) ** 2).real)

    ends = (1e-3, 16.0)
    crossing = discriminant(ends[0]) < 0 < discriminant(ends[1])
    critical = float(brentq(discriminant, *ends, xtol=1e-10)) if crossing else np.nan
    damping = sum(value < 0 for value in largest)
    where = (
        f"it stops oscillating at {NAMES[knob]} = {critical:.4g}" if crossing else "it oscillates at every strength"
    )
    return decided(
        "holds" if damping == len(strengths) else "holds under conditions" if damping else "does not hold",
        f"{variant}: damped at {damping} of {len(strengths)} strengths; {where}",
        numbers(
            *(
                (f"{NAMES[knob]} = {s:g}: largest real part", value)
                for s, value in zip(strengths, largest, strict=True)
            ),
            ("critical damping at", critical),
        ),
    )


def instance_noise(*, strengths: Sequence[float] = (0.1, 0.5, 2.0, 4.0)) -> Verdict:
    """As `damped`, for noise on real and generated data of variance σ²."""
    return damped(variant="instance-noise", strengths=strengths)


def never_settles(*, gamma: float = 0.5, target: float = 0.3, h: float = 0.02, time: float = 200.0) -> Verdict:
    """Distance from the equilibrium late in alternating steps of WGAN-GP, one update of each player in turn."""
    steps, late = round(time / h), {}
    for start in (0.01, 1.0):
        run = optimise(
            system("dirac-gan", variant="wgan-gp"), {"theta": start, "psi": start}, steps,
            optimiser="alternating", lr=h, parameters={"gamma": gamma, "g0": target}, every=steps // 400,
        )  # fmt: skip
        late[start] = float(np.hypot(run["theta"].values, run["psi"].values)[-100:].max())
    away = sum(radius > 1e-3 for radius in late.values())
    return decided(
        "holds" if away == len(late) else "does not hold",
        f"late distance from (0, 0): {late[0.01]:.3g} from a start near it, {late[1.0]:.3g} from far",
        numbers(
            *((f"from θ = ψ = {start:g}", radius) for start, radius in late.items()),
            ("slope that the penalty aims at", target),
            ("step h, one update each in turn", h),
        ),
    )


def simultaneous_diverges(*, steps: Sequence[float] = (0.5, 0.1, 0.02), time: float = 40.0) -> Verdict:
    """Growth of θ² + ψ² under simultaneous gradient steps, for smaller and smaller ones; alternating beside it."""
    growth: dict[FlowOptimiser, list[float]] = {"simultaneous": [], "alternating": []}
    for name, found in growth.items():
        for h in steps:
            count = round(time / h)
            run = optimise(system("dirac-gan"), {"theta": 0.5, "psi": 0.5}, count, optimiser=name, lr=h, every=count)
            radius = (run["theta"] ** 2 + run["psi"] ** 2).values.astype(float)
            found.append(float(radius[-1] / radius[0]))
    away = sum(value > 1 for value in growth["simultaneous"])
    return decided(
        "holds" if away == len(steps) else "does not hold",
        f"θ² + ψ² grows {min(growth['simultaneous']):.4g}- to {max(growth['simultaneous']):.4g}-fold in t = {time:g}",
        numbers(
            *((f"simultaneous, h = {h:g}", value) for h, value in zip(steps, growth["simultaneous"], strict=True)),
            *((f"alternating, h = {h:g}", value) for h, value in zip(steps, growth["alternating"], strict=True)),
        ),
    )
