"""POST /v1/calls: what is answered, and every way of being refused."""

import asyncio

import pytest

from signaling.errors import (
    Draining,
    ModelUnreachable,
    NoCapacity,
    OfferRefused,
    Problem,
)
from tests.fakes.call_desk import ANSWER

OFFER = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"


async def refused(response, status, code):
    """The shape every refusal has."""
    assert response.status == status, await response.text()
    assert response.content_type == "application/problem+json"
    body = await response.json()
    assert body["code"] == code
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert body["type"] == f"urn:cordboard:problem:{code}"
    assert body["instance"] == "/v1/calls"
    return body


async def test_an_offer_is_answered_with_201_location_and_a_resume_token(house):
    response = await house.place_call(agent="dental")

    assert response.status == 201
    assert response.content_type == "application/sdp"
    assert await response.text() == ANSWER
    (call_id,) = house.desk.calls
    assert response.headers["Location"] == f"/v1/calls/{call_id}"
    claims = house.signer.read(response.headers["X-Resume"], now=house.clock())
    assert (claims.use, claims.call_id) == ("resume", call_id)
    assert f'</v1/events?topics=call:{call_id}>; rel="events"' in response.headers.getall("Link")
    assert house.desk.answered[0][0] == "dental"
    assert house.desk.answered[0][1] == OFFER


async def test_ice_servers_come_as_links_as_whip_has_them(build):
    servers = [
        {"urls": ["stun:stun.example.com"]},
        {"urls": ["turn:turn.example.com?transport=udp"], "username": "ann", "credential": "pw"},
    ]
    house = await build(media={"ice_servers": servers})

    links = (await house.place_call()).headers.getall("Link")

    assert '<stun:stun.example.com>; rel="ice-server"' in links
    assert (
        '<turn:turn.example.com?transport=udp>; rel="ice-server"; username="ann"; credential="pw"; '
        'credential-type="password"' in links
    )


async def test_a_call_that_names_no_agent_gets_the_first_inbound_one(house):
    await house.place_call()

    assert house.desk.answered[0][0] == "dental"


async def test_the_default_agent_of_the_settings_wins(build):
    house = await build(agents={"default": "sales"})

    await house.place_call()

    assert house.desk.answered[0][0] == "sales"


async def test_an_unknown_agent_is_404(house):
    await refused(await house.place_call(agent="nobody"), 404, "unknown_agent")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "no_sdp"),
        (b" \r\n", 400, "no_sdp"),
        (b"hello", 400, "not_sdp"),
        (b"\xff\xfe\x00", 400, "not_sdp"),
        (b"v=0\r\n" + b"a=x\r\n" * 20_000, 413, "too_large"),
        (b"v=0\r\n" + b"a" * 1_000_000, 413, "too_large"),
    ],
)
async def test_a_body_that_is_no_offer_never_reaches_the_media_leg(house, body, status, code):
    response = await house.client.post(
        "/v1/calls", data=body, headers={"Content-Type": "application/sdp", **house.bearer()}
    )

    await refused(response, status, code)
    assert house.desk.answered == []


async def test_a_body_without_a_length_is_capped_while_it_comes(house):
    async def endless():
        while True:
            yield b"a" * 4096

    response = await house.client.post(
        "/v1/calls", data=endless(), headers={"Content-Type": "application/sdp", **house.bearer()}
    )

    await refused(response, 413, "too_large")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("not_sdp", 400),
        ("no_audio", 422),
        ("no_codec", 422),
        ("too_many_candidates", 413),
        ("too_many_of_something_new", 413),
        ("something_new", 400),
    ],
)
async def test_the_media_legs_refusals_keep_their_code(house, code, status):
    house.desk.refusal = OfferRefused("No.", code=code)

    await refused(await house.place_call(), status, code)


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/octet-stream"])
async def test_another_content_type_is_415_and_says_which_one_is_read(house, content_type):
    response = await house.client.post(
        "/v1/calls", data=OFFER, headers={"Content-Type": content_type, **house.bearer()}
    )

    await refused(response, 415, "unsupported_media_type")
    assert response.headers["Accept-Post"] == "application/sdp"


