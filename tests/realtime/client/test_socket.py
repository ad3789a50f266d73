"""The Realtime socket against a real server: the simulator in its scripted mode, and sockets that misbehave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from websockets.http11 import Request
from websockets.server import ServerProtocol

from realtime import client_events
from realtime.client.endpoint import Endpoint, open_session
from realtime.client.socket import BUFFERED_AUDIO_LIMIT, ConnectFailed, RealtimeSocket
from realtime.simulator.script import Script
from realtime.simulator.server import Simulator


class Listener:
    """Keeps what it hears; implements SocketListener."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[bytes] = asyncio.Queue()
        self.closed: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()
        self.closings = 0

    def message_received(self, message: bytes) -> None:
        self.messages.put_nowait(message)

    def socket_closed(self, code: int, reason: str) -> None:
        self.closings += 1
        if not self.closed.done():
            self.closed.set_result((code, reason))

    async def next(self, kind: str) -> dict[str, object]:
        """The next message of this type; others are passed over."""
        async with asyncio.timeout(5):
            while True:
                message: dict[str, object] = json.loads(await self.messages.get())
                if message["type"] == kind:
                    return message


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(mind=Script(), api_keys=frozenset({"good"})) as running:
        yield running


def endpoint(simulator: Simulator, *, key: str = "good") -> Endpoint:
    return Endpoint(url=simulator.url, api_key=key, connect_timeout_s=5)


async def test_a_session_opens_and_its_first_message_is_session_created(simulator: Simulator) -> None:
    listener = Listener()

    socket = await open_session(endpoint(simulator), "gpt-realtime-2.1", listener)

    created = await listener.next("session.created")
    assert created["session"]["model"] == "gpt-realtime-2.1"  # type: ignore[index]
    await socket.close()


async def test_what_is_sent_arrives_as_text_and_in_order(simulator: Simulator) -> None:
    listener = Listener()
    socket = await open_session(endpoint(simulator), "m", listener)

    socket.send(client_events.session_update("ev_1", {"type": "realtime", "instructions": "Be kind."}))

    updated = await listener.next("session.updated")
    assert updated["session"]["instructions"] == "Be kind."  # type: ignore[index]
    await socket.close()


async def test_a_wrong_key_is_said_to_be_one(simulator: Simulator) -> None:
    with pytest.raises(ConnectFailed) as failed:
        await open_session(endpoint(simulator, key="bad"), "m", Listener())

    assert failed.value.code == "unauthorized"
    assert failed.value.status == 401
    assert "Incorrect API key" in failed.value.detail


@pytest.mark.parametrize(("fault", "code"), [("refuse_429", "rate_limited"), ("refuse_500", "server_error")])
async def test_a_refusal_is_told_from_other_refusals(simulator: Simulator, fault: str, code: str) -> None:
    simulator.faults.next(fault)  # type: ignore[arg-type]

    with pytest.raises(ConnectFailed) as failed:
        await open_session(endpoint(simulator), "m", Listener())

    assert failed.value.code == code


async def test_nobody_listening_there_is_unreachable() -> None:
    async with Simulator(mind=Script()) as gone:
        url = gone.url

    with pytest.raises(ConnectFailed) as failed:
        await open_session(Endpoint(url=url, api_key="x"), "m", Listener())

    assert failed.value.code == "unreachable"
    assert "127.0.0.1" in failed.value.detail


async def test_a_server_that_never_answers_the_handshake_is_given_up() -> None:
    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with tcp_server(silence) as port:
        silent = Endpoint(url=f"ws://127.0.0.1:{port}/v1", api_key="x", connect_timeout_s=0.05)
        with pytest.raises(ConnectFailed) as failed:
            await open_session(silent, "m", Listener())

    assert failed.value.code == "timeout"


