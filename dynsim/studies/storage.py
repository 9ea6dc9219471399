"""Where the bytes of a store lie: a folder, or any URL that fsspec knows. An object appears whole or not at all."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from threading import get_ident
from typing import Any, Protocol
from urllib.parse import urlsplit
from urllib.request import url2pathname

from dynsim.errors import InvalidType, bad, missing_extra
from dynsim.storage import looked_at

__all__ = ["PARTS", "Folder", "Remote", "Storage", "storage_of"]

PARTS = ".parts"  # of objects that are being written


class Storage(Protocol):
    """Objects by key."""

    url: str

    def read(self, key: str) -> bytes | None:
        """Bytes of an object, None if there is none."""

    def write(self, key: str, data: bytes, *, durable: bool = False) -> None:
        """Put an object; when this returns, `durable` ones have reached the disk."""

    def remove(self, key: str) -> None:
        """Remove an object if it is there."""

    def keys(self, prefix: str) -> Iterator[str]:
        """Keys directly under a prefix."""


class Folder:
    """A folder of a local or shared file system."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = str(path)

    def read(self, key: str) -> bytes | None:
        """Bytes of an object, None if there is none."""
        try:
            return (self.path / key).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, key: str, data: bytes, *, durable: bool = False) -> None:
        """Write under another name, then rename; `durable` waits for the disk."""
        target = f"{self.url}/{key}"
        part = f"{self.url}/{PARTS}/{platform.node()}-{os.getpid()}-{get_ident()}"
        try:
            file = open(part, "wb")  # noqa: SIM115 - closed by the next line
        except FileNotFoundError:
            os.makedirs(os.path.dirname(part), exist_ok=True)
            file = open(part, "wb")  # noqa: SIM115
        with file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        try:
            os.replace(part, target)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.replace(part, target)

    def remove(self, key: str) -> None:
        """Remove an object if it is there."""
        (self.path / key).unlink(missing_ok=True)

    def keys(self, prefix: str) -> Iterator[str]:
        """Keys directly under a prefix."""
        try:
            with os.scandir(self.path / prefix) as entries:
                yield from (f"{prefix}/{entry.name}" for entry in entries)
        except FileNotFoundError:
            return

    def clean(self) -> None:
        """Remove what was being written when a worker was killed."""
        shutil.rmtree(self.path / PARTS, ignore_errors=True)


class Remote:
    """Any other URL; its object stores put whole objects."""

    def __init__(self, url: str) -> None:
        try:
            import fsspec
        except ImportError:
            raise missing_extra("fsspec", "sweeps", "stores behind a URL") from None
        try:
            self._files, self._root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise bad("out", url, "a folder or a URL that fsspec knows", str(error)) from None
        self.url = url.rstrip("/")

    def read(self, key: str) -> bytes | None:
        """Bytes of an object, None if there is none."""
        try:
            return bytes(self._files.cat_file(f"{self._root}/{key}"))
        except FileNotFoundError:
            return None

    def write(self, key: str, data: bytes, *, durable: bool = False) -> None:
        """Put an object."""
        path = f"{self._root}/{key}"
        self._files.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        self._files.pipe_file(path, data)

    def remove(self, key: str) -> None:
        """Remove an object if it is there."""
        if self._files.exists(f"{self._root}/{key}"):
            self._files.rm_file(f"{self._root}/{key}")

    def keys(self, prefix: str) -> Iterator[str]:
        """Keys directly under a prefix."""
        try:
            names = self._files.ls(f"{self._root}/{prefix}", detail=False)
        except FileNotFoundError:
            return
        yield from (f"{prefix}/{str(name).rstrip('/').rsplit('/', 1)[-1]}" for name in names)


@lru_cache(maxsize=16)
def _remote(url: str) -> Remote:
    return Remote(url)


def storage_of(out: Any) -> Storage:
    """Storage of a path or URL.

    Examples
    --------
    >>> from dynsim.studies.storage import storage_of
    >>> storage = storage_of("memory://example")
    >>> storage.write("a/b", b"bytes")
    >>> storage.read("a/b"), storage.read("a/c")
    (b'bytes', None)
    """
    if not isinstance(out, str | os.PathLike):
        raise bad("out", out, "a folder or a URL that fsspec knows", kind=InvalidType)
    text = os.fspath(out)
    if isinstance(text, bytes) or not text:
        raise bad("out", out, "a folder or a URL that fsspec knows")
    if text.startswith("file://"):  # a folder by another name
        text = url2pathname(urlsplit(text).path)
    if "://" in text:
        return _remote(text)
    return Folder(looked_at("out", Path(text).expanduser(), "a folder or a name that is free").absolute())
