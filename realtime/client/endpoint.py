"""Where the Realtime server is, and how a session is opened there.

The seam for other providers: whoever speaks another protocol gives its own `open_session` and its own core; the
shell asks only for a socket that sends and a listener that hears.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import quote

from realtime.client.socket import RealtimeSocket, SocketListener


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """`url` without `/realtime`, e.g. wss://api.openai.com/v1. The key never shows in a repr."""

    url: str
    api_key: str = field(repr=False)
    connect_timeout_s: float = 10.0


async def open_session(endpoint: Endpoint, model: str, listener: SocketListener) -> RealtimeSocket:
    """A fresh session: its first message will be `session.created`. Raises ConnectFailed."""
    return await RealtimeSocket.connect(
        f"{endpoint.url.rstrip('/')}/realtime?model={quote(model, safe='')}",
        headers={"Authorization": f"Bearer {endpoint.api_key}"},
        listener=listener,
        timeout_s=endpoint.connect_timeout_s,
    )


async def open_transcription(endpoint: Endpoint, listener: SocketListener) -> RealtimeSocket:
    """A session that writes down and never answers; `session.update` names its model. Raises ConnectFailed.

    Source: API reference, "Realtime transcription": the connection says what it is for.
    """
    return await RealtimeSocket.connect(
        f"{endpoint.url.rstrip('/')}/realtime?intent=transcription",
        headers={"Authorization": f"Bearer {endpoint.api_key}"},
        listener=listener,
        timeout_s=endpoint.connect_timeout_s,
    )
