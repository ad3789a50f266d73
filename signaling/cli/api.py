"""The running server, as the client verbs see it. Every refusal becomes a Failure with the server's own words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import aiohttp

from signaling.cli.failure import ExitCode, Failure

if TYPE_CHECKING:
    from signaling.settings import ClientSettings

TIMEOUT_S = 30.0
"""Answering an offer includes opening the model's session, which may take 10 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedCall:
    """What the server said to an offer."""

    call_id: str
    answer_sdp: str
    resume_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the server said to a question that it did not refuse."""

    body: Any
    etag: str | None


def place(*steps: str) -> str:
    """A path of these steps; what somebody typed stays one step, whatever is in it."""
    return "".join(f"/{quote(step, safe='')}" for step in steps)


class Refused(Failure):
    """The server answered with a problem; `problem_code` is its stable code."""

    def __init__(self, what: str, *, remedy: str | None, status: int, problem_code: str | None) -> None:
        super().__init__(what, remedy=remedy, code=ExitCode.UNREACHABLE)
        self.status = status
        self.problem_code = problem_code


class Api:
    """One server. Order: `async with Api.open(settings.client) as api`."""

    def __init__(self, http: aiohttp.ClientSession, *, url: str, token: str | None) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: ClientSettings) -> AsyncIterator[Api]:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        token = settings.token.get_secret_value() if settings.token else None
        async with aiohttp.ClientSession(timeout=timeout) as http:
            yield cls(http, url=settings.url, token=token)

    async def place_call(self, offer_sdp: str, *, agent: str | None) -> PlacedCall:
        """Raises Failure."""
        try:
            async with self._http.post(
                f"{self._url}/v1/calls",
                data=offer_sdp.encode(),
                params={"agent": agent} if agent else {},
                headers={**self._headers, "Content-Type": "application/sdp"},
            ) as response:
                await self._check(response)
                return PlacedCall(
                    call_id=response.headers["Location"].rpartition("/")[2],
                    answer_sdp=await response.text(),
                    resume_token=response.headers["X-Resume"],
                )
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._unreachable(error) from None

    async def hang_up(self, call: PlacedCall) -> None:
        """Idempotent. Raises Failure."""
        try:
            async with self._http.delete(
                f"{self._url}/v1/calls/{call.call_id}",
                headers={"Authorization": f"Bearer {call.resume_token}"},
            ) as response:
                await self._check(response)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._unreachable(error) from None

    async def call_events(self, call: PlacedCall) -> AsyncIterator[dict[str, Any]]:
        """Every event of the call from the first, as JSON values, until the server or the caller closes."""
        try:
            async with self._http.ws_connect(
                f"{self._url}/v1/events",
                params={"topics": f"call:{call.call_id}", "since": "-1"},
                headers={"Authorization": f"Bearer {call.resume_token}"},
                timeout=aiohttp.ClientWSTimeout(ws_close=2.0),
            ) as socket:
                async for message in socket:
                    event = message.json()
                    if "call_id" in event:
                        yield event
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._unreachable(error) from None

    async def ask(self, method: str, path: str, body: Any = None, *, if_match: str | None = None) -> Reply:
        """A JSON question. Raises Refused with the server's words, Failure where nothing answers."""
        headers = self._headers | ({"If-Match": if_match} if if_match is not None else {})
        try:
            async with self._http.request(
                method, f"{self._url}{path}", json=body, headers=headers
            ) as response:
                await self._check(response)
                return Reply(body=await response.json(content_type=None), etag=response.headers.get("ETag"))
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._unreachable(error) from None

    async def get(self, path: str) -> tuple[int, Any]:
        """Status and JSON body (None where there is none). Raises Failure only where nothing answers."""
        try:
            async with self._http.get(f"{self._url}{path}", headers=self._headers) as response:
                try:
                    return response.status, await response.json(content_type=None)
                except ValueError:
                    return response.status, None
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._unreachable(error) from None

    async def _check(self, response: aiohttp.ClientResponse) -> None:
        if response.status < 400:
            return
        code: str | None = None
        try:
            problem = await response.json(content_type=None)
            what, fix, code = problem["detail"], problem.get("fix"), problem.get("code")
            places = [f"  {each['pointer'] or '/'}: {each['detail']}" for each in problem.get("errors", [])]
            what = "\n".join([what, *places]) if places else what
        except (ValueError, KeyError, TypeError):
            what, fix = f"the server answered {response.status}", None
        if response.status == 401 and not self._headers:
            fix = "set CORDBOARD_TOKEN; on the server: cordboard token create --role service"
        raise Refused(f"{response.status}: {what}", remedy=fix, status=response.status, problem_code=code)

    def _unreachable(self, error: Exception) -> Failure:
        return Failure(
            f"nothing answers at {self._url} ({error or type(error).__name__})",
            remedy="start it with `cordboard demo` or `cordboard serve`, or set CORDBOARD_URL",
            code=ExitCode.UNREACHABLE,
        )
