"""`make demo-sip`, as a newcomer meets it: one command, a question by telephone, an answer, and nothing left."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from realtime.simulator.speech import transcribe
from tests.sip.bridge import free_port
from tests.sip.sound import at_24k
from tests.sip.telephone import read_dump

ROOT = Path(__file__).parents[2]
WITHIN_S = 180  # servers, speech models and a call of half a minute, on a busy machine


@pytest.mark.soak  # the whole demo, twice started: it has its minute there
async def test_one_command_shows_a_telephone_call_from_greeting_to_goodbye(tmp_path: Path) -> None:
    demo = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "signaling", "bridge", "demo", "--port", str(free_port("127.0.0.1")),
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(tmp_path),
            "CORDBOARD_AGENTS__PATH": str(ROOT / "deploy" / "agents"),
        },
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert demo.stdout is not None
    shown: list[str] = []
    try:
        async with asyncio.timeout(WITHIN_S):
            while not all(
                any(said in line for line in shown) for said in ("What it heard: ", "call.ended  ")
            ):
                shown.append((await demo.stdout.readline()).decode())
                assert shown[-1], f"it has ended:\n{''.join(shown)}"
        demo.send_signal(signal.SIGINT)
        async with asyncio.timeout(60):
            await demo.communicate()
    finally:
        if demo.returncode is None:
            demo.kill()
            await demo.wait()

    told = "".join(shown)
    assert demo.returncode == 0
    assert "caller_hangup" in told
    heard = next(line for line in shown if line.startswith("What it heard: "))
    words = transcribe(at_24k(read_dump(Path(heard.split(": ", 1)[1].strip()))))
    assert "monday to friday" in words.lower(), words
    assert not [line for line in await processes() if str(tmp_path) in line]


async def processes() -> list[str]:
    listing = await asyncio.create_subprocess_exec(
        "ps", "-eo", "args", "--no-headers", stdout=asyncio.subprocess.PIPE
    )
    said, _ = await listing.communicate()
    return said.decode(errors="replace").splitlines()
