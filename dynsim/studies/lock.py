"""One driver per store: a lock that a dead driver does not keep.

The lock is a file that names its holder's process and host and is touched every few seconds. On one host a holder
counts as dead when its process is gone; on another, when the file has not been touched for a minute by the clock of
the shared disk. Taking it is guarded by the kernel's file lock, so that two drivers cannot both inherit it.
"""

from __future__ import annotations

import json
import os
import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from uuid import uuid4

from dynsim.errors import bad

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # not on Windows, where only an abandoned lock makes the difference
    fcntl = None

__all__ = ["Lock", "holder"]

BEAT = 5.0  # seconds between touches
STALE = 60.0  # seconds without a touch after which a holder elsewhere counts as dead


class Lock:
    """Hold the lock of a store as a context manager.

    Parameters
    ----------
    path : pathlib.Path
        The store's folder; the lock lies beside it.

    Raises
    ------
    InvalidValue
        When entered while another driver holds it.
    """

    def __init__(self, path: Path) -> None:
        self.lost = False  # taken over by another driver, as a driver that slept for long seems dead
        self._file = _file(path)
        self._store = path
        self._mine = {"pid": os.getpid(), "born": _born(os.getpid()), "host": platform.node(), "token": uuid4().hex}
        self._stop = threading.Event()
        self._beat = threading.Thread(target=self._touch, daemon=True, name="dynsim-lock")

    def __enter__(self) -> Lock:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with _guarded(self._file):
            other = _read(self._file)
            if other is not None and _alive(self._file, other):
                raise bad(
                    "store",
                    str(self._store),
                    "one on which no other driver works",
                    f"process {other['pid']} on {other['host']} does; wait for it or stop it",
                )
            part = self._file.with_name(f"{self._file.name}.{self._mine['token']}")
            part.write_text(json.dumps(self._mine), encoding="utf-8")
            os.replace(part, self._file)
        self._beat.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._beat.join()
        with _guarded(self._file):
            if _read(self._file) == self._mine:
                self._file.unlink(missing_ok=True)

    def _touch(self) -> None:
        while not self._stop.wait(BEAT):
            try:
                if _read(self._file) != self._mine:
                    self.lost = True
                    return
                os.utime(self._file)
            except OSError:
                continue  # a full or absent disk shows where results are written


def holder(path: Path) -> dict[str, object] | None:
    """Process and host of the driver that works on a store, None if there is none."""
    other = _read(_file(path))
    if other is None or not _alive(_file(path), other):
        return None
    return {"pid": other["pid"], "host": other["host"]}


def _file(store: Path) -> Path:
    return store.with_name(f"{store.name}.lock")


@contextmanager
def _guarded(path: Path) -> Iterator[None]:
    if fcntl is None:
        yield
        return
    with open(path.with_suffix(".log"), "a") as guard:  # the sweep's log stays beside the store anyway
        fcntl.flock(guard, fcntl.LOCK_EX)
        yield


def _read(path: Path) -> dict[str, object] | None:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except ValueError:
        return {}


def _alive(path: Path, other: dict[str, object]) -> bool:
    if not other:
        return False  # written by no driver, or torn by a power cut
    if other["host"] == platform.node():
        pid = int(str(other["pid"]))
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return _born(pid) == other["born"]  # else the number was given to another process
    try:
        here = path.with_name(f"{path.name}.clock")
        here.touch()
        try:
            return here.stat().st_mtime - path.stat().st_mtime < STALE
        finally:
            here.unlink(missing_ok=True)
    except FileNotFoundError:
        return False


def _born(pid: int) -> str:
    """When a process was started, where the system says so."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            return stat.read().rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return ""
