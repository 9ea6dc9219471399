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
        self._moves = [(m, strengths[n]) for n, m in sorted(modules.items()) if hasattr(m, "move")]
        self._changes = [(m, strengths[n]) for n, m in sorted(modules.items()) if hasattr(m, "change")]
        noises = [strengths[n] for n, m in modules.items() if getattr(m, "NORMAL", False)]
        self.noise = sum(noise**2 for noise in noises) ** 0.5
        self._uniforms = sum(module.UNIFORMS for module in modules.values())
        self._basis = _grid_basis(*shape[1:])
        if shape[1] == 1 and not self.only_noise:
            raise bad("augmentation", self.strengths, "only 'noise' for vectors", "they have no geometry")

    @property
    def only_noise(self) -> bool:
        """Whether a view is the image plus Gaussian noise, or the image itself."""
        return not (self._moves or self._changes)

    def __call__(self, images: Tensor, generators: Sequence[torch.Generator], views: int) -> Tensor:
        """Views (seeds, views, batch, channels, height, width) of images (seeds, batch, channels, …).

        One generator per seed, on the device of the images.
        """
        seeds, batch = images.shape[:2]
        x = images.unsqueeze(1).expand(seeds, views, *images.shape[1:])
        if self._uniforms:
            uniforms = list(self._draw("uniform", images, generators, (self._uniforms, views, batch)).unbind(1))
            x = self._moved(x, uniforms) if self._moves else x.clone(memory_format=torch.contiguous_format)
            for module, strength in self._changes:
                module.change(x, [uniforms.pop() for _ in range(module.UNIFORMS)], strength)
        if self.noise:
            normals = self._draw("normal", images, generators, (views, *images.shape[1:]))
            x = torch.add(x, normals, alpha=self.noise, out=normals)
        return x

    def _draw(
        self, kind: str, images: Tensor, generators: Sequence[torch.Generator], shape: tuple[int, ...]
    ) -> Tensor:
        """Random numbers (seeds, *shape), each seed's from its own generator."""
        drawn = images.new_empty((len(generators), *shape))
        for row, generator in zip(drawn.unbind(), generators, strict=True):
            if kind == "uniform":
                row.uniform_(-1, 1, generator=generator)
            else:
                row.normal_(generator=generator)
        return drawn

    def _moved(self, x: Tensor, uniforms: list[Tensor]) -> Tensor:
        """Geometry: all moves together are one similarity of the plane, hence one interpolation."""
        turn = torch.ones(x.shape[:3], dtype=x.dtype.to_complex(), device=x.device)
        shift = torch.zeros_like(turn)
        for module, strength in self._moves:
            turn, shift = module.move(turn, shift, [uniforms.pop() for _ in range(module.UNIFORMS)], strength)
        similarity = torch.view_as_real(torch.stack((turn, shift), dim=-1)).flatten(3)
        channels, height, width = self.shape
        grid = (similarity.flatten(0, 2) @ self._basis_for(x)).view(-1, height, width, 2)
        moved = functional.grid_sample(
            x.reshape(-1, channels, height, width), grid, padding_mode="zeros", align_corners=False
        )
        return moved.view(x.shape)

    def _basis_for(self, x: Tensor) -> Tensor:
        if self._basis.dtype != x.dtype or self._basis.device != x.device:
            self._basis = self._basis.to(x)
        return self._basis


def _grid_basis(height: int, width: int) -> Tensor:
    """Sampling grid of each real coefficient of turn and shift, (4, height·width·2), in grid_sample's units."""
    across = (torch.arange(width, dtype=torch.float64) - (width - 1) / 2).expand(height, width)
    down = (torch.arange(height, dtype=torch.float64) - (height - 1) / 2)[:, None].expand(height, width)
    one, zero = torch.ones_like(across), torch.zeros_like(across)
    columns = [(across, down), (-down, across), (one, zero), (zero, one)]
    units = torch.tensor([2 / width, 2 / height], dtype=torch.float64)
    return torch.stack([torch.stack(column, dim=-1) * units for column in columns]).flatten(1)
