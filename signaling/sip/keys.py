"""Pressed keys in INFO bodies: `application/dtmf-relay` (Cisco's, the usual one) and bare `application/dtmf`."""

from __future__ import annotations

import re
from typing import Final

SIGNAL: Final = re.compile(r"^\s*Signal\s*=\s*([0-9A-D*#]|1[0-5])\s*$", re.I | re.M)
DURATION: Final = re.compile(r"^\s*Duration\s*=\s*(\d{1,5})\s*$", re.I | re.M)
BARE: Final = re.compile(r"\s*([0-9A-D*#])\s*", re.I)
KEYS: Final = "0123456789*#ABCD"  # by their event numbers (RFC 4733 section 3.2)
USUAL_MS: Final = 160
KINDS: Final = ("application/dtmf-relay", "application/dtmf")


def read_key(content_type: str, body: bytes) -> tuple[str, int] | None:
    """Key and duration in ms; None: this is about something else."""
    kind = content_type.partition(";")[0].strip().lower()
    text = body.decode("utf-8", "replace")
    if kind == "application/dtmf":
        bare = BARE.fullmatch(text)
        return (bare.group(1).upper(), USUAL_MS) if bare is not None else None
    signal = SIGNAL.search(text) if kind == "application/dtmf-relay" else None
    if signal is None:
        return None
    key = signal.group(1).upper()
    if len(key) == 2:
        key = KEYS[int(key)]
    duration = DURATION.search(text)
    return key, int(duration.group(1)) if duration is not None else USUAL_MS


def key_body(key: str, duration_ms: int) -> bytes:
    """For application/dtmf-relay."""
    return f"Signal={key}\r\nDuration={duration_ms}\r\n".encode()
