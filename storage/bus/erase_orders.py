"""The order to forget calls, to every media server that listens, and their answers.

Pub/sub: who is down does not hear it, and reads the tombstones in Postgres when it starts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import msgspec
import redis.asyncio

from storage.bus.cancellation import raise_if_cancelled
from storage.bus.subscriber import Listener
from storage.channels import erase_channel, erased_channel
from storage.codec import EnvelopeError
from storage.erasure import EraseAnswer, EraseOrder, read_answer, read_order

_REPLY_TIMEOUT_S = 5.0


class EraseOrders(Listener[EraseOrder]):
    """`async for order in EraseOrders(url, tenant)`. See `Listener`."""

    def __init__(self, redis_url: str, tenant: str, *, on_connect: Callable[[], None] | None = None) -> None:
        super().__init__(redis_url, [erase_channel(tenant)], read_order, on_connect)


class Answers(NamedTuple):
    """What came back."""

    listening: int  # media servers that heard the order
    answers: list[EraseAnswer]


async def give_order(redis_url: str, tenant: str, order: EraseOrder, *, within_s: float) -> Answers:
    """Publish it and wait for everybody who heard it, `within_s` at most. Raises redis's errors and OSError."""
    answers: list[EraseAnswer] = []
    async with _client(redis_url) as client, client.pubsub() as pubsub:
        await pubsub.subscribe(erased_channel(tenant))
        raise_if_cancelled()
        while (await pubsub.get_message(timeout=_REPLY_TIMEOUT_S) or {}).get("type") != "subscribe":
            raise_if_cancelled()
        listening = int(await client.publish(erase_channel(tenant), msgspec.json.encode(order)))
        loop = asyncio.get_running_loop()
        until = loop.time() + within_s
        while len(answers) < listening and (left := until - loop.time()) > 0:
            message = await pubsub.get_message(timeout=min(left, 1.0))
            raise_if_cancelled()
            if message is None or message["type"] != "message":
                continue
            try:
                answer = read_answer(message["data"])
            except EnvelopeError:
                continue
            if answer.order == order.order:
                answers.append(answer)
    return Answers(listening, answers)


async def answer(redis_url: str, tenant: str, told: EraseAnswer) -> None:
    """Answer an order. Raises redis's errors and OSError."""
    async with _client(redis_url) as client:
        await client.publish(erased_channel(tenant), msgspec.json.encode(told))
        raise_if_cancelled()


def _client(redis_url: str) -> redis.asyncio.Redis:
    client: redis.asyncio.Redis = redis.asyncio.from_url(
        redis_url,
        socket_timeout=_REPLY_TIMEOUT_S,
        socket_connect_timeout=_REPLY_TIMEOUT_S,
        client_name="cordboard-erase",
        retry=None,
    )
    return client
