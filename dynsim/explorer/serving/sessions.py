"""How many visitors there may be: one kernel each, counted from the moment a page is asked for."""

from __future__ import annotations

from contextvars import ContextVar
from subprocess import DEVNULL
from typing import Any

from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.ioloop import IOLoop
from traitlets import Integer
from voila.tornado.handler import TornadoVoilaHandler

__all__ = ["BoundedHandler", "BoundedKernels", "full_page"]

# What a browser says it loads when a person opens the page, framed by this server's own pages or not.
_PAGES = ("document", "iframe", "empty")

_place: ContextVar[object | None] = ContextVar("place", default=None)


class BoundedKernels(AsyncMappingKernelManager):
    """Kernel manager that knows whether there is room for one more."""

    max_sessions = Integer(8, config=True, help="kernels at the same time")
    unopened_seconds = Integer(40, config=True, help="after which a kernel whose page never connected is ended")

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.waiting: set[object] = set()
        self.started: dict[object, str] = {}

    @property
    def full(self) -> bool:
        """Whether every place is taken, those being prepared included."""
        return len(self.list_kernel_ids()) + len(self.waiting) >= self.max_sessions

    async def start_kernel(self, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        """Start a kernel in the place that the request holds."""
        quiet = {"stdout": DEVNULL, "stderr": DEVNULL}  # a kernel that is stopped while it starts would complain here
        started = await super().start_kernel(*args, **{**quiet, **kwargs})
        place = _place.get()
        self.waiting.discard(place)
        if place is not None:
            self.started[place] = started
        return started

    def watch(self, place: object) -> None:
        """From now on, when the page is sent, its websocket has some time to open."""
        kernel_id = self.started.pop(place, None)
        if kernel_id is not None:
            IOLoop.current().call_later(self.unopened_seconds, self._end_unopened, kernel_id)

    async def _end_unopened(self, kernel_id: str) -> None:
        """Free the place of a page that never connected, such as one that a script somewhere asked for."""
        if kernel_id in self.list_kernel_ids() and not self._kernel_connections.get(kernel_id, 0):
            await self.shutdown_kernel(kernel_id, now=True)


class BoundedHandler(TornadoVoilaHandler):
    """Page handler that answers politely when every place is taken."""

    async def get(self, path: str | None = None) -> None:
        """Serve the explorer, or the page that says why not."""
        if self.request.headers.get("Sec-Fetch-Dest", "document") not in _PAGES:
            self.set_status(403)  # an image or a script of some page elsewhere takes no place
            self.finish("this address is a page")
            return
        kernels = self.kernel_manager
        if kernels.full:
            self.set_status(503)
            self.set_header("Retry-After", "30")
            self.set_header("Content-Type", "text/html; charset=utf-8")
            self.finish(full_page(kernels.max_sessions))
            return
        place = object()
        kernels.waiting.add(place)
        _place.set(place)
        try:
            await super().get(path)
        finally:
            kernels.waiting.discard(place)
            kernels.watch(place)


def full_page(places: int) -> str:
    """Page that says that every place is taken."""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>dynsim: all places are taken</title>
<meta name="viewport" content="width=device-width">
<style>
  :root {{ color-scheme: light dark; }}
  body {{ font: 17px/1.5 system-ui, sans-serif; max-width: 34em; margin: 18vh auto; padding: 0 1.5em; }}
  a {{ color: inherit; }}
</style></head>
<body><main><h1>All places are taken</h1>
<p>This explorer serves at most {places} visitors at a time, and {places} are here. A place becomes free when
someone closes the page, or leaves it alone for a while.</p>
<p><a href="">Try again</a></p></main></body></html>
"""
