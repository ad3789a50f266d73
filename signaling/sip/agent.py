"""The user agent: sockets on one side, calls on the other, and which message is whose.

Everything that comes is read, put through the transactions and dispatched within the callback of its socket: there
is no queue of messages that could grow. What is bounded: calls being set up (`max_pending`, then 503), transactions,
connections, and what waits to be sent. Addresses that are not among `sources` get no answer at all.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import secrets
import ssl
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from signaling.sip.addresses import Uri
from signaling.sip.connections import Connections
from signaling.sip.dialogs import DialogId, dialog_of
from signaling.sip.digest import Challenger, Credentials
from signaling.sip.flow import Flow, Transport
from signaling.sip.inbound import InboundCall
from signaling.sip.message import Request, Response, reply, tag_of
from signaling.sip.ports import Ending, House, Unreachable
from signaling.sip.reader import Limits, Malformed, read
from signaling.sip.reception import first_answer
from signaling.sip.timers import PATIENCE
from signaling.sip.transactions import (
    AckArrived,
    Answered,
    Arrived,
    Cancelled,
    Effect,
    Key,
    Send,
    Transactions,
    Unacknowledged,
    Unanswered,
)
from signaling.sip.via import DEFAULT_PORT, DEFAULT_TLS_PORT

log = logging.getLogger(__name__)

RETRY_WHEN_BUSY_S: Final = 1  # calls being set up are through within seconds
GOODBYES_S: Final = 3.0  # that BYEs may take when the process stops

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Where to wait for messages; port 0 takes any free one."""

    transport: Transport
    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentConfig:
    listen: tuple[Listen, ...]
    sources: tuple[Network, ...]  # who may speak to us at all
    advertised: str | None = None  # host in Contact and Via, where it is not the one listened on
    limits: Limits = field(default_factory=Limits)
    credentials: Credentials | None = None  # asked of callers, and given where we are asked
    realm: str = "cordboard"
    asks_callers: bool = False  # challenge each INVITE with `credentials`
    server_tls: ssl.SSLContext | None = None  # needed to listen with tls
    client_tls: ssl.SSLContext | None = None  # None: the system's authorities
    max_pending: int = 32  # calls being set up at once


class Party(Protocol):
    """Whoever answers for a dialog."""

    def receive(self, key: Key, request: Request) -> None: ...

    def acknowledged(self, ack: Request) -> None: ...

    def unacknowledged(self) -> None: ...

    def cancelled(self) -> None: ...


