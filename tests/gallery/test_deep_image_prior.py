"""A small run of deep-image-prior: what is known of corruption, and that low frequencies come first."""

import numpy as np
import pytest

pytest.importorskip("torch")

from dynsim.gallery import deep_image_prior as experiment
from dynsim.gallery.plotting import stored_file
from dynsim.storage import open_dataset


@pytest.fixture(scope="module")
def data():
    return experiment.compute(**experiment.FIGURE.small)


@pytest.fixture(scope="module")
def stored():
    return open_dataset(stored_file("deep-image-prior"))


def test_noise_and_missing_pixels_are_as_said():
    clean = np.full((3, 64, 64), 0.5)
    targets, known = experiment.corrupted(clean, 2)
    assert targets[0].std() == pytest.approx(experiment.SIGMA, rel=0.05)
    assert targets[2].std() == pytest.approx(experiment.CONTRAST, rel=0.05)
    np.testing.assert_array_equal(targets[1], np.broadcast_to(clean, targets[1].shape))
    assert known[1].mean() == pytest.approx(1 - experiment.MISSING, abs=0.05)
    assert (known[[0, 2]] == 1).all()
    np.testing.assert_array_equal(
        experiment.corrupted(clean, 3)[0][:, :2], targets
    )  # more seeds change no earlier one
    everywhere = np.ones_like(clean)
    noise = experiment.psnr(targets[0], clean, everywhere[None])
    np.testing.assert_allclose(noise, -20 * np.log10(experiment.SIGMA), atol=0.3)


def test_bands_hold_all_power_but_the_mean():
    pictures = np.random.default_rng(0).normal(size=(2, 3, 16, 16))
    edge = experiment._power(pictures).sum(-1)
    centred = pictures - pictures.mean((-2, -1), keepdims=True)
    corner = edge / (centred**2).sum((-3, -2, -1))
    assert ((corner > 0.7) & (corner < 1)).all()  # only the corner of the highest diagonal frequencies is left out
    wave = np.cos(np.pi * 9 * (np.arange(16) + 0.5) / 16)
    power = experiment._power(np.broadcast_to(wave, (1, 1, 16, 16)))
    assert power[0].argmax() == int(9 / 16 * experiment.BANDS)
    assert power[0].max() == pytest.approx(power.sum())


def test_the_networks_learn_and_low_frequencies_come_first(data):
    assert (data["psnr_fitted"].isel(step=-1) > data["psnr_fitted"].isel(step=0) + 5).all()
    half = experiment.fitted_after(data, 0.9).mean("seed", skipna=False)
    assert (half.isel(band=0) < half.isel(band=2)).all()
    end = data["band_error"].isel(step=-1).mean("seed").sel(target="denoise")
    assert float(end.isel(band=0)) < float(end.isel(band=2)) < float(end.isel(band=6))


def test_the_stored_run_denoises_before_it_overfits(stored):
    clean = stored["psnr_clean"]
    best = clean.max("step")
    assert (best > stored["psnr_start"] + 5).all()
    denoise = clean.sel(task="denoise")
    assert (denoise.isel(step=-1) < denoise.max("step") - 2).all()
    assert (stored["psnr_fitted"].sel(task="denoise").isel(step=-1) > stored["psnr_start"].sel(task="denoise")).all()


def test_the_stored_run_is_of_this_code(stored):
    again = experiment.compute(seeds=1, steps=8, records=8)
    steps = [step for step in again["step"].values if step in stored["step"].values and step <= 8]
    assert len(steps) > 5
    np.testing.assert_allclose(
        again["psnr_clean"].sel(step=steps, seed=0), stored["psnr_clean"].sel(step=steps, seed=0), atol=0.5
    )
    np.testing.assert_allclose(again["psnr_blur"].sel(seed=0), stored["psnr_blur"].sel(seed=0), atol=1e-6)


def test_the_verdict_says_what_the_data_say(data, stored):
    assert "overfits" in str(experiment.verdict(stored).facts)
    worse = stored.copy()
    worse["band_error"] = stored["band_error"].isel(band=slice(None, None, -1)).drop_vars("band")
    assert "not low frequencies first" in str(experiment.verdict(worse).facts)
    assert "not low" not in str(experiment.verdict(stored).facts)
