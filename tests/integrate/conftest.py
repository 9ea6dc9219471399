import pytest


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Machine code made by tests stays among the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DYNSIM_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
