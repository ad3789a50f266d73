"""Bytes from anybody, read into a Request or Response, or refused: what RFC 4475 tortures.

Everything that later steps rely on is checked here: one readable Via, From, To, Call-ID and CSeq, numbers in their
range, a Content-Length that is true. A request that can be answered is refused with a status; anything else is
dropped. Whatever the bytes, nothing but Malformed is raised.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from signaling.sip.addresses import TOKEN, read_address, read_uri, split_list
from signaling.sip.message import Headers, Message, Request, Response, long_name
from signaling.sip.via import read_via

MAX_HEADER_BYTES: Final = 32 * 1024
"""Start line and headers. An INVITE with Identity (RFC 8224) has about 4 KB."""
MAX_BODY_BYTES: Final = 64 * 1024
"""As much SDP as `media.sdp` would look at."""
MAX_HEADERS: Final = 256

REQUEST_LINE: Final = re.compile(r"([^\s]+) ([^\s]+) SIP/(\d+\.\d+)", re.I)
STATUS_LINE: Final = re.compile(r"SIP/2\.0 (\d{3})(?: (.*))?", re.I | re.S)
HEADER: Final = re.compile(r"([A-Za-z0-9\-.!%*_+`'~]+)[ \t]*:[ \t]*(.*)", re.S)
CSEQ: Final = re.compile(r"(\d{1,10})[ \t]+([A-Za-z0-9\-.!%*_+`'~]+)")
ONLY_ONCE: Final = ("From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Length", "Content-Type")
NEEDED: Final = ("Via", "From", "To", "Call-ID", "CSeq")
MAX_SEQUENCE: Final = 2**31  # RFC 3261 section 8.1.1.5


class Malformed(Exception):
    """The bytes are not a message we act on.

    `request` is there if it can still be answered, with `status`; else the message is to be dropped.
    """

    def __init__(self, problem: str, *, status: int = 400, request: Request | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.status = status
        self.request = request


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bytes."""

    header: int = MAX_HEADER_BYTES
    body: int = MAX_BODY_BYTES


def read(data: bytes, limits: Limits = Limits()) -> Message:  # frozen
    """One whole message: a datagram, or what `framing` has cut from a stream. Raises Malformed."""
    head, gap, body = data.lstrip(b"\r\n").partition(b"\r\n\r\n")
    if not gap:
        raise Malformed("no empty line ends the headers")
    if len(head) > limits.header:
        raise Malformed("the headers are too long")
    start, headers = _lines(head)
    status = STATUS_LINE.fullmatch(start)
    if status is not None:
        response = Response(
            status=int(status.group(1)), reason=(status.group(2) or "").strip(), headers=headers, body=body
        )
        problem = _problem(response) or _length_problem(headers, body)
        if problem is not None or not 100 <= response.status < 700:
            raise Malformed(problem or "no such status")
        return Response(
            status=response.status, reason=response.reason, headers=headers, body=_cut(headers, body)
        )
    try:
        return _request(start, headers, body, limits)
    except Malformed as refused:
        if refused.request is not None and refused.request.method == "ACK":
            refused.request = None  # RFC 3261 section 17.1.1.3: an ACK is never answered
        raise


def content_length(headers: Headers) -> int | None:
    """None: not told. Raises Malformed for what is not one number."""
    told = [value for name, value in headers if name.lower() == "content-length"]
    if not told:
        return None
    if len(set(told)) > 1 or not (told[0].isascii() and told[0].isdigit()) or len(told[0]) > 9:
        raise Malformed("Content-Length is not one number")
    return int(told[0])


