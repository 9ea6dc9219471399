"""Augmentations, and the pipeline that makes random views with them, for many seeds at once.

Each augmentation vanishes with its strength. Geometry comes first, then pixels, then noise, each in the order of
their names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import inf, pi
from typing import TYPE_CHECKING

from dynsim.errors import bad
from dynsim.registry import Registry

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["AUGMENTATIONS", "Augmentation", "Augmenter"]


@dataclass(frozen=True)
class Augmentation:
    """The contract of an augmentation; it offers one of `move`, `change` and `noise`.

    Parameters
    ----------
    uniforms : int
        How many uniform numbers in [−1, 1] it needs per image; it gets them as a list of tensors (seeds, views,
        batch).
    move : callable, optional
        ``move(turn, shift, uniforms, strength)``: geometry. Output pixel w = x + iy, in pixels from the centre,
        shows the input at turn·w + shift; complex tensors (seeds, views, batch) in, complex tensors out.
    change : callable, optional
        ``change(pixels, uniforms, strength)``: changes pixels (seeds, views, batch, channels, height, width) in
        place.
    noise : bool
        `strength` times independent standard normal noise is added to every pixel.
    below : float
        The strength at which it stops to be what its name says.
    """

    uniforms: int = 0
    move: Callable[[Tensor, Tensor, list[Tensor], float], tuple[Tensor, Tensor]] | None = None
    change: Callable[[Tensor, list[Tensor], float], None] | None = None
    noise: bool = False
    below: float = inf


def _rotation(turn: Tensor, shift: Tensor, uniforms: list[Tensor], strength: float) -> tuple[Tensor, Tensor]:
    """Rotation about the centre by an angle uniform within ±strength degrees."""
    import torch

    angle = uniforms[0] * (strength * pi / 180)
    by = torch.complex(angle.cos(), angle.sin())
    return turn * by, shift * by


def _scale(turn: Tensor, shift: Tensor, uniforms: list[Tensor], strength: float) -> tuple[Tensor, Tensor]:
    """Zoom by a factor uniform within 1 ± strength: look at less of the plane to enlarge the picture."""
    zoom = 1 / (1 + strength * uniforms[0])
    return turn * zoom, shift * zoom


def _shift(turn: Tensor, shift: Tensor, uniforms: list[Tensor], strength: float) -> tuple[Tensor, Tensor]:
    """Shift by up to `strength` pixels along each axis, uniformly and not only by whole pixels."""
    import torch

    return turn, shift + strength * torch.complex(uniforms[0], uniforms[1])


def _contrast(pixels: Tensor, uniforms: list[Tensor], strength: float) -> None:
    """Contrast: all pixels of an image times a factor uniform within 1 ± strength."""
    pixels.mul_((1 + strength * uniforms[0])[..., None, None, None])


def _erasing(pixels: Tensor, uniforms: list[Tensor], strength: float) -> None:
    """Erasing: a square of side `strength` pixels, anywhere within the image, set to zero.

    Pixels that the square covers in part lose that part, so the effect goes to zero with the side.
    """
    height, width = pixels.shape[-2:]
    down, across = _pixel_numbers(height, width, pixels.dtype, pixels.device)
    erased = _coverage(uniforms[0], down, height, strength).mul_(_coverage(uniforms[1], across, width, strength))
    pixels.addcmul_(pixels, erased.view(*erased.shape[:3], 1, height, width), value=-1)


@cache
def _pixel_numbers(height: int, width: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Number of every pixel down and across the image, row by row."""
    import torch

    down, across = torch.arange(height, dtype=dtype, device=device), torch.arange(width, dtype=dtype, device=device)
    return down.repeat_interleave(width), across.repeat(height)


def _coverage(uniform: Tensor, pixel: Tensor, size: int, side: float) -> Tensor:
    """Minus the part of each pixel, numbered along one axis, that the square covers, (seeds, views, batch, pixels)."""
    import torch

    side = min(side, float(size))
    centre = torch.add(size / 2 - 0.5, uniform, alpha=(size - side) / 2).unsqueeze(-1)  # in numbers of pixels
    return (pixel - centre).abs_().sub_((side + 1) / 2).clamp_(-min(1.0, side), 0.0)


AUGMENTATIONS: Registry[Augmentation] = Registry(
    "augmentation",
    {
        "rotation": Augmentation(1, move=_rotation),
        "scale": Augmentation(1, move=_scale, below=1.0),
        "shift": Augmentation(2, move=_shift),
        "contrast": Augmentation(1, change=_contrast, below=1.0),
        "erasing": Augmentation(2, change=_erasing),
        # The exactly solvable one: with it alone E[view | image] is the image and Σ_s = Σ_d + strength²·I.
        "noise": Augmentation(noise=True),
    },
)


class Augmenter:
    """From images to random views.

    Parameters
    ----------
    strengths : mapping
        Of the augmentations that act, all positive.
    shape : tuple
        Channels, height and width of the images.

    Examples
    --------
    >>> import torch
    >>> from dynsim.networks.augmentations import Augmenter
    >>> augmenter = Augmenter({"shift": 1.0}, (1, 8, 8))
    >>> images = torch.rand(1, 5, 1, 8, 8)  # seeds, batch, channels, height, width
    >>> augmenter(images, [torch.Generator()], views=2).shape
    torch.Size([1, 2, 5, 1, 8, 8])
    """

    def __init__(self, strengths: Mapping[str, float], shape: tuple[int, int, int]) -> None:
        self.shape = shape
        self.strengths = dict(strengths)
        chosen = {name: AUGMENTATIONS[name] for name in sorted(strengths)}
        self._moves = [(one.move, one.uniforms, strengths[n]) for n, one in chosen.items() if one.move]
        self._changes = [(one.change, one.uniforms, strengths[n]) for n, one in chosen.items() if one.change]
        self.noise = sum(strengths[n] ** 2 for n, one in chosen.items() if one.noise) ** 0.5
        self._uniforms = sum(one.uniforms for one in chosen.values())
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
        import torch

        seeds, batch = images.shape[:2]
        x = images.unsqueeze(1).expand(seeds, views, *images.shape[1:])
        if self._uniforms:
            uniforms = list(self._draw("uniform", images, generators, (self._uniforms, views, batch)).unbind(1))
            x = self._moved(x, uniforms) if self._moves else x.clone(memory_format=torch.contiguous_format)
            for change, number, strength in self._changes:
                change(x, [uniforms.pop() for _ in range(number)], strength)
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
        import torch
        from torch.nn import functional

        turn = torch.ones(x.shape[:3], dtype=x.dtype.to_complex(), device=x.device)
        shift = torch.zeros_like(turn)
        for move, number, strength in self._moves:
            turn, shift = move(turn, shift, [uniforms.pop() for _ in range(number)], strength)
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
    import torch

    across = (torch.arange(width, dtype=torch.float64) - (width - 1) / 2).expand(height, width)
    down = (torch.arange(height, dtype=torch.float64) - (height - 1) / 2)[:, None].expand(height, width)
    one, zero = torch.ones_like(across), torch.zeros_like(across)
    columns = [(across, down), (-down, across), (one, zero), (zero, one)]
    units = torch.tensor([2 / width, 2 / height], dtype=torch.float64)
    return torch.stack([torch.stack(column, dim=-1) * units for column in columns]).flatten(1)
