"""One place where whatever goes wrong becomes an `application/problem+json` answer.

Our own problems keep their words, aiohttp's become ours, and anything unexpected is a 500 that tells the
client nothing but a trace id, under which the log has the rest.
"""

from __future__ import annotations

import logging
import secrets

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from signaling.errors import BadRequest, BodyTooLarge, MethodNotAllowed, NotFound, NotSignedIn, Problem

log = logging.getLogger(__name__)

PROBLEM_JSON = "application/problem+json"


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The outermost middleware."""
    try:
        return await handler(request)
    except Problem as problem:
        return problem_response(problem, instance=request.path)
    except web.HTTPException as http:
        if http.status < 400:
            raise
        return problem_response(_translated(http, request), instance=request.path)
    except Exception:
        trace_id = secrets.token_hex(8)
        log.exception("request failed", extra={"action": "request_failed", "trace_id": trace_id})
        unexpected = Problem("The server made a mistake.", code="internal", extra={"trace_id": trace_id})
        return problem_response(unexpected, instance=request.path)


def problem_response(problem: Problem, *, instance: str) -> web.Response:
    """RFC 9457 §3: the document and the headers that belong to its status."""
    headers: dict[str, str] = {}
    if problem.retry_after_s is not None:
        headers["Retry-After"] = str(problem.retry_after_s)
    if isinstance(problem, NotSignedIn):
        headers["WWW-Authenticate"] = 'Bearer realm="cordboard"'  # RFC 9110 §15.5.2 asks for one
    if isinstance(problem, MethodNotAllowed):
        headers["Allow"] = ", ".join(problem.extra.get("allow", []))
    if problem.status == 415 and instance == "/v1/calls":
        headers["Accept-Post"] = "application/sdp"  # RFC 9725 §4.2
    return web.Response(
        status=problem.status,
        body=msgspec.json.encode(problem.document(instance=instance)),
        content_type=PROBLEM_JSON,
        headers=headers,
    )


def _translated(http: web.HTTPException, request: web.Request) -> Problem:
    match http:
        case web.HTTPMethodNotAllowed():
            allowed = sorted(http.allowed_methods)
            return MethodNotAllowed(
                f"{request.method} does nothing here.",
                fix=f"Use {', '.join(allowed)}.",
                extra={"allow": allowed},
            )
        case web.HTTPRequestEntityTooLarge():
            return BodyTooLarge("The body is larger than this server reads.")
        case web.HTTPNotFound():
            return NotFound(
                f"There is nothing at {request.path[:200]}.", fix="The paths are in /openapi.json."
            )
        case web.HTTPBadRequest():
            return BadRequest(http.reason or "Bad request")
        case _:
            problem = Problem(http.reason or "Refused.", code=f"http_{http.status}")
            problem.status = http.status
            return problem
