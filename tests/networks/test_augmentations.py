"""What each augmentation does to an image, and that all of them vanish with their strength."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dynsim.networks.augmentations import AUGMENTATIONS, Augmenter

NAMES = sorted(AUGMENTATIONS)
LARGE = {"rotation": 40.0, "scale": 0.4, "shift": 2.0, "contrast": 0.5, "noise": 0.3, "erasing": 3.0}


def images(batch=64, shape=(1, 8, 8), seeds=1):
    return torch.rand(seeds, batch, *shape, generator=torch.Generator().manual_seed(9), dtype=torch.float64)


def smooth(size=41):
    """A smooth spot off the centre, for geometry."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    return torch.tensor(np.exp(-((x - 6) ** 2 + (y - 3) ** 2) / 12))[None, None, None]


def streams(seeds=1):
    return [torch.Generator().manual_seed(seed) for seed in range(seeds)]


class Chosen(Augmenter):
    """An augmenter whose uniform numbers are given."""

    def __init__(self, strengths, shape, uniforms):
        super().__init__(strengths, shape)
        self.uniforms = uniforms

    def _draw(self, kind, images, generators, shape):
        numbers = torch.tensor(self.uniforms, dtype=images.dtype)
        return numbers.view(1, *shape[:1], 1, 1).expand(1, *shape)


def view(strengths, image, *uniforms):
    return Chosen(strengths, tuple(image.shape[2:]), uniforms)(image, [None], 1)[0, 0, 0, 0]


@pytest.mark.parametrize("name", NAMES)
def test_it_vanishes_with_its_strength(name):
    """The mean change goes to zero, and is there at full strength."""
    x = images()
    changes = []
    for factor in (1.0, 1e-2, 1e-4):
        views = Augmenter({name: LARGE[name] * factor}, (1, 8, 8))(x, streams(), 2)
        changes.append(float((views - x[:, None]).abs().mean()))
    assert changes[0] > 0.02
    assert changes[0] > 20 * changes[1] > 400 * changes[2] * 0.9


@pytest.mark.parametrize("name", NAMES)
def test_it_is_random_and_repeatable(name):
    augmenter = Augmenter({name: LARGE[name]}, (1, 8, 8))
    x = images()
    first = augmenter(x, streams(), 2)
    assert first.shape == (1, 2, 64, 1, 8, 8)
    assert not torch.equal(first[:, 0], first[:, 1])
    assert torch.equal(first, augmenter(x, streams(), 2))


def test_seeds_do_not_mix():
    augmenter = Augmenter(LARGE, (1, 8, 8))
    together = augmenter(images(seeds=3), streams(3), 2)
    for seed in range(3):
        alone = Augmenter(LARGE, (1, 8, 8))(images(seeds=3)[seed : seed + 1], [streams(3)[seed]], 2)
        torch.testing.assert_close(together[seed : seed + 1], alone)


def test_noise_has_its_variance_and_no_mean():
    x = images(batch=2000)
    noise = Augmenter({"noise": 0.3}, (1, 8, 8))(x, streams(), 2) - x[:, None]
    assert float(noise.mean()) == pytest.approx(0, abs=4 * 0.3 / noise.numel() ** 0.5)
    assert float(noise.var()) == pytest.approx(0.09, rel=0.01)
    a, b = noise[0, 0].flatten(), noise[0, 1].flatten()
    assert abs(float(torch.corrcoef(torch.stack([a, b]))[0, 1])) < 4 / len(a) ** 0.5


def test_contrast_scales_within_its_bounds():
    x = images(batch=2000) + 0.1
    ratio = Augmenter({"contrast": 0.3}, (1, 8, 8))(x, streams(), 1) / x[:, None]
    assert float(ratio.std(dim=(-1, -2)).max()) < 1e-12
    assert 0.7 <= float(ratio.min()) < 0.71
    assert 1.29 < float(ratio.max()) <= 1.3


def test_a_quarter_turn_turns_the_picture():
    spot = smooth()
    turned = view({"rotation": 90.0}, spot, 1.0)
    errors = [float((turned - torch.rot90(spot[0, 0, 0], k)).abs().max()) for k in (1, -1)]
    assert min(errors) < 1e-12


