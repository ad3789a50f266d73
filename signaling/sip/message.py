"""A SIP message as a value: start line, header lines in order, body. Knows nothing of what the headers mean.

Header names are kept in their long form, so that `Via` and `v` are one; they are compared without regard to case.
Text that is not UTF-8 survives unchanged (surrogates), because a proxy's oddities have to be echoed as they came.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, TypeVar

# RFC 3261 section 7.3.3, and the later registrations at IANA.
COMPACT_FORMS: Final = {
    "a": "Accept-Contact", "b": "Referred-By", "c": "Content-Type", "d": "Request-Disposition",
    "e": "Content-Encoding", "f": "From", "i": "Call-ID", "j": "Reject-Contact", "k": "Supported",
    "l": "Content-Length", "m": "Contact", "n": "Identity-Info", "o": "Event", "r": "Refer-To", "s": "Subject",
    "t": "To", "u": "Allow-Events", "v": "Via", "x": "Session-Expires", "y": "Identity",
}  # fmt: skip

REASONS: Final = {
    100: "Trying", 180: "Ringing", 183: "Session Progress", 200: "OK", 202: "Accepted", 400: "Bad Request",
    401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 406: "Not Acceptable",
    415: "Unsupported Media Type", 416: "Unsupported URI Scheme", 420: "Bad Extension",
    422: "Session Interval Too Small", 480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist",
    482: "Loop Detected", 486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here",
    489: "Bad Event", 491: "Request Pending", 500: "Server Internal Error", 501: "Not Implemented",
    503: "Service Unavailable", 504: "Server Time-out", 505: "Version Not Supported", 513: "Message Too Large",
    603: "Decline",
}  # fmt: skip

Headers = tuple[tuple[str, str], ...]
Self = TypeVar("Self", "Request", "Response")


def long_name(name: str) -> str:
    """`v` is `Via`."""
    return COMPACT_FORMS.get(name.lower(), name) if len(name) == 1 else name


@dataclass(frozen=True, slots=True, kw_only=True)
class _Message:
    headers: Headers
    body: bytes = b""

    def get(self, name: str) -> str | None:
        """The first line of this name."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)

    def every(self, name: str) -> list[str]:
        """All lines of this name, as they stand."""
        wanted = name.lower()
        return [value for key, value in self.headers if key.lower() == wanted]

    def tokens(self, name: str) -> list[str]:
        """The comma-separated words of a header such as Require or Allow."""
        return [word for line in self.every(name) for part in line.split(",") if (word := part.strip())]

    @property
    def call_id(self) -> str:
        return self.get("Call-ID") or ""

    @property
    def cseq(self) -> tuple[int, str]:
        """Number and method; (0, "") where the header is missing, which the reader does not let through."""
        number, _, method = (self.get("CSeq") or "0 ").partition(" ")
        return int(number), method.strip()

    def _written(self, start: str) -> bytes:
        lines = [start]
        lines += [f"{name}: {value}" for name, value in self.headers if name.lower() != "content-length"]
        # RFC 3261 section 18.3: over a stream the length is what ends the message.
        lines += [f"Content-Length: {len(self.body)}", "", ""]
        return "\r\n".join(lines).encode("utf-8", "surrogateescape") + self.body


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(_Message):
    method: str
    uri: str

    def write(self) -> bytes:
        return self._written(f"{self.method} {self.uri} SIP/2.0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Response(_Message):
    status: int
    reason: str

    def write(self) -> bytes:
        return self._written(f"SIP/2.0 {self.status} {self.reason}")


Message = Request | Response


def with_header(message: Self, name: str, *values: str) -> Self:
    """The message with these lines in place of all of that name, at the first one's place, else at the end."""
    wanted = name.lower()
    lines: list[tuple[str, str]] = []
    put = False
    for key, value in message.headers:
        if key.lower() != wanted:
            lines.append((key, value))
        elif not put:
            lines += [(name, each) for each in values]
            put = True
    if not put:
        lines += [(name, each) for each in values]
    return replace(message, headers=tuple(lines))


def reply(
    request: Request,
    status: int,
    *,
    tag: str | None = None,
    reason: str | None = None,
    headers: Headers = (),
    body: bytes = b"",
    content_type: str = "application/sdp",
) -> Response:
    """A response to this request (RFC 3261 section 8.2.6.2); `tag` is put to a To that has none."""
    copied: list[tuple[str, str]] = []
    for key, value in request.headers:
        name = key.lower()
        if name in ("via", "from", "call-id", "cseq") or (name == "record-route" and 100 < status < 300):
            copied.append((key, value))
        elif name == "to":
            tagged = tag is None or status == 100 or has_tag(value)
            copied.append((key, value if tagged else f"{value};tag={tag}"))
    if body:
        copied.append(("Content-Type", content_type))
    return Response(
        status=status,
        reason=reason or REASONS.get(status, "Unknown"),
        headers=(*copied, *headers),
        body=body,
    )


def has_tag(address: str) -> bool:
    """A From or To line has a tag parameter; what stands inside quotes or brackets does not count."""
    return tag_of(address) is not None


def tag_of(address: str) -> str | None:
    outside = address.rpartition(">")[2] if ">" in address else address
    for part in outside.split(";")[0 if ">" in address else 1 :]:
        name, _, value = part.partition("=")
        if name.strip().lower() == "tag" and value.strip():
            return value.strip()
    return None
