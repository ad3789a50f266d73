"""What the service says when it does not accept a client event.

A `Refusal` becomes one `error` event that carries the client's `event_id`.  The session goes on.
"""

from typing import Any


class Refusal(Exception):
    """One refused client event."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param

    def error(self, client_event_id: str | None, error_type: str = "invalid_request_error") -> dict[str, Any]:
        """The `error` object of the event."""
        return {
            "type": error_type,
            "code": self.code,
            "message": self.message,
            "param": self.param,
            "event_id": client_event_id,
        }
