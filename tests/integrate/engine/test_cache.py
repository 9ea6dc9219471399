"""Machine code on disk: whatever happens to the files, the result is that of a fresh compilation."""

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from dynsim.integrate.engine.cache import cached, folder

pytest.importorskip("llvmlite")

from dynsim.integrate.engine import machine, program

RUN = """
import dynsim, numpy as np
run = dynsim.ensemble(dynsim.system("toy"), {"phi": np.linspace(-1, 1, 9), "theta": 0.3}, 5.0, method="compiled")
print(run.theta.values.tobytes().hex())
"""


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DYNSIM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def run_once():
    done = subprocess.run([sys.executable, "-c", RUN], capture_output=True, text=True, check=True)
    return np.frombuffer(bytes.fromhex(done.stdout.strip()))


def test_an_entry_is_made_once(cache):
    made = []
    for _ in range(3):
        assert cached("key", lambda: made.append(1) or b"code") == b"code"
    assert len(made) == 1
    assert cached("other key", lambda: b"other code") == b"other code"
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-1], lambda b: b"", lambda b: b[:40] + b"?" + b[41:], lambda b: b * 2]
)
def test_a_damaged_entry_is_made_again(cache, damage):
    cached("key", lambda: b"some machine code " * 9)
    (entry,) = cache.iterdir()
    entry.write_bytes(damage(entry.read_bytes()))
    assert cached("key", lambda: b"new code") == b"new code"
    assert cached("key", lambda: pytest.fail("made twice")) == b"new code"


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DYNSIM_CACHE", str(tmp_path / "file" / "cache"))
    assert cached("key", lambda: b"code") == b"code"


def test_an_entry_that_is_a_folder_is_no_error(cache):
    cached("key", lambda: b"code")
    (entry,) = cache.iterdir()
    entry.unlink()
    entry.mkdir()
    assert cached("key", lambda: b"code") == b"code"
    assert [item.name for item in cache.iterdir()] == [entry.name]


def test_threads_that_write_the_same_entry_never_mix(cache):
    payloads = [bytes([i]) * 200_000 for i in range(8)]

    def work(i):
        found = cached(f"key {i % 2}", lambda: payloads[i])
        assert len(set(found)) == 1
        assert len(found) == 200_000
        return found[0] % 2 == i % 2

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, [*range(8)] * 20))
    assert sorted(item.suffix for item in cache.iterdir()) == [".o", ".o"]


def test_processes_that_start_together_share_the_cache(cache):
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: run_once(), range(2))
    np.testing.assert_array_equal(first, second)
    assert [entry.suffix for entry in cache.iterdir()] == [".o"]


def test_entries_differ_by_flow_processor_version_and_use(cache, monkeypatch):
    import sympy

    x = (sympy.Symbol("x0"), sympy.Symbol("x1"))
    seen = []

    def remember(key, make):
        seen.append(key)
        raise LookupError

    def ask(rhs, dense, observables=(), width=4, alone=False, order=10):
        with pytest.raises(LookupError):
            program._loaded.__wrapped__(rhs, x, dense, observables, width, alone, order)

    monkeypatch.setattr(program, "cached", remember)
    ask((x[0] * x[1],), True)
    ask((x[0] * x[1],), False)
    ask((x[0] * x[1] ** 2,), True)
    ask((x[0] * x[1],), True, (x[0],))
    ask((x[0] * x[1],), True, width=8)
    ask((x[0] * x[1],), True, alone=True)
    ask((x[0] * x[1],), True, order=12)
    for name in ("get_host_cpu_name", "get_process_triple"):
        with monkeypatch.context() as patch:
            patch.setattr(machine.llvm, name, lambda: "another")
            machine.description.cache_clear()
            ask((x[0] * x[1],), True)
    machine.description.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(program, "source", lambda: "another version of the engine")
        ask((x[0] * x[1],), True)
    assert len(set(seen)) == len(seen) == 10


def test_the_folder_is_the_users_own(monkeypatch, tmp_path):
    monkeypatch.delenv("DYNSIM_CACHE")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert folder() == tmp_path / "dynsim"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX")
def test_an_entry_that_others_may_have_written_is_not_used(cache):
    made = []

    def make():
        made.append(1)
        return b"code"

    assert cached("key", make) == cached("key", make) == b"code"
    assert len(made) == 1
    cache.chmod(0o777)
    assert cached("key", make) == b"code"
    assert len(made) == 2
    cache.chmod(0o700)
    (entry,) = cache.glob("*.o")
    for content in (b"", entry.read_bytes()[:32], hashlib.sha256(b"").digest(), entry.read_bytes()[:-1]):
        entry.write_bytes(content)
        assert cached("key", make) == b"code"
    entry.unlink()
    os.mkfifo(entry)
    assert cached("key", make) == b"code"
    assert entry.is_file()
    elsewhere = cache.parent / "elsewhere.o"
    elsewhere.write_bytes(entry.read_bytes())
    entry.unlink()
    entry.symlink_to(elsewhere)
    before = len(made)
    assert cached("key", make) == b"code"
    assert len(made) == before + 1
