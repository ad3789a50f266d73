"""Fixtures of the simulator's tests."""

from collections.abc import AsyncIterator

import pytest

from realtime.simulator.script import AT_ONCE, FunctionCall, Reply, Script, Together
from realtime.simulator.server import Simulator

# Short and at once: what most tests want.
QUICK = Script(
    hears=["I would like an appointment"],
    says=[
        Reply(text="Good morning, how can I help?", audio_ms=500),
        Together(FunctionCall("schedule_appointment", {"name": "Ann"}), FunctionCall("end_call", {})),
    ],
    pace=AT_ONCE,
    transcription_ms=0,
)


@pytest.fixture
async def quick() -> AsyncIterator[Simulator]:
    """A scripted simulator that answers at once."""
    async with Simulator(mind=QUICK) as simulator:
        yield simulator
