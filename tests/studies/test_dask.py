"""The same study on a Dask cluster: two real worker processes, one of them killed in the middle."""

import os
import signal

import pytest

import dynsim

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def client():
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster, set_as_default=False) as client:
        client.wait_for_workers(2)
        yield client


@pytest.mark.slow
def test_a_worker_is_killed_in_the_middle(tmp_path, client, tasks, contents, undisturbed):
    store, study, killed = tmp_path / "study.zarr", tasks(60), []
    pids = list(client.run(os.getpid).values())
    assert os.getpid() not in pids

    def kill(done, total, what):
        if 10 <= done < total and not killed:
            killed.append(pids[0])
            os.kill(pids[0], signal.SIGKILL)

    with client.get_executor(pure=False) as executor:
        dynsim.run_study(study, store, executor, kill)
    assert killed
    assert contents(store) == undisturbed(study)


@pytest.mark.slow
def test_the_command_line_takes_a_scheduler(tmp_path, client, tasks, contents, undisturbed):
    import json

    from dynsim.cli import main

    (tmp_path / "study.json").write_text(json.dumps(tasks(6)))
    words = [str(tmp_path / "study.json"), "--out", str(tmp_path / "study.zarr")]
    assert main(["sweep", "run", *words, "--scheduler", client.scheduler.address]) == 0
    made, alone = contents(tmp_path / "study.zarr"), undisturbed(tasks(6))
    assert {key for key in made if made[key] != alone[key]} == {"zarr.json"}  # a file gives the study its name
