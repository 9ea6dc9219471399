"""A monitor by forward hooks: for a model whose training loop one does not want to touch."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from dynsim.arguments import a_whole
from dynsim.errors import InvalidType, bad, unknown
from dynsim.monitor.live_laws import unwrapped
from dynsim.monitor.recording import Monitor

__all__ = ["attach"]


@contextmanager
def attach(model: Any, layers: Any, *, views: int | str = 2, **options: Any) -> Iterator[Monitor]:
    """Monitor the outputs of layers while the model is trained inside the ``with`` block.

    A step is counted after so many forward calls of the model in training mode with gradients; evaluation is not
    counted. The last of the layers gives the features, of the others the share of dead units is recorded, as
    ``dead_share_NAME``: a dead layer may hide behind a healthy output.

    Parameters
    ----------
    model : nn.Module
    layers : str, nn.Module, or sequence of such
        Names as in ``model.named_modules()`` ("" is the model itself), or its modules. Their outputs are tensors with
        samples first; of a convolution, samples and pixels together are the samples.
    views : int or "halves"
        Forward calls per step, the first two of which give the two views; or "halves" where both views pass in one
        batch, the first half of it the first view.
    **options
        Of `Monitor`.

    Yields
    ------
    Monitor

    Raises
    ------
    InvalidType, InvalidValue, UnknownName
        No such layer, another number of views, a layer that puts out no tensor.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from dynsim.monitor import attach
    >>> model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
    >>> with attach(model, ["1", "2"], every=1) as m:
    ...     for _ in range(3):
    ...         x = torch.randn(64, 8)
    ...         loss = (model(x) - model(x + 0.1).detach()).square().mean()
    >>> m.dataset.sizes["step"], "dead_share_1" in m.dataset
    (3, True)

    See Also
    --------
    Monitor : to be called in the loop, which also sees predictor, teacher and loss.
    """
    if not isinstance(model, nn.Module):
        raise bad("model", model, "an nn.Module", kind=InvalidType)
    halves = isinstance(views, str) and views == "halves"
    count = 1 if halves else a_whole("views", views, expected="a number of forward calls per step, or 'halves'")
    chosen = layers_of(unwrapped(model, "model"), layers)
    listener = _Listener(Monitor(**options), list(chosen), count, halves=halves)
    handles = [module.register_forward_hook(listener.heard(name)) for name, module in chosen.items()]
    handles.append(model.register_forward_hook(uncompiled(listener.passed)))
    try:
        yield listener.monitor
    finally:
        for handle in handles:
            handle.remove()


def layers_of(model: nn.Module, layers: Any) -> dict[str, nn.Module]:
    """Name → layer, in the order that was asked for."""
    known = dict(model.named_modules())
    chosen: dict[str, nn.Module] = {}
    for one in layers if isinstance(layers, Sequence) and not isinstance(layers, str) else [layers]:
        if isinstance(one, nn.Module):
            names = [name for name, module in known.items() if module is one]
            if not names:
                raise bad("layers", type(one).__name__, "modules of the model")
            chosen[names[0]] = one
        elif one in known:
            chosen[one] = known[one]
        else:
            raise unknown("layer", one, known)
    if not chosen:
        raise bad("layers", layers, "at least one layer")
    return chosen


class _Listener:
    """Counts forward calls; between records it keeps nothing."""

    def __init__(self, monitor: Monitor, names: list[str], count: int, *, halves: bool) -> None:
        self.monitor, self.names, self.count, self.halves = monitor, names, count, halves
        self.step = self.calls = 0
        self.kept: dict[str, list[Tensor]] = {}

    def heard(self, name: str) -> Any:
        """The hook of one layer."""

        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if not self._counts(module) or self.step % self.monitor.every:
                return
            self.kept.setdefault(name, []).append(kept_output(name, output))

        return uncompiled(hook)

    def passed(self, module: nn.Module, inputs: Any, output: Any) -> None:
        """The hook of the model."""
        if not self._counts(module):
            return
        self.calls += 1
        if self.calls < self.count:
            return
        step, kept = self.step, self.kept
        self.step, self.calls, self.kept = step + 1, 0, {}
        if kept and step % self.monitor.every == 0:
            self._record(step, kept)

    @staticmethod
    def _counts(module: nn.Module) -> bool:
        return module.training and torch.is_grad_enabled()

    def _record(self, step: int, kept: dict[str, list[Tensor]]) -> None:
        record_kept(self.monitor, step, self.names, kept, halves=self.halves)


def uncompiled(hook: Any) -> Any:
    """A hook that `torch.compile` calls as it stands, where it would compile anew for every state of the listener."""
    return torch.compiler.disable(hook) if "torch._dynamo" in sys.modules else hook


def kept_output(name: str, output: Any) -> Tensor:
    """A copy of what a layer puts out, for in-place ReLUs write over it."""
    if not isinstance(output, Tensor) or output.ndim < 2:
        expected = "layers that put out a tensor"
        raise bad("layers", f"{name!r} puts out {type(output).__name__}", expected, "one row per sample")
    return output.detach().clone()


def record_kept(
    monitor: Monitor, step: int, names: Sequence[str], kept: Mapping[str, list[Tensor]], *, halves: bool,
    loss: Any = None,
) -> None:  # fmt: skip
    """Record what layers have put out in one step: features of the last, dead units of the others."""
    final = kept.get(names[-1])
    if not final:
        raise bad("layers", names[-1], "a layer that the model passes through")
    parts = final[0].chunk(2) if halves else final[:2]
    if len(parts) > 1 and parts[0].shape != parts[1].shape:
        parts = parts[:1]
    dead = {name: _units(values[0]) for name, values in kept.items() if name != names[-1]}
    monitor.record_layers(step, parts[0], parts[1] if len(parts) > 1 else None, dead, loss=loss)


def _units(output: Tensor) -> Tensor:
    """Activations (samples, units): channels are the units of a convolution (N, C, H, W)."""
    if output.ndim == 4:
        return output.permute(0, 2, 3, 1).flatten(0, 2)
    return output.flatten(0, -2)
