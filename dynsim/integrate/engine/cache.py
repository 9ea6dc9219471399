"""Object code on disk, so that a flow is compiled once per machine and not once per process.

An entry is written under another name and moved into place, so that concurrent writers never mix; it starts
with a checksum, so that a damaged one is found out and compiled again. A folder that cannot be written, or that
others may write, is no error: there is then no cache.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

__all__ = ["cached", "folder", "source"]

_DIGEST = hashlib.sha256().digest_size


def folder() -> Path:
    """Where the entries lie: ``$DYNSIM_CACHE``, else the user's cache folder."""
    chosen = os.environ.get("DYNSIM_CACHE")
    if chosen:
        return Path(chosen)
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME", home / ".cache"))
    return base / "dynsim"


@cache
def source() -> str:
    """Digest of the engine's own source: other source, other machine code."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def cached(key: str, make: Callable[[], bytes]) -> bytes:
    """Entry of a key, made and stored if it is absent or damaged."""
    path = folder() / f"{hashlib.sha256(key.encode()).hexdigest()}.o"
    found = _read(path)
    if found is None:
        found = make()
        _write(path, found)
    return found


def _read(path: Path) -> bytes | None:
    """The entry, if it is whole and nobody else can have put it there: it will be run."""
    if not _private(path.parent):
        return None
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or not _mine(status):
                return None
            content = file.read()
    except OSError:
        return None
    digest, payload = content[:_DIGEST], content[_DIGEST:]
    return payload if payload and hashlib.sha256(payload).digest() == digest else None


def _mine(status: os.stat_result) -> bool:
    return not hasattr(os, "getuid") or status.st_uid == os.getuid()


def _private(place: Path) -> bool:
    """Whether a folder is this user's and nobody else may write there; Windows keeps its users apart itself."""
    try:
        status = place.stat()
    except OSError:
        return False
    return not hasattr(os, "getuid") or (_mine(status) and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def _write(path: Path, payload: bytes) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _private(path.parent):
            return
        handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(payload).digest() + payload)
            os.replace(name, path)
        except OSError:
            os.unlink(name)
    except OSError:
        return
