"""A person at the desk as a program: signed in by a token, with a leg of their own on a call."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from media.rtc.caller import Caller
from signaling.web.tokens import Claims, Role, TokenSigner

SDP = {"Content-Type": "application/sdp"}


class Refused(Exception):
    """The server said no; `problem` is its document."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(f"{status} {problem.get('code')}: {problem.get('detail')}")
        self.status = status
        self.code = problem.get("code")
        self.problem = problem


class OperatorClient:
    """`present`, then `accept`, `take_over`, …; `leg` is the newest."""

    def __init__(self, http: aiohttp.ClientSession, id: str) -> None:
        self.id = id
        self.leg: Caller | None = None
        self.handoff_id: str | None = None
        self._http = http
        self._legs: list[Caller] = []

    async def present(self, state: str = "available") -> dict[str, Any]:
        return await self._ask("PUT", "/v1/me/presence", {"state": state})

    async def presence(self) -> dict[str, Any]:
        return await self._ask("GET", "/v1/me/presence")

    async def handoffs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self._ask("GET", "/v1/handoffs"))["items"]
        return found

    async def accept(self, handoff_id: str, offer_id: str | None = None, *, mute: bool = False) -> Caller:
        """`mute`: a leg that is up and never sends a packet."""
        query = f"?offer={offer_id}" if offer_id else ""
        return await self._join(f"/v1/handoffs/{handoff_id}/accept{query}", mute=mute)

    async def decline(self, handoff_id: str, reason: str = "busy") -> None:
        await self._ask("POST", f"/v1/handoffs/{handoff_id}/decline", {"reason": reason})

    async def take_over(self, call_id: str) -> Caller:
        return await self._join(f"/v1/calls/{call_id}/takeover")

    async def listen(self, call_id: str) -> Caller:
        return await self._join(f"/v1/calls/{call_id}/listen", listens_only=True)

    async def barge(self, call_id: str) -> Caller:
        return await self._join(f"/v1/calls/{call_id}/barge")

    async def reattach(self, call_id: str) -> Caller:
        return await self._join(f"/v1/calls/{call_id}/operator")

    async def hold(self, call_id: str, hold: bool) -> None:
        await self._ask("PATCH", f"/v1/calls/{call_id}/operator", {"hold": hold})

    async def leave(self, call_id: str) -> None:
        await self._ask("DELETE", f"/v1/calls/{call_id}/operator")

    async def give_back(self, call_id: str, note: str = "") -> None:
        await self._ask("POST", f"/v1/calls/{call_id}/return", {"note": note})

    async def say(self, call_id: str, text: str) -> None:
        await self._ask("POST", f"/v1/calls/{call_id}/say", {"text": text})

    async def end(self, call_id: str) -> None:
        await self._ask("DELETE", f"/v1/calls/{call_id}")

    async def wrap_up(self, outcome: str, notes: str) -> None:
        body = {"outcome": outcome, "notes": notes}
        await self._ask("POST", f"/v1/handoffs/{self.handoff_id}/wrap-up", body)

    async def close(self) -> None:
        for leg in self._legs:
            await leg.close()

    async def _join(self, path: str, *, listens_only: bool = False, mute: bool = False) -> Caller:
        leg = Caller(listens_only=listens_only)
        leg.muted = mute
        self._legs.append(leg)

        async def post(offer: str) -> str:
            async with self._http.post(path, data=offer, headers=SDP) as response:
                if response.status != 201:
                    raise Refused(response.status, await response.json())
                self.handoff_id = response.headers.get("X-Handoff", self.handoff_id)
                return await response.text()

        await leg.connect(post)
        self.leg = leg
        return leg

    async def _ask(self, method: str, path: str, body: Any = None) -> Any:
        async with self._http.request(method, path, json=body) as response:
            if response.status >= 400:
                raise Refused(response.status, await response.json())
            return await response.json() if response.content_type == "application/json" else None


@asynccontextmanager
async def at_the_desk(
    url: str, secret: str, *ids: str, role: Role = "operator"
) -> AsyncIterator[list[OperatorClient]]:
    """Operators with their sessions; not present yet."""
    signer, now = TokenSigner(secret), int(time.time())
    clients: list[OperatorClient] = []
    sessions: list[aiohttp.ClientSession] = []
    try:
        for id in ids:
            claims = Claims(use="token", role=role, subject=id, issued_at=now, expires_at=now + 3600)
            headers = {"Authorization": f"Bearer {signer.sign(claims)}"}
            sessions.append(aiohttp.ClientSession(url, headers=headers))
            clients.append(OperatorClient(sessions[-1], id))
        yield clients
    finally:
        for client in clients:
            await client.close()
        for session in sessions:
            await session.close()
