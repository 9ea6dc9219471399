"""The same ensemble by every solver that is installed: one function per peer, the imports inside.

Each takes a `Problem` and a tolerance, does everything that needs to be done once, and returns ``run(starts, times)``
with starts of shape ``(states, members)`` and a result of shape ``(states, members, times)``, on one core; dynsim also
takes a number of threads. Times begin at 0 only if there are several; a single one is the end.
"""

from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import sympy
import xarray as xr

from dynsim import gradient_flow, system
from dynsim.symbolic.functions import sigmoid
from dynsim.symbolic.sources import as_flow


@dataclass(frozen=True)
class Problem:
    """A flow with values for its parameters, and its right-hand side as text of x0, x1, …"""

    name: str
    flow: object
    t_end: float
    widest: float = 1.5

    @property
    def size(self):
        return len(self.flow.states)

    def starts(self, count):
        return np.random.default_rng(0).uniform(-self.widest, self.widest, (self.size, count))

    @property
    def equations(self):
        """Right-hand side in the states x0, x1, …, the parameters as p0, p1, …, and their values."""
        flow, values = self.flow, self.flow.values()
        names = {flow.symbols[s]: sympy.Symbol(f"x{i}") for i, s in enumerate(flow.states)}
        names |= {flow.symbols[p]: sympy.Symbol(f"p{i}") for i, p in enumerate(flow.parameters)}
        return [entry.xreplace(names) for entry in flow.rhs], [float(values[p]) for p in flow.parameters]

    @property
    def plain_equations(self):
        """The same in functions that every peer has."""
        rhs, values = self.equations
        return [entry.replace(sigmoid, lambda x: 1 / (1 + sympy.exp(-x))) for entry in rhs], values

    def function(self, modules, *, plain=True):
        """Callable ``rhs(x0, x1, …, p0, p1, …)`` in the functions of a module."""
        rhs, values = self.plain_equations if plain else self.equations
        arguments = [sympy.Symbol(f"x{i}") for i in range(self.size)]
        arguments += [sympy.Symbol(f"p{i}") for i in range(len(values))]
        return sympy.lambdify(arguments, rhs, modules=modules, cse=True), values


def dino():
    """DINO with two prototypes: student a + bX, teacher A + BX behind it at the rate beta, centre c behind A."""

    def share(base, slope, tau, weighted):
        return " + ".join(f"{sign * weighted or 1}*sigmoid(({base} + {sign}*{slope})/{tau})/2" for sign in (1, -1))

    student, teacher = ("a", "b", "tau_s"), ("A - c", "B", "tau_t")
    equations = (
        f"a' = -({share(*student, 0)} - ({share(*teacher, 0)}))/tau_s",
        f"b' = -({share(*student, 1)} - r*({share(*teacher, 1)}))/tau_s",
        "A' = beta*(a - A)",
        "B' = beta*(b - B)",
        "c' = m*(A - c)",
    )
    return as_flow("; ".join(equations)).describe(defaults={"tau_s": 0.1, "tau_t": 0.04, "r": 0.7, "beta": 5, "m": 60})


def tanh_network():
    """A network of three hidden units with two layers of weights on three points: six states."""
    points = {-1.0: -0.5, 0.5: 0.8, 1.5: 0.3}
    output = {x: "+".join(f"v{j}*tanh({x}*w{j})" for j in (1, 2, 3)) for x in points}
    loss = " + ".join(f"({output[x]} - ({y}))^2/2" for x, y in points.items())
    return gradient_flow(loss, [f"{layer}{j}" for layer in "vw" for j in (1, 2, 3)])


PROBLEMS = {
    problem.name: problem
    for problem in (
        Problem("toy stop", system("toy"), 30.0),
        Problem("toy full", system("toy", branch="full"), 30.0),
        Problem("byol", system("byol"), 30.0),
        Problem("modes k=4", system("modes", k=4), 30.0),
        Problem("dino", dino(), 1.0, 0.3),
        Problem("tanh net", tanh_network(), 5.0),
    )
}


def dynsim(problem, tolerance, threads=1):
    from dynsim.integrate.ensemble import ensemble

    flow = problem.flow

    def run(starts, times):
        rows = dict(zip(flow.states, starts, strict=True))
        alone = starts.shape[1] == 1
        initial = (
            {n: row[0] for n, row in rows.items()} if alone else xr.Dataset({n: ("m", r) for n, r in rows.items()})
        )
        when = {"times": times} if len(times) > 1 else {"t_end": times[0]}
        options = {"rtol": tolerance, "atol": tolerance, "workers": threads, "method": "compiled"}
        found = ensemble(flow, initial, **when, **options)
        return [found[name].values.reshape(starts.shape[1], len(times)) for name in flow.states]

    return run


def heyoka(problem, tolerance, width=8):
    import heyoka as hy

    rhs, values = problem.function(
        [{name: getattr(hy, name) for name in ("exp", "tanh", "sigmoid")}, "math"], plain=False
    )
    states = [hy.make_vars(f"x{i}") for i in range(problem.size)]
    equations = list(zip(states, rhs(*states, *(hy.par[i] for i in range(len(values)))), strict=True))
    pars = np.repeat(np.array(values)[:, None], width, axis=1)

    ta = hy.taylor_adaptive_batch(equations, np.zeros((problem.size, width)), pars=pars, tol=tolerance)

    def run(starts, times):
        out = np.empty((problem.size, starts.shape[1], len(times)))
        for begin in range(0, starts.shape[1], width):
            count = min(width, starts.shape[1] - begin)
            ta.set_time(0.0)
            ta.state[:, :count] = starts[:, begin : begin + count]
            if len(times) == 1:
                ta.propagate_until(times[0])
                out[:, begin : begin + count, 0] = ta.state[:, :count]
            else:
                grid = np.repeat(times[:, None], width, axis=1)
                recorded = ta.propagate_grid(grid)[-1]
                out[:, begin : begin + count] = np.moveaxis(recorded, (0, 1, 2), (2, 0, 1))[:, :count]
        return out

    return run


