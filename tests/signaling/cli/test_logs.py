"""A log says where something went wrong, and never what was said at that moment."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

from signaling.cli.logs import FactsFormatter

ROOT = Path(__file__).parents[3]
PHRASE = "a purple walrus"


def formatted(error: BaseException) -> str:
    try:
        raise error
    except BaseException as caught:
        record = logging.LogRecord(
            "x",
            logging.ERROR,
            "f",
            1,
            "call.failed call_id=%s",
            ("c",),
            (type(caught), caught, caught.__traceback__),
        )
    return FactsFormatter("%(message)s").format(record)


def test_a_traceback_names_places_and_types_and_quotes_nothing() -> None:
    def inner() -> None:
        {}[PHRASE]

    try:
        inner()
    except KeyError as cause:
        error = ValueError(PHRASE)
        error.__cause__ = cause

    told = formatted(error)

    assert PHRASE not in told
    assert "in inner" in told
    assert "KeyError\nthen:" in told
    assert told.endswith("ValueError")
    assert told.startswith("call.failed call_id=c\n")


def test_a_group_names_each_of_its_members() -> None:
    told = formatted(ExceptionGroup(PHRASE, [KeyError(PHRASE), ExceptionGroup(PHRASE, [TypeError(PHRASE)])]))

    assert PHRASE not in told
    assert "ExceptionGroup\n  1. of 2:\n  KeyError\n  2. of 2:" in told
    assert "TypeError" in told


def test_what_the_system_says_stays() -> None:
    assert formatted(OSError(28, "No space left on device")).endswith("OSError: No space left on device")


def test_errors_that_led_to_each_other_in_a_circle_end() -> None:
    one, other = ValueError("1"), ValueError("2")
    one.__context__, other.__context__ = other, one

    assert formatted(one).count("ValueError") == 2


def test_a_task_that_nobody_waited_for_is_told_without_its_words() -> None:
    """In a process of its own: logging belongs to the whole process."""
    script = f"""
import asyncio, gc
from signaling.cli.logs import start_logging
start_logging("debug")
async def fails():
    raise ValueError("{PHRASE}"[:])
async def main():
    asyncio.get_running_loop().create_task(fails())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    gc.collect()
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert "Task exception was never retrieved" in done.stderr
    assert "ValueError" in done.stderr
    assert PHRASE not in done.stderr
