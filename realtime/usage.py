"""What a response cost, in the tokens that the API bills."""

from __future__ import annotations

from realtime.server_events import ResponseState, TokenDetails
from storage.events import UsageRecorded


def usage_of(response: ResponseState, model: str) -> UsageRecorded | None:
    """None where the server gave no usage (a response that failed before it began).

    `cached_tokens` is a part of `input_tokens`, billed at the lower price.
    """
    usage = response.usage
    if usage is None:
        return None
    taken = usage.input_token_details or TokenDetails()
    given = usage.output_token_details or TokenDetails()
    cached = taken.cached_tokens_details
    return UsageRecorded(
        response_id=response.id,
        model=model,
        input_tokens=usage.input_tokens or 0,
        output_tokens=usage.output_tokens or 0,
        input_audio_tokens=taken.audio_tokens or 0,
        input_text_tokens=taken.text_tokens or 0,
        cached_tokens=taken.cached_tokens or 0,
        output_audio_tokens=given.audio_tokens or 0,
        output_text_tokens=given.text_tokens or 0,
        cached_audio_tokens=None if cached is None else cached.audio_tokens or 0,
        cached_text_tokens=None if cached is None else cached.text_tokens or 0,
    )
