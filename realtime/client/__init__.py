"""The WebSocket to a Realtime server."""
