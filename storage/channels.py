"""Names on Redis: what is public (channels) and what is between publisher and worker (streams).

Sixteen streams whose names carry a hash tag, so that a Redis Cluster can spread them without any change here.
"""

from __future__ import annotations

PARTITIONS = "0123456789abcdef"
GROUP = "storage"  # the consumer group of the storage workers
FIELD = "event"  # the one field of a stream entry: the encoded envelope


def calls_channel(tenant: str, call_id: str) -> str:
    """Public channel of one call; `PSUBSCRIBE cordboard:<tenant>:calls:*` hears all of a tenant's calls."""
    return f"cordboard:{tenant}:calls:{call_id}"


def calls_pattern(tenant: str = "*") -> str:
    """PSUBSCRIBE pattern for every call of a tenant, or of all tenants."""
    return f"cordboard:{tenant}:calls:*"


def tenant_of(channel: str) -> str:
    """The tenant in the name of a public channel."""
    return channel.split(":")[1]


def desk_channel(tenant: str) -> str:
    """Public channel of what happens without a call: agents published, presence, lost nodes."""
    return f"cordboard:{tenant}:desk"


def partition_of(call_id: str) -> str:
    """Last hex digit of the call id. In a UUIDv7 it is random, so calls spread evenly.

    A call id that does not end in one has no stream: ValueError.
    """
    digit = call_id[-1:].lower()
    if not digit or digit not in PARTITIONS:
        raise ValueError(f"call id {call_id!r} does not end in a hex digit")
    return digit


def stream_of(call_id: str) -> str:
    """The stream that carries this call's events to the worker."""
    return stream_name(partition_of(call_id))


def stream_name(partition: str) -> str:
    """The stream of one partition."""
    return f"cordboard:{{{partition}}}:events"


def acks_channel(partition: str) -> str:
    """Where a worker says which events are in Postgres: a JSON list of event ids a message."""
    return f"cordboard:{{{partition}}}:acks"


def erase_channel(tenant: str) -> str:
    """Where media servers hear which calls they have to forget (storage/erasure.py)."""
    return f"cordboard:{tenant}:erase"


def erased_channel(tenant: str) -> str:
    """Where they answer."""
    return f"cordboard:{tenant}:erased"


STREAMS: tuple[str, ...] = tuple(stream_name(partition) for partition in PARTITIONS)
