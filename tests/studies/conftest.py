"""Studies small enough for tests, and what two stores must have in common."""

import pytest

pytest.importorskip("zarr")
pytest.importorskip("google_crc32c")


@pytest.fixture(autouse=True)
def _told_at_once(monkeypatch):
    """Progress is told after every task, so that tests can act in the middle however fast the machine is."""
    monkeypatch.setattr("dynsim.studies.running._EVERY", 0.0)


@pytest.fixture(scope="session")
def tasks():
    """Study of the toy with so many quick tasks."""

    def of(count, **more):
        axes = {"alpha": {"geomspace": [0.1, 10.0, count]}}
        return {"system": "toy", "t_end": 20.0, "chunk": 1, "axes": axes, "record": ["theta", "steps"], **more}

    return of


@pytest.fixture(scope="session")
def contents():
    """Every file of a store with its bytes: equal for equal arrays and attributes."""

    def of(store):
        return {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()}

    return of


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory, contents):
    """Contents of the stores of studies that nothing disturbed, by study."""
    from concurrent.futures import ThreadPoolExecutor

    import dynsim
    from dynsim.studies.catalogue import study_of

    known = {}

    def of(study):
        digest = study_of(study).digest
        if digest not in known:
            store = tmp_path_factory.mktemp("undisturbed") / "study.zarr"
            with ThreadPoolExecutor(1) as executor:
                dynsim.run_study(study, store, executor)
            known[digest] = contents(store)
        return known[digest]

    return of
