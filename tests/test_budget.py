"""Budgets of time hold, whatever the work does, and what was found before is kept."""

import sys
import threading
from subprocess import run
from time import monotonic, sleep

import pytest
import sympy

from dynsim.budget import OutOfTime, items_within, within

x = sympy.Symbol("x", real=True)


def test_the_value_comes_back_and_the_process_is_used_again():
    import os

    assert within(20.0, sympy.factor, x**2 - 1) == (x - 1) * (x + 1)
    assert within(20.0, os.getpid) == within(20.0, os.getpid) != os.getpid()


def test_exceptions_come_back():
    with pytest.raises(ZeroDivisionError):
        within(20.0, divmod, 1, 0)
    assert within(20.0, divmod, 7, 2) == (3, 1)


def test_late_work_is_ended_in_time_and_the_next_call_works():
    within(20.0, abs, -1)
    start = monotonic()
    with pytest.raises(OutOfTime):
        within(0.3, sleep, 60)
    assert monotonic() - start < 10
    assert within(20.0, abs, -2) == 2


def test_what_was_found_in_time_is_kept():
    items = items_within(1.0, map, sleep, (0, 0, 60))
    assert [next(items), next(items)] == [None, None]
    with pytest.raises(OutOfTime):
        next(items)


def test_it_holds_in_a_thread():
    caught = []

    def work():
        try:
            within(0.3, sleep, 60)
        except OutOfTime as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(30)
    assert caught


def test_a_script_without_guard_and_work_within_work():
    script = "from dynsim.budget import within\nprint(within(20.0, within, 20.0, abs, -3))"
    told = run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=60)
    assert (told.stdout, told.stderr) == ("3\n", "")


def test_what_cannot_be_sent_is_computed_here():
    assert within(20.0, lambda: 4) == 4
