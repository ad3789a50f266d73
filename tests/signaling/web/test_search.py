"""GET /v1/search: what is asked of the record, what is shown, and what is refused with a remedy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from storage.call_ids import new_call_id
from storage.search import Hit, SearchTooSlow
from tests.fakes.call_desk import RECORD_IS_DOWN


def hit(position=0, text="来週の会議を予約したい"):
    return Hit(
        call_id=new_call_id(),
        item_id=f"item_{position}",
        position=position,
        speaker="caller",
        started_at=datetime(2026, 11, 22, 9, 30, tzinfo=UTC),
        heard_text=text,
        agent="dental",
        outcome="booked",
    )


async def ask(house, *, role="operator", **query):
    response = await house.client.get("/v1/search", params=query, headers=house.bearer(role))
    return response.status, await response.json()


async def test_a_hit_is_shown_with_its_call_and_where_the_words_stand(house):
    found = hit(position=4)
    house.archive.hits = [found]

    status, page = await ask(house, q="会議")

    assert status == 200
    assert page == {
        "items": [
            {
                "call_id": found.call_id,
                "item_id": "item_4",
                "position": 4,
                "speaker": "caller",
                "started_at": "2026-11-22T09:30:00.000Z",
                "snippet": "来週の会議を予約したい",
                "matches": [{"start": 3, "end": 5}],
                "agent": "dental",
                "outcome": "booked",
            }
        ],
        "next": None,
    }


async def test_pages_follow_one_another(house):
    house.archive.hits = [hit(n) for n in range(5)]

    seen, cursor = [], {}
    while True:
        _, page = await ask(house, q="会議", limit="2", **cursor)
        seen += [item["position"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}

    assert seen == [0, 1, 2, 3, 4]


async def test_every_filter_reaches_the_record(house):
    query = {"agent": "dental", "speaker": "agent", "outcome": "booked"}

    await ask(house, q="会議", **query, **{"from": "2026-11-01", "to": "2026-11-22T18:00:00+09:00"})

    (asked,) = house.archive.searched
    assert {name: asked[name] for name in query} == query
    assert asked["since"] == datetime(2026, 11, 1, tzinfo=UTC)
    assert asked["until"] == datetime(2026, 11, 22, 9, tzinfo=UTC)


async def test_without_a_window_the_last_ninety_days_are_searched(house):
    await ask(house, q="会議")

    (asked,) = house.archive.searched
    assert asked["until"] - asked["since"] == timedelta(days=90)
    assert timedelta(0) < asked["until"] - datetime.fromtimestamp(house.clock(), UTC) <= timedelta(minutes=1)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({}, "query_too_short"),
        ({"q": "a"}, "query_too_short"),
        ({"q": "の"}, "query_too_short"),
        ({"q": "。"}, "query_too_short"),
        ({"q": "x" * 201}, "query_too_long"),
        ({"q": "会議", "from": "yesterday"}, "bad_request"),
        ({"q": "会議", "from": "2026-11-22T09:30:00"}, "bad_request"),
        ({"q": "会議", "from": "2026-11-22", "to": "2026-11-21"}, "bad_request"),
        ({"q": "会議", "speaker": "nobody"}, "bad_request"),
        ({"q": "会議", "cursor": "rubbish"}, "bad_request"),
        ({"q": "会議", "limit": "0"}, "bad_request"),
    ],
)
async def test_what_cannot_be_searched_is_400_with_a_remedy(house, query, code):
    status, problem = await ask(house, **query)

    assert (status, problem["code"]) == (400, code)


@pytest.mark.parametrize("query", ["林", "、。", "100%", "'; --"])
async def test_what_looks_odd_but_was_perhaps_said_is_searched(house, query):
    status, page = await ask(house, q=query)

    assert (status, page["items"]) == (200, [])


async def test_a_search_that_would_hold_up_others_says_how_to_narrow_it(house):
    house.archive.down = SearchTooSlow("5 s")

    status, problem = await ask(house, q="会議")

    assert (status, problem["code"]) == (400, "search_too_wide")
    assert "Narrow" in problem["fix"]


async def test_without_the_record_search_is_503(house):
    house.archive.down = RECORD_IS_DOWN

    status, _ = await ask(house, q="会議")

    assert status == 503


async def test_callers_may_not_search(house):
    status, _ = await ask(house, q="会議", role="caller")

    assert status == 403
