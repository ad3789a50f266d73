"""Agents over HTTP: drafts that nobody overwrites unseen, versions, differences; on a real database."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from realtime.agent import read_agent
from realtime.tools.registry import discover
from signaling.server.agent_office import AgentOffice
from signaling.server.agent_shelf import AgentShelf
from signaling.server.books import AnsweringAgents
from signaling.server.published_agents import PublishedAgents
from storage.desk_events import DeskEnvelope
from storage.postgres.agents import AgentStore
from storage.postgres.pool import Database
from tests.fakes.record_dump import rows

FRONT: dict[str, Any] = {"id": "front", "name": "Front desk", "tools": ["end_call"]}
FILE = {"id": "filed", "name": "From a file", "greeting": "Hello."}


@dataclass
class AgentsHouse:
    """An application with agents in a database, and a way to ask it."""

    house: Any
    announced: list[DeskEnvelope]
    database: Database

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        role: str = "admin",
        if_match: str | None = None,
    ) -> Any:
        headers = self.house.bearer(role) | ({} if if_match is None else {"If-Match": if_match})
        return await self.house.client.request(
            method, path, headers=headers, **({} if body is None else {"json": body})
        )

    async def ok(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        response = await self.ask(method, path, body, **more)
        assert response.status < 300, await response.text()
        return await response.json()

    async def problem(self, method: str, path: str, body: Any = None, **more: Any) -> dict[str, Any]:
        response = await self.ask(method, path, body, **more)
        assert response.status >= 400, await response.text()
        assert response.content_type == "application/problem+json"
        found: dict[str, Any] = await response.json()
        return found


@pytest.fixture
async def agents(build: Any, database_url: str) -> AsyncIterator[AgentsHouse]:
    database = Database(database_url)
    announced: list[DeskEnvelope] = []
    store = AgentStore(database)
    shelf = AgentShelf({"filed": read_agent(FILE, source="file", version="file:abc")}, discover())
    office = AgentOffice(
        store, shelf, PublishedAgents(store, shelf), tenant="default", announce=announced.append
    )
    house = await build(drafts=office, book=AnsweringAgents(shelf))
    yield AgentsHouse(house, announced, database)
    await database.close()


async def test_an_agent_is_made_written_published_and_then_takes_calls(agents: AgentsHouse) -> None:
    made = await agents.ask("POST", "/v1/agents", FRONT)
    assert (made.status, made.headers["ETag"], made.headers["Location"]) == (
        201, '"1"', "/v1/agents/front/draft",
    )  # fmt: skip
    assert "front" not in [a["id"] for a in (await agents.ok("GET", "/v1/agents"))["items"]]

    saved = await agents.ask(
        "PUT", "/v1/agents/front/draft", {**FRONT, "voice": "cedar"}, if_match=made.headers["ETag"]
    )
    assert (saved.status, saved.headers["ETag"]) == (200, '"2"')
    version = await agents.ok("POST", "/v1/agents/front/publish", {"note": "opening"}, if_match='"2"')

    assert (version["version"], version["note"], version["published_by"]) == ("v1", "opening", "somebody")
    listed = (await agents.ok("GET", "/v1/agents"))["items"]
    assert [(a["id"], a["version"]) for a in listed] == [("filed", "file:abc"), ("front", "v1")]
    document = await agents.ok("GET", "/v1/agents/front")
    assert (document["voice"], document["version"]) == ("cedar", "v1")
    draft = await agents.ok("GET", "/v1/agents/front/draft")
    assert (draft["changed"], draft["published_version"]) == (False, "v1")
    assert [(e.type, e.data["agent"], e.data["version"]) for e in agents.announced] == [
        ("agent.published", "front", "v1")
    ]


async def test_who_saves_over_somebody_elses_change_is_told_who_changed_what(agents: AgentsHouse) -> None:
    await agents.ok("POST", "/v1/agents", FRONT)
    await agents.ok("PUT", "/v1/agents/front/draft", {**FRONT, "voice": "cedar"}, if_match='"1"')

    refused = await agents.problem(
        "PUT", "/v1/agents/front/draft", {**FRONT, "tone": "Calm."}, if_match='"1"'
    )

    assert (refused["status"], refused["code"]) == (412, "changed_meanwhile")
    assert "somebody" in refused["detail"]
    assert "voice" in refused["detail"]
    assert [(save["revision"], save["saved_by"]) for save in refused["since"]] == [(2, "somebody")]
    assert refused["differences"] == [{"path": "voice", "change": "added", "before": None, "after": "cedar"}]
    draft = await agents.ok("GET", "/v1/agents/front/draft")
    assert (draft["revision"], "tone" in draft["document"]) == (2, False)


@pytest.mark.parametrize(
    ("tags", "status"),
    [(None, 428), ("", 428), ('"1"', 200), ('"7", "1"', 200), ("*", 200), ('W/"1"', 412), ('"2"', 412),
     ('"abc"', 412), ("1", 400), ('"1" "2"', 400)],
)  # fmt: skip
async def test_a_draft_is_saved_only_with_a_strong_tag_of_what_was_seen(
    agents: AgentsHouse, tags: str | None, status: int
) -> None:
    await agents.ok("POST", "/v1/agents", FRONT)

    response = await agents.ask("PUT", "/v1/agents/front/draft", {**FRONT, "voice": "ash"}, if_match=tags)

    assert response.status == status, await response.text()


async def test_a_document_with_mistakes_is_refused_with_each_of_their_places(agents: AgentsHouse) -> None:
    wrong = {
        **FRONT,
        "greting": "x",
        "name": "{{who}}",
        "goals": [{"id": "g", "description": "d", "slots": [{"name": "Bad", "description": "d"}]}],
    }
    await agents.ok("POST", "/v1/agents", FRONT)

    for refused in (
        await agents.problem("POST", "/v1/agents", wrong),
        await agents.problem("PUT", "/v1/agents/front/draft", wrong, if_match="*"),
    ):
        assert (refused["status"], refused["code"]) == (422, "invalid_body")
        assert {error["pointer"] for error in refused["errors"]} == {
            "/greting", "/name", "/goals/0/slots/0/name",
        }  # fmt: skip


async def test_a_tool_that_this_server_has_not_stops_the_publication_and_not_the_draft(
    agents: AgentsHouse,
) -> None:
    await agents.ok("POST", "/v1/agents", {**FRONT, "tools": ["end_call", "launch_rocket"]})

    refused = await agents.problem("POST", "/v1/agents/front/publish")

    assert refused["status"] == 422
    assert refused["errors"] == [
        {
            "pointer": "/tools/1",
            "detail": "the tool 'launch_rocket' is not registered on this server",
        }
    ]
    assert agents.announced == []


async def test_an_agent_keeps_its_id(agents: AgentsHouse) -> None:
    await agents.ok("POST", "/v1/agents", FRONT)

    refused = await agents.problem("PUT", "/v1/agents/front/draft", {**FRONT, "id": "back"}, if_match="*")
    assert [error["pointer"] for error in refused["errors"]] == ["/id"]
    for taken in (FRONT, {**FILE}):
        assert (await agents.problem("POST", "/v1/agents", taken))["code"] == "agent_exists"


async def test_what_was_read_can_be_sent_back_as_it_is(agents: AgentsHouse) -> None:
    """The document that takes calls carries its version and every default; a draft drops only the version."""
    await agents.ok("POST", "/v1/agents", FRONT)
    await agents.ok("POST", "/v1/agents/front/publish")

    whole = await agents.ok("GET", "/v1/agents/front")
    saved = await agents.ok("PUT", "/v1/agents/front/draft", whole, if_match="*")

    assert "version" not in saved["document"]
    assert saved["document"]["limits"] == whole["limits"]


async def test_versions_differences_and_a_rollback_tell_the_story(agents: AgentsHouse) -> None:
    await agents.ok("POST", "/v1/agents", FRONT)
    for voice in ("ash", "cedar"):
        await agents.ok("PUT", "/v1/agents/front/draft", {**FRONT, "voice": voice}, if_match="*")
        await agents.ok("POST", "/v1/agents/front/publish", {"note": voice})
    await agents.ok("PUT", "/v1/agents/front/draft", {**FRONT, "voice": "coral"}, if_match="*")

    to_the_draft = await agents.ok("GET", "/v1/agents/front/diff")
    between = await agents.ok("GET", "/v1/agents/front/diff?a=v1&b=2")
    back = await agents.ok("POST", "/v1/agents/front/rollback", {"version": "v1", "note": "too deep"})

    change = {"path": "voice", "change": "changed"}
    assert to_the_draft["differences"] == [change | {"before": "cedar", "after": "coral"}]
    assert between["differences"] == [change | {"before": "ash", "after": "cedar"}]
    assert (back["version"], back["restores"], back["note"]) == ("v3", "v1", "too deep")
    assert (await agents.ok("GET", "/v1/agents/front"))["voice"] == "ash"
    assert (await agents.ok("GET", "/v1/agents/front/draft"))["document"]["voice"] == "coral"
    assert (await agents.ok("GET", "/v1/agents/front/versions/v2"))["voice"] == "cedar"
    page = await agents.ok("GET", "/v1/agents/front/versions?limit=2")
    assert [v["version"] for v in page["items"]] == ["v3", "v2"]
    rest = await agents.ok("GET", f"/v1/agents/front/versions?cursor={page['next']}")
    assert ([v["version"] for v in rest["items"]], rest["next"]) == (["v1"], None)
    assert agents.announced[-1].data["restores"] == "v1"


async def test_publishing_twice_makes_one_version(agents: AgentsHouse) -> None:
    await agents.ok("POST", "/v1/agents", FRONT)
    await agents.ok("POST", "/v1/agents/front/publish")

    again = await agents.problem("POST", "/v1/agents/front/publish")

    assert (again["status"], again["code"]) == (409, "nothing_to_publish")
    assert "v1" in again["detail"]


async def test_nobody_publishes_a_draft_that_they_have_not_seen(agents: AgentsHouse) -> None:
    await agents.ok("POST", "/v1/agents", FRONT)
    await agents.ok("PUT", "/v1/agents/front/draft", {**FRONT, "voice": "ash"}, if_match='"1"')

    refused = await agents.problem("POST", "/v1/agents/front/publish", if_match='"1"')

    assert refused["status"] == 412
    assert (await agents.ok("GET", "/v1/agents/front/versions"))["items"] == []


async def test_a_files_agent_is_its_own_draft_until_it_is_taken_into_the_database(
    agents: AgentsHouse,
) -> None:
    response = await agents.ask("GET", "/v1/agents/filed/draft")
    draft = await response.json()
    assert (response.headers["ETag"], draft["document"], draft["saved_by"]) == ('"0"', FILE, "file:abc")
    assert (await agents.ok("GET", "/v1/agents/filed/versions"))["items"] == []
    assert (await agents.problem("PUT", "/v1/agents/filed/draft", FILE, if_match='"1"'))["status"] == 412
    assert (await agents.problem("POST", "/v1/agents/filed/publish", if_match='"1"'))["status"] == 412

    saved = await agents.ok(
        "PUT", "/v1/agents/filed/draft", {**FILE, "greeting": "Good day."}, if_match='"0"'
    )
    assert saved["revision"] == 1
    late = await agents.problem("PUT", "/v1/agents/filed/draft", FILE, if_match='"0"')
    assert (late["status"], late["since"][0]["saved_by"]) == (412, "somebody")
    assert (await agents.ok("GET", "/v1/agents/filed"))["version"] == "file:abc"
    diff = await agents.ok("GET", "/v1/agents/filed/diff?a=file&b=draft")
    assert [each["path"] for each in diff["differences"]] == ["greeting"]
    await agents.ok("POST", "/v1/agents/filed/publish")
    assert (await agents.ok("GET", "/v1/agents/filed"))["greeting"] == "Good day."


async def test_a_files_agent_can_be_published_as_it_is(agents: AgentsHouse) -> None:
    version = await agents.ok("POST", "/v1/agents/filed/publish", {"note": "from now on here"})

    assert version["version"] == "v1"
    assert (await agents.ok("GET", "/v1/agents/filed"))["version"] == "v1"


async def test_every_draft_is_listed_with_whether_it_differs(agents: AgentsHouse) -> None:
    await agents.ok("POST", "/v1/agents", FRONT)
    await agents.ok("POST", "/v1/agents", {"id": "alpha", "name": "Alpha"})
    await agents.ok("POST", "/v1/agents/front/publish")

    listed = (await agents.ok("GET", "/v1/drafts", role="operator"))["items"]

    assert [(d["agent"], d["published_version"], d["changed"], d["revision"]) for d in listed] == [
        ("alpha", None, True, 1),
        ("filed", None, False, 0),
        ("front", "v1", False, 1),
    ]
    assert "document" not in listed[0]


READS = ["/v1/drafts", "/v1/agents/filed/draft", "/v1/agents/filed/versions", "/v1/agents/filed/diff"]
WRITES = [
    ("POST", "/v1/agents"),
    ("PUT", "/v1/agents/filed/draft"),
    ("POST", "/v1/agents/filed/publish"),
    ("POST", "/v1/agents/filed/rollback"),
]


async def test_operators_read_and_admins_write(agents: AgentsHouse, database_url: str) -> None:
    for path in READS:
        assert (await agents.ask("GET", path, role="operator")).status == 200, path
        assert (await agents.ask("GET", path, role="caller")).status == 403, path
        assert (await agents.house.client.get(path)).status == 401, path
    for method, path in WRITES:
        for role in ("operator", "service", "caller"):
            assert (await agents.ask(method, path, FRONT, role=role, if_match="*")).status == 403, path
        assert (await agents.house.client.request(method, path, json=FRONT)).status == 401, path

    assert await rows(database_url, "SELECT count(*) FROM agents") == [(0,)]


async def test_what_is_not_there_is_said_to_be_missing(agents: AgentsHouse) -> None:
    await agents.ok("POST", "/v1/agents", FRONT)
    for method, path, body, code in (
        ("GET", "/v1/agents/nobody/draft", None, "unknown_agent"),
        ("GET", "/v1/agents/nobody/versions", None, "unknown_agent"),
        ("GET", "/v1/agents/nobody/diff", None, "unknown_agent"),
        ("PUT", "/v1/agents/nobody/draft", {"name": "N"}, "unknown_agent"),
        ("POST", "/v1/agents/nobody/publish", None, "unknown_agent"),
        ("POST", "/v1/agents/nobody/rollback", {"version": "v1"}, "unknown_agent"),
        ("POST", "/v1/agents/front/rollback", {"version": "v9"}, "unknown_version"),
        ("GET", "/v1/agents/front/diff?a=v9", None, "unknown_version"),
        ("GET", "/v1/agents/front/versions/nonsense", None, "unknown_version"),
        ("GET", "/v1/agents/front/diff", None, "unknown_version"),  # nothing is published yet
        ("GET", "/v1/agents/filed/versions/v1", None, "unknown_version"),
    ):
        found = await agents.problem(method, path, body, if_match="*")
        assert (found["status"], found["code"]) == (404, code), path


async def test_bodies_that_are_none_are_refused_with_words(agents: AgentsHouse) -> None:
    large = {**FRONT, "instructions": "x" * 300_000}
    for method, path, body, status in (
        ("POST", "/v1/agents", [], 422),
        ("POST", "/v1/agents", large, 413),
        ("POST", "/v1/agents/filed/publish", {"notes": "x"}, 422),
        ("POST", "/v1/agents/filed/rollback", {"version": "latest"}, 422),
        ("GET", "/v1/agents/filed/versions?cursor=x", None, 400),
    ):
        assert (await agents.problem(method, path, body))["status"] == status, path
    deep = await agents.house.client.post(
        "/v1/agents",
        data='{"a":' * 20_000 + "1" + "}" * 20_000,
        headers=agents.house.bearer("admin") | {"Content-Type": "application/json"},
    )
    assert deep.status == 400
    assert (await agents.ask("POST", "/v1/agents", {**FRONT, "instructions": "x" * 200_000})).status == 201


async def test_without_the_database_agents_that_answer_are_listed_and_drafts_are_not(
    build: Any,
) -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/none")
    store = AgentStore(database)
    shelf = AgentShelf({"filed": read_agent(FILE, source="file", version="file:abc")}, discover())
    office = AgentOffice(
        store, shelf, PublishedAgents(store, shelf), tenant="default", announce=lambda envelope: None
    )
    house = await build(drafts=office, book=AnsweringAgents(shelf))

    listed = await house.client.get("/v1/agents", headers=house.bearer("admin"))
    drafts = await house.client.get("/v1/drafts", headers=house.bearer("admin"))

    assert [agent["id"] for agent in (await listed.json())["items"]] == ["filed"]
    assert (drafts.status, (await drafts.json())["code"]) == (503, "agents_unavailable")
    assert "127.0.0.1:1" not in json.dumps(await drafts.json())
    await database.close()


async def test_a_server_that_has_only_files_says_so(house: Any) -> None:
    response = await house.client.get("/v1/drafts", headers=house.bearer("admin"))

    assert response.status == 503
    assert "files only" in (await response.json())["detail"]
