"""Who gets in: credentials good, missing, expired, forged, used up, borrowed, and from foreign pages."""

import base64
import json

import jwt
import pytest
from aiohttp import WSServerHandshakeError

from signaling.web.auth import is_loopback

SECRET = "a-secret-for-tests-of-more-than-32-bytes"


async def code_of(response):
    return response.status, (await response.json())["code"]


async def test_no_credentials_are_401_and_say_how_to_send_some(house):
    response = await house.place_call({})

    assert await code_of(response) == (401, "not_signed_in")
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


async def test_an_expired_token_is_401_once_a_minute_of_clock_difference_has_passed(house):
    credentials = house.bearer("service", lasts_s=100)
    house.clock.at += 159
    assert (await house.place_call(credentials)).status == 201

    house.clock.at += 1

    assert await code_of(await house.place_call(credentials)) == (401, "token_expired")


def unsigned(claims):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}."


def signed(secret=SECRET, algorithm="HS256", **changes):
    claims = {
        "aud": "cordboard",
        "use": "token",
        "role": "admin",
        "sub": "x",
        "iat": 1_800_000_000,
        "exp": 1_800_003_600,
    }
    claims |= changes
    claims = {name: value for name, value in claims.items() if value is not None}
    if algorithm == "none":
        return unsigned(claims)
    return jwt.encode(claims, secret, algorithm=algorithm)


@pytest.mark.parametrize(
    "token",
    [
        "nonsense",
        "",
        "a.b.c",
        signed(algorithm="none"),
        signed("another-secret-of-more-than-thirty-two-bytes"),
        signed(SECRET + "-but-64-bytes-long-because-hs512-wants-it", algorithm="HS512"),
        signed(aud="somebody-else"),
        signed(role="emperor"),
        signed(use="password"),
        signed(exp=None),
        signed(exp="never"),
        signed(use="resume"),
        signed(use="session", csrf="x"),
        signed(meta=["a"]),
    ],
)
async def test_a_token_that_is_not_ours_is_401(house, token):
    response = await house.place_call({"Authorization": f"Bearer {token}"})

    assert await code_of(response) == (401, "token_invalid")
    assert house.desk.answered == []


def test_the_forgeries_above_differ_from_a_good_token_in_one_thing_only(house):
    assert house.signer.read(signed(), now=house.clock()).role == "admin"


async def test_another_scheme_is_401(house):
    assert (await house.place_call({"Authorization": "Basic YTpi"})).status == 401


READING = ["/v1/calls", "/v1/agents/dental", "/v1/tools"]


@pytest.mark.parametrize("path", READING)
async def test_a_caller_may_call_but_not_look_around(house, path):
    assert (await house.place_call(house.bearer("caller"))).status == 201

    assert await code_of(await house.client.get(path, headers=house.bearer("caller"))) == (403, "not_allowed")


@pytest.mark.parametrize("role", ["operator", "admin", "service"])
@pytest.mark.parametrize("path", READING)
async def test_staff_may_look(house, path, role):
    assert (await house.client.get(path, headers=house.bearer(role))).status == 200


@pytest.mark.parametrize("path", [*READING, "/v1/agents", "/v1/session"])
async def test_every_reading_route_wants_credentials(house, path):
    assert (await house.client.get(path)).status == 401


@pytest.mark.parametrize("role", ["caller", "operator"])
async def test_only_programs_and_admins_give_out_tickets(house, role):
    response = await house.client.post("/v1/tickets", json={}, headers=house.bearer(role))

    assert await code_of(response) == (403, "not_allowed")


# call tickets


async def ticket(house, **wanted):
    response = await house.client.post("/v1/tickets", json=wanted, headers=house.bearer("service"))
    assert response.status == 201, await response.text()
    return (await response.json())["ticket"]


async def test_a_ticket_vouches_for_the_callers_number(house):
    made = await ticket(
        house, agent="sales", caller_number="+12065550123", name="Ann", metadata={"order": "7"}
    )

    assert (await house.place_call({"Authorization": f"Bearer {made}"})).status == 201

    agent, _, caller = house.desk.answered[0]
    assert agent == "sales"
    assert (caller.number, caller.verified, caller.name) == ("+12065550123", True, "Ann")
    assert caller.metadata == {"order": "7"}
    assert caller.source == "ticket"


