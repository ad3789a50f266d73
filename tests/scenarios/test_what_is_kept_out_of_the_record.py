"""An agent that asks for it: the conversation works with what the caller says, and nobody keeps it anywhere."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from realtime.simulator.script import FunctionCall, Reply, Script
from storage.codec import encode
from tests.fakes import every_store
from tests.fakes.eventually import eventually
from tests.fakes.record_dump import rows
from tests.scenarios.house import AGENT, ROOT, House, bearer
from tests.scenarios.voices import loud

OpenHouse = Callable[..., AbstractAsyncContextManager[House]]

CARD = "4242 4242 4242 4242"
SPOKEN = "four two four two four two four two four two four two four two four two"
NUMBER = "+1 206 555 0123"
EMAIL = "gwen@example.com"
NAME = "Gwendolyn Quillfeather"
CANARIES = (CARD, "4242424242424242", SPOKEN, NUMBER, "2065550123", EMAIL, "Quillfeather")

SCRIPT = Script(
    hears=[f"My card is {CARD}, that is {SPOKEN}, call {NUMBER} or write to {EMAIL}."],
    says=[
        Reply(text="Hello, this is Harbour Dental.", audio_ms=400),
        FunctionCall("record_information", {"slot": "name", "value": NAME}),
        Reply(text=f"Thank you, {NAME}. I have {CARD}.", audio_ms=400),
    ],
)


def discreet_agent(folder: Path) -> dict[str, str]:
    agents = folder / "agents"
    agents.mkdir()
    document = (ROOT / "deploy" / "agents" / f"{AGENT}.toml").read_text()
    privacy = '[privacy]\nretention_days = 30\nredact = ["card", "phone", "email", "slot:name"]\n'
    (agents / f"{AGENT}.toml").write_text(f"{document}\n{privacy}")
    return {"CORDBOARD_AGENTS__PATH": str(agents), "CORDBOARD_LOG_LEVEL": "debug"}


async def test_what_an_agent_keeps_out_is_known_to_the_model_and_to_nobody_else(
    house: OpenHouse, tmp_path: Path
) -> None:
    async with house(mind=SCRIPT, settings=discreet_agent(tmp_path)) as running:
        caller, call_id = await running.call()
        await running.events.until("turn.completed", call_id=call_id)
        await caller.speak(loud(600) + bytes(48_000))
        filled = await running.events.until("slot.filled", call_id=call_id)
        await running.events.until("turn.completed", call_id=call_id, count=2)
        session = await running.simulator.session(0)
        path = f"/v1/calls/{call_id}/transcript"
        async with running.http.get(path, headers={"Authorization": bearer("operator")}) as response:
            in_memory = await response.text()
        async with running.http.delete(f"/v1/calls/{call_id}") as response:
            assert response.status == 200
        ended = await running.events.until("call.ended", call_id=call_id)
        await caller.close()
        on_disk = every_store.files(tmp_path, "*.sqlite*")

        async def stored() -> bool:
            found = await rows(
                running.database_url, f"SELECT count(*) FROM events WHERE call_id = '{call_id}'"
            )
            return found == [(int(ended.data["last_seq"]) + 1,)]

        await eventually(stored)
        record = await every_store.postgres(running.database_url)
        shown = {str(n): encode(each) for n, each in enumerate(running.events.seen)}  # live-only ones too
        keys = await every_store.redis_keys(running.redis_url)
        retained = await rows(
            running.database_url, "SELECT agent, days FROM agent_retention WHERE days IS NOT NULL"
        )

    assert NAME in str(session.client_events)  # what the tool answered the model
    assert filled.data["value"] == "[name]"
    assert "My card is [card], that is [card], call [phone] or write to [email]." in in_memory
    assert b"Thank you, [name]. I have [card]." in record["transcripts"]
    logs = {name: path.read_bytes() for name, path in running.logs.items()}
    for store in (record, shown, keys, on_disk, logs, {"memory": in_memory.encode()}):
        assert every_store.where(store, *CANARIES) == set()
    assert (AGENT, 30) in retained