@cache
def _diffrax(problem):
    import jax

    jax.config.update("jax_enable_x64", True)
    import diffrax as dfx
    import jax.numpy as jnp

    rhs, values = problem.function("jax")
    term = dfx.ODETerm(lambda t, y, args: jnp.stack(rhs(*y, *values)))

    def one(y0, times, tolerance, single):
        saved = dfx.SaveAt(t1=True) if single else dfx.SaveAt(ts=times)
        controller = dfx.PIDController(rtol=tolerance, atol=tolerance)
        options = {"saveat": saved, "stepsize_controller": controller, "max_steps": 100_000, "throw": False}
        return dfx.diffeqsolve(term, dfx.Dopri8(), 0.0, times[-1], None, y0, adjoint=dfx.ForwardMode(), **options).ys

    return {s: jax.jit(jax.vmap(partial(one, single=s), in_axes=(0, None, None))) for s in (True, False)}


def diffrax(problem, tolerance):
    every = _diffrax(problem)

    def run(starts, times):
        found = every[len(times) == 1](starts.T, times, tolerance)
        return np.moveaxis(np.asarray(found), 2, 0)

    return run


@cache
def _numbalsoda(problem):
    import numba
    from numbalsoda import dop853, lsoda_sig

    rhs, values = problem.plain_equations
    shared, results = sympy.cse(rhs, order="none", symbols=sympy.numbered_symbols("c"))
    lines = [f"x{i} = u[{i}]" for i in range(problem.size)] + [f"p{i} = p[{i}]" for i in range(len(values))]
    lines += [f"{name} = {entry}" for name, entry in shared]
    lines += [f"du[{i}] = {entry}" for i, entry in enumerate(results)]
    scope = {}
    exec("def right(t, u, du, p):\n    " + "\n    ".join(lines), scope)  # SymPy's text in the names given here
    compiled = numba.cfunc(lsoda_sig)(scope["right"])
    pointer, data = compiled.address, np.array(values)

    @numba.njit
    def work(starts, times, tolerance, out):
        for member in range(starts.shape[0]):
            found, _ = dop853(pointer, starts[member], times, data, tolerance, tolerance)
            out[member] = found

    return work, compiled


def numbalsoda(problem, tolerance):
    work, _keep = _numbalsoda(problem)

    def run(starts, times):
        record = times if times[0] == 0 else np.concatenate([[0.0], times])
        out = np.empty((starts.shape[1], len(record), problem.size))
        work(np.ascontiguousarray(starts.T), record, tolerance, out)
        return np.moveaxis(out[:, len(record) - len(times) :], 2, 0)

    return run


def torchode(problem, tolerance):
    import torch
    import torchode as to

    torch.set_num_threads(1)
    rhs, values = problem.function([{"sqrt": torch.sqrt, "exp": torch.exp, "tanh": torch.tanh}, "math"])
    term = to.ODETerm(lambda t, y: torch.stack(torch.broadcast_tensors(*rhs(*y.unbind(1), *values)), dim=1))
    method = to.Dopri5(term=term)
    controller = to.IntegralController(atol=tolerance, rtol=tolerance, term=term)
    solver = to.AutoDiffAdjoint(method, controller)

    def run(starts, times):
        y0 = torch.tensor(np.ascontiguousarray(starts.T))
        record = torch.tensor(times if times[0] == 0 else np.concatenate([[0.0], times]))
        with torch.no_grad():
            found = solver.solve(to.InitialValueProblem(y0=y0, t_eval=record.expand(len(y0), -1)))
        return np.moveaxis(found.ys.numpy()[:, len(record) - len(times) :], 2, 0)

    return run


def scipy(problem, tolerance):
    from scipy.integrate import solve_ivp

    rhs, values = problem.function("numpy")

    def run(starts, times):
        def right(t, y):
            return np.concatenate(rhs(*y.reshape(starts.shape), *values))

        options = {"method": "DOP853", "rtol": max(tolerance, 3e-14), "atol": tolerance}
        found = solve_ivp(right, (0.0, times[-1]), starts.ravel(), t_eval=times, **options)
        return found.y.reshape(*starts.shape, len(times))

    return run


PEERS = {
    "dynsim": (dynsim, ("llvmlite", "dynsim.integrate.engine.program")),
    "heyoka": (heyoka, ("heyoka",)),
    "diffrax": (diffrax, ("diffrax",)),
    "numbalsoda": (numbalsoda, ("numbalsoda", "numba")),
    "torchode": (torchode, ("torchode", "torch")),
    "scipy": (scipy, ("scipy",)),
}
"""Name → (maker, what must be installed)."""

MANY = 10_000
BATCHES = {"diffrax": MANY, "torchode": MANY, "scipy": MANY}
"""Peers that are faster in calls of so many starts than in larger ones."""


def calls(name, count, times):
    """The starts of each call: all at once, or in pieces where that is faster or all points would fill the memory."""
    size = BATCHES.get(name, count) if len(times) == 1 else MANY
    return [slice(first, min(first + size, count)) for first in range(0, count, size)]
