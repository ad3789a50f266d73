"""Calls from a telephone that is not ours: SIPp, Debian's sip-tester."""

from __future__ import annotations

import asyncio
import ipaddress
from pathlib import Path

import pytest

from signaling.sip.agent import AgentConfig, Listen, UserAgent
from tests.fakes.eventually import eventually
from tests.fakes.servers import free_port
from tests.signaling.sip.house import House

SCENARIO = Path(__file__).parent / "basic_call.xml"
CALLS = 20


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_twenty_calls_with_hold_leave_nothing_behind(transport: str, tmp_path: Path) -> None:
    port = free_port()
    house = House()
    agent = UserAgent(
        AgentConfig(
            listen=(Listen(transport="udp" if transport == "udp" else "tcp", host="127.0.0.1", port=port),),
            sources=(ipaddress.ip_network("127.0.0.0/8"),),
        ),
        house,
    )
    await agent.start()
    try:
        sipp = await asyncio.create_subprocess_exec(
            "sipp", f"127.0.0.1:{port}", "-sf", SCENARIO, "-i", "127.0.0.1", "-p", str(free_port()),
            "-t", "u1" if transport == "udp" else "t1", "-m", str(CALLS), "-r", "40", "-l", "10",
            "-timeout", "20", "-timeout_error", "-nostdin", "-recv_timeout", "5000",
            cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await sipp.communicate()

        assert sipp.returncode == 0, output.decode(errors="replace")[-3000:]
        await eventually(lambda: agent.calls == 0)
        assert len(house.guests) == CALLS
        assert all(("hold", True) in guest.told for guest in house.guests)
        assert all(("hung_up", "caller_hangup") in guest.told for guest in house.guests)
    finally:
        await agent.stop()
