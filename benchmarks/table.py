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


WIDTH = 62


def print_table(title, rows):
    """Print rows as they come, one line each, and return them."""
    printed = []
    for row in rows:
        if not printed:
            print(f"\n{title}")
        target = f"{'≥' if row.sense == 'at least' else '≤'} {row.target:g}"
        short = "" if row.met else "SHORT"
        print(f"{row.what:{WIDTH}s} {row.value:9.2f} {target:>8s} {short:5s} {row.detail}", flush=True)
        printed.append(row)
    return printed
