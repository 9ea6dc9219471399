from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
import xarray as xr

from dynsim.errors import DynsimError
from dynsim.networks import Experiment, fit, train
from dynsim.networks.run import Run

SETTINGS = [
    {},
    {"optimiser": "adam", "teacher": 0.9, "augmentation": {"rotation": 20, "noise": 0.1, "erasing": 2}},
    {"optimiser": "lbfgs", "batch": "full"},
    {"objective": "alternating", "alternating_steps": 4, "predictor": "linear"},
    {"encoder": "cnn", "dtype": "float32", "schedule": "cosine"},
]


class Interrupted(Exception):
    pass


def interrupt_at(step, kind=KeyboardInterrupt):
    def progress(done, total, what):
        if done >= step:
            raise kind

    return progress


@pytest.mark.parametrize("changes", SETTINGS, ids=str)
@pytest.mark.parametrize("kind", [KeyboardInterrupt, Interrupted])
def test_an_interrupted_run_goes_on_bit_by_bit(small, tmp_path, changes, kind):
    e = small(measures=["spread", "half_life", "norm_ratio"], steps=10, **changes)
    path = tmp_path / "run.pt"
    for step in (4, 8):
        with pytest.raises(kind):
            train(e, [0, 3], checkpoint=path, progress=interrupt_at(step, kind))
    seen = []
    resumed = train(e, [0, 3], checkpoint=path, progress=lambda done, *_: seen.append(done))
    assert seen == [10]
    xr.testing.assert_identical(resumed, train(e, [0, 3]))


def test_an_interruption_in_the_middle_of_a_step_goes_back_to_the_last_record(small, tmp_path, monkeypatch):
    e = small(measures=["norm_ratio"], steps=8)
    path = tmp_path / "run.pt"
    advance = Run.advance

    def broken(self):
        if self.step == 5:
            with torch.no_grad():
                self.weights.encoder.add_(1.0)  # half a step
            raise KeyboardInterrupt
        return advance(self)

    with monkeypatch.context() as patched:
        patched.setattr(Run, "advance", broken)
        with pytest.raises(KeyboardInterrupt):
            train(e, 2, checkpoint=path)
    xr.testing.assert_identical(train(e, 2, checkpoint=path), train(e, 2))


def test_a_finished_run_is_read_back(small, tmp_path, monkeypatch):
    e = small(measures=["norm_ratio"])
    path = tmp_path / "run.pt"
    first = train(e, 2, checkpoint=path)
    monkeypatch.setattr(Run, "advance", lambda self: pytest.fail("it trained again"))
    xr.testing.assert_identical(train(e, 2, checkpoint=path), first)


def test_a_failed_write_leaves_the_old_file(small, tmp_path, monkeypatch):
    e = small()
    path = tmp_path / "run.pt"
    with pytest.raises(KeyboardInterrupt):
        train(e, 1, checkpoint=path, progress=interrupt_at(2))
    before = path.read_bytes()

    def full_disk(*_):
        raise OSError("no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(torch, "save", full_disk)
        with pytest.raises(OSError, match="no space"):
            train(e, 1, checkpoint=path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.pt"]


def test_checkpoints_of_other_runs_are_refused(small, tmp_path):
    path = tmp_path / "run.pt"
    train(small(), 2, checkpoint=path)
    with pytest.raises(DynsimError, match="a checkpoint of this experiment"):
        train(small(lr=0.01), 2, checkpoint=path)
    with pytest.raises(DynsimError, match=r"seeds \[0\], not of \[0, 1\]"):
        train(small(), 1, checkpoint=path)


def test_images_that_have_changed_are_noticed(small, pictures, tmp_path):
    file, path = tmp_path / "images.npz", tmp_path / "run.pt"
    for number in (40, 35):
        np.savez(file, images=np.concatenate([pictures.train, pictures.test])[:number])
        if number == 40:
            train(small(data=str(file)), 1, checkpoint=path)
    with pytest.raises(DynsimError, match="the data have changed"):
        train(small(data=str(file)), 1, checkpoint=path)


KILLED = """
import os, signal, sys
from dynsim.networks import Experiment, fit, train, training

training._SAVE_EVERY = 0.0
e = Experiment.load(sys.argv[1])
train(e, 2, checkpoint=sys.argv[2], progress=lambda done, *_: done >= 6 and os.kill(os.getpid(), signal.SIGKILL))
"""


def test_a_killed_run_goes_on_bit_by_bit(tmp_path):
    e = Experiment(images=60, dim=4, width=8, steps=10, every=2, measures=["spread", "half_life"])
    words = [sys.executable, "-c", KILLED, str(e.save(tmp_path / "run.toml")), str(tmp_path / "run.pt")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    killed = subprocess.run(words, capture_output=True, check=False, env=environment)
    assert killed.returncode == -signal.SIGKILL
    seen = []
    resumed = train(e, 2, checkpoint=tmp_path / "run.pt", progress=lambda done, *_: seen.append(done))
    assert seen == [8, 10]
    xr.testing.assert_identical(resumed, train(e, 2))


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 half a zip"])
def test_files_that_are_no_checkpoint_are_refused(small, tmp_path, content):
    path = tmp_path / "run.pt"
    path.write_bytes(content)
    with pytest.raises(DynsimError, match=r"run\.pt.*a checkpoint written by"):
        train(small(), 1, checkpoint=path)
    assert path.read_bytes() == content


def test_a_checkpoint_executes_nothing(small, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "written"), "w"))

    path = tmp_path / "run.pt"
    torch.save({"digest": "", "seeds": [], "state": Evil()}, path)
    with pytest.raises(DynsimError, match="a checkpoint written by"):
        train(small(), 1, checkpoint=path)
    assert not (tmp_path / "written").exists()


def test_a_damaged_byte_is_noticed(small, tmp_path):
    e, path = small(steps=4), tmp_path / "run.ckpt"
    first = train(e, 1, checkpoint=path)
    content = bytearray(path.read_bytes())
    xr.testing.assert_identical(train(e, 1, checkpoint=path), first)
    weights = fit(e, 1).snapshot.weights.encoder.detach().numpy().tobytes()
    place = bytes(content).find(weights[:32])
    assert place > 0
    content[place + 3] ^= 1
    path.write_bytes(content)
    with pytest.raises(DynsimError, match="a checkpoint written by"):
        train(e, 1, checkpoint=path)
