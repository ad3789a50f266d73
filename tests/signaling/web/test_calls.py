"""Asking about calls, ending them, and what is still answered while Postgres is down."""

import pytest

from storage.events import CallAnswered
from tests.fakes.call_desk import RECORD_IS_DOWN
from tests.fakes.call_story import ended, said, started, whole_call

NOBODYS = "01990000-0000-7000-8000-000000000000"


async def items(house, path="/v1/calls", **query):
    response = await house.client.get(path, params=query, headers=house.bearer())
    assert response.status == 200, await response.text()
    return (await response.json())["items"]


async def code_of(response):
    return response.status, (await response.json())["code"]


async def test_the_list_shows_running_calls_before_past_ones(house):
    past = house.archive.file(*whole_call())
    running = house.desk.running_call()
    running.tell(started(), CallAnswered(setup_ms=1, codec="opus"))

    listed = await items(house)

    assert [(call["id"], call["state"]) for call in listed] == [(running.id, "ai"), (past.id, "ended")]
    assert set(listed[0]) == {
        "id", "state", "direction", "agent", "agent_version", "caller", "started_at", "answered_at",
        "ended_at", "end_reason", "outcome", "owner", "slots", "handoff",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({}, "both"),
        ({"outcome": "booked"}, "past"),
        ({"outcome": "declined"}, "none"),
        ({"caller": "+12065550123"}, "both"),
        ({"caller": "+1206555012"}, "none"),
        ({"state": "ended"}, "past"),
        ({"from": "2026-11-22", "to": "2026-11-23"}, "both"),
        ({"from": "2026-11-22T12:00:00Z"}, "both"),
        ({"from": "2026-11-22T21:00:00+09:00"}, "both"),
        ({"to": "2026-11-22T12:00:00Z"}, "none"),
        ({"from": "2026-11-22T12:00:01Z"}, "none"),
    ],
)
async def test_filters_narrow_running_and_past_calls_alike(house, query, shown):
    past = house.archive.file(*whole_call())
    running = house.desk.running_call()
    running.tell(started())

    listed = [call["id"] for call in await items(house, **query)]

    assert listed == {"both": [running.id, past.id], "past": [past.id], "none": []}[shown]


@pytest.mark.parametrize(
    "time", ["yesterday", "2026-13-01", "2026-11-22T09:30:00", "", "0001-01-01T00:00:00+23:00", "0001-01-01"]
)
async def test_a_time_that_is_none_is_400_and_says_how_to_write_one(house, time):
    response = await house.client.get("/v1/calls", params={"from": time}, headers=house.bearer())

    assert response.status == 400
    assert "2026-11-22T09:30:00Z" in (await response.json())["detail"]


async def test_a_running_call_is_listed_once_though_the_record_has_it_too(house):
    running = house.desk.running_call()
    running.tell(started())
    house.archive.calls[running.id] = running

    assert [call["id"] for call in await items(house)] == [running.id]


async def test_the_list_filters_by_state_and_agent(house):
    house.archive.file(started("sales"), ended())
    past = house.archive.file(started("dental"), ended())
    house.desk.running_call().tell(started("dental"))

    assert [call["id"] for call in await items(house, state="ended", agent="dental")] == [past.id]


async def test_pages_follow_the_cursor_to_the_end_without_repeating(house):
    told = [house.archive.file(started(), ended()).id for _ in range(5)]
    seen, cursor = [], None
    while True:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        body = await (await house.client.get("/v1/calls", params=query, headers=house.bearer())).json()
        seen += [call["id"] for call in body["items"]]
        cursor = body["next"]
        if cursor is None:
            break

    assert seen == sorted(told, reverse=True)


@pytest.mark.parametrize(
    "query", [{"state": "asleep"}, {"limit": "0"}, {"limit": "201"}, {"limit": "x"}, {"cursor": "made-up"}]
)
async def test_a_wrong_parameter_is_400(house, query):
    response = await house.client.get("/v1/calls", params=query, headers=house.bearer())

    assert await code_of(response) == (400, "bad_request")


async def test_while_the_record_is_down_running_calls_are_listed_and_the_rest_is_said_to_be_missing(house):
    running = house.desk.running_call()
    running.tell(started())
    house.archive.down = RECORD_IS_DOWN

    response = await house.client.get("/v1/calls", headers=house.bearer())

    body = await response.json()
    assert response.status == 200
    assert [call["id"] for call in body["items"]] == [running.id]
    assert body["incomplete"]


