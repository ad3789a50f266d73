"""What our WebSocket costs, beside the library's own connection: `python -m tests.benchmarks.realtime_socket`.

CPU microseconds of the client's process per message, at a call's own rhythm many times over: 20 ms appends sent,
200 ms deltas received, both compression off, to a server on another core. "bare TCP" writes and reads the same
bytes and knows nothing of WebSocket: no client can cost less on asyncio. Writes results/realtime_socket.json and
prints a table.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Protocol, cast
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from realtime.client.socket import RealtimeSocket
from realtime.client_events import append_audio
from tests.benchmarks import machine

RESULTS = Path(__file__).parent / "results" / "realtime_socket.json"
EVERY_S = 0.001  # 20 calls' appends
MESSAGES = 1_500
ROUNDS = 3
APPEND = append_audio(bytes(range(240)) * 4)
DELTA = b'{"type":"response.output_audio.delta","delta":"' + b"ABCD" * 3_200 + b'"}'  # 200 ms
GO = b'"deltas"'
HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Client(Protocol):
    async def send(self, message: bytes) -> None: ...
    async def received(self, count: int) -> None:
        """Returns when `count` messages have come since the last time."""


class Ours:
    """The socket of `realtime/client/socket.py`, as a call uses it."""

    def __init__(self) -> None:
        self.socket: RealtimeSocket | None = None
        self._came = 0
        self._wanted = 0
        self._enough = asyncio.Event()

    async def send(self, message: bytes) -> None:
        assert self.socket is not None
        self.socket.send(message, droppable=True)

    async def received(self, count: int) -> None:
        self._wanted = count
        self._look()
        await self._enough.wait()
        self._enough.clear()
        self._came -= count

    def message_received(self, message: bytes) -> None:
        self._came += 1
        self._look()

    def socket_closed(self, code: int, reason: str) -> None:
        raise AssertionError(f"the server has gone: {code} {reason}")

    def _look(self) -> None:
        if self._wanted and self._came >= self._wanted:
            self._wanted = 0
            self._enough.set()


class Theirs:
    """`websockets.asyncio.client`, as its documentation shows."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, message: bytes) -> None:
        await self._connection.send(message, text=True)

    async def received(self, count: int) -> None:
        for _ in range(count):
            await self._connection.recv(decode=False)


class Bare(asyncio.Protocol):
    """Bytes in, bytes out."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._came = 0
        self._wanted = 0
        self._enough = asyncio.Event()
        self._frames = {message: Frame(Opcode.TEXT, message).serialize(mask=True) for message in (APPEND, GO)}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(HANDSHAKE)

    def data_received(self, data: bytes) -> None:
        self._came += len(data)
        if self._wanted and self._came >= self._wanted:
            self._wanted = 0
            self._enough.set()

    async def send(self, message: bytes) -> None:
        assert self._transport is not None
        self._transport.write(self._frames[message])

    async def received(self, count: int) -> None:
        self._came, self._wanted = 0, count * len(DELTA)
        await self._enough.wait()
        self._enough.clear()

    def close(self) -> None:
        assert self._transport is not None
        self._transport.abort()


@asynccontextmanager
async def bare(url: str) -> AsyncIterator[Client]:
    port = urlsplit(url).port
    assert port is not None
    _, client = await asyncio.get_running_loop().create_connection(Bare, "127.0.0.1", port)
    yield client
    client.close()


@asynccontextmanager
async def ours(url: str) -> AsyncIterator[Client]:
    client = Ours()
    client.socket = await RealtimeSocket.connect(url, headers={}, listener=client, timeout_s=5)
    yield client
    client.socket_closed = lambda code, reason: None  # type: ignore[method-assign]  # by ourselves now
    await client.socket.close()


@asynccontextmanager
async def theirs(url: str) -> AsyncIterator[Client]:
    async with connect(url, compression=None) as connection:
        yield Theirs(connection)


async def send_us(clients: dict[str, Client]) -> dict[str, list[float]]:
    """CPU µs of each append; all take turns at being the first after a pause."""
    loop = asyncio.get_running_loop()
    took: dict[str, list[float]] = {name: [] for name in clients}
    turns = list(clients.items())
    started = loop.time()
    for number in range(MESSAGES):
        await asyncio.sleep(max(0.0, started + number * EVERY_S - loop.time()))
        turns.append(turns.pop(0))
        for name, client in turns:
            cpu = time.thread_time_ns()
            await client.send(APPEND)
            took[name].append((time.thread_time_ns() - cpu) / 1000)
    return took


async def receive_us(client: Client) -> float:
    cpu = time.process_time()
    await client.send(GO)
    await client.received(MESSAGES)
    return (time.process_time() - cpu) / MESSAGES * 1e6


async def answer(connection: ServerConnection) -> None:
    """Reads for ever; asked for deltas, it sends them one by one."""
    try:
        async for message in connection:
            if message == GO.decode():
                for _ in range(MESSAGES):
                    await connection.send(DELTA, text=True)
                    await asyncio.sleep(EVERY_S)
    except ConnectionClosed:
        return


async def server() -> None:
    async with serve(answer, "127.0.0.1", 0, compression=None, ping_interval=None) as running:
        print(running.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def compare() -> dict[str, dict[str, float]]:
    server_cores, other_cores = machine.split_cores()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.benchmarks.realtime_socket", "--server",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    machine.pin(process.pid, other_cores)
    machine.pin(os.getpid(), server_cores)
    try:
        url = f"ws://127.0.0.1:{int(await process.stdout.readline())}/"
        kinds: dict[str, Callable[[str], AbstractAsyncContextManager[Client]]] = {
            "cordboard": ours,
            "websockets": theirs,
            "bare TCP": bare,
        }
        receives: dict[str, list[float]] = {name: [] for name in kinds}
        async with AsyncExitStack() as stack:
            clients = {name: await stack.enter_async_context(opened(url)) for name, opened in kinds.items()}
            sends = await send_us(clients)
            for _ in range(ROUNDS):
                for name, client in clients.items():
                    receives[name].append(await receive_us(client))
    finally:
        process.stdin.close()
        await process.wait()
    return {
        name: {
            "send_20ms_append_us": round(statistics.mean(sends[name]), 1),
            "receive_200ms_delta_us": round(statistics.median(receives[name]), 1),
        }
        for name in kinds
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.realtime_socket", description=__doc__)
    parser.add_argument("--server", action="store_true", help=argparse.SUPPRESS)
    if parser.parse_args().server:
        asyncio.run(server())
        return
    figures = asyncio.run(compare())
    print("| µs of CPU per message | 20 ms append sent | 200 ms delta received |\n|---|---|---|")
    for name, of in figures.items():
        print(f"| {name} | {of['send_20ms_append_us']} | {of['receive_200ms_delta_us']} |")
    result = {"machine": machine.description(), "versions": machine.versions(), "figures": figures}
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")


if __name__ == "__main__":
    main()
