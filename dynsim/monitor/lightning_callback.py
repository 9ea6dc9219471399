"""A monitor as a callback of Lightning: it needs the extra ``lightning``, and neither model nor loop is changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from dynsim.arguments import a_whole
from dynsim.errors import missing_extra
from dynsim.monitor.hooks import kept_output, layers_of, record_kept, uncompiled
from dynsim.monitor.live_laws import unwrapped
from dynsim.monitor.recording import Monitor

if TYPE_CHECKING:
    from lightning.pytorch import Callback, LightningModule, Trainer
else:
    try:
        from lightning.pytorch import Callback
    except ModuleNotFoundError:  # said where it is used, so that this module can be looked at without
        Callback = None

__all__ = ["LightningMonitor"]


class LightningMonitor(Callback or object):  # type: ignore[misc]
    """Monitor the outputs of layers of a `LightningModule` while a `Trainer` fits it.

    A step is a step of the optimiser (``trainer.global_step``); with accumulated gradients the first of its batches
    is measured. The last of the layers gives the features, of the others the share of dead units is recorded, as
    `attach` does it; the loss is that which ``training_step`` returns.

    Parameters
    ----------
    layers : str, nn.Module, or sequence of such
        Names as in ``module.named_modules()``, or such modules.
    views : int or "halves"
        The first two calls of the last layer within a batch are its two views; or "halves" where both views pass in
        one call, the first half of it the first view; or 1.
    **options
        Of `Monitor`.

    Attributes
    ----------
    monitor : Monitor
        With ``dataset``, ``alarm`` and ``diagnose()``.

    Raises
    ------
    InvalidType, InvalidValue, UnknownName
        When training begins: no such layer; in training: a layer that puts out no tensor.

    See Also
    --------
    attach : the same for a loop of one's own.

    Examples
    --------
    >>> from dynsim.monitor import LightningMonitor
    >>> callback = LightningMonitor("backbone", every=10)  # doctest: +SKIP
    >>> Trainer(callbacks=[callback]).fit(module)  # doctest: +SKIP
    >>> callback.monitor.diagnose()  # doctest: +SKIP
    """

    def __init__(self, layers: Any, *, views: int | str = 2, **options: Any) -> None:
        if Callback is None:
            raise missing_extra("lightning", "lightning", "callbacks of Lightning")
        if not isinstance(views, str) or views != "halves":
            views = a_whole("views", views, expected="a number of calls per batch, or 'halves'")
        self.layers, self.views, self.monitor = layers, views, Monitor(**options)
        self._handles: list[Any] = []
        self._names: list[str] = []
        self._kept: dict[str, list[Tensor]] | None = None  # of this batch, if it is one to be recorded
        self._step = -1

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to listen to the layers."""
        self._stop()
        chosen = layers_of(unwrapped(pl_module, "model"), self.layers)
        self._names = list(chosen)
        self._handles = [layer.register_forward_hook(self._heard(name)) for name, layer in chosen.items()]

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Keep what the layers put out, if this step is one to be recorded."""
        step = int(trainer.global_step)
        due = step % self.monitor.every == 0 and step != self._step
        self._kept, self._step = ({} if due else None), step

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Record the batch."""
        if self._kept is None:
            return
        kept, self._kept = self._kept, None
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        kept = {name: values[:1] if self.views == 1 else values for name, values in kept.items()}
        record_kept(self.monitor, self._step, self._names, kept, halves=self.views == "halves", loss=loss)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop listening."""
        self._stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Stop listening."""
        self._stop()

    def _stop(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def _heard(self, name: str) -> Any:
        def hook(module: torch.nn.Module, inputs: Any, output: Any) -> None:
            if self._kept is None or not module.training or not torch.is_grad_enabled():
                return
            self._kept.setdefault(name, []).append(kept_output(name, output))

        return uncompiled(hook)
