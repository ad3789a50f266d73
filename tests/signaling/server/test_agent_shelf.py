"""Which agent answers, and what is not put on the shelf."""

from __future__ import annotations

from typing import Any

from realtime.agent import Agent, read_agent
from realtime.tools.registry import discover
from signaling.server.agent_shelf import AgentShelf
from storage.agent_versions import Version
from tests.fakes.call_story import NOON


def from_file(agent_id: str = "front") -> Agent:
    return read_agent({"id": agent_id, "name": "From a file"}, source="file", version="file:abc")


def version(number: int, **changes: Any) -> Version:
    return Version(
        agent="front",
        number=number,
        document={"id": "front", "name": "Published", **changes},
        note="",
        published_by="ann",
        published_at=NOON,
        restores=None,
    )


def test_a_file_answers_until_there_is_a_version_of_the_same_id() -> None:
    shelf = AgentShelf({"front": from_file(), "back": from_file("back")}, discover())

    assert {agent.version for agent in shelf.values()} == {"file:abc"}
    shelf.put(version(1))

    assert (shelf["front"].version, shelf["front"].name) == ("v1", "Published")
    assert shelf["back"].version == "file:abc"
    assert shelf.files["front"].version == "file:abc"


def test_an_agent_that_is_in_the_database_only_answers_too() -> None:
    shelf = AgentShelf({}, discover())
    assert not shelf

    shelf.put(version(7))

    assert [agent.version for agent in shelf.values()] == ["v7"]


def test_who_holds_an_agent_keeps_its_version() -> None:
    shelf = AgentShelf({}, discover())
    shelf.put(version(1))
    held = shelf["front"]
    shelf.put(version(2, voice="cedar"))

    assert (held.version, held.voice) == ("v1", "marin")
    assert (shelf["front"].version, shelf["front"].voice) == ("v2", "cedar")


def test_a_version_with_a_tool_that_is_not_installed_here_leaves_the_one_before() -> None:
    shelf = AgentShelf({}, discover())
    shelf.put(version(1, tools=["end_call"]))
    shelf.put(version(2, tools=["end_call", "launch_rocket"]))

    assert shelf["front"].version == "v1"
    assert shelf.problems == ["front v2: tools.1: the tool 'launch_rocket' is not registered on this server"]
    assert shelf.has_seen("front", 2)
    shelf.put(version(3))
    assert shelf.problems == []
    assert shelf["front"].version == "v3"


def test_a_version_of_a_newer_program_leaves_the_one_before() -> None:
    shelf = AgentShelf({"front": from_file()}, discover())
    shelf.put(version(1, telepathy=True))

    assert shelf["front"].version == "file:abc"
    assert "telepathy" in shelf.problems[0]
