"""Block by block: simultaneous and alternating gradient steps of games, k steps each, or exact minimisation.

While a block moves, the other blocks and everything inside a stop-gradient stand still: alternating optimisation of
L(θ, η) in the sense of SimSiam, with η the part inside the stop-gradient.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Integral
from typing import Any

import numpy as np

from dynsim.errors import InvalidType, bad, unknown
from dynsim.integrate.optimisers.catalogue import Optimiser, Step
from dynsim.integrate.optimisers.frozen import frozen_gradient, frozen_hessian
from dynsim.integrate.optimisers.gradient import gradient_descent
from dynsim.integrate.optimisers.problem import Problem
from dynsim.symbolic.expressions import name_of

_NEWTON_STEPS = 30
_SETTLED = 1e-12  # a Newton step this small, relative to the block, leaves its square
_FLAT = 1e-10  # a curvature below this share of the largest counts as none

Blocks = tuple[tuple[str, ...], ...]


def simultaneous(problem: Problem) -> Step:
    """All states at once, from the same point: plain gradient descent."""
    return gradient_descent(problem)


def alternating(problem: Problem, *, order: Any = None, k: Any = 1) -> Step:
    """One block after the other, each `k` gradient steps with the newest values of the others.

    `order`: sequence of states or of tuples of states; by default predictor, then encoder, or, without roles, every
    state by itself. `k`: a number of steps, or ``{state: number}`` for the block that holds the state.
    """
    blocks = _blocks(problem, order)
    counts = _counts(blocks, k)
    gradients = [frozen_gradient(problem, block) for block in blocks]
    rows = [problem.rows_of(block) for block in blocks]

    def step(y: np.ndarray) -> np.ndarray:
        moved = y.copy()
        for gradient, own, repeats in zip(gradients, rows, counts, strict=True):
            anchor = moved.copy()
            for _ in range(repeats):
                moved[own] -= problem.lr * gradient(moved, anchor)
        return (moved - y)[problem.rows]

    return step


def alternating_minimisation(problem: Problem, *, order: Any = None) -> Step:
    """One block after the other, each to the minimum of its own loss; the nearest one where there are many.

    The step size plays no part. A member whose block has no minimum ends as NaN.
    """
    blocks = _blocks(problem, order)
    parts = [(problem.rows_of(block), *frozen_hessian(problem, block)) for block in blocks]

    def step(y: np.ndarray) -> np.ndarray:
        moved = y.copy()
        for own, gradient, hessian in parts:
            anchor = moved.copy()
            for _ in range(_NEWTON_STEPS):
                slope = gradient(moved, anchor)
                change = _newton_step(hessian(moved, anchor), slope)
                moved[own] -= change
                if not (np.abs(change).max(axis=0) > _SETTLED * np.abs(moved[own]).max(axis=0)).any():
                    break
        return (moved - y)[problem.rows]

    return step


def _newton_step(hessian: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """Newton step inside the curved directions; NaN where a direction bends down or slopes without bending."""
    finite = np.isfinite(hessian).all(axis=(0, 1)) & np.isfinite(slope).all(axis=0)
    values, vectors = np.linalg.eigh(np.moveaxis(np.where(finite, hessian, 0.0), -1, 0))
    along = np.einsum("mji,jm->mi", vectors, np.where(finite, slope, 0.0))
    scale = np.abs(values).max(axis=1, keepdims=True)
    curved = values > _FLAT * scale
    steepest = np.abs(along).max(axis=1, keepdims=True)
    bounded = curved | ((np.abs(values) <= _FLAT * scale) & (np.abs(along) <= 1e-9 * np.maximum(steepest, 1e-300)))
    bounded |= (scale == 0) & (steepest == 0)
    change = np.where(curved, along / np.where(curved, values, 1.0), 0.0)
    change[~(bounded.all(axis=1) & finite)] = np.nan
    return np.einsum("mij,mj->im", vectors, change)


def _blocks(problem: Problem, order: Any) -> Blocks:
    """Blocks that hold every moving state once."""
    if order is None:
        roles = problem.field.roles
        by_role = tuple(tuple(roles.get(role, ())) for role in ("predictor", "encoder") if roles.get(role))
        placed = {name for block in by_role for name in block}
        return (*by_role, *((name,) for name in problem.moving if name not in placed))
    if isinstance(order, str) or not isinstance(order, Iterable):
        raise bad("order", order, "a sequence of states or of tuples of states", kind=InvalidType)
    blocks = tuple(
        (name_of("order", item),) if not isinstance(item, tuple | list) else tuple(name_of("order", n) for n in item)
        for item in order
    )
    names = [name for block in blocks for name in block]
    for name in names:
        if name not in problem.moving:
            raise unknown("state in order", name, problem.moving)
    if sorted(names) != sorted(problem.moving):
        raise bad("order", order, f"every moving state once: {', '.join(problem.moving)}")
    return blocks


def _counts(blocks: Blocks, k: Any) -> list[int]:
    """Number of steps of every block."""
    if not isinstance(k, Mapping):
        return [_positive("k", k)] * len(blocks)
    named = {name_of("k", key): _positive(f"k['{key}']", value) for key, value in k.items()}
    for name in named:
        if not any(name in block for block in blocks):
            raise unknown("state in k", name, [name for block in blocks for name in block])
    return [max((named[name] for name in block if name in named), default=1) for block in blocks]


def _positive(argument: str, value: Any) -> int:
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise bad(argument, value, "a positive whole number", kind=InvalidType)
    number = int(value)
    if number < 1:
        raise bad(argument, value, "a positive whole number")
    return number


def _pace(order: Any, k: Any) -> float:
    """Flow time of a round: k steps of every block; where the blocks differ, one step is the unit."""
    return 1.0 if isinstance(k, Mapping) else float(k)


SIMULTANEOUS = Optimiser(
    "simultaneous", "all players of a game at once", "Arrow, Hurwicz & Uzawa (1958)", simultaneous
)
ALTERNATING = Optimiser(
    "alternating",
    "block after block, k gradient steps each, stop-gradients held meanwhile",
    "Mescheder, Geiger & Nowozin, arXiv:1801.04406 (2018); Chen & He, arXiv:2011.10566 (2021)",
    alternating,
    _pace,
)
ALTERNATING_MINIMISATION = Optimiser(
    "alternating-minimisation",
    "block after block to the exact minimum of its loss, stop-gradients held meanwhile",
    "Chen & He, arXiv:2011.10566 (2021); Su Jianlin, kexue.fm/archives/7980 (2020)",
    alternating_minimisation,
)
