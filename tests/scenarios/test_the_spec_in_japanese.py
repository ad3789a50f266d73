"""The specification's scenarios where the language matters, in Japanese.

No voice and no ears for Japanese ship in a package, so the model is a script: what the caller says stands in
writing, and the audio is tones. Everything else is real: the agent's document, the rendered instructions, the
tools, the dates against the call's clock, Redis, the dashboard and Postgres.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from realtime.simulator.script import Answer, Asked, FunctionCall, Reply, Script, Together
from tests.conftest import TEMPLATE
from tests.fakes.servers import PostgresServer, RedisServer
from tests.scenarios.told import Line, Scenario, Told, agents_in, hold
from tests.scenarios.voices import Saying

TOKYO = ZoneInfo("Asia/Tokyo")
PERSONALITY = "温かく落ち着いた人柄で、患者さまの話を最後まで聞く。"
TONE = "丁寧な敬語で、短く話す。"
PARKING = "駐車場は建物の裏にあり、無料です。"
GREETING = "お電話ありがとうございます。さくら歯科、受付の美咲でございます。"
TARO, TAROS_NUMBER = "田中 太郎", "+819012345678"

AGENT = f"""
name = "{{{{clinic}}}}の受付、美咲"
language = "ja"
timezone = "Asia/Tokyo"
region = "JP"
personality = "{PERSONALITY}"
tone = "{TONE}"
instructions = "{PARKING}診察は予約制です。"
greeting = "お電話ありがとうございます。{{{{clinic}}}}、受付の美咲でございます。"
tools = ["schedule_appointment", "get_customer_info", "request_operator_handoff", "end_call"]

[variables]
clinic = "さくら歯科"

[lookup]
scope = "stated"
fields = ["name"]

[handoff]
reasons = ["お客様が担当者との会話を希望されたとき"]

[[goals]]
id = "reservation"
description = "診察の予約をお取りする。"

[[goals.slots]]
name = "name"
type = "name"
description = "お客様のお名前"
confirm = true

[[goals.slots]]
name = "visit"
type = "datetime"
description = "ご希望の日時"
confirm = true

[[outcomes]]
id = "booked"
description = "予約が取れた。"

[[outcomes]]
id = "handed_over"
description = "担当者におつなぎした。"
"""

WANTS = "佐藤花子と申します。明日の午後3時に予約をお願いできますか。"
CHANGES_HER_MIND = "すみません、やっぱり明後日の午前10時半に変更してください。"
AGREES = "はい、それでお願いします。"
ASKS = "駐車場はありますか。"
WANTS_A_PERSON = "わかりました。担当者の方とお話ししたいのですが。"
GIVES_HIS_NUMBER = "電話番号は０９０－１２３４－５６７８です。"
SUMMARIES = {
    WANTS: "佐藤様が診察を予約した。",
    ASKS: "駐車場の質問のあと、担当者を希望。",
    GIVES_HIS_NUMBER: "田中様から電話。",
}


def record(slot: str, value: str) -> FunctionCall:
    return FunctionCall("record_information", {"slot": slot, "value": value})


def booked(asked: Asked) -> Answer:
    """The output names the moment that came of the caller's words."""
    visit = json.loads(asked.last_output or "")["recorded"]["visit"]
    return Reply(text=f"{visit.replace('T', 'の')}でよろしいでしょうか。", audio_ms=500)


def answer(asked: Asked) -> Answer:
    """What a model might do with what it has heard, told from what it has done by its tools' last answer."""
    output = json.loads(asked.last_output) if asked.last_output else {}
    if "Greet the caller now" in asked.instructions:
        return Reply(text=GREETING, audio_ms=900)
    match asked.heard:
        case words if words == WANTS and "recorded" not in output:
            return Together(record("name", "佐藤花子"), record("visit", "明日の午後3時"))
        case words if words == CHANGES_HER_MIND and not output.get("recorded", {}).get("visit", "").endswith(
            "10:30"
        ):
            return record("visit", "明後日の午前10時半")
        case words if words in (WANTS, CHANGES_HER_MIND):
            return booked(asked)
        case words if words == AGREES and "confirmed" not in output and "booked" not in output:
            day, _, at = output["recorded"]["visit"].partition("T")
            schedule = FunctionCall("schedule_appointment", {"name": "佐藤花子", "date": day, "time": at})
            confirm = FunctionCall("confirm_information", {"slots": ["name", "visit"]})
            return Together(confirm, schedule)
        case words if words == AGREES:
            return Reply(text="佐藤様、ご予約を承りました。", audio_ms=500)
        case words if words == ASKS:
            return Reply(text="はい、建物の裏に無料の駐車場がございます。", audio_ms=500)
        case words if words == WANTS_A_PERSON and not output:
            wanted = {"reason": "担当者との会話を希望", "summary": "駐車場の件のあと、担当者を希望。"}
            return FunctionCall("request_operator_handoff", wanted)
        case words if words == WANTS_A_PERSON:
            return Reply(text="担当者にお伝えします。", audio_ms=500)
        case words if words == GIVES_HIS_NUMBER and not output:
            return FunctionCall("get_customer_info", {"phone_number": "０９０－１２３４－５６７８"})
        case words if words == GIVES_HIS_NUMBER:
            return Reply(text=f"{output['name']}様でございますね。", audio_ms=500)
    return Reply(text="恐れ入りますが、もう一度お願いいたします。", audio_ms=500)


