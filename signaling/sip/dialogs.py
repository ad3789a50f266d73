"""What two user agents agree on between requests: tags, numbers, the way to each other (RFC 3261 section 12)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from signaling.sip.addresses import Uri, read_address, read_uri, split_list
from signaling.sip.message import Headers, Request, Response, has_tag, tag_of

MAX_FORWARDS: Final = "70"  # RFC 3261 section 8.1.1.6

DialogId = tuple[str, str, str]
"""Call-ID, our tag, their tag."""


@dataclass(slots=True, kw_only=True)
class Dialog:
    """Mutable: sequence numbers go up, and the target moves when they say so."""

    call_id: str
    local: str  # our From of requests we send, with tag
    remote: str  # theirs, with tag once they have one
    target: str  # where their Contact says they are
    routes: tuple[str, ...]  # in the order in which our requests pass them
    local_seq: int
    remote_seq: int | None

    @property
    def id(self) -> DialogId:
        return (self.call_id, tag_of(self.local) or "", tag_of(self.remote) or "")

    @classmethod
    def of_server(cls, invite: Request, tag: str, *, first_seq: int) -> Dialog:
        """Section 12.1.1: their INVITE, answered under this tag of ours. Raises ValueError without a Contact."""
        return cls(
            call_id=invite.call_id,
            local=f"{invite.get('To')};tag={tag}",
            remote=invite.get("From") or "",
            target=_contact(invite),
            routes=tuple(_listed(invite, "Record-Route")),
            local_seq=first_seq,
            remote_seq=invite.cseq[0],
        )

    @classmethod
    def of_client(cls, invite: Request, response: Response) -> Dialog:
        """Section 12.1.2: our INVITE and their answer to it. Raises ValueError without a Contact."""
        return cls(
            call_id=invite.call_id,
            local=invite.get("From") or "",
            remote=response.get("To") or "",
            target=_contact(response),
            routes=tuple(reversed(_listed(response, "Record-Route"))),
            local_seq=invite.cseq[0],
            remote_seq=None,
        )

    def request(self, method: str, *, headers: Headers = (), body: bytes = b"") -> Request:
        """The next request of ours, still without Via and Contact (section 12.2.1.1)."""
        self.local_seq += 1
        return self._built(method, self.local_seq, headers, body)

    def ack(self, sequence: int, *, headers: Headers = (), body: bytes = b"") -> Request:
        """The ACK of the 2xx to our INVITE of this number (section 13.2.2.4)."""
        return self._built("ACK", sequence, headers, body)

    def follows(self, request: Request) -> bool:
        """Their request is newer than the last one (section 12.2.2); from now on this is the last one."""
        number, method = request.cseq
        if method in ("ACK", "CANCEL"):
            return True
        if self.remote_seq is not None and number <= self.remote_seq:
            return False
        self.remote_seq = number
        return True

    def moved(self, message: Request | Response) -> None:
        """A target refresh: INVITE, UPDATE, or an answer to one (section 12.2)."""
        if message.get("Contact") is not None:
            self.target = _contact(message)

    def next_hop(self) -> Uri:
        """Where our next request goes first. Raises ValueError for a target that is no URI."""
        return read_address(self.routes[0]).uri if self.routes else read_uri(self.target)

    def _built(self, method: str, sequence: int, headers: Headers, body: bytes) -> Request:
        uri, routes = self.target, self.routes
        if routes and "lr" not in read_address(routes[0]).uri.parameters:
            # A strict router of RFC 2543 wants itself in the request line.
            uri, routes = read_address(routes[0]).uri.text, (*routes[1:], f"<{self.target}>")
        lines: list[tuple[str, str]] = [
            ("Max-Forwards", MAX_FORWARDS),
            *(("Route", route) for route in routes),
            ("From", self.local),
            ("To", self.remote),
            ("Call-ID", self.call_id),
            ("CSeq", f"{sequence} {method}"),
            *headers,
        ]
        return Request(method=method, uri=uri, headers=tuple(lines), body=body)


def dialog_of(request: Request) -> DialogId | None:
    """The dialog a request of theirs claims to belong to; None: it opens one, or belongs to none."""
    to = request.get("To") or ""
    if not has_tag(to):
        return None
    return (request.call_id, tag_of(to) or "", tag_of(request.get("From") or "") or "")


def with_tag(address: str, tag: str) -> str:
    return f"{address};tag={tag}"


def without_via(request: Request) -> Request:
    return replace(request, headers=tuple(line for line in request.headers if line[0].lower() != "via"))


def _contact(message: Request | Response) -> str:
    line = message.get("Contact")
    if line is None:
        raise ValueError("there is no Contact")
    uri = read_address(split_list(line)[0]).uri
    if not uri.is_sip:
        raise ValueError("the Contact is not a SIP URI")
    return uri.text


def _listed(message: Request | Response, name: str) -> list[str]:
    return [value for line in message.every(name) for value in split_list(line)]
