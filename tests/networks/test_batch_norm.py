from __future__ import annotations

import torch
from torch import nn

from dynsim.networks.layers import Population, by_batch, scale_and_shift


def test_every_seed_and_view_equals_batch_norm_1d():
    x = torch.randn(3, 5, 2, 17, dtype=torch.float64) * 4 + 2
    x.requires_grad_()
    scale, shift = torch.randn(2, 3, 5, dtype=torch.float64)
    y = scale_and_shift(by_batch("layer", x), scale, shift)
    slope = torch.randn_like(y)
    (found,) = torch.autograd.grad((y * slope).sum(), x)
    for seed in range(3):
        for view in range(2):
            layer = nn.BatchNorm1d(5).double()
            with torch.no_grad():
                layer.weight.copy_(scale[seed])
                layer.bias.copy_(shift[seed])
            alone = x[seed, :, view].T.detach().requires_grad_()
            out = layer(alone)
            (wanted,) = torch.autograd.grad((out * slope[seed, :, view].T).sum(), alone)
            torch.testing.assert_close(y[seed, :, view].T, out, rtol=1e-12, atol=1e-13)
            torch.testing.assert_close(found[seed, :, view].T, wanted, rtol=1e-11, atol=1e-13)


def test_population_statistics_are_those_of_the_first_set():
    reference, other = torch.randn(2, 3, 1, 50), torch.randn(2, 3, 2, 7) + 1
    normalise = Population()
    torch.testing.assert_close(normalise("a", reference), by_batch("a", reference))
    layer = nn.BatchNorm1d(3, affine=False, momentum=None)
    layer(reference[1, :, 0].T)
    layer.running_var *= 49 / 50  # torch keeps the unbiased variance
    layer.eval()
    torch.testing.assert_close(normalise("a", other)[1, :, 0].T, layer(other[1, :, 0].T))
    normalise("b", other)
    torch.testing.assert_close(normalise("a", reference), by_batch("a", reference))
