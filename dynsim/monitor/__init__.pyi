"""Public names and where they are defined, for type checkers and editors; a test holds them to ``__all__``."""

from dynsim.monitor.hooks import attach as attach
from dynsim.monitor.lightning_callback import LightningMonitor as LightningMonitor
from dynsim.monitor.recording import Monitor as Monitor