def test_angles_add_up():
    """Half of 30° twice as strong is 30°."""
    spot = smooth()
    torch.testing.assert_close(view({"rotation": 30.0}, spot, 0.5), view({"rotation": 15.0}, spot, 1.0))
    assert (view({"rotation": 30.0}, spot, 0.5) - spot[0, 0, 0]).abs().max() > 0.1


def test_a_shift_by_whole_pixels_moves_them():
    spot = smooth()
    numbers = []
    for axis in (0, 1):
        uniforms = [0.0, 0.0]
        uniforms[axis] = 1.0
        moved = view({"shift": 2.0}, spot, *uniforms)
        candidates = {(d, k): torch.roll(spot[0, 0, 0], k, d) for d in (0, 1) for k in (2, -2)}
        numbers += [key for key, rolled in candidates.items() if (moved - rolled).abs().max() < 1e-3]
    assert sorted(abs(k) for _, k in numbers) == [2, 2]
    assert {d for d, _ in numbers} == {0, 1}


def test_zoom_enlarges():
    spot = smooth()
    ratio = float(view({"scale": 0.5}, spot, 1.0).sum() / spot.sum())
    assert ratio == pytest.approx(1.5**2, rel=0.02)


def test_pictures_need_not_be_square():
    """A quarter turn about the centre keeps the middle of a wide picture, pixel by pixel."""
    wide = torch.rand(1, 1, 1, 5, 9, dtype=torch.float64)
    turned = view({"rotation": 90.0}, wide, 1.0)
    middle = wide[0, 0, 0, :, 2:7]
    assert min(float((turned[:, 2:7] - torch.rot90(middle, k)).abs().max()) for k in (1, -1)) < 1e-12


@pytest.mark.parametrize(("side", "erased"), [(3.0, 9.0), (1.5, 2.25), (0.1, 0.01), (100.0, 64.0)])
def test_the_erased_area(side, erased):
    ones = torch.ones(1, 200, 1, 8, 8, dtype=torch.float64)
    views = Augmenter({"erasing": side}, (1, 8, 8))(ones, streams(), 1)
    lost = (1 - views).sum((-1, -2)).flatten()
    torch.testing.assert_close(lost, torch.full_like(lost, erased), rtol=1e-9, atol=1e-9)
    assert float(views.min()) >= -1e-12


@pytest.mark.parametrize("side", [3.0, 0.4])
def test_the_erased_square_covers_pixels_in_part(side):
    """Pixel by pixel: what is left of it is one minus its overlap with the square."""
    height, width = 5, 9
    across, down = 0.3, -0.7
    views = view({"erasing": side}, torch.ones(1, 1, 1, height, width, dtype=torch.float64), across, down)

    def overlap(i, size, uniform):
        centre = size / 2 - 0.5 + uniform * (size - side) / 2
        return max(0.0, min(i + 0.5, centre + side / 2) - max(i - 0.5, centre - side / 2))

    left = [[1 - overlap(i, height, down) * overlap(j, width, across) for j in range(width)] for i in range(height)]
    torch.testing.assert_close(views, torch.tensor(left, dtype=torch.float64))


@pytest.mark.parametrize("name", [*NAMES, None])
def test_the_images_are_left_as_they_are(name):
    x = images()
    Augmenter({name: LARGE[name]} if name else LARGE, (1, 8, 8))(x, streams(), 1)
    assert torch.equal(x, images())


def test_nothing_is_the_image():
    x = images()
    assert torch.equal(Augmenter({}, (1, 8, 8))(x, streams(), 2)[:, 1], x)


def test_colours_are_changed_alike():
    x = images(shape=(3, 8, 8))
    x[:, :, 1] = x[:, :, 0]
    views = Augmenter({k: v for k, v in LARGE.items() if k != "noise"}, (3, 8, 8))(x, streams(), 2)
    torch.testing.assert_close(views[:, :, :, 0], views[:, :, :, 1])
    assert not torch.allclose(views[:, :, :, 0], views[:, :, :, 2])
