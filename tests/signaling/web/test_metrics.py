"""Quality over HTTP: the summary, a series, definitions; as JSON and as CSV."""

import csv
import io
from datetime import timedelta

import pytest

from storage.events import CallAnswered, GoalCompleted, LatencyBreakdown, TurnCompleted, TurnStarted
from storage.metric_definitions import DEFINITIONS
from tests.fakes.call_desk import RECORD_IS_DOWN
from tests.fakes.call_story import NOON
from tests.fakes.measured_calls import begun, line, over

DAY = {"from": "2026-11-22", "to": "2026-11-23"}


def file_call(house, *, agent="dental", latency_ms=800, status="achieved"):
    parts = LatencyBreakdown(
        endpointing_ms=500, transport_in_ms=40, model_ms=latency_ms - 560, playout_ms=20, transport_out_ms=50
    )
    return house.archive.file(
        begun(agent, "v1", {"booking": ["date"]}),
        CallAnswered(setup_ms=100, codec="opus"),
        TurnStarted(turn=0, speaker="agent", item_id="a0"),
        line("agent", 500, 2_500, "Good morning"),
        TurnStarted(turn=1, speaker="caller", item_id="c1"),
        line("caller", 3_000, 5_000, "I need an appointment"),
        line("agent", 5_000 + latency_ms, 7_000, "Which day?"),
        TurnCompleted(turn=1, response_latency_ms=latency_ms, tools=[], latency_breakdown=parts),
        GoalCompleted(goal="booking", status=status, rung="system_of_record"),
        over(60_000, hung_up_ms=9_000),
    )


async def get(house, path, headers=None, **query):
    response = await house.client.get(path, params=query, headers=house.bearer() | (headers or {}))
    assert response.status == 200, await response.text()
    return response


async def summary(house, **query):
    body = await (await get(house, "/v1/metrics/summary", **(DAY | query))).json()
    return body, {each["id"]: each for each in body["figures"]}


async def test_every_figure_says_its_unit_its_n_and_which_definition_it_follows(house):
    file_call(house)

    _, figures = await summary(house)
    definitions = await (await get(house, "/v1/metrics/definitions")).json()

    known = {each["id"]: each for each in definitions["items"]}
    assert list(figures) == [each.id for each in DEFINITIONS]
    for each in figures.values():
        assert known[each["definition"]]["unit"] == each["unit"]
        assert isinstance(each["n"], int)
        assert each["few"] is (each["n"] < 30)


async def test_rates_carry_their_interval_and_are_none_of_nothing(house):
    for status in ("achieved", "achieved", "not_achieved", "unknown"):
        file_call(house, status=status)

    _, figures = await summary(house)

    completion = figures["goal_completion_rate"]
    assert (completion["value"], completion["n"], completion["few"]) == (0.6667, 3, True)
    assert completion["interval"] == {"low": 0.2077, "high": 0.9385}  # Wilson of 2 in 3
    assert figures["handoff_connect_rate"]["value"] is None
    assert figures["handoff_connect_rate"]["n"] == 0
    assert figures["handoff_connect_rate"]["interval"] is None


async def test_latency_is_what_the_caller_heard_and_its_parts_add_up(house):
    file_call(house, latency_ms=800)

    _, figures = await summary(house)

    assert figures["response_latency_p50"]["value"] == pytest.approx(850, rel=0.05)
    assert figures["first_packet_latency_p50"]["value"] == pytest.approx(800, rel=0.05)
    parts = [
        figures[f"latency_{part}"]["value"]
        for part in ("endpointing", "transport_in", "model", "playout", "transport_out")
    ]
    assert parts == [500, 40, 240, 20, 50]
    assert figures["latency_breakdown_off"]["value"] == 0


async def test_a_period_stands_beside_the_one_before_it(house):
    file_call(house)
    file_call(house, status="not_achieved")

    body, figures = await summary(house, **{"from": "2026-11-22T12:00:00Z", "to": "2026-11-22T13:00:00Z"})
    later, after = await summary(house, **{"from": "2026-11-22T13:00:00Z", "to": "2026-11-22T14:00:00Z"})

    assert body["previous_period"] == {"from": "2026-11-22T11:00:00.000Z", "to": "2026-11-22T12:00:00.000Z"}
    assert figures["goal_completion_rate"]["previous"] is None
    assert figures["goal_completion_rate"]["change"] is None
    assert later["previous_period"] == body["period"]
    assert after["calls"]["value"] == 0
    assert after["calls"]["previous"]["value"] == 2
    assert after["calls"]["change"] == -2


