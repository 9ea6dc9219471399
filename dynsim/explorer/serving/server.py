"""Voilà with one notebook of one cell, on loopback unless asked otherwise, that ends cleanly."""

from __future__ import annotations

import errno
import logging
import os
import webbrowser
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_core.paths import jupyter_data_dir
from tornado.ioloop import IOLoop
from traitlets.config import Config
from voila.app import Voila
from voila.tornado.handler import TornadoVoilaHandler
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler

from dynsim.errors import bad
from dynsim.explorer.serving.page import START
from dynsim.explorer.serving.sessions import BoundedHandler, BoundedKernels
from dynsim.explorer.serving.websocket import GuardedWebsocket
from dynsim.explorer.setting import Setting
from dynsim.explorer.short_text import to_text

__all__ = ["ExplorerServer", "serve"]

_CELL = "from dynsim.explorer.serving.page import page\n\npage()"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
# Everything comes from this server: the page works without a network and tells nobody that it is open.
_POLICY = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; frame-ancestors 'self'"
_RETRIES = 50


class ThisPython(KernelSpecManager):
    """Only the Python that runs the server: a kernel of the same name elsewhere may lack dynsim."""

    kernel_dirs: list[str] = []  # noqa: RUF012


class ExplorerServer(Voila):
    """Voilà with bounded places, local visitors and an address that is told once it is known."""

    ready: Callable[[str], None] = staticmethod(lambda url: None)
    any_port = True
    first_port = 8866

    def init_settings(self) -> dict[str, Any]:
        """Refuse other hosts' names while the server listens on loopback only."""
        settings: dict[str, Any] = super().init_settings()
        return {**settings, "allow_remote_access": self.ip not in _LOOPBACK}

    def init_handlers(self) -> list[Any]:
        """Put bounded and guarded handlers in the place of Voilà's own."""
        ours = {TornadoVoilaHandler: BoundedHandler, VoilaKernelWebsocketHandler: GuardedWebsocket}
        return [(entry[0], ours.get(entry[1], entry[1]), *entry[2:]) for entry in super().init_handlers()]

    def listen(self) -> None:
        """Listen, tell the address, and serve until interrupted or terminated."""
        self._bind()
        self.ready(f"http://{self.ip}:{self.port}/")
        self.ioloop = IOLoop.current()
        try:
            self.ioloop.start()
        except KeyboardInterrupt:
            pass  # the usual way to end
        finally:
            self.stop()

    def _bind(self) -> None:
        for port in range(self.first_port, self.first_port + (_RETRIES if self.any_port else 1)):
            try:
                self.app.listen(port, self.ip)
            except OSError as error:
                if error.errno == errno.EADDRINUSE and self.any_port:
                    continue
                raise bad("--port", port, "a port that is free and allowed", str(error)) from error
            self.port = port
            return
        raise bad("--port", self.first_port, f"a free port among the next {_RETRIES}")


def serve(
    setting: Setting,
    *,
    port: int | None = None,
    ip: str = "127.0.0.1",
    max_sessions: int = 8,
    idle_minutes: float = 30.0,
    theme: str = "light",
    open_browser: bool = True,
    ready: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve the explorer until Ctrl-C.

    Parameters
    ----------
    setting : Setting
        What a visitor sees first, unless the address names something else.
    port : int, optional
        Exactly this port; by default the first free one from 8866.
    ip : str
        Address to listen on; by default this computer only.
    max_sessions : int
        Visitors at a time; the next one gets a page that says so.
    idle_minutes : float
        A visitor who moves nothing for so long loses the place.
    theme : {"light", "dark"}
    open_browser : bool
    ready : callable
        ``ready(url)``, called once the server listens.

    Raises
    ------
    InvalidValue
        A port that is taken, a number of visitors below one.
    """
    if max_sessions < 1:
        raise bad("--max-sessions", max_sessions, "at least 1")
    if port is not None and not 0 < port < 65536:
        raise bad("--port", port, "a number from 1 to 65535")
    if not idle_minutes > 0:
        raise bad("--idle", idle_minutes, "a positive number of minutes")
    for name in ("tornado.access", "tornado.application", "tornado.general"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # a visitor who is refused is no news
    with TemporaryDirectory(prefix="dynsim-explorer-") as folder:
        os.environ[START] = to_text(setting)
        _place_for_data(folder)
        server = ExplorerServer(config=_config(max_sessions, idle_minutes, theme))
        server.config_file_paths = []  # a visitor's page must not depend on what else is installed
        server.first_port, server.any_port, server.ip = port or 8866, port is None, ip
        server.connection_dir_root, server.log_level = folder, logging.ERROR
        server.initialize([str(_notebook(Path(folder)))])

        def started(url: str) -> None:
            ready(url)
            if open_browser:
                webbrowser.open(url)

        server.ready = started
        server.start()


def _place_for_data(folder: str) -> None:
    """Jupyter signs notebooks in a database of the user's: a home that cannot be written is no reason to fail."""
    try:
        Path(jupyter_data_dir()).mkdir(parents=True, exist_ok=True)
    except OSError:
        os.environ["JUPYTER_DATA_DIR"] = folder


def _config(max_sessions: int, idle_minutes: float, theme: str) -> Config:
    return Config(
        {
            "VoilaConfiguration": {
                "theme": theme,
                "multi_kernel_manager_class": BoundedKernels,
                "kernel_spec_manager_class": ThisPython,
            },
            "BoundedKernels": {"max_sessions": max_sessions},
            "MappingKernelManager": {
                "cull_idle_timeout": max(1, round(60 * idle_minutes)),
                "cull_interval": max(1, min(30, round(20 * idle_minutes))),
                "cull_connected": True,
            },
            "Voila": {"open_browser": False, "tornado_settings": {"headers": {"Content-Security-Policy": _POLICY}}},
        }
    )


def _notebook(folder: Path) -> Path:
    cell = nbformat.v4.new_code_cell(_CELL)
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path = folder / "dynsim.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel}), path)
    return path
