"""The pipeline of augmentations: from images to random views, for many seeds at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from dynsim.errors import bad
from dynsim.registry import find

__all__ = ["Augmenter"]


class Augmenter:
    """Geometry first, then pixels, then noise, each in the order of their names.

    Parameters
    ----------
    strengths : mapping
        Of the augmentations that act, all positive.
    shape : tuple
        Channels, height and width of the images.

    Examples
    --------
    >>> import torch
    >>> from dynsim.networks.augmenting import Augmenter
    >>> augmenter = Augmenter({"shift": 1.0}, (1, 8, 8))
    >>> images = torch.rand(1, 5, 1, 8, 8)  # seeds, batch, channels, height, width
    >>> augmenter(images, [torch.Generator()], views=2).shape
    torch.Size([1, 2, 5, 1, 8, 8])
    """

    def __init__(self, strengths: Mapping[str, float], shape: tuple[int, int, int]) -> None:
        self.shape = shape
        self.strengths = dict(strengths)
        modules = {name: find("augmentation", name, "dynsim.networks.augmentations") for name in strengths}
        self._warps = [(m, strengths[n]) for n, m in sorted(modules.items()) if hasattr(m, "warp")]
        self._warps.reverse()  # rotation last: until then x and y stay one-dimensional
        self._changes = [(m, strengths[n]) for n, m in sorted(modules.items()) if hasattr(m, "change")]
        noises = [strengths[n] for n, m in modules.items() if getattr(m, "NORMAL", False)]
        self.noise = sum(noise**2 for noise in noises) ** 0.5
        self._uniforms = sum(module.UNIFORMS for module in modules.values())
        self._buffers: dict[str, tuple[Tensor, Sequence[Tensor]]] = {}
        if shape[1] == 1 and (self._warps or self._changes):
            raise bad("augmentation", self.strengths, "only 'noise' for vectors", "they have no geometry")

    @property
    def only_noise(self) -> bool:
        """Whether a view is the image plus Gaussian noise, or the image itself."""
        return not (self._warps or self._changes)

    def __call__(self, images: Tensor, generators: Sequence[torch.Generator], views: int) -> Tensor:
        """Views (seeds, views, batch, channels, height, width) of images (seeds, batch, channels, …).

        One generator per seed, on the device of the images.
        """
        seeds, batch = images.shape[:2]
        x = images.unsqueeze(1).expand(seeds, views, *images.shape[1:])
        if self._uniforms:
            drawn = self._draw("uniform", images, generators, (self._uniforms, views, batch, 1, 1))
            uniforms = list(drawn.unbind(1))
            x = self._warp(x, uniforms)
            for module, strength in self._changes:
                x = module.change(x, [uniforms.pop() for _ in range(module.UNIFORMS)], strength)
        if self.noise:
            normals = self._draw("normal", images, generators, (views, *images.shape[1:]))
            x = torch.add(x, normals, alpha=self.noise)
        return x

    def _draw(
        self, kind: str, images: Tensor, generators: Sequence[torch.Generator], shape: tuple[int, ...]
    ) -> Tensor:
        """Random numbers from each seed's generator, written into a buffer that the next call reuses."""
        whole = (len(generators), *shape)
        buffer, rows = self._buffers.get(kind, (None, ()))
        if buffer is None or buffer.shape != whole or buffer.dtype != images.dtype or buffer.device != images.device:
            buffer = torch.empty(whole, dtype=images.dtype, device=images.device)
            rows = buffer.unbind()
            self._buffers[kind] = buffer, rows
        for row, generator in zip(rows, generators, strict=True):
            if kind == "uniform":
                row.uniform_(-1, 1, generator=generator)
            else:
                row.normal_(generator=generator)
        return buffer

    def _warp(self, x: Tensor, uniforms: list[Tensor]) -> Tensor:
        if not self._warps:
            return x
        channels, height, width = self.shape
        pixel = 2 / width
        across = (torch.arange(width, dtype=x.dtype, device=x.device) - (width - 1) / 2) * pixel
        down = ((torch.arange(height, dtype=x.dtype, device=x.device) - (height - 1) / 2) * pixel)[:, None]
        for module, strength in self._warps:
            across, down = module.warp(across, down, [uniforms.pop() for _ in range(module.UNIFORMS)], strength, pixel)
        if height != width:
            down = down * (width / height)
        across, down = torch.broadcast_tensors(across, down)
        grid = torch.stack((across, down), dim=-1).flatten(0, 2)
        warped = functional.grid_sample(
            x.reshape(-1, channels, height, width), grid, padding_mode="zeros", align_corners=False
        )
        return warped.view(x.shape)
