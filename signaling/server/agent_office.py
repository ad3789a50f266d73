"""Writing, publishing and rolling back agents: the database's agents and the files, as the doors see them.

Implements `signaling.web.ports.AgentDrafts`. An agent that is only a file is shown as its own draft of revision
0; saving or publishing that one takes it into the database, and from its first version on the database decides.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from realtime.agent import Agent, InvalidAgent, read_agent
from realtime.agent_document import document_of
from signaling.server.agent_shelf import AgentShelf
from signaling.server.published_agents import PublishedAgents
from storage.agent_versions import (
    AgentExists,
    AgentUnknown,
    Document,
    Draft,
    DraftChanged,
    Version,
    VersionUnknown,
    label,
    number_of,
)
from storage.desk_events import AgentPublished, DeskEnvelope, desk_envelope
from storage.postgres.agents import AgentStore

log = logging.getLogger(__name__)

FILE_REVISION = 0
# Two people may save between our reading a draft and publishing it; a third in the same second may try again.
_TRIES = 3


class AgentOffice:
    """See `AgentDrafts` for each method."""

    def __init__(
        self,
        store: AgentStore,
        shelf: AgentShelf,
        published: PublishedAgents,
        *,
        tenant: str,
        announce: Callable[[DeskEnvelope], None],
    ) -> None:
        self._store = store
        self._shelf = shelf
        self._published = published
        self._tenant = tenant
        self._announce = announce
        self._files_read_at = datetime.now(UTC)

    async def create(self, document: Document, *, by: str) -> Draft:
        agent = read_agent(document, source="document", version="draft")
        if agent.id in self._shelf.files:
            raise AgentExists(f"{agent.id} is an agent of a file; its draft can be saved and published")
        return _in_order(await self._store.create(agent.id, document_of(agent), by=by))

    async def drafts(self) -> list[Draft]:
        kept = {draft.agent: _in_order(draft) for draft in await self._store.drafts()}
        files = {agent_id: self._file_draft(agent_id) for agent_id in self._shelf.files}
        return [draft for _, draft in sorted((files | kept).items())]

    async def draft(self, agent_id: str) -> Draft:
        try:
            return _in_order(await self._store.draft(agent_id))
        except AgentUnknown:
            return self._file_draft(agent_id)

    async def save_draft(
        self, agent_id: str, document: Document, *, seen: Sequence[int] | None, by: str
    ) -> Draft:
        agent = read_agent({"id": agent_id, **document}, source=f"draft of {agent_id}", version="draft")
        if agent.id != agent_id:
            problem = f"id: this is the draft of {agent_id!r}; an agent keeps its id"
            raise InvalidAgent(f"draft of {agent_id}", [problem])
        document = document_of(agent)
        try:
            return _in_order(await self._store.save_draft(agent_id, document, seen=seen, by=by))
        except AgentUnknown:
            file = self._file_draft(agent_id)
            if seen is not None and FILE_REVISION not in seen:
                raise DraftChanged(file, seen=None, since=[]) from None
            return _in_order(await self._adopted(agent_id, document, seen=seen, by=by))

    async def publish(self, agent_id: str, *, seen: Sequence[int] | None, note: str, by: str) -> Version:
        for _ in range(_TRIES - 1):
            try:
                return await self._publish(agent_id, seen=seen, note=note, by=by)
            except DraftChanged:
                if seen is not None:
                    raise
        return await self._publish(agent_id, seen=seen, note=note, by=by)

    async def roll_back(self, agent_id: str, number: int, *, note: str, by: str) -> Version:
        old = await self._store.version(agent_id, number)
        self._shelf.checked(old.document, source=f"{agent_id} {old.label}", version=old.label)
        return await self._now_answering(await self._store.roll_back(agent_id, number, note=note, by=by))

    async def versions(self, agent_id: str, *, before: int | None, limit: int) -> list[Version]:
        try:
            return await self._store.versions(agent_id, before=before, limit=limit)
        except AgentUnknown:
            self._file_draft(agent_id)
            return []

    async def document(self, agent_id: str, name: str) -> Document:
        draft = await self.draft(agent_id)
        if name == "draft":
            return draft.document
        if name == "file":
            return self._file_draft(agent_id).document
        number = draft.published_version if name == "published" else number_of(name)
        if number is None and name == "published" and agent_id in self._shelf.files:
            return self._file_draft(agent_id).document  # it takes the calls until there is a version
        if number is None or draft.revision == FILE_REVISION:
            raise VersionUnknown(agent_id, number or 1)
        return _ordered((await self._store.version(agent_id, number)).document)

    async def _publish(self, agent_id: str, *, seen: Sequence[int] | None, note: str, by: str) -> Version:
        draft = await self.draft(agent_id)
        if seen is not None and draft.revision not in seen:
            if draft.revision != FILE_REVISION:
                await self._store.publish(
                    agent_id, seen=seen, note=note, by=by
                )  # refuses, and knows who saved
            raise DraftChanged(draft, seen=None, since=[])
        self._shelf.checked(draft.document, source=f"draft of {agent_id}", version="draft")
        if draft.revision == FILE_REVISION:
            draft = await self._adopted(agent_id, draft.document, seen=[FILE_REVISION], by=by)
        version = await self._store.publish(agent_id, seen=[draft.revision], note=note, by=by)
        return await self._now_answering(version)

    async def _adopted(
        self, agent_id: str, document: Document, *, seen: Sequence[int] | None, by: str
    ) -> Draft:
        """A file's agent as the first draft in the database."""
        try:
            return await self._store.create(agent_id, document, by=by)
        except AgentExists:  # somebody was faster: the store compares what we have seen with theirs
            return await self._store.save_draft(agent_id, document, seen=seen, by=by)

    async def _now_answering(self, version: Version) -> Version:
        """This node serves it when the publisher is answered; the others hear of it and look."""
        await self._published.refresh()
        event = AgentPublished(
            agent=version.agent,
            version=version.label,
            published_by=version.published_by,
            note=version.note,
            restores=label(version.restores) if version.restores is not None else None,
        )
        self._announce(desk_envelope(event, tenant=self._tenant, at=version.published_at))
        return version

    def _file_draft(self, agent_id: str) -> Draft:
        agent = self._shelf.files.get(agent_id)
        if agent is None:
            raise AgentUnknown(f"there is no agent {agent_id}")
        return Draft(
            agent=agent_id,
            revision=FILE_REVISION,
            document=document_of(agent),
            saved_by=agent.version,
            saved_at=self._files_read_at,
            published_version=None,
            changed=False,
        )


def _in_order(draft: Draft) -> Draft:
    return replace(draft, document=_ordered(draft.document))


def _ordered(document: Document) -> dict[str, Any]:
    """In the order of the format: the database keeps keys in an order of its own."""
    try:
        agent: Agent = read_agent(document, source="stored", version="stored")
    except InvalidAgent:  # written by a newer program: shown as it is
        return dict(document)
    return document_of(agent)
