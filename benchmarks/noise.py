"""Paths of a stochastic equation by dynsim, diffrax and a vectorised NumPy loop, side by side on one core.

python benchmarks/noise.py [--paths 131072] [--repeat 3]

The equation is that of stochastic gradient descent on the scalar system. Each line says how long a step of one path
takes and how far the average of θ² at the end is off, in thousandths, beside its standard error: the schemes of Euler
and Maruyama have the same weak error whatever stands for the increments, so that their times compare as they are, and
the last lines do. CPU time; peers that are not installed are left out.
"""

import argparse
import time
from importlib.util import find_spec

import numpy as np
import sympy

import dynsim

LOSS = "E((phi*theta*(x + n1) - sg(theta*(x + n2)))^2)/2"
VIEWS = "x ~ normal(0, 1), n1 ~ normal(0, sigma2), n2 ~ normal(0, sigma2)"
VALUES = {"sigma2": 0.1, "eta": 0.1, "h": 0.2, "B": 4}
START = {"phi": 0.7, "theta": 0.7}
T_END = 16.0
STEPS = 40
NOISY = dynsim.noisy_flow(LOSS, "phi, theta", random=VIEWS, decay={"phi": "eta", "theta": "eta"}, order=0)


def coefficients(module):
    """Drift and diffusion as functions of φ and θ, common subexpressions shared."""
    at = {sympy.Symbol(name): value for name, value in VALUES.items()}
    states = sympy.symbols("phi theta")
    entries = [part.subs(at) for part in (*NOISY.drift, *NOISY.diffusion)]
    return sympy.lambdify(states, entries, modules=module, cse=True)


def by_dynsim(method, increments, count, steps):
    def run(seed):
        seeds = np.arange(seed * count, (seed + 1) * count)
        options = {"method": method, "increments": increments, "dt": T_END / steps, "workers": 1}
        found = dynsim.ensemble(NOISY, START, T_END, parameters=VALUES, seeds=seeds, **options)
        assert found.attrs.get("engine") == "compiled"
        return found.theta.values

    return run


def by_numpy(kind, count, steps, piece=8192):
    """Euler–Maruyama as one writes it, in pieces that stay in the cache."""
    field = coefficients("numpy")
    dt = T_END / steps

    def run(seed):
        rng, ends = np.random.default_rng(seed), np.empty(count)
        for first in range(0, count, piece):
            size = min(piece, count - first)
            phi, theta = np.full(size, START["phi"]), np.full(size, START["theta"])
            for _ in range(steps):
                if kind == "normal":
                    dw = np.sqrt(dt) * rng.standard_normal(size)
                else:
                    dw = np.sqrt(dt) * (2.0 * rng.integers(0, 2, size, dtype=np.int8) - 1)
                a, b, c, d = field(phi, theta)
                phi, theta = phi + a * dt + c * dw, theta + b * dt + d * dw
            ends[first : first + size] = theta
        return ends

    return run


def by_diffrax(tree, count, steps):
    """Euler with all paths in one call; the increments drawn step by step, or by a virtual Brownian tree."""
    import jax

    jax.config.update("jax_enable_x64", True)
    import diffrax as dfx
    import jax.numpy as jnp

    field = coefficients("jax")
    dt = T_END / steps
    start = jnp.array(list(START.values()))

    def one(key):
        drift = dfx.ODETerm(lambda t, y, args: jnp.stack(field(*y)[:2]))
        if tree:
            wiener = dfx.VirtualBrownianTree(0.0, T_END, tol=dt / 2, shape=(), key=key)
        else:
            wiener = dfx.UnsafeBrownianPath(shape=(), key=key)
        terms = dfx.MultiTerm(drift, dfx.ControlTerm(lambda t, y, args: jnp.stack(field(*y)[2:]), wiener))
        options = {"saveat": dfx.SaveAt(t1=True), "adjoint": dfx.ForwardMode() if tree else dfx.DirectAdjoint()}
        return dfx.diffeqsolve(terms, dfx.Euler(), 0.0, T_END, dt, start, max_steps=steps + 1, **options).ys[0, 1]

    every = jax.jit(jax.vmap(one))
    return lambda seed: np.asarray(every(jax.random.split(jax.random.key(seed), count)))


def timed(run, repeat):
    """Least CPU time of some runs, and all results."""
    run(0)
    best, ends = np.inf, []
    for seed in range(1, repeat + 1):
        begin = time.process_time()
        ends.append(run(seed))
        best = min(best, time.process_time() - begin)
    return best, np.concatenate(ends)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--paths", type=int, default=2**17)
    parser.add_argument("--repeat", type=int, default=3)
    asked = parser.parse_args()
    exact = by_dynsim("weak-2", "normal", 2**21, 16 * STEPS)(99) ** 2
    lines = [
        ("dynsim", f"{method}, {increments}", steps, by_dynsim(method, increments, asked.paths, steps))
        for method, increments, steps in (
            ("euler-maruyama", "two-point", STEPS),
            ("euler-maruyama", "three-point", STEPS),
            ("euler-maruyama", "normal", STEPS),
            ("weak-2", "three-point", STEPS),
            ("weak-2", "three-point", STEPS // 2),
        )
    ]
    lines += [
        ("numpy", f"euler-maruyama, {kind}", STEPS, by_numpy(kind, asked.paths, STEPS))
        for kind in ("two-point", "normal")
    ]
    if find_spec("diffrax"):
        lines.append(("diffrax", "euler, drawn step by step", STEPS, by_diffrax(False, asked.paths, STEPS)))
        lines.append(("diffrax", "euler, Brownian tree", STEPS, by_diffrax(True, asked.paths, STEPS)))
    print(f"{'':8} {'scheme':30} {'steps':>6} {'ns per step':>12} {'error of E[θ²]·1000':>22}")
    cost = {}
    for peer, scheme, steps, run in lines:
        seconds, ends = timed(run, asked.repeat)
        off, error = (ends**2).mean() - exact.mean(), (ends**2).std() / np.sqrt(len(ends))
        cost[peer, scheme, steps] = seconds
        per_step = seconds / asked.paths / steps * 1e9
        print(f"{peer:8} {scheme:30} {steps:6} {per_step:12.2f} {1e3 * off:14.2f} ± {1e3 * error:.2f}")
    euler = {key: seconds for key, seconds in cost.items() if "euler" in key[1]}  # the same weak error, all of them
    ours = min(seconds for (peer, _, _), seconds in euler.items() if peer == "dynsim")
    for peer in ("numpy", "diffrax"):
        theirs = [seconds for (name, _, _), seconds in euler.items() if name == peer]
        if theirs:
            print(f"at this weak error dynsim's fastest takes 1/{min(theirs) / ours:.1f} of {peer}'s fastest")


if __name__ == "__main__":
    main()
