"""Whatever is stopped, damaged or fails: nothing finished is lost, and the end is that of an undisturbed run."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import tracemalloc
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import active_children, get_context

import pytest

import dynsim
from dynsim import DynsimError
from dynsim.studies import flow_runs
from dynsim.studies.driver import Stopped
from dynsim.studies.status import sweep_status
from dynsim.studies.storage import Folder
from dynsim.studies.store import opened
from dynsim.studies.task_runner import ProcessPool

FAILING = {  # BYOL without stop-gradient does not exist
    "system": "byol",
    "t_end": 1.0,
    "axes": {"branch": ["stop", "full", "target"], "alpha": [1.0, 2.0]},
    "record": ["theta"],
}
DRIVER = """
import json, os, sys, signal, multiprocessing
import dynsim
from dynsim.studies import running
running._EVERY = 0.0
def progress(done, total, what):
    if done >= 10 and sys.argv[2] != "none":
        pids = [child.pid for child in multiprocessing.active_children()]
        print(json.dumps(pids), flush=True)
        os.kill(os.getpid(), getattr(signal, sys.argv[2]))
if __name__ == "__main__":
    dynsim.run_study(json.loads(sys.argv[3]), sys.argv[1], progress=progress, workers=2)
"""


def run(study, out, **more):
    with ThreadPoolExecutor(1) as executor:
        return dynsim.run_study(study, out, executor, **more)


def gone(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def stopped_after(count):
    def progress(done, total, what):
        if done >= count:
            raise KeyboardInterrupt

    return progress


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGINT"])
def test_a_driver_that_is_stopped_leaves_nothing_behind_and_goes_on(tmp_path, undisturbed, name, tasks, contents):
    store, study = tmp_path / "study.zarr", tasks(40)
    command = [sys.executable, "-c", DRIVER, str(store), name, json.dumps(study)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == {"SIGKILL": -9, "SIGTERM": 143, "SIGINT": -2}[name], done.stderr
    workers = json.loads(done.stdout.splitlines()[0])
    assert workers
    deadline = time.monotonic() + 20
    while not all(map(gone, workers)):
        assert time.monotonic() < deadline, "workers outlived their driver"
        time.sleep(0.05)
    before = sweep_status(store)
    assert 10 <= before["done"] < 40
    assert before["driver"] is None
    seen = []
    run(study, store, progress=lambda done, total, what: seen.append(done))
    assert seen[0] >= 1
    assert f"{40 - before['done']} of them in this run" in (tmp_path / "study.zarr.log").read_text(encoding="utf-8")
    assert contents(store) == undisturbed(study)
    assert not (tmp_path / "study.zarr.lock").exists()


@pytest.mark.slow
def test_workers_that_are_killed_are_replaced(tmp_path, undisturbed, tasks, contents):
    store, study, killed = tmp_path / "study.zarr", tasks(40), []

    def kill(done, total, what):
        children = active_children()  # none for a moment after a death
        if children and done >= 10 * (len(killed) + 1) and len(killed) < 2:
            killed.append(children[0].pid)
            os.kill(killed[-1], signal.SIGKILL)

    dynsim.run_study(study, store, progress=kill, workers=2)
    assert len(killed) == 2
    assert contents(store) == undisturbed(study)
    assert "a worker died" in (tmp_path / "study.zarr.log").read_text(encoding="utf-8")
    assert not active_children()


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "empty"])
def test_a_damaged_chunk_is_found_and_done_again(tmp_path, undisturbed, damage, tasks, contents):
    store, study = tmp_path / "study.zarr", tasks(6)
    run(study, store)
    path = store / "theta" / "c" / "3"
    good = path.read_bytes()
    bad = {"flip": good[:-1] + bytes([good[-1] ^ 1]), "cut": good[:-3], "empty": b""}
    path.unlink()
    if damage in bad:
        path.write_bytes(bad[damage])
    run(study, store)
    assert "1 of them in this run" in (tmp_path / "study.zarr.log").read_text(encoding="utf-8")
    assert contents(store) == undisturbed(study)


def test_a_finished_study_does_nothing(tmp_path, undisturbed, tasks):
    store, study = tmp_path / "study.zarr", tasks(6)
    run(study, store)
    stamps = {path: path.stat().st_mtime_ns for path in store.rglob("*")}
    run(study, store)
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*")} == stamps


def test_ctrl_c_in_the_middle(tmp_path, undisturbed, tasks, contents):
    store, study = tmp_path / "study.zarr", tasks(40)
    with pytest.raises(KeyboardInterrupt):
        run(study, store, progress=stopped_after(5))
    assert 5 <= sweep_status(store)["done"] < 40
    run(study, store)
    assert contents(store) == undisturbed(study)


def test_failing_tasks_are_told_and_do_not_stop_the_others(tmp_path):
    store = tmp_path / "study.zarr"
    data = run(FAILING, store)
    assert data.task_status.sel(branch="stop").values.tolist() == [1, 1]
    assert data.task_status.sel(branch="full").values.tolist() == [2, 2]
    assert data.theta.isnull().sum() == 4
    status = sweep_status(store)
    assert (status["done"], status["failed"]) == (1, 2)
    assert {entry["cell"]["branch"] for entry in status["failures"]} == {"full", "target"}
    assert all("branch: got" in entry["message"] for entry in status["failures"])


def test_failed_tasks_are_tried_again_only_when_asked(tmp_path, monkeypatch, undisturbed, tasks, contents):
    store, study, calls = tmp_path / "study.zarr", tasks(4), []
    right = flow_runs.run

    def wrong(study, region):
        calls.append(region)
        if region["alpha"].start == 2:
            raise OSError("a file that a run reads is missing")
        return right(study, region)

    monkeypatch.setattr(flow_runs, "run", wrong)
    assert run(study, store).task_status.values.tolist() == [1, 1, 2, 1]
    run(study, store)
    assert len(calls) == 4
    monkeypatch.undo()
    run(study, store)
    assert sweep_status(store)["failed"] == 1
    run(study, store, retry_failed=True)
    assert sweep_status(store)["failures"] == []
    assert contents(store) == undisturbed(study)


def test_a_full_disk_stops_the_sweep_and_counts_nothing(tmp_path, monkeypatch, undisturbed, tasks, contents):
    store, study = tmp_path / "study.zarr", tasks(6)
    right = Folder.write

    def full(self, key, data, *, durable=False):
        if key == "steps/c/3":
            raise OSError(28, "No space left on device")
        right(self, key, data, durable=durable)

    monkeypatch.setattr(Folder, "write", full)
    with pytest.raises(Stopped, match="No space left"):
        run(study, store)
    monkeypatch.undo()
    assert sweep_status(store)["failed"] == 0
    run(study, store)
    assert contents(store) == undisturbed(study)


def test_a_second_driver_is_refused(tmp_path, tasks):
    store, refused = tmp_path / "study.zarr", []

    def second(done, total, what):
        if not refused:
            with pytest.raises(DynsimError, match=rf"no other driver.*process {os.getpid()}") as caught:
                run(tasks(30), store)
            refused.append(caught)

    run(tasks(30), store, progress=second)
    assert refused


@pytest.mark.parametrize(
    ("left", "refused"),
    [
        ({"pid": 2**22 + 1, "born": "1", "host": None}, False),  # no such process
        ({"pid": os.getpid(), "born": "another time", "host": None}, False),  # its number was given to another
        ({"pid": 1, "born": "1", "host": "elsewhere", "age": 3600}, False),
        ({"pid": 1, "born": "1", "host": "elsewhere", "age": 0}, True),
        ("torn", False),
    ],
)
def test_the_lock_of_a_dead_driver_is_taken_over(tmp_path, left, refused, tasks):
    import platform

    lock = tmp_path / "study.zarr.lock"
    if left == "torn":
        lock.write_text("{")
    else:
        lock.write_text(json.dumps({**left, "host": left["host"] or platform.node(), "token": "x"}))
        then = time.time() - left.get("age", 0)
        os.utime(lock, (then, then))
    if refused:
        with pytest.raises(DynsimError, match="elsewhere"):
            run(tasks(2), tmp_path / "study.zarr")
    else:
        run(tasks(2), tmp_path / "study.zarr")
        assert not lock.exists()


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"t_end": 21.0}, "t_end = 20.0 where this has 21.0"),
        ({"axes": {"alpha": [1.0]}}, r"axes\.alpha"),
        ({"axes": {"alpha": {"geomspace": [0.1, 10.0, 5]}}}, r"0\.1, .*10\.0.* where this has .*5 from 0\.1 to 10\.0"),
        ({"chunk": 2}, "chunk = 1 where this has 2"),
        ({"system": "scalar", "axes": {"sigma2": [0.1]}}, "system"),
    ],
)
def test_the_store_of_another_study_is_refused(tmp_path, other, words, tasks, contents):
    store = tmp_path / "study.zarr"
    run(tasks(3), store)
    before = contents(store)
    with pytest.raises(DynsimError, match=words):
        run({**tasks(3), **other}, store)
    assert contents(store) == before


def test_the_store_of_another_version_is_refused(tmp_path, monkeypatch, tasks):
    run(tasks(3), tmp_path / "study.zarr")
    monkeypatch.setattr(dynsim, "__version__", "99.0")
    with pytest.raises(DynsimError, match=re.escape("99.0")):
        run(tasks(3), tmp_path / "study.zarr")


def test_a_study_by_another_name_goes_on(tmp_path, tasks):
    run({**tasks(3), "name": "one"}, tmp_path / "study.zarr")
    run({**tasks(3), "name": "other", "summary": "renamed"}, tmp_path / "study.zarr")
    assert "0 of them in this run" in (tmp_path / "study.zarr.log").read_text(encoding="utf-8")


def test_a_folder_of_something_else_is_left_alone(tmp_path, tasks, undisturbed, contents):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")
    with pytest.raises(DynsimError, match=r"it holds thesis\.tex"):
        run(tasks(3), folder)
    assert [path.name for path in folder.iterdir()] == ["thesis.tex"]


def test_a_store_whose_making_was_cut_off_is_made_again(tmp_path, tasks, undisturbed, contents):
    store, study = tmp_path / "study.zarr", tasks(6)
    run(study, store)
    (store / "zarr.json").unlink()
    run(study, store)
    assert contents(store) == undisturbed(study)


def test_a_place_that_cannot_be_written_is_told(tmp_path, tasks, monkeypatch):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DynsimError, match="can be written"):
        run(tasks(3), tmp_path / "file" / "study.zarr")

    def full(self, key, data, *, durable=False):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Folder, "write", full)
    with pytest.raises(DynsimError, match="No space left"):
        run(tasks(3), tmp_path / "study.zarr")
    assert not (tmp_path / "study.zarr.lock").exists()


def test_what_is_no_store_is_refused(tmp_path, tasks):
    (tmp_path / "study.zarr").mkdir()
    (tmp_path / "study.zarr" / "zarr.json").write_text("{}")
    with pytest.raises(DynsimError, match="store"):
        run(tasks(3), tmp_path / "study.zarr")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DynsimError, match="folder"):
        run(tasks(3), tmp_path / "file")
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"
    assert not list(tmp_path.glob("file.*"))


class Deadly(ProcessPool):
    """A pool of one thread in which one task kills its worker every time, or so it looks."""

    def __init__(self, deadly):
        self.deadly, self._width, self.replaced = deadly, 2, 0

    def submit(self, url, digest, index):
        from dynsim.studies.task import run_task

        future = Future()
        if index == self.deadly:
            future.set_exception(BrokenExecutor())
        else:
            future.set_result(run_task(url, digest, index))
        return future

    def replace(self):
        self.replaced += 1
        return True

    def close(self):
        pass


def test_a_task_that_kills_its_workers_is_given_up(tmp_path, monkeypatch, tasks):
    runner = Deadly(3)
    monkeypatch.setattr("dynsim.studies.running.task_runner", lambda executor, workers: runner)
    data = dynsim.run_study(tasks(8), tmp_path / "study.zarr")
    assert data.task_status.values.tolist() == [1, 1, 1, 2, 1, 1, 1, 1]
    (failure,) = sweep_status(tmp_path / "study.zarr")["failures"]
    assert "3 attempts" in failure["message"]
    assert 3 <= runner.replaced <= 4


def test_workers_that_die_as_they_start_are_told_and_nothing_fails(tmp_path, monkeypatch, tasks):
    """As they do under a script without a guard."""

    def stillborn(pool):
        return ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=os._exit, initargs=(1,))

    monkeypatch.setattr(ProcessPool, "_made", stillborn)
    with pytest.raises(Stopped, match=r"if __name__ == '__main__'"):
        dynsim.run_study(tasks(3), tmp_path / "study.zarr", workers=1)
    assert sweep_status(tmp_path / "study.zarr")["failed"] == 0
    assert not active_children()


def test_an_executor_that_dies_is_told(tmp_path, tasks):
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(Stopped, match="executor is gone"):
        dynsim.run_study(tasks(3), tmp_path / "study.zarr", executor)


class Elsewhere(Executor):
    """A worker that cannot use the store: its disk is another, or its package."""

    _max_workers = 1

    def __init__(self, url):
        self.url = url

    def submit(self, function, /, url, digest, index):
        future = Future()
        try:
            future.set_result(function(self.url or url, digest, index))
        except Exception as error:
            future.set_exception(error)
        return future


def test_a_worker_without_the_store_stops_the_sweep_and_nothing_fails(tmp_path, tasks):
    store = tmp_path / "study.zarr"
    with pytest.raises(Stopped, match="share its disk"):
        dynsim.run_study(tasks(3), store, Elsewhere(str(tmp_path / "none.zarr")))
    assert sweep_status(store)["failed"] == 0


def test_a_worker_without_a_package_stops_the_sweep_and_nothing_fails(tmp_path, monkeypatch, tasks):
    def lacking(study, region):
        raise ModuleNotFoundError("No module named 'torch'")

    monkeypatch.setattr(flow_runs, "run", lacking)
    with pytest.raises(Stopped, match=r"lacks a package.*torch"):
        run(tasks(3), tmp_path / "study.zarr")
    assert sweep_status(tmp_path / "study.zarr")["failed"] == 0


def test_a_worker_of_another_version_stops_the_sweep_and_nothing_fails(tmp_path, monkeypatch, tasks):
    store = tmp_path / "study.zarr"
    run(tasks(3, t_end=19.0), store)
    (store / "task_status" / "c" / "1").unlink()
    opened.cache_clear()
    monkeypatch.setattr("dynsim.studies.creation.recognise", lambda storage, study: None)
    monkeypatch.setattr(dynsim, "__version__", "99.0")
    with pytest.raises(Stopped, match=r"99\.0.*install the same version"):
        dynsim.run_study(tasks(3, t_end=19.0), store, Elsewhere(None))
    assert sweep_status(store)["failed"] == 0


class Nobody(Executor):
    """Says of every task that it is done."""

    _max_workers = 2

    def submit(self, function, /, *args, **options):
        future = Future()
        future.set_result((1, ""))
        return future


def test_the_drivers_memory_does_not_grow_with_the_number_of_tasks(tmp_path):
    def peak(side):
        axes = {name: {"linspace": [0.1, 1.0, side]} for name in ("alpha", "theta0")}
        study = {"system": "toy", "t_end": 1.0, "chunk": 1, "axes": axes, "record": ["theta"]}
        tracemalloc.start()
        dynsim.run_study(study, tmp_path / f"{side}.zarr", Nobody()).close()
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(2)  # what is imported and compiled once
    few, many = peak(20), peak(60)
    assert many - few < 200_000  # 3200 tasks more: not even 63 bytes of each
