"""An equilibrium, or a curve of them, and a list of all there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy
import xarray as xr

from dynsim.records import stamp
from dynsim.symbolic.numeric import evaluate
from dynsim.symbolic.printing import text
from dynsim.table import Table

__all__ = ["Equilibria", "Equilibrium"]

COLUMNS = ("kind", "where", "eigenvalues", "stability changes at")


@dataclass(frozen=True, eq=False)
class Equilibrium:
    """A point at which nothing moves, or a curve of such points.

    Attributes
    ----------
    point : dict
        ``{state: value}``; of a curve a representative.
    curve : dict or None
        ``{state: expression in one state}`` of a curve that is known in closed form.
    eigenvalues : tuple
        Of the field's Jacobian, by descending real part. On a curve: expressions in its free state, zero
        (along the curve) last. At a kink those of its slowest side, NaN where the sides do not decide the kind.
    kind : str
        "stable node", "unstable node", "stable focus", "unstable focus", "saddle", "centre",
        "non-hyperbolic", "line", or "surface of dimension 2" (3, …).
    changes : tuple of dict
        Points of a curve at which its stability changes.
    trace : dict or None
        ``{state: array}``, points along a curve that is known numerically only.
    conditions : tuple of Expr
        What is not negative on a curve or surface that ends at a kink.

    See Also
    --------
    equilibria : what finds them.

    Examples
    --------
    >>> import dynsim
    >>> one = dynsim.equilibria(dynsim.gradient_flow("(w^2 - 1)^2/4", "w"))[0]
    >>> one.kind, one.point, one.dimension
    ('stable node', {'w': -1}, 0)
    """

    point: dict[str, Any]
    curve: dict[str, sympy.Expr] | None
    eigenvalues: tuple[Any, ...]
    kind: str
    changes: tuple[dict[str, Any], ...] = ()
    trace: dict[str, np.ndarray] | None = None
    conditions: tuple[sympy.Expr, ...] = ()

    @property
    def free(self) -> str | None:
        """Name of the state along which a curve runs."""
        return self.free_states[0] if len(self.free_states) == 1 else None

    @property
    def free_states(self) -> tuple[str, ...]:
        """Names of the states that are free: one along a curve, several on a surface."""
        values = (self.curve or {}).items()
        return tuple(name for name, value in values if isinstance(value, sympy.Symbol) and value.name == name)

    @property
    def dimension(self) -> int:
        """0 of a point, 1 of a curve, more of a surface."""
        if self.trace is not None:
            return 1
        return int(self.kind.rsplit(" ", 1)[1]) if self.kind.startswith("surface") else len(self.free_states)

    def along(self, values: Any) -> dict[str, np.ndarray]:
        """Points of a curve at the given values of its free state; NaN where the curve is not real or has ended."""
        values = np.asarray(values, dtype=float)
        held = np.all([_evaluate(item, values) >= 0 for item in self.conditions] or True, axis=0)
        return {name: np.where(held, _evaluate(expr, values), np.nan) for name, expr in (self.curve or {}).items()}

    def growth(self, values: Any) -> np.ndarray:
        """Largest real part of the transverse eigenvalues along a curve: negative where it attracts."""
        values = np.asarray(values, dtype=float)
        parts = [np.real(_evaluate(expr, values, complex)) for expr in self.eigenvalues[:-1]]
        return np.max(parts, axis=0) if parts else np.full(values.shape, -np.inf)

    def __str__(self) -> str:
        row = self.row()
        changes = f"; stability changes at {row['stability changes at']}" if self.changes else ""
        return f"{self.kind}: {row['where']}\neigenvalues {row['eigenvalues']}{changes}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return Table([self.row()], COLUMNS)._repr_html_()

    @property
    def fastest(self) -> float:
        """Largest real part of the eigenvalues at `point`, of a curve of those across it; NaN where not a number."""
        values = self.eigenvalues[: len(self.eigenvalues) - self.dimension]
        at = {name: float(value) for name, value in self.point.items()}
        numbers = [sympy.sympify(value).subs(at).evalf() for value in values]
        parts = [complex(number).real if number.is_number else np.nan for number in numbers]
        return max(parts, default=-np.inf)

    def row(self) -> dict[str, str]:
        """Return a row of the table."""
        where = self.curve or self.point
        return {
            "kind": self.kind,
            "where": ", ".join(
                [
                    *(
                        f"{name} free" if name in self.free_states else f"{name} = {brief(value)}"
                        for name, value in where.items()
                    ),
                    *map(_inequality, self.conditions),
                ]
            ),
            "eigenvalues": ", ".join(brief(value) for value in self.eigenvalues),
            "stability changes at": "; ".join(
                ", ".join(f"{name} = {brief(value)}" for name, value in point.items()) for point in self.changes
            ),
        }


def _inequality(condition: sympy.Expr) -> str:
    """Written with a single symbol on the left where there is one."""
    symbol, *others = sorted(condition.free_symbols, key=str)
    slope = condition.coeff(symbol)
    if not others and slope.is_number and slope != 0 and not (condition - slope * symbol).has(symbol):
        end = (slope * symbol - condition) / slope
        return f"{symbol} {'≥' if slope > 0 else '≤'} {brief(end)}"
    return f"{text(-condition)} ≤ 0" if condition.could_extract_minus_sign() else f"{text(condition)} ≥ 0"


def _evaluate(expr: sympy.Expr, values: np.ndarray, dtype: type = float) -> np.ndarray:
    at: dict[Any, np.ndarray] = dict.fromkeys(expr.free_symbols, values.astype(dtype))
    return np.broadcast_to(evaluate([expr], at)[0], values.shape)


def brief(value: Any) -> str:
    """A number in six digits, unless it is rational and short; an expression as text."""
    if isinstance(value, sympy.Basic):
        written = text(value) if not value.has(sympy.CRootOf) else ""
        if value.free_symbols or (written and len(written) <= 12):
            return written
        value = complex(value) if value.is_real is False else float(value)
    if isinstance(value, complex):
        return f"{value.real:.6g}{value.imag:+.6g}i"
    return f"{value:.6g}"


class Equilibria(Sequence[Equilibrium]):
    """All equilibria that were found; prints as a table.

    Attributes
    ----------
    complete : bool
        Whether it is proven that there are no others (in the box, if one was given).
    note : str
        How they were found, and what was left open.
    """

    def __init__(
        self,
        found: Iterable[Equilibrium],
        complete: bool,
        note: str = "",
        states: Iterable[str] = (),
        about: Mapping[str, Any] | None = None,
    ) -> None:
        self._found = tuple(found)
        self.complete = complete
        self.note = note
        self._states = tuple(states)
        self._about = dict(about or {})

    def __len__(self) -> int:
        return len(self._found)

    def __getitem__(self, index: Any) -> Any:
        return self._found[index]

    def __iter__(self) -> Iterator[Equilibrium]:
        return iter(self._found)

    @property
    def table(self) -> Table:
        """Kind, place, eigenvalues and changes of stability, one row per equilibrium."""
        rows: list[Mapping[str, str]] = [item.row() for item in self]
        return Table(rows, COLUMNS)

    @property
    def dataset(self) -> xr.Dataset:
        """What `draw` takes: over `equilibrium` every state (of a curve at one point), `kind`, `dimension`, growth.

        `growth` is the largest real part of the eigenvalues, of a curve of those across it, at that point.
        """
        places = np.array([[float(item.point[name]) for name in self._states] for item in self], dtype=float)
        places = places.reshape(len(self), len(self._states))
        variables: dict[str, Any] = {name: ("equilibrium", places[:, i]) for i, name in enumerate(self._states)}
        variables["kind"] = ("equilibrium", np.array([item.kind for item in self], dtype=str))
        variables["dimension"] = ("equilibrium", np.array([item.dimension for item in self], dtype=np.int64))
        variables["growth"] = ("equilibrium", np.array([item.fastest for item in self], dtype=float))
        about = {"complete": int(self.complete), "note": self.note, **self._about}
        return stamp(xr.Dataset(variables), kind="equilibria", **about)

    @property
    def remark(self) -> str:
        """One line: whether the list is proven complete, and why not."""
        return "complete" if self.complete else f"not proven complete: {self.note}"

    def __str__(self) -> str:
        return f"{self.table}\n({self.remark})"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"{self.table._repr_html_()}<p>({self.remark})</p>"