async def test_something_that_is_no_web_server_is_unreachable() -> None:
    async def mail(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.com ESMTP\r\n")
        writer.close()

    async with tcp_server(mail) as port:
        with pytest.raises(ConnectFailed) as failed:
            await open_session(Endpoint(url=f"ws://127.0.0.1:{port}/v1", api_key="x"), "m", Listener())

    assert failed.value.code == "unreachable"


async def test_a_drop_with_1011_is_reported_once_with_its_code(simulator: Simulator) -> None:
    listener = Listener()
    simulator.faults.next("drop_1011", after="session.updated")
    socket = await open_session(endpoint(simulator), "m", listener)

    socket.send(client_events.session_update("ev_1", {"type": "realtime"}))

    assert (await asyncio.wait_for(listener.closed, 5))[0] == 1011
    await socket.close()
    assert listener.closings == 1


async def test_a_reset_connection_is_reported_as_1006(simulator: Simulator) -> None:
    listener = Listener()
    simulator.faults.next("abort", after="session.updated")
    socket = await open_session(endpoint(simulator), "m", listener)

    socket.send(client_events.session_update("ev_1", {"type": "realtime"}))

    assert (await asyncio.wait_for(listener.closed, 5))[0] == 1006
    await socket.close()


async def test_closing_does_not_wait_for_a_server_that_never_answers_a_close(simulator: Simulator) -> None:
    listener = Listener()
    simulator.faults.next("silent_close", after="session.created")
    socket = await open_session(endpoint(simulator), "m", listener)
    await listener.next("session.created")

    await asyncio.wait_for(socket.close(), 3)

    await asyncio.wait_for(listener.closed, 1)


async def test_nothing_is_sent_after_the_end(simulator: Simulator) -> None:
    listener = Listener()
    socket = await open_session(endpoint(simulator), "m", listener)
    await socket.close()

    assert socket.send(b'{"type":"input_audio_buffer.clear"}') is False


async def test_audio_is_dropped_and_not_queued_when_the_server_does_not_read() -> None:
    """Late audio is worse than lost audio: what is sent when the server reads again must be fresh."""
    frame = client_events.append_audio(bytes(960))
    async with unreading_server() as (url, _):
        socket = await RealtimeSocket.connect(url, headers={}, listener=Listener(), timeout_s=5)
        assert socket._transport is not None

        for _ in range(20_000):
            socket.send(frame, droppable=True)

        assert socket.stats.dropped_audio > 0
        assert socket._transport.get_write_buffer_size() <= BUFFERED_AUDIO_LIMIT + len(frame) * 2
        await socket.close()


async def test_messages_in_fragments_are_put_together() -> None:
    listener = Listener()
    async with unreading_server() as (url, push):
        socket = await RealtimeSocket.connect(url, headers={}, listener=listener, timeout_s=5)

        await push(b'\x01\x05{"typ' + b"\x80\x07" + b'e":"x"}')  # TEXT without FIN, CONTINUATION with FIN

        assert await asyncio.wait_for(listener.messages.get(), 5) == b'{"type":"x"}'
        await socket.close()


@asynccontextmanager
async def tcp_server(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    """A TCP server; gives its port, leaves nothing open."""
    writers: list[asyncio.StreamWriter] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await serve(reader, writer)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, limit=4096)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()
        await server.wait_closed()


@asynccontextmanager
async def unreading_server() -> AsyncIterator[tuple[str, Callable[[bytes], Awaitable[None]]]]:
    """A WebSocket server by hand: answers the handshake, then reads nothing and writes what it is told."""
    opened: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        protocol = ServerProtocol()
        while not opened.done():
            protocol.receive_data(await reader.read(65536))
            for event in protocol.events_received():
                assert isinstance(event, Request)
                protocol.send_response(protocol.accept(event))
                writer.write(b"".join(protocol.data_to_send()))
                opened.set_result(writer)

    async def push(data: bytes) -> None:
        writer = await asyncio.wait_for(opened, 5)
        writer.write(data)
        await writer.drain()

    async with tcp_server(serve) as port:
        yield f"ws://127.0.0.1:{port}/", push
