"""What the workers say is in Postgres: a JSON list of event ids a message, on one channel a partition.

Pub/sub, because a lost acknowledgement is harmless: the event is asked after some seconds later, found gone
from Redis, sent again, and acknowledged again.
"""

from __future__ import annotations

import msgspec

from storage.bus.subscriber import Listener
from storage.channels import acks_channel
from storage.codec import EnvelopeError

_decoder = msgspec.json.Decoder(list[str])


class Acknowledgements(Listener[list[str]]):
    """`async for event_ids in Acknowledgements(url)`: also those of other servers' events. See `Listener`."""

    def __init__(self, redis_url: str) -> None:
        super().__init__(redis_url, [acks_channel("?")], _read, None)


def _read(body: bytes) -> list[str]:
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise EnvelopeError("not a list of event ids") from error