async def test_a_ticket_may_travel_in_the_address(house):
    assert (await house.place_call({}, ticket=await ticket(house))).status == 201


async def test_a_token_never_may(house):
    assert (await house.place_call({}, ticket=house.token("service"))).status == 401


async def test_a_ticket_opens_one_call(house):
    made = await ticket(house)
    assert (await house.place_call({}, ticket=made)).status == 201

    assert await code_of(await house.place_call({}, ticket=made)) == (401, "ticket_used")
    assert len(house.desk.answered) == 1


async def test_a_ticket_is_not_used_up_by_a_call_that_nobody_could_answer(house):
    from signaling.errors import NoCapacity

    made = await ticket(house)
    house.desk.refusal = NoCapacity("Full.")
    assert (await house.place_call({}, ticket=made)).status == 503

    house.desk.refusal = None

    assert (await house.place_call({}, ticket=made)).status == 201


async def test_a_ticket_is_good_for_a_minute_and_not_a_second_more(house):
    made = await ticket(house)

    house.clock.at += 60

    assert await code_of(await house.place_call({}, ticket=made)) == (401, "token_expired")


async def test_a_ticket_for_one_agent_calls_no_other(house):
    made = await ticket(house, agent="dental")

    assert await code_of(await house.place_call({}, agent="sales", ticket=made)) == (
        401,
        "ticket_not_valid_here",
    )


async def test_a_ticket_opens_nothing_else(house):
    credentials = {"Authorization": f"Bearer {await ticket(house)}"}

    assert (await house.client.get("/v1/calls", headers=credentials)).status == 401


def test_a_ticket_that_lives_too_long_is_none(house):
    from signaling.web.tokens import BadToken

    with pytest.raises(BadToken):
        house.signer.read(house.token("caller", use="ticket", lasts_s=61, id="t"), now=house.clock())


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        ({"ttl_s": 61}, "/ttl_s"),
        ({"caller_number": "0906"}, "/caller_number"),
        ({"metadata": {"a": 1}}, "/metadata"),
        ({"agnet": "x"}, ""),
    ],
)
async def test_a_ticket_request_with_a_wrong_part_is_422_and_points_at_it(house, wanted, pointer):
    response = await house.client.post("/v1/tickets", json=wanted, headers=house.bearer())

    assert await code_of(response) == (422, "invalid_body")
    (error,) = (await response.json())["errors"]
    assert error["pointer"] == pointer


# resume tokens


async def test_the_resume_token_is_good_for_its_own_call_and_nothing_else(house):
    placed = await house.place_call(house.bearer("caller"))
    own, resume = placed.headers["Location"], {"Authorization": f"Bearer {placed.headers['X-Resume']}"}
    other = house.desk.running_call().id

    assert (await house.client.get(own, headers=resume)).status == 200
    assert (await house.client.get(f"{own}/events", headers=resume)).status == 200
    assert (await house.client.get(f"{own}/transcript", headers=resume)).status == 200
    assert await code_of(await house.client.get(f"/v1/calls/{other}", headers=resume)) == (403, "other_call")
    assert await code_of(await house.client.delete(f"/v1/calls/{other}", headers=resume)) == (
        403,
        "other_call",
    )
    assert (await house.client.get("/v1/calls", headers=resume)).status == 403
    assert (await house.place_call(resume)).status == 401
    assert house.desk.hung_up == []


# browser sessions


async def sign_in(house, role="operator"):
    response = await house.client.post("/v1/session", json={"token": house.token(role)})
    assert response.status == 201, await response.text()
    return response


async def test_signing_in_gives_a_cookie_that_scripts_cannot_read(house):
    response = await sign_in(house)

    cookie = response.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Secure" not in cookie
    body = await response.json()
    assert body["role"] == "operator"
    assert body["csrf"]


async def test_under_https_the_cookie_is_secure(build):
    house = await build(server={"public_url": "https://calls.example.com"})

    response = await sign_in(house)

    assert "Secure" in response.headers["Set-Cookie"]
    assert response.headers["Strict-Transport-Security"]


async def test_a_session_reads_with_the_cookie_and_writes_with_the_csrf_value(house):
    csrf = (await (await sign_in(house, "admin")).json())["csrf"]
    assert (await house.client.get("/v1/calls")).status == 200

    assert await code_of(await house.client.post("/v1/tickets", json={})) == (403, "csrf_missing")
    wrong = await house.client.post("/v1/tickets", json={}, headers={"X-CSRF": "guessed"})
    assert await code_of(wrong) == (403, "csrf_missing")
    assert (await house.client.post("/v1/tickets", json={}, headers={"X-CSRF": csrf})).status == 201


