"""What the SIP side costs: CPU for an INVITE that is refused while the house is full, and for a whole call.

    python -m tests.benchmarks.sip_flood

CPU time of this process, not wall time: it does not depend on what else the machine does. Media and model are left
out; the messages go through reader, transactions, dialogs and sockets as in the server.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time

from signaling.sip.agent import AgentConfig, Listen, UserAgent
from signaling.sip.flow import Flow
from tests.fakes.eventually import eventually
from tests.signaling.sip.house import House
from tests.signaling.sip.phone import OFFER, phone

FLOOD = 5_000
CALLS = 200
CONFIG = AgentConfig(
    listen=(Listen(transport="udp", host="127.0.0.1", port=0),),
    sources=(ipaddress.ip_network("127.0.0.0/8"),),
)


def invite(number: int) -> bytes:
    return (
        f"INVITE sip:+81312345678@127.0.0.1 SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK{number};rport\r\nMax-Forwards: 70\r\n"
        f"From: <sip:flood@127.0.0.1>;tag={number}\r\nTo: <sip:+81312345678@127.0.0.1>\r\n"
        f"Call-ID: {number}@flood\r\nCSeq: 1 INVITE\r\nContact: <sip:flood@127.0.0.1:9>\r\n"
        f"Content-Type: application/sdp\r\nContent-Length: {len(OFFER)}\r\n\r\n{OFFER}"
    ).encode()


async def main() -> None:
    house = House(closed=5)
    agent = UserAgent(CONFIG, house)
    (door,) = await agent.start()
    flow = Flow(transport="udp", host="127.0.0.1", port=9, connection=1)
    messages = [invite(number) for number in range(FLOOD)]
    begun = time.process_time()
    for message in messages:
        agent.received(message, flow)
    refused_us = (time.process_time() - begun) / FLOOD * 1e6
    left = (agent.calls, agent.transactions)

    house.closed = None
    begun = time.process_time()
    for _ in range(CALLS):
        async with phone(door.port) as caller:
            caller.invite()
            await caller.response(200)
            caller.ack()
            caller.request("BYE")
            await caller.response(200, method="BYE")
    called_us = (time.process_time() - begun) / CALLS * 1e6
    await eventually(lambda: agent.calls == 0)
    print(
        f"refused INVITE: {refused_us:.0f} us of CPU each; left behind: {left[0]} dialogs, {left[1]} transactions"
    )
    print(f"200 a second are {200 * refused_us / 1e4:.1f} % of a core")
    print(f"call (INVITE, 183, 200, ACK, BYE) with its telephone: {called_us / 1000:.2f} ms of CPU each")
    await agent.stop()


if __name__ == "__main__":
    asyncio.run(main())