class UserAgent:
    """Order of calls: `start`, then whatever comes, `stop`. Implements `Wires` for its calls."""

    def __init__(self, config: AgentConfig, house: House) -> None:
        self._config = config
        self._house = house
        self._loop = asyncio.get_running_loop()
        self._transactions = Transactions(
            new_tag=lambda: secrets.token_hex(8), new_branch=lambda: secrets.token_hex(12)
        )
        self._connections = Connections(self, config.limits, config.server_tls, config.client_tls)
        self._challenger: Challenger | None = None
        if config.asks_callers and config.credentials is not None:
            self._challenger = Challenger(config.credentials, realm=config.realm, key=secrets.token_bytes(32))
        self._dialogs: dict[DialogId, Party] = {}
        self._invites: dict[Key, Party] = {}
        self._asked: dict[Key, Callable[[Response | None], None]] = {}
        self._invited: dict[tuple[str, int], Key] = {}  # INVITEs of ours, by Call-ID and CSeq
        self._acks: dict[tuple[Key, str | None], Send] = {}  # of their 2xx, for copies of it, by To tag
        self._tasks: set[asyncio.Task[None]] = set()
        self._pending = 0
        self._alarm: asyncio.TimerHandle | None = None
        self._draining = False

    @property
    def calls(self) -> int:
        """Dialogs there are now."""
        return len(self._dialogs)

    @property
    def transactions(self) -> int:
        return len(self._transactions)

    async def start(self) -> list[Listen]:
        """Open the doors; says where they are. Raises OSError, and leaves nothing open then."""
        try:
            return [
                Listen(transport=each.transport, host=host, port=port)
                for each in self._config.listen
                for host, port in [await self._connections.listen(each.transport, each.host, each.port)]
            ]
        except BaseException:
            await self._connections.close()
            raise

    async def stop(self) -> None:
        """Let goodbyes go out for GOODBYES_S, then close everything. Calls are to be ended by the house before."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=GOODBYES_S)
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._alarm is not None:
            self._alarm.cancel()
        await self._connections.close()

    # What comes (`connections.Owner`)

    def accepts(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        return any(address in network for network in self._config.sources)

    def received(self, data: bytes, flow: Flow) -> None:
        """One message, or what claims to be one. Never raises: no sender can end the agent."""
        if not self.accepts(flow.host) or not data.strip(b"\r\n\0"):
            return  # a keep-alive (RFC 5626 section 3.5.1), or nobody we speak to
        try:
            self._transactions.receive(read(data, self._config.limits), flow, self.now())
        except Malformed as refused:
            if refused.request is None:
                log.debug("sip.dropped host=%s problem=%s", flow.host, refused.problem)
            else:
                self._transactions.refuse(refused.request, refused.status, flow)
        except Exception:
            log.exception("sip.message_failed host=%s", flow.host)
        self._drain()

    # Wires

    def contact(self, transport: Transport) -> tuple[str, str]:
        host, port = self._address(transport)
        parameter = "" if transport == "udp" else f";transport={transport}"
        return ("Contact", f"<sip:cordboard@{host}:{port}{parameter}>")

    def respond(self, key: Key, response: Response) -> bool:
        done = self._transactions.respond(key, response, self.now())
        self._drain()
        return done

    def acknowledged(self, key: Key) -> None:
        self._transactions.acknowledged(key, self.now())
        self._drain()

    async def ask(self, call: Ending, request: Request) -> Response:
        answer: asyncio.Future[Response | None] = self._loop.create_future()

        def told(response: Response | None) -> None:
            if not answer.done() and (response is None or response.status >= 200):
                answer.set_result(response)

        key = self.send(request, await self.way(call), told)
        try:
            response = await answer
        finally:
            if request.method != "INVITE":  # copies of a 2xx still have to be acknowledged
                self._asked.pop(key, None)
        if response is None:
            raise Unreachable(f"no answer to {request.method}")
        return response

    async def acknowledge(self, call: Ending, request: Request) -> None:
        self.send_ack(request, await self.way(call))

    def now(self) -> float:
        return self._loop.time()

    def later(self, at: float, call: Callable[[], None]) -> asyncio.TimerHandle:
        return self._loop.call_at(at, call)

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = self._loop.create_task(work, name=f"sip {name}")
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def over(self, call: Ending) -> None:
        party = self._dialogs.pop(call.dialog.id, None)
        # Nor may what is left of its transactions keep it: behind it is a session with seconds of audio.
        for key in [key for key, each in self._invites.items() if each is party]:
            del self._invites[key]

    # For calls of ours

    def send(self, request: Request, flow: Flow, told: Callable[[Response | None], None]) -> Key:
        """Send a request without its Via; `told` hears every response, and None where none will come."""
        key = self._transactions.request(request, flow, self._sent_by(flow.transport), self.now())
        self._asked[key] = told
        if request.method == "INVITE":
            self._invited[request.call_id, request.cseq[0]] = key
        self._drain()
        return key

    def cancel(self, key: Key) -> None:
        """Take back an INVITE of ours; its final response still comes."""
        self._transactions.cancel(key, self.now())
        self._drain()

    def send_ack(self, request: Request, flow: Flow) -> None:
        """The ACK of a 2xx: now, and for each copy of the 2xx again (RFC 3261 section 13.2.2.4)."""
        data = self._transactions.acknowledge(request, flow, self._sent_by(flow.transport))
        again = Send(data=data, flow=flow, address=(flow.host, flow.port))
        key = self._invited.get((request.call_id, request.cseq[0]))
        if key is not None:
            self._acks[key, tag_of(request.get("To") or "")] = again
        self._drain()

    def stands(self, dialog: DialogId, party: Party) -> None:
        """From now on what is said within this dialog is the party's."""
        self._dialogs[dialog] = party

    async def flow_to(self, uri: Uri, near: Flow | None = None) -> Flow:
        """How a URI is reached: by the connection of `near` where that leads there, else by a new one.

        A and AAAA records only; NAPTR and SRV are the bridge's business. Raises Unreachable.
        """
        if not uri.is_sip:
            raise Unreachable(f"a {uri.scheme} URI cannot be reached")
        transport: Transport = "udp"
        if uri.transport in ("tcp", "tls"):
            transport = "tls" if uri.transport == "tls" else "tcp"
        elif near is not None and uri.transport is None:
            transport = near.transport
        port = uri.port or (DEFAULT_TLS_PORT if transport == "tls" else DEFAULT_PORT)
        host = uri.host
        try:
            ipaddress.ip_address(host)
        except ValueError:
            try:
                found = await self._loop.getaddrinfo(host, port, type=1)
            except OSError as error:
                raise Unreachable(f"{host} cannot be resolved: {error.strerror}") from error
            host = str(found[0][4][0])
        stands = near is not None and self._connections.stands(near)
        if near is not None and stands and (near.transport, near.host) == (transport, host):
            return (
                near
                if near.reliable
                else Flow(transport=transport, host=host, port=port, connection=near.connection)
            )
        return Flow(transport=transport, host=host, port=port)

    async def way(self, call: Ending) -> Flow:
        """How the next request of this call goes. Raises Unreachable."""
        try:
            hop = call.dialog.next_hop()
        except ValueError as error:
            raise Unreachable(f"their Contact or Route is no URI: {error}") from error
        return await self.flow_to(hop, call.flow)

    def send_failed(self, key: Key | None) -> None:
        """(`connections.Owner`)"""
        if key is not None:
            self._transactions.transport_failed(key, self.now())
            self._drain()

    # Within

    def _told(self, key: Key, response: Response) -> None:
        again = self._acks.get((key, tag_of(response.get("To") or "")))
        told = self._asked.get(key)
        if again is not None:
            self._connections.send(again)
        elif told is not None:
            told(response)
        if key[1] == "INVITE" and response.status >= 200:
            # Timer M: until then there may be copies of a 2xx, and the answers of other phones.
            delay = PATIENCE if response.status < 300 else 0.0
            self._loop.call_later(delay, self._forget, key, (response.call_id, response.cseq[0]))

    def _forget(self, key: Key, invited: tuple[str, int]) -> None:
        self._asked.pop(key, None)
        self._invited.pop(invited, None)
        for acked in [each for each in self._acks if each[0] == key]:
            del self._acks[acked]

    def _drain(self) -> None:
        """Carry out what the transactions want, and set the alarm. Inputs from within just leave more to do."""
        if self._draining:
            return
        self._draining = True
        try:
            while effects := self._transactions.effects():
                for effect in effects:
                    self._carry_out(effect)
        finally:
            self._draining = False
        due = self._transactions.next_deadline()
        if self._alarm is not None and (due is None or self._alarm.when() > due):
            self._alarm.cancel()
            self._alarm = None
        if self._alarm is None and due is not None:
            self._alarm = self._loop.call_at(due, self._rung)

    def _rung(self) -> None:
        self._alarm = None
        self._transactions.wake(self.now())
        self._drain()

    def _carry_out(self, effect: Effect) -> None:
        try:
            match effect:
                case Send():
                    self._connections.send(effect)
                case Arrived(key=key, request=request, flow=flow):
                    self._arrived(key, request, flow)
                case AckArrived(request=request):
                    party = self._party(request)
                    if party is not None:
                        party.acknowledged(request)
                case Cancelled(key=key):
                    if key in self._invites:
                        self._invites[key].cancelled()
                case Unacknowledged(key=key, status=status):
                    if key in self._invites and status < 300:
                        self._invites[key].unacknowledged()
                case Answered(key=key, response=response):
                    self._told(key, response)
                case Unanswered(key=key):
                    told = self._asked.pop(key, None)
                    for invited in [each for each, asked in self._invited.items() if asked == key]:
                        del self._invited[invited]
                    if told is not None:
                        told(None)
        except Exception:
            log.exception("sip.step_failed")  # one call's fault must not be another's
            if isinstance(effect, Arrived):
                self._refuse(effect.key, effect.request, 500)

    def _party(self, request: Request) -> Party | None:
        dialog = dialog_of(request)
        return self._dialogs.get(dialog) if dialog is not None else None

    def _arrived(self, key: Key, request: Request, flow: Flow) -> None:
        if dialog_of(request) is not None:
            party = self._party(request)
            if party is None:
                self._refuse(key, request, 481)
                return
            if request.method == "INVITE":
                self._invites[key] = party
                self._loop.call_later(2 * PATIENCE, self._invites.pop, key, None)
            party.receive(key, request)
        else:
            self._met(key, request, flow)

    def _met(self, key: Key, request: Request, flow: Flow) -> None:
        """A request outside of any call."""
        closed = self._house.closed_for_s()
        if request.method == "INVITE" and closed is None and self._pending >= self._config.max_pending:
            closed = RETRY_WHEN_BUSY_S
        answer = first_answer(request, closed_for_s=closed, challenger=self._challenger, now=self.now())
        if answer is not None:
            response = reply(request, answer.status, tag=secrets.token_hex(8), headers=answer.headers)
            if answer.forget:
                self._transactions.shed(key, response)
            else:
                self.respond(key, response)
            return
        try:
            inbound = InboundCall(self, self._house, key, request, flow)
        except ValueError:  # no Contact, and so no dialog
            self._refuse(key, request, 400)
            return
        self._invites[key] = inbound
        self._dialogs[inbound.call.dialog.id] = inbound
        self.spawn(self._take(key, inbound), "call")

    async def _take(self, key: Key, inbound: InboundCall) -> None:
        self._pending += 1
        try:
            await inbound.take()
        finally:
            self._pending -= 1
            # For a 2xx that is never acknowledged.
            self._loop.call_later(2 * PATIENCE, self._invites.pop, key, None)

    def _refuse(self, key: Key, request: Request, status: int) -> None:
        self.respond(key, reply(request, status, tag=secrets.token_hex(8)))

    def _address(self, transport: Transport) -> tuple[str, int]:
        host, port = self._connections.address(transport)
        host = self._config.advertised or host
        return (f"[{host}]" if ":" in host else host), port

    def _sent_by(self, transport: Transport) -> str:
        host, port = self._address(transport)
        return f"{host}:{port}"

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("sip.task_failed name=%s", task.get_name(), exc_info=task.exception())