@pytest.mark.parametrize("down", [RECORD_IS_DOWN, ConnectionRefusedError("5432"), TimeoutError()])
async def test_while_the_record_is_down_past_calls_are_503_and_running_ones_answered(house, down):
    running = house.desk.running_call()
    running.tell(started(), said(0, "Hello"))
    past = house.archive.file(*whole_call())
    house.archive.down = down

    for path in ("", "/transcript", "/events"):
        assert (await house.client.get(f"/v1/calls/{running.id}{path}", headers=house.bearer())).status == 200
        response = await house.client.get(f"/v1/calls/{past.id}{path}", headers=house.bearer())
        assert await code_of(response) == (503, "record_unavailable")
        assert response.headers["Retry-After"]
        assert "5432" not in await response.text()
    ended_ones = await house.client.get("/v1/calls", params={"state": "ended"}, headers=house.bearer())
    assert ended_ones.status == 503


@pytest.mark.parametrize("path", ["", "/transcript", "/events", "/metrics"])
async def test_a_call_nobody_knows_is_404(house, path):
    for call_id in (NOBODYS, "not-a-call-id"):
        response = await house.client.get(f"/v1/calls/{call_id}{path}", headers=house.bearer())
        assert await code_of(response) == (404, "unknown_call")


@pytest.mark.parametrize("running", [True, False])
async def test_the_transcript_is_in_spoken_order_whether_the_call_runs_or_is_over(house, running):
    call = house.desk.running_call() if running else house.archive.file(started())
    call.tell(said(1, "Second"), said(0, "First"))

    entries = await items(house, f"/v1/calls/{call.id}/transcript")

    assert [entry["text"] for entry in entries] == ["First", "Second"]
    assert set(entries[0]) == {
        "item_id", "position", "speaker", "text", "heard_text", "heard_ms", "started_at", "interrupted",
    }  # fmt: skip


async def test_the_transcript_comes_as_webvtt_for_who_asks(house):
    call = house.archive.file(started(), said(0, "Good <b>morning</b> & welcome"))

    response = await house.client.get(
        f"/v1/calls/{call.id}/transcript", headers={**house.bearer(), "Accept": "text/vtt"}
    )

    assert response.content_type == "text/vtt"
    text = await response.text()
    assert text.startswith("WEBVTT\n")
    assert "00:00:03.000 --> 00:00:04.200\n<v agent>Good &lt;b&gt;morning&lt;/b&gt; &amp; welcome" in text


async def test_a_transcript_in_another_form_is_406(house):
    call = house.archive.file(started())

    response = await house.client.get(
        f"/v1/calls/{call.id}/transcript", headers={**house.bearer(), "Accept": "application/pdf"}
    )

    assert await code_of(response) == (406, "not_acceptable")


@pytest.mark.parametrize("running", [True, False])
async def test_events_fill_a_gap_from_where_it_began(house, running):
    call = house.desk.running_call() if running else house.archive.file()
    call.tell(started(), said(0, "a"), said(1, "b"), said(2, "c"))

    assert [event["seq"] for event in await items(house, f"/v1/calls/{call.id}/events")] == [0, 1, 2, 3]
    assert [event["seq"] for event in await items(house, f"/v1/calls/{call.id}/events", after="1")] == [2, 3]
    assert await items(house, f"/v1/calls/{call.id}/events", after="3") == []


async def test_events_come_in_pages_whose_next_is_the_following_after(house):
    call = house.archive.file(started(), said(0, "a"), said(1, "b"))

    path = f"/v1/calls/{call.id}/events"
    first = await (await house.client.get(path, params={"limit": "2"}, headers=house.bearer())).json()
    rest = await items(house, path, limit="2", after=first["next"])

    assert [event["seq"] for event in first["items"]] == [0, 1]
    assert [event["seq"] for event in rest] == [2]


async def test_partial_transcripts_are_not_among_the_events(house):
    call = house.desk.running_call()
    call.tell(*whole_call())

    seqs = [event["seq"] for event in await items(house, f"/v1/calls/{call.id}/events")]

    assert seqs == list(range(len(seqs)))


