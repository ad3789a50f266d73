"""All transactions of one user agent: which message belongs to which request, and what is sent when.

Core, without socket or clock: after every input take all of `effects()`, and `wake` at `next_deadline()`. What it
answers by itself: copies of requests, CANCEL (200 or 481), merged requests (482), refusals' ACKs. Bounded: beyond
MAX_SERVER new requests are dropped, and their senders try again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal

from signaling.sip import client_transaction, server_transaction
from signaling.sip.client_transaction import ClientTransaction
from signaling.sip.flow import Flow
from signaling.sip.message import Message, Request, Response, has_tag, reply, tag_of, with_header
from signaling.sip.server_transaction import ServerTransaction
from signaling.sip.timers import PATIENCE, Alarms
from signaling.sip.via import as_received, reply_address, top_via

MAX_SERVER: Final = 10_000
"""Over UDP each lasts 32 s: 300 requests a second. Some 30 MB."""

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """`data` to this flow; over a stream that is gone, on a new connection to `address`."""

    data: bytes
    flow: Flow
    address: tuple[str, int]
    key: Key | None = None  # of a request of ours: whose failure to tell `transport_failed`


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A request that is nobody's copy: `respond` to it, once finally."""

    key: Key
    request: Request
    flow: Flow


@dataclass(frozen=True, slots=True, kw_only=True)
class AckArrived:
    """An ACK that belongs to a 2xx, by its dialog."""

    request: Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """Whoever sent this INVITE has thought better of it; it still wants its final response (487)."""

    key: Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A response to a request of ours."""

    key: Key
    response: Response


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """A request of ours will not be answered any more (RFC 3261 section 8.1.3.1: as 408 or 503)."""

    key: Key
    cause: Literal["timeout", "transport"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unacknowledged:
    """Our final response to an INVITE was never acknowledged: a 2xx has to be followed by BYE."""

    key: Key
    status: int


Effect = Send | Arrived | AckArrived | Cancelled | Answered | Unanswered | Unacknowledged


class Transactions:
    """`new_tag` and `new_branch` give unguessable words; the branch comes without its cookie."""

    def __init__(self, *, new_tag: Callable[[], str], new_branch: Callable[[], str]) -> None:
        self._new_tag = new_tag
        self._new_branch = new_branch
        self._servers: dict[Key, ServerTransaction] = {}
        self._clients: dict[Key, ClientTransaction] = {}
        self._merged: dict[Key, Key] = {}
        self._alarms: Alarms[tuple[bool, Key]] = Alarms()
        self._effects: list[Effect] = []
        self.dropped = 0  # requests beyond MAX_SERVER

    def __len__(self) -> int:
        return len(self._servers) + len(self._clients)

    def effects(self) -> list[Effect]:
        taken, self._effects = self._effects, []
        return taken

    def next_deadline(self) -> float | None:
        return self._alarms.next()

    # Inputs

    def receive(self, message: Message, flow: Flow, now: float) -> None:
        """A message has come, checked by `reader.read`."""
        if isinstance(message, Response):
            self._response(message, now)
        else:
            self._request(as_received(message, flow.host, flow.port), flow, now)

    def refuse(self, request: Request, status: int, flow: Flow) -> None:
        """Answer a request that cannot be read, without remembering it (RFC 3261 section 8.2.7)."""
        request = as_received(request, flow.host, flow.port)
        self._send_reply(reply(request, status, tag=self._new_tag()).write(), request, flow)

    def respond(self, key: Key, response: Response, now: float) -> bool:
        """False: too late, a final response has been sent or the transaction is over."""
        transaction = self._servers.get(key)
        data = transaction.respond(response, now) if transaction is not None else None
        if transaction is None or data is None:
            return False
        self._send_reply(data, transaction.request, transaction.flow)
        self._tend_server(key, transaction, now)
        return True

    def shed(self, key: Key, response: Response) -> None:
        """Refuse and forget: nothing is kept or repeated (RFC 3261 section 8.2.7). For when there is too much to do:

        a copy of the request is a request of its own, and an ACK is nobody's.
        """
        transaction = self._servers.pop(key, None)
        if transaction is not None:
            self._send_reply(response.write(), transaction.request, transaction.flow)
            self._unmerge(key, transaction.request)
            self._alarms.set((True, key), None)

    def acknowledged(self, key: Key, now: float) -> None:
        """The 2xx to this INVITE has its ACK."""
        transaction = self._servers.get(key)
        if transaction is not None:
            transaction.acknowledged()
            self._tend_server(key, transaction, now)

    def request(self, request: Request, flow: Flow, sent_by: str, now: float) -> Key:
        """Send a request of ours, without its Via. Answered or Unanswered will come, except for an ACK."""
        branch = f"z9hG4bK{self._new_branch()}"
        return self._start(_with_via(request, flow, sent_by, branch), flow, branch, now)

    def acknowledge(self, request: Request, flow: Flow, sent_by: str) -> bytes:
        """Send the ACK of a 2xx, which is a transaction of its own without an answer. Returns it, for copies."""
        request = _with_via(request, flow, sent_by, f"z9hG4bK{self._new_branch()}")
        data = request.write()
        self._effects.append(Send(data=data, flow=flow, address=(flow.host, flow.port)))
        return data

    def cancel(self, key: Key, now: float) -> None:
        """Take back an INVITE of ours. Its final answer still comes: 487 as a rule, or a 2xx that was faster."""
        transaction = self._clients.get(key)
        if transaction is None or not transaction.invite:
            return
        if transaction.state is client_transaction.State.CALLING:
            transaction.cancel_wanted = True  # RFC 3261 section 9.1: not before a provisional answer
        elif transaction.state is client_transaction.State.PROCEEDING:
            transaction.cancel_wanted = False
            self._start(transaction.cancelling(), transaction.flow, key[0], now)
            transaction.give_up_by(now + PATIENCE)
            self._tend_client(key, transaction, now)

    def transport_failed(self, key: Key, now: float) -> None:
        """A request of ours could not be sent."""
        transaction = self._clients.pop(key, None)
        self._alarms.set((False, key), None)
        if transaction is not None and key[1] != "CANCEL":
            self._effects.append(Unanswered(key=key, cause="transport"))

    def wake(self, now: float) -> None:
        for server, key in self._alarms.ringing(now):
            if server and (theirs := self._servers.get(key)) is not None:
                data, unheard = theirs.wake(now)
                if data is not None:
                    self._send_reply(data, theirs.request, theirs.flow)
                if unheard:
                    self._effects.append(Unacknowledged(key=key, status=theirs.status))
                self._tend_server(key, theirs, now)
            elif not server and (ours := self._clients.get(key)) is not None:
                data, unanswered = ours.wake(now)
                if data is not None:
                    self._send(data, key, ours)
                if unanswered and key[1] != "CANCEL":
                    self._effects.append(Unanswered(key=key, cause="timeout"))
                self._tend_client(key, ours, now)

    # Theirs

    def _request(self, request: Request, flow: Flow, now: float) -> None:
        key = _key_of(request)
        transaction = self._servers.get(key)
        if request.method == "ACK":
            if transaction is not None and transaction.state is server_transaction.State.COMPLETED:
                transaction.ack(now)
                self._tend_server(key, transaction, now)
            else:
                self._effects.append(AckArrived(request=request))
            return
        if transaction is not None:
            again = transaction.again()
            if again is not None:
                self._send_reply(again, transaction.request, flow)
            return
        if len(self._servers) >= MAX_SERVER:
            self.dropped += 1
            return
        transaction = ServerTransaction(request, flow)
        self._servers[key] = transaction
        if request.method == "CANCEL":
            self._cancel(key, request, now)
            return
        opens = not has_tag(request.get("To") or "")
        if opens and self._merged.setdefault(_merge_key(request), key) != key:
            # RFC 3261 section 8.2.2.2: the same request by another way.
            self.respond(key, reply(request, 482, tag=self._new_tag()), now)
            return
        if request.method == "INVITE":
            self.respond(key, reply(request, 100), now)
        self._effects.append(Arrived(key=key, request=request, flow=flow))

    def _cancel(self, key: Key, request: Request, now: float) -> None:
        invite_key = _key_of(replace(request, method="INVITE"))
        invite = self._servers.get(invite_key)
        status = 481 if invite is None else 200
        self.respond(key, reply(request, status, tag=self._new_tag()), now)
        if invite is not None and not invite.answered:
            self._effects.append(Cancelled(key=invite_key))

    def _send_reply(self, data: bytes, request: Request, flow: Flow) -> None:
        address = reply_address(request)
        if not flow.reliable:
            flow = replace(flow, host=address[0], port=address[1])
        self._effects.append(Send(data=data, flow=flow, address=address))

    def _tend_server(self, key: Key, transaction: ServerTransaction, now: float) -> None:
        if transaction.next_at is not None and transaction.next_at <= now:
            transaction.wake(now)  # over streams some timers are zero
        if transaction.state is server_transaction.State.OVER:
            del self._servers[key]
            self._unmerge(key, transaction.request)
        self._alarms.set((True, key), transaction.next_at)

    def _unmerge(self, key: Key, request: Request) -> None:
        if self._merged.get(_merge_key(request)) == key:
            del self._merged[_merge_key(request)]

    # Ours

    def _start(self, request: Request, flow: Flow, branch: str, now: float) -> Key:
        key = (branch, request.method)
        transaction = ClientTransaction(request, flow, now)
        self._clients[key] = transaction
        self._send(transaction.data, key, transaction)
        self._tend_client(key, transaction, now)
        return key

    def _send(self, data: bytes, key: Key, transaction: ClientTransaction) -> None:
        flow = transaction.flow
        self._effects.append(Send(data=data, flow=flow, address=(flow.host, flow.port), key=key))

    def _response(self, response: Response, now: float) -> None:
        key = (top_via(response).branch or "", response.cseq[1])
        transaction = self._clients.get(key)
        if transaction is None:
            return  # RFC 3261 section 18.1.2: nobody here has asked
        goes_up, ack = transaction.answered(response, now)
        if ack is not None:
            self._effects.append(
                Send(data=ack, flow=transaction.flow, address=(transaction.flow.host, transaction.flow.port))
            )
        if goes_up and key[1] != "CANCEL":
            self._effects.append(Answered(key=key, response=response))
        if transaction.cancel_wanted and transaction.state is client_transaction.State.PROCEEDING:
            self.cancel(key, now)
        self._tend_client(key, transaction, now)

    def _tend_client(self, key: Key, transaction: ClientTransaction, now: float) -> None:
        if transaction.next_at is not None and transaction.next_at <= now:
            transaction.wake(now)
        if transaction.state is client_transaction.State.OVER:
            self._clients.pop(key, None)
        self._alarms.set((False, key), transaction.next_at)


def _key_of(request: Request) -> Key:
    """RFC 3261 section 17.2.3: by branch and sent-by, or, of RFC 2543's elements, by much else."""
    via = top_via(request)
    method = "INVITE" if request.method == "ACK" else request.method
    if via.branch is not None:
        return (via.branch, via.sent_by, method)
    return (
        "2543",
        via.sent_by,
        method,
        request.call_id,
        tag_of(request.get("From") or "") or "",
        str(request.cseq[0]),
        request.uri,
        via.parameters.get("branch") or "",
    )


def _merge_key(request: Request) -> Key:
    return (request.call_id, tag_of(request.get("From") or "") or "", request.get("CSeq") or "")


def _with_via(request: Request, flow: Flow, sent_by: str, branch: str) -> Request:
    # RFC 3581: rport, so that answers find their way back through a NAT.
    via = ("Via", f"SIP/2.0/{flow.transport.upper()} {sent_by};branch={branch};rport")
    return replace(with_header(request, "Via"), headers=(via, *with_header(request, "Via").headers))