@pytest.mark.parametrize("accept", ["application/json", "text/*", "application/sdp;q=0"])
async def test_an_accept_header_without_sdp_is_406(house, accept):
    response = await house.place_call({**house.bearer(), "Accept": accept})

    await refused(response, 406, "not_acceptable")
    assert house.desk.answered == []


@pytest.mark.parametrize("accept", ["application/sdp", "*/*", "application/*;q=0.1, text/html", ""])
async def test_an_accept_header_that_takes_sdp_is_fine(house, accept):
    assert (await house.place_call({**house.bearer(), "Accept": accept})).status == 201


@pytest.mark.parametrize(
    ("problem", "code", "retry_after"),
    [
        (Draining("Going.", retry_after_s=7), "draining", "7"),
        (NoCapacity("Full."), "no_capacity", "5"),
        (ModelUnreachable("Away."), "model_unreachable", "5"),
    ],
)
async def test_what_passes_by_itself_is_503_with_retry_after(house, problem, code, retry_after):
    house.desk.refusal = problem

    response = await house.place_call()

    await refused(response, 503, code)
    assert response.headers["Retry-After"] == retry_after


async def test_a_mistake_of_ours_tells_the_caller_a_trace_id_and_nothing_else(house, caplog):
    house.desk.refusal = RuntimeError("the database password is hunter2")

    response = await house.place_call()

    body = await refused(response, 500, "internal")
    assert "hunter2" not in await response.text()
    (record,) = [r for r in caplog.records if r.levelname == "ERROR"]
    assert record.trace_id == body["trace_id"]


async def test_too_many_calls_from_one_address_are_429(build):
    house = await build(server={"calls_per_minute": 2})
    caller = house.bearer("caller")
    assert [(await house.place_call(caller)).status for _ in range(2)] == [201, 201]

    response = await house.place_call(caller)

    await refused(response, 429, "too_many_requests")
    house.clock.at += int(response.headers["Retry-After"])
    assert (await house.place_call(caller)).status == 201


async def test_programs_of_the_house_are_not_throttled(build):
    house = await build(server={"calls_per_minute": 1})

    assert [(await house.place_call()).status for _ in range(3)] == [201, 201, 201]


async def test_the_resume_token_as_a_header_makes_a_new_connection_for_the_running_call(house):
    placed = await house.place_call(house.bearer())
    call_id = placed.headers["Location"].rpartition("/")[2]

    back = await house.place_call({"X-Resume": placed.headers["X-Resume"]})

    assert (back.status, back.headers["Location"]) == (201, placed.headers["Location"])
    assert house.desk.reattached == [(call_id, house.desk.answered[0][1])]
    assert len(house.desk.answered) == 1
    claims = house.signer.read(back.headers["X-Resume"], now=house.clock())
    assert (claims.use, claims.call_id) == ("resume", call_id)


async def test_a_resume_token_that_is_none_is_refused_rather_than_answered_with_another_call(house):
    response = await house.place_call({**house.bearer(), "X-Resume": "whatever"})

    await refused(response, 401, "token_invalid")


async def test_a_call_that_is_over_cannot_be_come_back_to(house):
    placed = await house.place_call(house.bearer())
    house.desk.calls.clear()

    await refused(await house.place_call({"X-Resume": placed.headers["X-Resume"]}), 404, "call_over")


async def test_options_names_the_content_type(house):
    response = await house.client.options("/v1/calls")

    assert response.status == 204
    assert response.headers["Accept-Post"] == "application/sdp"


async def test_who_hangs_up_while_being_answered_does_not_hurt_the_next(house):
    async def impatient():
        async with asyncio.timeout(0):
            await house.place_call()

    with pytest.raises(TimeoutError):
        await impatient()

    assert (await house.place_call()).status == 201


def test_every_problem_makes_a_document_of_its_own():
    def leaves(base):
        return [base, *(leaf for child in base.__subclasses__() for leaf in leaves(child))]

    codes = [problem.code for problem in leaves(Problem) if problem is not OfferRefused]
    assert len(codes) == len(set(codes))
