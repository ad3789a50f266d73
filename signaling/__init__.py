"""Who is connected to whom: calls, callers, and the doors they come through.

Root files are pure; `web/` is HTTP and WebSocket, `server/` composes the media server, `cli/` is the command.
"""
