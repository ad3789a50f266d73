"""What a response cost, from the tokens in `response.done`."""

from __future__ import annotations

from realtime.server_events import ResponseState, TokenDetails, UsageState
from realtime.usage import usage_of
from storage.events import UsageRecorded


def test_tokens_are_recorded_by_kind() -> None:
    usage = UsageState(
        input_tokens=120,
        output_tokens=50,
        input_token_details=TokenDetails(audio_tokens=80, text_tokens=40, cached_tokens=64),
        output_token_details=TokenDetails(audio_tokens=45, text_tokens=5),
    )

    assert usage_of(ResponseState(id="r", usage=usage), "gpt-realtime-2.1") == UsageRecorded(
        response_id="r",
        model="gpt-realtime-2.1",
        input_tokens=120,
        output_tokens=50,
        input_audio_tokens=80,
        input_text_tokens=40,
        cached_tokens=64,
        output_audio_tokens=45,
        output_text_tokens=5,
    )


def test_what_the_server_leaves_out_is_zero() -> None:
    recorded = usage_of(ResponseState(id="r", usage=UsageState(input_token_details=TokenDetails())), "m")

    assert recorded is not None
    assert (recorded.input_tokens, recorded.input_audio_tokens, recorded.output_text_tokens) == (0, 0, 0)


def test_a_response_without_usage_is_not_recorded() -> None:
    assert usage_of(ResponseState(id="r"), "m") is None
