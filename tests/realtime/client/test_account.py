"""Looking at a key and a model before anybody calls."""

from __future__ import annotations

import pytest
from aiohttp import web

from realtime.client.account import look_at_account
from realtime.client.endpoint import Endpoint
from realtime.simulator.script import Script
from realtime.simulator.server import Simulator


async def test_a_good_key_is_good() -> None:
    async with Simulator(mind=Script(), api_keys=frozenset({"good"})) as simulator:
        seen = await look_at_account(Endpoint(url=simulator.url, api_key="good"), "gpt-realtime-2.1")

    assert (seen.code, seen.detail) == ("good", "gpt-realtime-2.1")


async def test_a_wrong_key_is_found_before_the_first_call() -> None:
    async with Simulator(mind=Script(), api_keys=frozenset({"good"})) as simulator:
        seen = await look_at_account(Endpoint(url=simulator.url, api_key="bad"), "gpt-realtime-2.1")

    assert seen.code == "unauthorized"


async def test_nobody_there_is_unreachable() -> None:
    async with Simulator(mind=Script()) as gone:
        url = gone.url

    assert (await look_at_account(Endpoint(url=url, api_key="x"), "m")).code == "unreachable"


@pytest.mark.parametrize(("code", "is_seen_as"), [("model_not_found", "unknown_model"), (None, "unknown")])
async def test_a_missing_model_is_told_from_a_server_that_lists_none(
    code: str | None, is_seen_as: str
) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"error": {"message": "no", "code": code}}, status=404)

    app = web.Application()
    app.router.add_get("/v1/models/{model}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]

    seen = await look_at_account(Endpoint(url=f"ws://127.0.0.1:{port}/v1", api_key="x"), "m")

    await runner.cleanup()
    assert seen.code == is_seen_as