def summary(words: str) -> Callable[[Asked], Answer]:
    """Beside the conversation: at the end a summary in Japanese; before it nothing that was forgotten."""

    def write(asked: Asked) -> Answer:
        if '"summary"' not in asked.instructions:
            return Reply(text="{}")
        written: dict[str, Any] = {"summary": SUMMARIES[words], "outcome": None, "goals": {}}
        return Reply(text=json.dumps(written, ensure_ascii=False))

    return write


async def books(line: Line) -> None:
    await line.say(WANTS)
    await line.session().strike("drop_1011")
    await line.until("session.reconnected")
    await line.say(CHANGES_HER_MIND)
    await line.say(AGREES)


async def asks_and_wants_a_person(line: Line) -> None:
    await line.say(ASKS)
    await line.say(WANTS_A_PERSON)


async def gives_his_number(line: Line) -> None:
    await line.say(GIVES_HIS_NUMBER)


# Two letters are a word; digits are found in either width.
SEARCHED = {
    "booking": {"予約": [WANTS, "佐藤様、ご予約を承りました。"], "花子": [WANTS]},
    "questions": {"駐車": [ASKS, "はい、建物の裏に無料の駐車場がございます。"], "予約": []},
    "lookup": {"5678": [GIVES_HIS_NUMBER], "電話番号は０": [GIVES_HIS_NUMBER]},
}
CALLS = {
    "booking": (books, WANTS),
    "questions": (asks_and_wants_a_person, ASKS),
    "lookup": (gives_his_number, GIVES_HIS_NUMBER),
}


@pytest.fixture(scope="module")
def in_japanese(
    tmp_path_factory: pytest.TempPathFactory, _shared_redis: RedisServer, _shared_postgres: PostgresServer
) -> Callable[[str], Told]:
    """The call of that name; each has a model of its own, so that each is heard as what its caller says."""
    folder = tmp_path_factory.mktemp("in_japanese")
    _shared_redis.ask("FLUSHALL")
    database_url = _shared_postgres.fresh_database(TEMPLATE)
    saying = {name: Saying() for name in CALLS}
    minds: Mapping[str, Script] = {
        f"ja-{name}": Script(hears=saying[name], says=[answer], writes=[summary(first)], loop=True)
        for name, (_, first) in CALLS.items()
    }
    documents = [f'id = "{name}"\nmodel = "ja-{name}"\n{AGENT}' for name in CALLS]

    async def held() -> dict[str, Told | BaseException]:
        connection = await asyncpg.connect(database_url)
        await connection.execute("INSERT INTO customers (phone, name) VALUES ($1, $2)", TAROS_NUMBER, TARO)
        await connection.close()
        return await hold(
            {
                name: Scenario(agent=name, lives=lives, saying=saying[name], search=tuple(SEARCHED[name]))
                for name, (lives, _) in CALLS.items()
            },
            at_once=len(CALLS),
            redis_url=_shared_redis.url,
            database_url=database_url,
            folder=folder,
            mind=Script(),
            minds=minds,
            settings={"CORDBOARD_AGENTS__PATH": str(agents_in(folder, *documents))},
        )

    calls = asyncio.run(held())

    def call(name: str) -> Told:
        told = calls[name]
        if isinstance(told, BaseException):
            raise told
        return told

    return call


@pytest.mark.spec("Scenario: Natural conversation flow")
def test_question_and_answer_are_on_record_as_they_were_said(in_japanese: Callable[[str], Told]) -> None:
    call = in_japanese("questions")

    assert call.said_by("caller") == [ASKS, WANTS_A_PERSON]
    # What becomes of the request for a person may be told later, in more words.
    assert call.said_by("agent")[:3] == [
        GREETING,
        "はい、建物の裏に無料の駐車場がございます。",
        "担当者にお伝えします。",
    ]
    assert all(row["heard_text"] == row["text"] for row in call.rows["transcripts"])


@pytest.mark.spec("Scenario: Agent personality and instructions")
@pytest.mark.parametrize("name", CALLS)
def test_the_documents_own_words_are_in_every_configuration_after_a_reconnect_too(
    name: str, in_japanese: Callable[[str], Told]
) -> None:
    call = in_japanese(name)

    assert len(call.sessions) == (2 if name == "booking" else 1)
    for instructions in call.instructions:
        assert "You are さくら歯科の受付、美咲." in instructions
        assert f"# Personality and tone\n{PERSONALITY}\n{TONE}\n" in instructions
        assert "Speak Japanese unless the caller asks for another language." in instructions
        assert PARKING in instructions
        assert "- visit (datetime, required): ご希望の日時" in instructions
        assert "Call request_operator_handoff when: お客様が担当者との会話を希望されたとき." in instructions
    for session in call.sessions:
        for configuration in session.configurations:
            assert configuration.in_force["audio"]["input"]["transcription"]["language"] == "ja"


