"""How much of a tool's output goes where."""

from __future__ import annotations

from typing import Any

import msgspec

MODEL_LIMIT = 16_384  # bytes that the model is given: about 4,000 tokens
# Bytes that go on record. The record's way is Redis, whose subscribers (dashboards, others' programs) each
# hold what they have not read yet: one answer of ten megabytes would cost them their connection.
RECORD_LIMIT = 262_144


def for_the_model(output: Any) -> str:
    """The text that the model reads: JSON, or the words themselves; cut, and said so, beyond MODEL_LIMIT."""
    text = output if isinstance(output, str) else msgspec.json.encode(output).decode()
    return _cut(text, MODEL_LIMIT)


def for_the_record(output: Any) -> Any:
    """The JSON value itself; beyond RECORD_LIMIT the beginning of its text."""
    encoded = msgspec.json.encode(output)
    if len(encoded) <= RECORD_LIMIT:
        return output
    return _cut(output if isinstance(output, str) else encoded.decode(), RECORD_LIMIT)


def _cut(text: str, limit: int) -> str:
    encoded = text.encode()
    if len(encoded) <= limit:
        return text
    return f"{encoded[:limit].decode(errors='ignore')}\n[cut: {len(encoded)} bytes in all]"
