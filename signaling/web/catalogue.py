"""What can be called and what it can do: agents and tools."""

from __future__ import annotations

from dataclasses import asdict

from aiohttp import web

from signaling.errors import UnknownAgent
from signaling.web.auth import EVERYONE, STAFF, Access
from signaling.web.routing import Answer, Route, Visit, json_answer
from signaling.web.shapes import Agent, AgentPage, Tool, ToolPage


async def list_agents(visit: Visit) -> web.Response:
    agents = sorted(visit.doors.agents.list_agents(), key=lambda agent: agent.id)
    return json_answer(AgentPage(items=[Agent(**asdict(agent)) for agent in agents]))


async def get_agent(visit: Visit) -> web.Response:
    agent_id = visit.request.match_info["agent_id"]
    document = visit.doors.agents.agent_document(agent_id)
    if document is None:
        raise UnknownAgent("No agent of this id.", fix="GET /v1/agents lists them.")
    return json_answer(document)


async def list_tools(visit: Visit) -> web.Response:
    tools = sorted(visit.doors.tools.list_tools(), key=lambda tool: tool.name)
    shown = [
        Tool(name=t.name, description=t.description, parameters=dict(t.parameters), source=t.source)
        for t in tools
    ]
    return json_answer(ToolPage(items=shown))


ROUTES = (
    Route(
        method="GET",
        path="/v1/agents",
        handler=list_agents,
        access=Access(roles=EVERYONE),
        summary="Agents that can be called",
        tag="agents",
        answers={200: Answer(description="All of them, by id.", shape=AgentPage)},
        problems=(401,),
    ),
    Route(
        method="GET",
        path="/v1/agents/{agent_id}",
        handler=get_agent,
        access=Access(roles=STAFF),
        summary="One agent's whole document",
        tag="agents",
        answers={200: Answer(description="The document.", shape=dict)},
        problems=(401, 403, 404),
    ),
    Route(
        method="GET",
        path="/v1/tools",
        handler=list_tools,
        access=Access(roles=STAFF),
        summary="Tools that agents may be given, with their JSON Schemas",
        tag="agents",
        answers={200: Answer(description="All of them, by name.", shape=ToolPage)},
        problems=(401, 403),
    ),
)