@pytest.mark.spec("Scenario: Goal-oriented conversation")
def test_tomorrow_at_three_is_counted_from_the_calls_own_clock_and_corrected(
    in_japanese: Callable[[str], Told],
) -> None:
    call = in_japanese("booking")

    today = datetime.fromisoformat(call.events[0].at).astimezone(TOKYO).date()
    tomorrow, day_after = (today + timedelta(days=days) for days in (1, 2))
    filled = {each["slot"]: each["value"] for each in call.of("slot.filled")}
    assert filled == {"name": "佐藤花子", "visit": f"{tomorrow}T15:00"}
    (corrected,) = call.of("slot.corrected")
    assert (corrected["slot"], corrected["value"]) == ("visit", f"{day_after}T10:30")
    confirmed = {each["slot"]: each["value"] for each in call.of("slot.confirmed")}
    assert confirmed == {"name": "佐藤花子", "visit": f"{day_after}T10:30"}
    assert {row["slot"]: (row["plain"], row["confirmed"]) for row in call.rows["slots"]} == {
        slot: (value, True) for slot, value in confirmed.items()
    }
    (appointment,) = call.rows["appointments"]
    assert appointment["name"] == "佐藤花子"
    assert appointment["starts_at"].astimezone(TOKYO).strftime("%Y-%m-%dT%H:%M") == f"{day_after}T10:30"
    (goal,) = call.of("goal.completed")
    assert (goal["goal"], goal["status"]) == ("reservation", "achieved")


@pytest.mark.spec("Scenario: Context persistence")
def test_the_session_that_replaces_a_dropped_one_is_told_what_was_said_and_noted(
    in_japanese: Callable[[str], Told],
) -> None:
    call = in_japanese("booking")

    _, second = call.sessions
    seeded = [item.text for item in second.items if item.kind in ("user", "assistant")][:3]
    assert seeded[:2] == [GREETING, WANTS]
    assert "Already known: name is 佐藤花子." in second.configurations[0].in_force["instructions"]
    assert call.said_by("agent").count(GREETING) == 1
    asked = call.said_by("agent")[1:]
    assert not [text for text in asked if "お名前" in text]


@pytest.mark.spec("Scenario: State synchronization with backend")
@pytest.mark.parametrize("name", CALLS)
def test_the_dashboard_and_the_rows_have_every_character(
    name: str, in_japanese: Callable[[str], Told]
) -> None:
    call = in_japanese(name)

    numbered = [each for each in call.dashboard if each.get("seq") is not None]
    assert [(each["seq"], each["data"]) for each in numbered] == [
        (each.seq, each.data) for each in call.events
    ]
    finals = sorted(call.of("transcript.final"), key=lambda each: each["position"])
    assert [each["text"] for each in finals] == [row["text"] for row in call.rows["transcripts"]]
    (ended,) = call.of("call.ended")
    assert ended["summary"] == SUMMARIES[CALLS[name][1]]


@pytest.mark.spec("Scenario: State synchronization with backend")
@pytest.mark.parametrize("name", CALLS)
def test_what_was_heard_is_found_again_by_its_words(name: str, in_japanese: Callable[[str], Told]) -> None:
    call = in_japanese(name)

    lines = {row["item_id"]: row["heard_text"] for row in call.rows["transcripts"]}
    for query, expected in SEARCHED[name].items():
        hits = [hit for hit in call.found[query] if hit["call_id"] == call.call_id]
        assert sorted(lines[hit["item_id"]] for hit in hits) == sorted(expected), query


@pytest.mark.spec("Scenario: Trigger operator handoff via function call")
def test_asking_for_a_person_reaches_the_operators_with_reason_and_summary(
    in_japanese: Callable[[str], Told],
) -> None:
    call = in_japanese("questions")

    (notified,) = [each["data"] for each in call.dashboard if each["type"] == "handoff.requested"]
    assert (notified["method"], notified["reason"]) == ("ai", "担当者との会話を希望")
    (row,) = call.rows["handoffs"]
    assert row["summary"] == notified["summary"] == "駐車場の件のあと、担当者を希望。"


@pytest.mark.spec("Scenario: Database lookup during conversation")
def test_a_number_in_full_width_digits_finds_its_owner_and_the_answer_names_him(
    in_japanese: Callable[[str], Told],
) -> None:
    call = in_japanese("lookup")

    (finished,) = call.of("tool.finished")
    assert (finished["name"], finished["ok"]) == ("get_customer_info", True)
    assert call.said_by("agent")[-1] == f"{TARO}様でございますね。"
    assert call.said_by("caller") == [GIVES_HIS_NUMBER]