async def test_a_reloaded_page_learns_its_csrf_value_again(house):
    csrf = (await (await sign_in(house)).json())["csrf"]

    assert (await (await house.client.get("/v1/session")).json())["csrf"] == csrf


async def test_signing_out_ends_it(house):
    await sign_in(house)

    assert (await house.client.delete("/v1/session")).status == 204
    assert (await house.client.get("/v1/calls")).status == 401


async def test_a_session_lasts_no_longer_than_the_token_it_came_from(house):
    token = house.token("operator", lasts_s=120)
    await house.client.post("/v1/session", json={"token": token})

    house.clock.at += 120 + 60

    assert (await house.client.get("/v1/calls")).status == 401


async def test_ten_failed_sign_ins_make_the_next_wait(house):
    for _ in range(10):
        assert (await house.client.post("/v1/session", json={"token": "wrong"})).status == 401

    response = await house.client.post("/v1/session", json={"token": house.token()})

    assert response.status == 429
    house.clock.at += int(response.headers["Retry-After"])
    assert (await house.client.post("/v1/session", json={"token": house.token()})).status == 201


# the demo's open door


async def test_in_the_demo_this_machine_calls_without_credentials(build):
    house = await build(demo=True)

    response = await house.place_call({})

    assert response.status == 201
    assert house.desk.answered[0][2].source == "demo"
    assert (await house.client.get("/v1/calls")).status == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:8080"},
        {"Origin": "https://evil.example"},
        {"X-Forwarded-For": "203.0.113.9"},
        {"Forwarded": "for=203.0.113.9"},
    ],
)
async def test_the_demos_door_is_closed_to_foreign_names_pages_and_proxies(build, headers):
    house = await build(demo=True)

    assert (await house.place_call(headers)).status == 401


async def test_outside_of_the_demo_this_machine_is_like_any_other(house):
    assert (await house.place_call({})).status == 401


async def test_wrong_credentials_are_refused_even_where_none_are_needed(build):
    house = await build(demo=True)

    assert (await house.place_call({"Authorization": "Bearer nonsense"})).status == 401


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.1", False),
        (None, False),
        ("x", False),
    ],
)
def test_loopback_is_told_from_other_addresses(address, expected):
    assert is_loopback(address) is expected


# the live feed


async def handshake(house, headers, **query):
    try:
        async with house.client.ws_connect("/v1/events", headers=headers, params=query) as socket:
            assert (await socket.receive_json())["type"] == "snapshot"
            return 101
    except WSServerHandshakeError as refused:
        return refused.status


async def test_the_feed_lets_staff_in(house):
    assert await handshake(house, house.bearer("operator")) == 101


async def test_the_feed_keeps_strangers_and_callers_out(house):
    assert await handshake(house, {}) == 401
    assert await handshake(house, house.bearer("caller")) == 403


async def test_a_resume_token_opens_the_feed_of_its_own_call_only(house):
    placed = await house.place_call()
    own, token = placed.headers["Location"].rpartition("/")[2], placed.headers["X-Resume"]
    other = house.desk.running_call().id

    assert await handshake(house, {}, topics=f"call:{own}", ticket=token) == 101
    assert await handshake(house, {}, topics=f"call:{other}", ticket=token) == 403
    assert await handshake(house, {}, topics=f"call:{own},call:{other}", ticket=token) == 403
    assert await handshake(house, {}, topics="calls", ticket=token) == 403
    assert await handshake(house, {}, ticket=token) == 403


async def test_a_page_of_another_origin_is_kept_out_even_with_credentials(house):
    assert await handshake(house, {**house.bearer(), "Origin": "https://evil.example"}) == 403


async def test_a_cookie_without_an_origin_is_kept_out(house):
    await sign_in(house)

    assert await handshake(house, {}) == 403
    origin = f"http://{house.client.host}:{house.client.port}"
    assert await handshake(house, {"Origin": origin}) == 101


async def test_an_allowed_origin_may_open_the_feed(build):
    house = await build(server={"allowed_origins": ["https://desk.example.com"]})

    assert await handshake(house, {**house.bearer(), "Origin": "https://desk.example.com"}) == 101
