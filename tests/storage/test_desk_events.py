"""What happens without a call: its envelope, and its way over Redis."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.bus.publisher import Publisher
from storage.bus.subscriber import DeskSubscriber, Subscriber
from storage.channels import calls_pattern, desk_channel
from storage.codec import EnvelopeError
from storage.desk_events import AgentPublished, DeskEnvelope, decode_desk, desk_envelope, encode_desk
from tests.fakes.call_story import NOON
from tests.fakes.eventually import eventually
from tests.fakes.servers import RedisServer


def published(version: str = "v3", tenant: str = "default") -> DeskEnvelope:
    event = AgentPublished(agent="front", version=version, published_by="Ann", note="")
    return desk_envelope(event, tenant=tenant, at=NOON)


def test_a_desk_event_belongs_to_no_call() -> None:
    written = json.loads(encode_desk(published()))

    assert set(written) == {"v", "tenant", "at", "type", "data"}
    assert (written["type"], written["data"]["version"]) == ("agent.published", "v3")
    assert decode_desk(encode_desk(published())) == published()


@given(st.binary() | st.text())
def test_what_is_no_envelope_is_refused_and_nothing_else_happens(raw: bytes | str) -> None:
    with pytest.raises(EnvelopeError):
        decode_desk(raw)


async def test_an_announcement_reaches_the_desk_of_its_tenant_and_no_call(redis_server: RedisServer) -> None:
    heard: list[DeskEnvelope] = []
    desk = DeskSubscriber(redis_server.url, "default")
    calls = Subscriber(redis_server.url, [calls_pattern()])

    async def listen() -> None:
        async for envelope in desk:
            heard.append(envelope)  # noqa: PERF401 - the list is watched while it fills

    async def listen_to_calls() -> None:
        async for _ in calls:
            raise AssertionError("a desk event is not a call's")

    async with asyncio.TaskGroup() as group, Publisher(redis_server.url) as publisher:
        tasks = [group.create_task(listen()), group.create_task(listen_to_calls())]
        await eventually(lambda: desk.connected and calls.connected)
        publisher.announce(published(tenant="other"))
        publisher.announce(published())
        await eventually(lambda: len(heard) == 1)
        redis_server.kill()
        await eventually(lambda: not desk.connected)
        publisher.announce(published("v4"))
        redis_server.start()
        await eventually(lambda: desk.connected)
        publisher.announce(published("v5"))
        await eventually(lambda: bool(heard) and heard[-1].data["version"] == "v5")
        for task in tasks:
            task.cancel()

    assert heard[0] == published()
    assert desk_channel("default") == "cordboard:default:desk"