@pytest.mark.parametrize("after", ["-2", "x", "1.5"])
async def test_a_wrong_after_is_400(house, after):
    call = house.desk.running_call()

    response = await house.client.get(
        f"/v1/calls/{call.id}/events", params={"after": after}, headers=house.bearer()
    )

    assert response.status == 400


async def test_figures_come_with_the_end_of_the_call(house):
    call = house.desk.running_call()
    call.tell(started())
    path = f"/v1/calls/{call.id}/metrics"
    running = await house.client.get(path, headers=house.bearer())
    assert await code_of(running) == (404, "call_still_running")

    call.tell(ended())

    assert (await (await house.client.get(path, headers=house.bearer())).json())["metrics"]["turns"] == 2
    past = house.archive.file(*whole_call())
    response = await house.client.get(f"/v1/calls/{past.id}/metrics", headers=house.bearer())
    assert (await response.json())["metrics"]["turns"] == 2


@pytest.mark.parametrize(
    ("role", "by"), [("operator", "operator"), ("admin", "admin"), ("service", "caller")]
)
async def test_staff_can_hang_up(house, role, by):
    call = house.desk.running_call()

    response = await house.client.delete(f"/v1/calls/{call.id}", headers=house.bearer(role))

    assert response.status == 200
    assert await response.json() == {"id": call.id, "ended": True}
    assert house.desk.hung_up == [(call.id, by)]


async def test_the_caller_hangs_up_with_the_resume_token_as_often_as_they_like(house):
    placed = await house.place_call()
    own, resume = placed.headers["Location"], {"Authorization": f"Bearer {placed.headers['X-Resume']}"}

    answers = [await (await house.client.delete(own, headers=resume)).json() for _ in range(2)]

    assert [answer["ended"] for answer in answers] == [True, False]
    assert {by for _, by in house.desk.hung_up} == {"caller"}


async def test_hanging_up_a_call_that_is_over_is_fine_and_one_that_never_was_is_404(house):
    past = house.archive.file(*whole_call())

    assert (await house.client.delete(f"/v1/calls/{past.id}", headers=house.bearer())).status == 200
    assert (await house.client.delete(f"/v1/calls/{NOBODYS}", headers=house.bearer())).status == 404


FRAGMENT = (
    "a=ice-ufrag:ysXw\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
    "a=candidate:1 1 UDP 2130706431 192.0.2.1 54400 typ host\r\na=end-of-candidates\r\n"
)
TRICKLE = {"Content-Type": "application/trickle-ice-sdpfrag"}


async def trickle(house, call_id, body=FRAGMENT, headers=TRICKLE):
    return await house.client.patch(
        f"/v1/calls/{call_id}", data=body, headers={**headers, **house.bearer("service")}
    )


async def test_late_candidates_reach_the_call(house):
    call = house.desk.running_call()

    assert (await trickle(house, call.id)).status == 204

    (candidate,) = house.desk.trickled
    assert candidate.candidate == "candidate:1 1 UDP 2130706431 192.0.2.1 54400 typ host"
    assert candidate.mid == "0"


async def test_trickle_refuses_what_it_cannot_read(house):
    call = house.desk.running_call()

    assert (await trickle(house, NOBODYS)).status == 404
    assert (await trickle(house, call.id, headers={"Content-Type": "application/sdp"})).status == 415
    assert await code_of(await trickle(house, call.id, "what is this")) == (400, "not_sdp")
    assert await code_of(await trickle(house, call.id, b"\xff\xfe")) == (400, "not_sdp")
    flood = "a=candidate:1 1 UDP 1 192.0.2.1 1 typ host\r\n" * 33
    assert await code_of(await trickle(house, call.id, flood)) == (413, "too_many_candidates")
    assert (await trickle(house, call.id, "a" * 70_000)).status == 413
    assert house.desk.trickled == []


async def test_agents_and_tools_are_listed_by_name(house):
    assert [agent["id"] for agent in await items(house, "/v1/agents")] == ["campaign", "dental", "sales"]
    assert [tool["name"] for tool in await items(house, "/v1/tools")] == ["end_call"]
    document = await house.client.get("/v1/agents/dental", headers=house.bearer())
    assert (await document.json())["greeting"] == "Good morning"
    assert await code_of(await house.client.get("/v1/agents/x", headers=house.bearer())) == (
        404,
        "unknown_agent",
    )