def _lines(head: bytes) -> tuple[str, Headers]:
    # RFC 3261 section 7.3.1: a line that begins with white space goes on with the one before it.
    text = re.sub(r"[ \t]*\r\n[ \t]+", " ", head.decode("utf-8", "surrogateescape"))
    start, *lines = text.split("\r\n")
    if len(lines) > MAX_HEADERS:
        raise Malformed("there are too many headers")
    headers = []
    for line in lines:
        match = HEADER.fullmatch(line)
        # A bare CR or LF would let somebody smuggle a header into what we write.
        if match is None or "\r" in line or "\n" in line:
            raise Malformed("a line is not a header")
        headers.append((long_name(match.group(1)), match.group(2).strip()))
    return start, tuple(headers)


def _request(start: str, headers: Headers, body: bytes, limits: Limits) -> Request:
    line = REQUEST_LINE.fullmatch(start)
    # Without a line that can be read there may still be enough to answer: RFC 4475 sections 3.1.2.7 to 3.1.2.11.
    method = line.group(1) if line is not None else start.partition(" ")[0]
    uri = line.group(2) if line is not None else ""
    # A CSeq that does not fit its range is echoed in the refusal like any other text.
    request = Request(method=method, uri=uri, headers=headers, body=b"")
    if not TOKEN.fullmatch(method) or _unanswerable(request):
        raise Malformed("neither a request nor a response")
    if line is not None and line.group(3) != "2.0":
        raise Malformed("another version of SIP", status=505, request=request)
    if line is None:
        raise Malformed("the request line cannot be read", request=request)
    try:
        target = read_uri(uri)
    except ValueError as error:
        raise Malformed(f"the Request-URI cannot be read: {error}", request=request) from error
    if target.headers:  # RFC 3261 section 19.1.1: not allowed there
        raise Malformed("the Request-URI has headers", request=request)
    problem = _problem(request)
    if problem is None and request.cseq[1] != method:
        problem = "CSeq names another method"
    if problem is None:
        try:
            problem = _length_problem(headers, body)
        except Malformed as error:
            problem = error.problem
    if problem is not None:
        raise Malformed(problem, request=request)
    body = _cut(headers, body)
    if len(body) > limits.body:
        raise Malformed("the body is too long", status=513, request=request)
    return Request(method=method, uri=uri, headers=headers, body=body)


def _unanswerable(request: Request) -> bool:
    """A refusal could not be sent, or could not be told apart from others by whoever gets it."""
    try:
        for value in split_list(", ".join(request.every("Via"))):
            read_via(value)
    except ValueError:
        return True
    return False


def _problem(message: Message) -> str | None:
    for name in NEEDED:
        if message.get(name) is None:
            return f"{name} is missing"
    for name in ONLY_ONCE:
        if len(message.every(name)) > 1:
            return f"{name} is there more than once"
    match = CSEQ.fullmatch(message.get("CSeq") or "")
    if match is None or int(match.group(1)) >= MAX_SEQUENCE:
        return "CSeq is not a number and a method"
    forwards = message.get("Max-Forwards")
    if forwards is not None and not (forwards.isascii() and forwards.isdigit() and int(forwards[:9]) <= 255):
        return "Max-Forwards is not a number up to 255"
    if not message.call_id or re.search(r"\s", message.call_id):
        return "Call-ID is not one word"
    try:
        for name in ("From", "To"):
            read_address(message.get(name) or "")
        for value in split_list(", ".join(message.every("Via"))):
            read_via(value)
        for name in ("Contact", "Route", "Record-Route"):
            for line in message.every(name):
                if name == "Contact" and line.strip() == "*":  # of a REGISTER
                    continue
                for value in split_list(line):
                    read_address(value)
    except ValueError as error:
        return f"an address cannot be read: {error}"
    return None


def _length_problem(headers: Headers, body: bytes) -> str | None:
    length = content_length(headers)
    # RFC 3261 section 18.3: a datagram that ends before its body does is an error; what is behind it is nothing.
    return "the body is shorter than Content-Length" if length is not None and length > len(body) else None


def _cut(headers: Headers, body: bytes) -> bytes:
    length = content_length(headers)
    return body if length is None else body[:length]
