"""/openapi.json and /asyncapi.json against the published schemas, and against what is really sent."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import jsonschema
import pytest
from jsonschema import Draft7Validator, Draft202012Validator
from openapi_spec_validator import validate as validate_openapi
from openapi_spec_validator.validation.exceptions import OpenAPIValidationError

from signaling.web.app import ROUTES
from signaling.web.asyncapi import asyncapi_document, event_classes
from signaling.web.openapi import openapi_document
from storage.codec import encode
from storage.desk_events import DESK_EVENT_TYPES, AgentPublished, desk_envelope, encode_desk
from tests.fakes.call_story import NOON, stamped, whole_call

ASYNCAPI_SCHEMA = Path(__file__).parent / "asyncapi-3.0.0.schema.json"


@pytest.fixture(scope="module")
def openapi() -> dict:
    return openapi_document(ROUTES, version="1.0")


@pytest.fixture(scope="module")
def asyncapi() -> dict:
    return asyncapi_document(version="1.0")


@pytest.fixture(scope="module")
def asyncapi_rules() -> Draft7Validator:
    return Draft7Validator(json.loads(ASYNCAPI_SCHEMA.read_text()))


def test_the_openapi_document_is_valid(openapi):
    assert openapi["openapi"].startswith("3.1")
    validate_openapi(openapi)


def test_the_openapi_validator_would_notice(openapi):
    broken = copy.deepcopy(openapi)
    broken["paths"]["/v1/calls"]["post"]["responses"]["201"].pop("description")

    with pytest.raises(OpenAPIValidationError):
        validate_openapi(broken)


def test_every_route_is_documented_with_its_problems(openapi):
    for route in ROUTES:
        operation = openapi["paths"][route.path][route.method.lower()]
        assert operation["summary"] == route.summary
        for status in route.problems:
            assert "application/problem+json" in operation["responses"][str(status)]["content"]
        if not route.access.public:
            assert "401" in operation["responses"]


def test_placing_a_call_answers_with_the_statuses_of_the_contract(openapi):
    statuses = set(openapi["paths"]["/v1/calls"]["post"]["responses"])

    assert {"201", "400", "401", "404", "406", "413", "415", "422", "429", "503"} <= statuses


def test_every_schema_is_a_json_schema(openapi):
    for schema in openapi["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


async def test_what_is_served_is_the_document(house_of_contracts, openapi):
    served = await (await house_of_contracts.get("/openapi.json")).json()

    assert served["paths"] == openapi["paths"]
    assert (await (await house_of_contracts.get("/asyncapi.json")).json())["asyncapi"] == "3.0.0"


@pytest.fixture
async def house_of_contracts():
    from aiohttp.test_utils import TestClient, TestServer

    from signaling.settings import Settings
    from signaling.web.app import make_app
    from signaling.web.feed import Feed
    from tests.fakes.call_desk import FakeArchive, FakeBooks, FakeDesk

    feed = Feed()
    app = make_app(FakeDesk(feed), FakeArchive(), feed, Settings(), agents=FakeBooks())
    async with TestClient(TestServer(app)) as client:
        yield client


def test_the_asyncapi_document_is_valid(asyncapi, asyncapi_rules):
    errors = [f"{list(error.path)}: {error.message[:200]}" for error in asyncapi_rules.iter_errors(asyncapi)]

    assert errors == []


@pytest.mark.parametrize(
    "path", [("channels", "calls", "adress"), ("operations", "publishCallEvents", "acton")]
)
def test_the_asyncapi_schema_would_notice_a_misspelt_key(asyncapi, asyncapi_rules, path):
    broken = copy.deepcopy(asyncapi)
    section, name, key = path
    broken[section][name][key] = "x"

    assert not asyncapi_rules.is_valid(broken)


def test_every_event_type_has_its_message(asyncapi):
    names = {message["name"] for message in asyncapi["components"]["messages"].values()}

    assert {event.type for event in event_classes()} | set(DESK_EVENT_TYPES) | {"snapshot", "resync"} == names
    assert {"call.started", "turn.completed", "transcript.partial", "call.ended", "agent.published"} <= names


def test_real_events_match_their_messages(asyncapi):
    by_type = {message["name"]: message["payload"] for message in asyncapi["components"]["messages"].values()}
    seen = set()
    for envelope in stamped(whole_call()):
        document = json.loads(encode(envelope))
        schema = by_type[envelope.type] | {"components": asyncapi["components"]}
        jsonschema.validate(document, schema, cls=Draft202012Validator)
        seen.add(envelope.type)
        if envelope.seq is not None:
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate(document | {"seq": "one"}, schema, cls=Draft202012Validator)

    assert len(seen) > 8


def test_a_published_agent_matches_its_message_on_the_desk_channel(asyncapi):
    event = AgentPublished(agent="dental", version="v3", published_by="Ann", note="new prices")
    document = json.loads(encode_desk(desk_envelope(event, tenant="default", at=NOON)))
    message = asyncapi["components"]["messages"]["AgentPublished"]

    jsonschema.validate(
        document, message["payload"] | {"components": asyncapi["components"]}, cls=Draft202012Validator
    )

    assert "AgentPublished" in asyncapi["channels"]["desk"]["messages"]
    assert asyncapi["channels"]["desk"]["address"] == "cordboard:{tenant}:desk"
    assert not {"call_id", "seq", "id"} & set(document)
