"""Whether one more call may be taken."""

from __future__ import annotations

from signaling.admission import Admission


def test_the_last_free_line_is_given_and_the_next_caller_is_told_when_to_come_back() -> None:
    admission = Admission(max_calls=2)

    assert admission.refusal(running=1) is None
    refusal = admission.refusal(running=2)

    assert refusal is not None
    assert refusal.code == "no_capacity"
    assert refusal.retry_after_s > 0


def test_a_draining_server_refuses_even_with_free_lines() -> None:
    admission = Admission(max_calls=2)

    admission.drain()

    refusal = admission.refusal(running=0)
    assert refusal is not None
    assert refusal.code == "draining"


def test_no_call_is_taken_that_could_not_be_kept_and_again_when_it_can() -> None:
    problem: str | None = "The disk is full: make room."
    admission = Admission(2, lambda: problem)

    refusal = admission.refusal(running=0)
    problem = None

    assert refusal is not None
    assert (refusal.code, refusal.detail) == ("record_full", "The disk is full: make room.")
    assert refusal.retry_after_s > 0
    assert admission.refusal(running=0) is None
