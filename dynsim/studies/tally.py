"""How far a sweep is, how fast it goes, how long it will take."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter

from dynsim.studies.store import FAILED

__all__ = ["Tally"]


@dataclass
class Tally:
    """Tasks by how they ended.

    Attributes
    ----------
    total : int
    done, failed : int
        Finished tasks, those of earlier runs included.
    run : int
        Tasks that this run finished.
    """

    total: int
    done: int = 0
    failed: int = 0
    run: int = 0
    _started: float = field(default_factory=perf_counter)

    def add(self, status: int, *, before: bool = False) -> None:
        """Count a task; `before`: one that was finished when this run began."""
        self.failed += status == FAILED
        self.done += status != FAILED
        self.run += not before

    @property
    def finished(self) -> int:
        """Done or failed."""
        return self.done + self.failed

    @property
    def seconds(self) -> float:
        """Since this run began."""
        return perf_counter() - self._started

    @property
    def rate(self) -> float:
        """Tasks per second of this run."""
        return self.run / max(self.seconds, 1e-9)

    def sentence(self) -> str:
        """Rate, remaining time and failures.

        Examples
        --------
        >>> from dynsim.studies.tally import Tally
        >>> Tally(10).sentence()
        '0 failed'
        """
        failed = f"{self.failed} failed"
        if not self.run:
            return failed
        left = (self.total - self.finished) / self.rate
        return f"{self.rate:.3g} tasks/s, {_clock(left)} left, {failed}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