async def test_one_agent_can_be_asked_about(house):
    file_call(house)
    file_call(house, agent="sales")

    body, figures = await summary(house, agent="sales")

    assert body["agent"] == "sales"
    assert figures["calls"]["value"] == 1


async def test_without_a_window_it_is_the_last_seven_days(house):
    house.clock.at = (NOON + timedelta(minutes=30)).timestamp()

    body = await (await get(house, "/v1/metrics/summary")).json()

    assert body["period"] == {"from": "2026-11-15T13:00:00.000Z", "to": "2026-11-22T13:00:00.000Z"}


async def test_a_series_has_a_point_for_each_time_with_calls(house):
    file_call(house)

    by_day = await (await get(house, "/v1/metrics/series", metric="calls", **DAY)).json()
    by_hour = await (
        await get(house, "/v1/metrics/series", metric="goal_completion_rate", bucket="hour", **DAY)
    ).json()

    assert by_day["bucket"] == "day"
    assert [(point["at"], point["value"]) for point in by_day["points"]] == [
        ("2026-11-22T00:00:00.000Z", 1.0)
    ]
    assert by_hour["unit"] == "share"
    (point,) = by_hour["points"]
    assert (point["at"], point["value"], point["n"]) == ("2026-11-22T12:00:00.000Z", 1.0, 1)
    assert point["interval"] == {"low": 0.2065, "high": 1.0}


@pytest.mark.parametrize("asked", [{"format": "csv"}, None])
async def test_a_summary_can_be_taken_as_csv(house, asked):
    file_call(house)
    headers = {} if asked else {"Accept": "text/csv"}

    response = await get(house, "/v1/metrics/summary", headers, **DAY, **(asked or {}))

    assert response.content_type == "text/csv"
    assert "attachment" in response.headers["Content-Disposition"]
    rows = {row["id"]: row for row in csv.DictReader(io.StringIO(await response.text()))}
    assert rows["goal_completion_rate"]["value"] == "1.0"
    assert rows["goal_completion_rate"]["n"] == "1"
    assert rows["goal_completion_rate"]["low"] == "0.2065"
    assert rows["handoff_wait_p50"]["value"] == ""


async def test_a_series_can_be_taken_as_csv(house):
    file_call(house)

    response = await get(house, "/v1/metrics/series", metric="calls", format="csv", **DAY)

    (row,) = csv.DictReader(io.StringIO(await response.text()))
    assert row == {
        "at": "2026-11-22T00:00:00.000Z",
        "calls": "1.0",
        "n": "1",
        "few": "True",
        "low": "",
        "high": "",
    }


@pytest.mark.parametrize(
    "query",
    [
        {"metric": "happiness"},
        {},
        {"metric": "calls", "bucket": "minute"},
        {"metric": "calls", "from": "yesterday"},
        {"metric": "calls", "from": "2026-11-23", "to": "2026-11-22"},
        {"metric": "calls", "from": "2020-01-01", "to": "2026-11-22"},
        {"metric": "calls", "bucket": "hour", "from": "2026-01-01", "to": "2026-11-22"},
        {"metric": "calls", "format": "pdf"},
    ],
)
async def test_a_wrong_question_is_400(house, query):
    response = await house.client.get("/v1/metrics/series", params=query, headers=house.bearer())

    assert response.status == 400
    assert (await response.json())["code"] == "bad_request"


async def test_what_is_neither_json_nor_csv_is_406(house):
    response = await house.client.get("/v1/metrics/summary", headers=house.bearer() | {"Accept": "image/png"})

    assert response.status == 406


@pytest.mark.parametrize("path", ["/v1/metrics/summary", "/v1/metrics/series?metric=calls"])
async def test_while_the_record_is_down_it_is_503(house, path):
    house.archive.down = RECORD_IS_DOWN

    response = await house.client.get(path, headers=house.bearer())

    assert response.status == 503


@pytest.mark.parametrize(
    "path", ["/v1/metrics/summary", "/v1/metrics/series?metric=calls", "/v1/metrics/definitions"]
)
async def test_figures_are_for_staff(house, path):
    assert (await house.client.get(path)).status == 401
    assert (await house.client.get(path, headers=house.bearer("caller"))).status == 403


async def test_a_calls_own_figures_hold_what_its_end_carried_and_what_was_measured(house):
    call = house.desk.running_call()
    call.tell(begun(), line("caller", 1_000, 2_000, "Hello?"), over(20_000))

    response = await get(house, f"/v1/calls/{call.id}/metrics")

    metrics = (await response.json())["metrics"]
    assert metrics["turns"] == 0
    assert metrics["measured"]["speech"] == {"agent_ms": 0, "caller_ms": 1_000, "talk_ratio": 0.0}
    assert metrics["measured"]["complete"] is True
