"""Somebody changes the agent while it is on the telephone: who is on the line keeps it, the next caller does not."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from realtime.simulator.script import Reply, Script
from realtime.simulator.session import SimulatedSession
from storage.bus.subscriber import DeskSubscriber
from storage.desk_events import DeskEnvelope
from tests.fakes.record_dump import rows
from tests.scenarios.house import AGENT, ROOT, House, bearer
from tests.scenarios.voices import loud

NEW_TONE = "Brisk, almost military."
SCRIPT = Script(says=[Reply(text=f"Answer {number}.", audio_ms=500) for number in range(8)])


def instructions(session: SimulatedSession) -> list[str]:
    """Every text of instructions that the session was configured with."""
    updates = [each for each in session.client_events if each.get("type") == "session.update"]
    texts = [each["session"].get("instructions") for each in updates]
    return [text for text in texts if text is not None]


async def test_who_is_on_the_line_keeps_the_agent_and_the_next_caller_gets_the_new_one(
    house: Callable[..., AbstractAsyncContextManager[House]], tmp_path: Path
) -> None:
    admin = {"Authorization": bearer("admin")}
    news: list[DeskEnvelope] = []
    async with house(mind=SCRIPT) as running:
        listening = asyncio.Event()

        async def listen() -> None:
            async for envelope in DeskSubscriber(running.redis_url, "default", on_connect=listening.set):
                news.append(envelope)  # noqa: PERF401 - the list is watched while it fills

        listener = asyncio.create_task(listen())
        await listening.wait()
        first, first_id = await running.call()
        await running.events.until("turn.completed", call_id=first_id)
        async with running.http.get(f"/v1/agents/{AGENT}/draft", headers=admin) as response:
            draft: dict[str, Any] = await response.json()
            tag = response.headers["ETag"]
        changed = {**draft["document"], "tone": NEW_TONE}
        async with running.http.put(
            f"/v1/agents/{AGENT}/draft", json=changed, headers=admin | {"If-Match": tag}
        ) as response:
            assert response.status == 200, await response.text()
        async with running.http.post(f"/v1/agents/{AGENT}/publish", headers=admin) as response:
            assert response.status == 201, await response.text()

        running.simulator.faults.next("drop_1011", after="input_audio_buffer.speech_started")
        await first.speak(loud(800))
        await running.events.until("session.reconnected", call_id=first_id)
        second, second_id = await running.call()
        await running.events.until("turn.completed", call_id=second_id)
        rendered = await _rendered(running, tmp_path)
        versions = {
            each.call_id: each.data["agent_version"]
            for each in running.events.seen
            if each.type == "call.started"
        }
        before, after_the_drop, new = [await running.simulator.session(number) for number in range(3)]
        for call_id in (first_id, second_id):
            await running.http.delete(f"/v1/calls/{call_id}")
        await asyncio.gather(first.close(), second.close())
        logged = await rows(running.database_url, "SELECT actor, action, subject FROM audit_log ORDER BY id")
        listener.cancel()

    assert versions[first_id].startswith("file:")
    assert versions[second_id] == "v1"
    for session in (before, after_the_drop):
        assert instructions(session)
        assert not any(NEW_TONE in text for text in instructions(session))
    assert all(NEW_TONE in text for text in instructions(new))
    assert instructions(new)[0].partition("# This call")[0] == rendered.partition("# This call")[0]
    assert [(each.type, each.data["version"]) for each in news] == [("agent.published", "v1")]
    assert [row for row in logged if str(row[1]).startswith("agent.")] == [
        ("test", "agent.created", AGENT),
        ("test", "agent.published", AGENT),
    ]


async def _rendered(running: House, folder: Path) -> str:
    """What `cordboard agents show --rendered` prints."""
    token = bearer("operator").removeprefix("Bearer ")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "signaling", "agents", "show", AGENT, "--rendered",
        cwd=folder,
        env={**running.environment, "PYTHONPATH": str(ROOT), "CORDBOARD_URL": running.url, "CORDBOARD_TOKEN": token},
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0
    return out.decode()
