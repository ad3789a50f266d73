"""Deadlines on real sockets: late headers and late bodies are cut, good requests are not."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession, web

from signaling.web import bodies
from signaling.web.bodies import read_body
from signaling.web.listener import Listener, PortBusy
from signaling.web.problems import problems


async def echo(request):
    return web.Response(body=await read_body(request, deadline_s=0.3))


async def hello(request):
    return web.Response(text="hello")


def app():
    made = web.Application(middlewares=[problems])
    made.router.add_post("/echo", echo)
    made.router.add_get("/", hello)
    return made


@asynccontextmanager
async def connected(listener):
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def closed(reader):
    """Waits for the end; an abrupt one is as good as a polite one, another byte is neither."""
    try:
        return await reader.read() == b""
    except ConnectionError:
        return True


@pytest.fixture
async def listener():
    async with Listener(
        app(), host="127.0.0.1", port=0, header_deadline_s=0.3, stop_within_s=0.5
    ) as listening:
        yield listening


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n"])
async def test_a_connection_whose_headers_do_not_come_is_closed(listener, sent):
    async with connected(listener) as (reader, writer), asyncio.timeout(5):
        writer.write(sent)

        assert await closed(reader)


async def test_headers_that_drip_in_do_not_push_the_deadline(listener):
    async with connected(listener) as (reader, writer), asyncio.timeout(5):
        writer.write(b"GET / HTTP/1.1\r\n")
        reading = asyncio.create_task(closed(reader))
        dripped = 0
        while not reading.done():
            writer.write(b"X: y\r\n")
            dripped += 1
            await asyncio.wait([reading], timeout=0.05)

        assert dripped > 2
        assert reading.result()


async def test_a_second_request_on_the_same_connection_has_the_same_deadline(listener):
    async with connected(listener) as (reader, writer), asyncio.timeout(5):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in await reader.readuntil(b"hello")

        writer.write(b"GET / HTTP/1.1\r\n")

        assert await closed(reader)


async def test_an_idle_connection_is_kept_for_the_next_request(listener):
    async with connected(listener) as (reader, writer), asyncio.timeout(5):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"hello")
        waited = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(0.5, waited.set_result, None)
        await waited  # longer than the header deadline: this is the passing of time itself

        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")

        assert await reader.readuntil(b"hello")


async def test_a_body_that_does_not_come_is_408(listener):
    async with connected(listener) as (reader, writer), asyncio.timeout(5):
        writer.write(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")

        answer = await reader.readuntil(b"}")

    assert answer.startswith(b"HTTP/1.1 408")
    assert b"body_timeout" in answer


async def test_three_hundred_silent_connections_do_not_keep_a_good_request_waiting(listener):
    silent = [await asyncio.open_connection("127.0.0.1", listener.port) for _ in range(300)]

    async with ClientSession() as http, asyncio.timeout(5):
        async with http.get(f"http://127.0.0.1:{listener.port}/") as response:
            assert await response.text() == "hello"
        ends = await asyncio.gather(*(closed(reader) for reader, _ in silent))

    for _, writer in silent:
        writer.close()
    assert all(ends)


async def test_a_busy_port_is_one_sentence_with_the_remedy(listener):
    second = Listener(app(), host="127.0.0.1", port=listener.port)

    with pytest.raises(PortBusy) as busy:
        await second.start()

    assert str(listener.port) in str(busy.value)
    assert "CORDBOARD_HTTP_PORT" in str(busy.value)
    assert "\n" not in str(busy.value)
    await second.stop()


def test_the_limits_are_those_of_the_design():
    from signaling.web.listener import HEADER_DEADLINE_S

    assert (HEADER_DEADLINE_S, bodies.BODY_DEADLINE_S, bodies.BODY_CAP) == (10, 30, 65536)
