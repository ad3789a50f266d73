"""Evaluation cases: their file, the judge, and a run of every sample's cases against the simulator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from realtime.legacy import Migration, migrate
from realtime.legacy_cases import Case, InvalidCases, judge, mentions, parse_cases, write_cases
from realtime.simulator.script import AT_ONCE, Reply, Script
from realtime.simulator.server import Simulator
from tests.fakes.case_runner import FOLLOWS, run_cases

SAMPLES = sorted((Path(__file__).parent / "samples").iterdir())
CASE = Case(
    id="hours", situation="asked when we are open", conveys="We are open from 9 to 18, call 555 0142.",
    says=("hours",), mentions=("9", "18", "555", "0142"),
)  # fmt: skip


# The callers' words of these lead to two answers, and the report names them as contradictions: a person decides.
UNDECIDED = {"telephone_outreach": {"website_redirect"}, "clinic_categories": set(), "shop_answers": set()}


def sample(name: str) -> Migration:
    path = next(path for path in SAMPLES if path.stem == name)
    return migrate(path.read_text(encoding="utf-8"), name=path.name)


@pytest.mark.parametrize("name", [path.stem for path in SAMPLES])
async def test_every_case_of_a_sample_is_answered_from_the_prompt(name: str) -> None:
    migration = sample(name)

    async with Simulator(mind=FOLLOWS) as simulator:
        ran = await run_cases(simulator.url, migration.agent, list(migration.cases))

    assert len(ran) == len(migration.cases)
    assert {one.case.id for one in ran if not one.verdict.passed} == UNDECIDED[name]


async def test_a_model_that_says_something_else_fails_its_cases() -> None:
    migration = sample("shop_answers")
    vague = Script(says=[Reply(text="Please hold the line.", audio_ms=20)], loop=True, pace=AT_ONCE)

    async with Simulator(mind=vague) as simulator:
        ran = await run_cases(simulator.url, migration.agent, list(migration.cases))

    assert not any(one.verdict.passed for one in ran)


async def test_a_guideline_that_is_missing_from_the_agent_is_noticed() -> None:
    migration = sample("telephone_outreach")
    lost = migration.agent.guidelines[5]
    agent = migration.agent.model_copy(
        update={"guidelines": [one for one in migration.agent.guidelines if one is not lost]}
    )

    async with Simulator(mind=FOLLOWS) as simulator:
        ran = await run_cases(simulator.url, agent, list(migration.cases))

    assert [one.case.conveys for one in ran if not one.verdict.passed and one.case.conveys == lost.example]


@pytest.mark.parametrize(
    "answer",
    [
        "We are open from 9 to 18, call 555 0142.",
        "Certainly! We're open 9 to 18. You can call us at 555-0142.",
    ],
)
def test_the_wording_is_free(answer: str) -> None:
    assert judge(CASE, answer).passed


@pytest.mark.parametrize(
    ("answer", "missing"),
    [
        ("We are open from 9 to 17, call 555 0142.", ("18",)),
        ("We are open from 9 to 18.", ("555", "0142")),
        ("", ("9", "18", "555", "0142")),
    ],
)
def test_facts_are_not_free(answer: str, missing: tuple[str, ...]) -> None:
    verdict = judge(CASE, answer)

    assert not verdict.passed
    assert verdict.missing == missing


def test_an_answer_about_something_else_fails() -> None:
    assert not judge(replace(CASE, mentions=()), "Thank you, goodbye!").passed


def test_word_for_word_is_word_for_word_whatever_the_punctuation() -> None:
    exact = replace(CASE, verbatim=True, mentions=())

    assert judge(exact, "We are open from 9 to 18; call 555-0142").passed
    assert not judge(exact, "We are open from 9 until 18, call 555 0142.").passed


def test_japanese_needs_no_spaces() -> None:
    case = Case(id="不在", situation="", conveys="承知いたしました。何時ごろお戻りのご予定でしょうか。")

    assert judge(case, "さようでございますか。お戻りは何時ごろのご予定でしょうか。").passed
    assert not judge(case, "お電話ありがとうございました。").passed


def test_variables_are_filled_in_before_judging() -> None:
    case = Case(id="who", situation="", conveys="This is {{shop}}.", verbatim=True)

    assert judge(case, "This is Harbour.", conveys="This is Harbour.").passed


def test_the_facts_of_a_text_are_found() -> None:
    text = "月額9,800円、https://a.example/x または info@a.example、03-5550-0142 まで。"

    assert mentions(text) == ("9,800", "https://a.example/x", "info@a.example", "03-5550-0142")


def test_the_file_says_what_was_meant() -> None:
    cases = [
        CASE,
        Case(id="名", situation='"\\\n{{x}}', conveys="", stage="初回", tools=("end_call",), verbatim=True),
    ]

    assert parse_cases(write_cases(cases, agent_id="a"), source="c.toml") == cases


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("nonsense", "c.toml: not TOML"),
        ("format = 'other/1'", "this version reads 'cordboard-cases/1'"),
        ("format = 'cordboard-cases/1'\n[[cases]]\nid = 'a'", "case 1: lacks conveys, situation"),
        (
            "format = 'cordboard-cases/1'\n[[cases]]\nid = 'a'\nsituation = ''\nconveys = ''\nsay = []",
            "case 1: unknown say",
        ),
    ],
)
def test_a_file_that_is_none_is_refused(text: str, what: str) -> None:
    with pytest.raises(InvalidCases, match=what):
        parse_cases(text, source="c.toml")
