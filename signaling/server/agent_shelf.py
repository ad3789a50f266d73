"""Which agents answer: the database's published version where this node has one, else the file.

A call takes its agent from here once, when it is answered, and keeps it: what is put on the shelf later serves
later calls. Knows nothing of where versions come from.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping

from realtime.agent import Agent, InvalidAgent, read_agent
from realtime.tools.registry import ToolRegistry
from storage.agent_versions import Version

log = logging.getLogger(__name__)


class AgentShelf(Mapping[str, Agent]):
    """The agents by id. Read from anywhere on the event loop; `put` one at a time."""

    def __init__(self, files: Mapping[str, Agent], tools: ToolRegistry) -> None:
        self.files = dict(files)
        self._tools = tools
        self._answering = dict(files)
        self._seen: dict[str, int] = {}
        self._refused: dict[str, list[str]] = {}

    def __getitem__(self, agent_id: str) -> Agent:
        return self._answering[agent_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._answering)

    def __len__(self) -> int:
        return len(self._answering)

    @property
    def problems(self) -> list[str]:
        """Why a published version does not answer on this node, one sentence each."""
        return [problem for problems in self._refused.values() for problem in problems]

    def has_seen(self, agent_id: str, number: int) -> bool:
        """This version was put here, whether it could be used or not."""
        return self._seen.get(agent_id) == number

    def put(self, version: Version) -> None:
        """New calls are answered by this version from now on.

        One that this node cannot use (a tool is not installed here, a newer program wrote it) is refused, named
        in `problems`, and whatever answered before goes on answering.
        """
        self._seen[version.agent] = version.number
        try:
            agent = self.checked(
                version.document, source=f"{version.agent} {version.label}", version=version.label
            )
        except InvalidAgent as error:
            self._refused[version.agent] = [f"{error.source}: {problem}" for problem in error.problems]
            log.error("agents.version_refused agent=%s version=%s: %s", version.agent, version.label, error)
            return
        self._refused.pop(version.agent, None)
        self._answering[version.agent] = agent
        log.info("agents.serving agent=%s version=%s", version.agent, version.label)

    def checked(self, document: Mapping[str, object], *, source: str, version: str) -> Agent:
        """The agent of a document that could answer here. Raises InvalidAgent."""
        agent = read_agent(document, source=source, version=version)
        missing = [
            f"tools.{place}: the tool {name!r} is not registered on this server"
            for place, name in enumerate(agent.tools)
            if name not in self._tools
        ]
        if missing:
            raise InvalidAgent(source, missing)
        return agent
