"""Status in a Dataset follows the CF convention of flags."""

import numpy as np

from dynsim.status import Status, status_attributes


def test_flags_and_meanings_go_together():
    attributes = status_attributes()
    meanings = attributes["flag_meanings"].split()
    assert [Status(value).name.lower() for value in attributes["flag_values"]] == meanings
    assert attributes["flag_values"].dtype == np.int8


def test_nothing_that_was_not_run_reads_as_fine():
    assert Status.NOT_RUN not in (0, Status.OK)
    assert len({status.message for status in Status}) == len(Status)
