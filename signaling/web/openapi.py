"""/openapi.json: OpenAPI 3.1 from the routes and the shapes they answer with, so that it cannot drift."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from apispec import APISpec

from signaling.web.auth import SESSION_COOKIE, Access
from signaling.web.problems import PROBLEM_JSON
from signaling.web.routing import Answer, Route
from signaling.web.shapes import ProblemDocument

OPENAPI_VERSION = "3.1.1"
_REF = "#/components/schemas/{name}"
_PATH_PARAMETERS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "id": ("Call id.", {"type": "string", "format": "uuid"}),
    "agent_id": ("Agent id.", {"type": "string"}),
    "version": ("A version (`v3`), `draft`, `published` or `file`.", {"type": "string"}),
    "file": ("File name.", {"type": "string"}),
}
_PROBLEMS = {
    400: "The request cannot be understood.",
    401: "No credentials, or none that are valid.",
    403: "Not allowed.",
    404: "No such thing.",
    406: "No acceptable form of the answer.",
    408: "The body did not arrive in time.",
    409: "It stands against what is there already.",
    410: "It was there and was deleted for good.",
    412: "Somebody has changed it meanwhile; `since` says who, `differences` what.",
    413: "The body is over its limit (64 KiB, agents 256 KiB), or one of its parts over its own.",
    415: "Not a content type that is read here.",
    422: "Understood, but it cannot be.",
    428: "This method needs an If-Match header.",
    429: "Over a rate limit; see Retry-After.",
    503: "Not available now; see Retry-After.",
}
_RETRYING = (429, 503)


def openapi_document(routes: Iterable[Route], *, version: str) -> dict[str, Any]:
    """The whole document, JSON-ready."""
    routes = list(routes)
    spec = APISpec(
        title="Cordboard",
        version=version,
        openapi_version=OPENAPI_VERSION,
        info={
            "description": "The HTTP side of a switchboard for AI phone agents. Errors are RFC 9457 problems "
            "with a stable `code`.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        servers=[{"url": "/"}],
        tags=[{"name": tag} for tag in dict.fromkeys(route.tag for route in routes)],
    )
    _, schemas = msgspec.json.schema_components(_shapes(routes), ref_template=_REF)
    for name, schema in schemas.items():
        spec.components.schema(name, schema)
    spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"})
    spec.components.security_scheme("session", {"type": "apiKey", "in": "cookie", "name": SESSION_COOKIE})
    spec.components.security_scheme("ticket", {"type": "apiKey", "in": "query", "name": "ticket"})
    by_path: dict[str, dict[str, Any]] = {}
    for route in routes:
        by_path.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    for path, operations in by_path.items():
        spec.path(path=path, parameters=_path_parameters(path), operations=operations)
    return spec.to_dict()


def _shapes(routes: Iterable[Route]) -> list[type]:
    found: dict[type, None] = {ProblemDocument: None}
    for route in routes:
        for answer in route.answers.values():
            if answer.shape is not None and answer.shape is not dict:
                found[answer.shape] = None
        if route.body is not None and route.body.shape not in (None, dict):
            found[route.body.shape] = None
    return list(found)


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.handler.__name__,
        "summary": route.summary,
        "tags": [route.tag],
        "security": _security(route.access),
        "responses": {str(status): _answer(answer) for status, answer in route.answers.items()}
        | {str(status): _problem(status) for status in route.problems},
    }
    if route.query or route.headers:
        operation["parameters"] = [
            {
                "name": query.name,
                "in": "query",
                "description": query.description,
                "required": query.required,
                "schema": dict(query.schema),
            }
            for query in route.query
        ] + [
            {
                "name": header.name,
                "in": "header",
                "description": header.description,
                "required": header.required,
                "schema": {"type": "string"},
            }
            for header in route.headers
        ]
    if route.body is not None:
        schema = _schema(route.body.shape) if route.body.shape else {"type": "string"}
        operation["requestBody"] = {
            "required": route.body.required,
            "content": {route.body.media_type: {"schema": schema}},
        }
    return operation


def _security(access: Access) -> list[dict[str, list[str]]]:
    if access.public:
        return [{}]
    ways: list[dict[str, list[str]]] = [{"bearer": []}, {"session": []}]
    if access.ticket or access.own_call:
        ways.append({"ticket": []})
    if access.open_in_demo:
        ways.append({})
    return ways


def _answer(answer: Answer) -> dict[str, Any]:
    response: dict[str, Any] = {"description": answer.description}
    if answer.media_types:
        response["content"] = {
            media_type: {
                "schema": _schema(answer.shape)
                if answer.shape is not None and media_type == "application/json"
                else {"type": "string"}
            }
            for media_type in answer.media_types
        }
    if answer.headers:
        response["headers"] = {
            name: {"description": text, "schema": {"type": "string"}} for name, text in answer.headers.items()
        }
    return response


def _problem(status: int) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": _PROBLEMS[status],
        "content": {PROBLEM_JSON: {"schema": _schema(ProblemDocument)}},
    }
    if status in _RETRYING:
        response["headers"] = {
            "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}
        }
    return response


def _schema(shape: type) -> dict[str, Any]:
    return {"type": "object"} if shape is dict else {"$ref": _REF.format(name=shape.__name__)}


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return [
        {"name": name, "in": "path", "required": True, "description": text, "schema": schema}
        for name in names
        for text, schema in [_PATH_PARAMETERS[name]]
    ]
