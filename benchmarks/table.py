"""The table that the benchmarks print: every figure beside its target."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes
    ----------
    what : str
    value, target : float
    sense : str
        "at least" or "at most".
    detail : str
        The numbers behind it.
    """

    what: str
    value: float
    target: float
    sense: str
    detail: str = ""

    @property
    def met(self):
        """Whether the figure is where it should be."""
        return self.value >= self.target if self.sense == "at least" else self.value <= self.target


def print_table(title, rows):
    """Print rows as they are, one line each."""
    print(f"\n{title}")
    wide = max(len(row.what) for row in rows)
    for row in rows:
        target = f"{'≥' if row.sense == 'at least' else '≤'} {row.target:g}"
        print(
            f"{row.what:{wide}s} {row.value:9.2f} {target:>8s} {'' if row.met else 'SHORT':5s} {row.detail}",
            flush=True,
        )
