"""Names on Redis are a contract."""

from __future__ import annotations

import pytest

from storage.channels import STREAMS, calls_channel, calls_pattern, desk_channel, stream_of

CALL = "0193a0b0-0000-7000-8000-00000000000F"


def test_names_are_those_of_the_contract() -> None:
    assert calls_channel("acme", CALL) == f"cordboard:acme:calls:{CALL}"
    assert calls_pattern("acme") == "cordboard:acme:calls:*"
    assert desk_channel("acme") == "cordboard:acme:desk"
    assert stream_of(CALL) == "cordboard:{f}:events"
    assert len(STREAMS) == 16


def test_a_call_id_that_no_stream_is_for_is_refused() -> None:
    for odd in ("", "call-x"):
        with pytest.raises(ValueError, match="hex digit"):
            stream_of(odd)
