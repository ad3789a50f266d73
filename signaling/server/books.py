"""What the doors show of agents and tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from realtime.agent import Agent
from realtime.tools.registry import ToolRegistry
from signaling.web.ports import AgentSummary, ToolSummary


class AnsweringAgents:
    """The agents that answer at the moment. Implements `AgentBook`."""

    def __init__(self, agents: Mapping[str, Agent]) -> None:
        self._agents = agents

    def list_agents(self) -> Sequence[AgentSummary]:
        return [
            AgentSummary(
                id=agent.id,
                name=agent.say(agent.name),
                language=agent.language,
                direction=agent.direction,
                version=agent.version,
            )
            for agent in self._agents.values()
        ]

    def agent_document(self, agent_id: str) -> Mapping[str, Any] | None:
        agent = self._agents.get(agent_id)
        return agent.model_dump(mode="json") if agent is not None else None


class RegisteredTools:
    """Implements `ToolBook`."""

    def __init__(self, registry: ToolRegistry) -> None:
        self._registry = registry

    def list_tools(self) -> Sequence[ToolSummary]:
        return [
            ToolSummary(
                name=each.name,
                description=each.spec.description,
                parameters=each.spec.parameters,
                source=each.source,
            )
            for each in self._registry
        ]
