"""What the provider's error codes mean for a call. Source: API reference, and codes seen on the wire."""

from __future__ import annotations

# Errors that say "too late" or "already done": the conversation goes on as it is.
BENIGN_ERRORS = frozenset(
    {
        "response_cancel_not_active",
        "conversation_already_has_active_response",
        "input_audio_buffer_commit_empty",
        "item_truncate_invalid_item_id",
        "item_retrieve_invalid_item_id",
        "invalid_value",  # of a truncate that came a moment too late
        "cannot_update_voice",
    }
)
# Errors that no retry mends.
FATAL_ERRORS = frozenset(
    {
        "insufficient_quota",
        "invalid_api_key",
        "account_deactivated",
        "billing_hard_limit_reached",
        "beta_api_shape_disabled",
        "unauthorized",  # the handshake was answered 401 or 403
    }
)
