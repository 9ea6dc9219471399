"""The same on a GPU: same starts, same mathematics, repeatable."""

from __future__ import annotations

import pytest
import torch
import xarray as xr

from dynsim.networks import train

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


@pytest.mark.parametrize("encoder", ["linear", "mlp", "cnn"])
def test_full_batch_agrees_with_the_cpu(small, encoder):
    e = small(encoder=encoder, batch="full", augmentation={}, measures=["spread", "norm_ratio", "knn"])
    xr.testing.assert_allclose(train(e, 2, device="cuda"), train(e, 2), rtol=1e-6)


@pytest.mark.parametrize("encoder", ["mlp", "cnn"])
def test_runs_repeat_and_resume(small, encoder, tmp_path):
    e = small(encoder=encoder, measures=["norm_ratio"], augmentation={"rotation": 10, "noise": 0.1, "erasing": 2})
    first = train(e, 2, device="cuda")
    xr.testing.assert_identical(first, train(e, 2, device="cuda"))

    def stop(done, *_):
        if done >= 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(e, 2, device="cuda", checkpoint=tmp_path / "run.pt", progress=stop)
    xr.testing.assert_allclose(train(e, 2, device="cuda", checkpoint=tmp_path / "run.pt"), first, rtol=1e-6)
