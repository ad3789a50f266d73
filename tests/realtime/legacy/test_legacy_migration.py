"""A file of keyword templates becomes an agent, and every entry of it is accounted for."""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.agent import parse_agent
from realtime.instructions import render
from realtime.legacy import Migration, migrate
from realtime.legacy_cases import parse_cases
from realtime.legacy_joins import Trouble
from realtime.legacy_report import Row, Status, shown
from realtime.legacy_values import UnreadableSource
from tests.realtime.test_instructions import NOW

SAMPLES = sorted((Path(__file__).parent / "samples").iterdir())


def sample(name: str) -> Migration:
    path = next(path for path in SAMPLES if path.stem == name)
    return migrate(path.read_text(encoding="utf-8"), name=path.name)


@pytest.fixture(scope="module")
def outreach() -> Migration:
    """Japanese, with states: tables joined by string keys only."""
    return sample("telephone_outreach")


@pytest.fixture(scope="module")
def clinic() -> Migration:
    """Nested categories in an ES module."""
    return sample("clinic_categories")


@pytest.fixture(scope="module")
def shop() -> Migration:
    """`[{keywords, response}]`."""
    return sample("shop_answers")


def row(migration: Migration, kind: str, name: str) -> Row:
    found = [row for row in migration.rows if row.kind == kind and row.name == name]
    assert len(found) == 1, [row.name for row in migration.rows if row.kind == kind]
    return found[0]


def troubles(migration: Migration, trouble: Trouble) -> str:
    return "\n".join(found.text for found in migration.findings if found.trouble is trouble)


# -- what holds for every file ---------------------------------------------------------------------------


def strings_of(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for key, member in value.items() for text in (key, *strings_of(member))]
    return [text for member in value for text in strings_of(member)] if isinstance(value, list) else []


def assert_everything_is_accounted_for(migration: Migration) -> None:
    in_agent = strings_of(tomllib.loads(migration.toml))
    for literal in migration.source.literals:
        found = literal.value in in_agent or shown(literal.value) in migration.report
        assert found, literal


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_every_string_of_a_sample_is_in_the_agent_or_in_the_report(path: Path) -> None:
    migration = migrate(path.read_text(encoding="utf-8"), name=path.name)

    assert_everything_is_accounted_for(migration)
    assert len(migration.source.literals) > 40


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_strings_are_found_by_a_dull_search_too(path: Path) -> None:
    """Not by the parser: every quoted string of a line, as a regular expression sees it."""
    text = path.read_text(encoding="utf-8")
    migration = migrate(text, name=path.name)
    quoted = re.findall(r"(?<![\w])'((?:[^'\\\n])*)'(?![\w])", re.sub(r"//.*|\"[^\"\n]*\"", "", text))

    assert len(quoted) > 20
    missing = [one for one in quoted if one not in migration.toml and shown(one) not in migration.report]
    assert not missing


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_every_template_has_one_row_and_one_case_or_a_reason(path: Path) -> None:
    migration = migrate(path.read_text(encoding="utf-8"), name=path.name)
    templates = [row for row in migration.rows if row.kind == "template"]
    cases = Counter(case.id for case in migration.cases)

    for template in templates:
        if template.status is Status.DROPPED:
            assert template.why, template
        else:
            assert template.became, template
            assert cases[template.name] == 1 or any(id.startswith(f"{template.name}@") for id in cases), (
                template
            )
    assert len(cases) == sum(template.status is not Status.DROPPED for template in templates)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_every_row_that_became_something_points_at_it(path: Path) -> None:
    migration = migrate(path.read_text(encoding="utf-8"), name=path.name)
    document = tomllib.loads(migration.toml)

    for became in [place for row in migration.rows if row.became for place in row.became.split(", ")]:
        found: object = document
        for step in re.findall(r"\w+", became):
            found = found[int(step)] if isinstance(found, list) else found[step]  # type: ignore[index]
        assert found, became


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_the_document_is_an_agent_that_can_be_rendered(path: Path) -> None:
    migration = migrate(path.read_text(encoding="utf-8"), name=path.name)

    assert parse_agent(migration.toml, source="agent.toml") == migration.agent
    assert "{{" not in render(migration.agent, now=NOW)
    assert tuple(parse_cases(migration.cases_toml, source="cases.toml")) == migration.cases


# -- the state-dependent file ----------------------------------------------------------------------------


def test_the_state_dependent_file_is_large_and_nothing_of_it_is_lost(outreach: Migration) -> None:
    kinds = Counter(row.kind for row in outreach.rows)

    assert kinds["template"] >= 60
    assert kinds["keywords"] == 35
    assert kinds["mapping"] == 23
    assert kinds["state"] == 8
    assert outreach.agent.language == "ja"
    assert outreach.agent.timezone == "Asia/Tokyo"


def test_keywords_become_how_callers_put_it(outreach: Migration) -> None:
    asked = next(g for g in outreach.agent.guidelines if "会社名をもう一度" in g.situation)

    assert asked.callers_say == ["どちら様", "会社名", "どなた", "お名前は"]
    assert asked.example == "{{companyName}}の{{representativeName}}と申します。"
    assert not asked.verbatim


def test_the_same_words_mean_different_things_in_different_stages(outreach: Migration) -> None:
    stages = {stage.name: stage for stage in outreach.agent.flow}
    agreed = {
        name: next(g.example for g in stage.guidelines if "はい" in g.callers_say)
        for name, stage in stages.items()
        if any("はい" in g.callers_say for g in stage.guidelines)
    }

    assert list(stages)[:5] == ["initial", "confirming_person", "explaining", "scheduling", "callback"]
    assert agreed["explaining"] != agreed["scheduling"]
    assert "請求書の発行" in str(agreed["explaining"])
    assert "explaining (positive)" in stages["confirming_person"].then
    assert stages["scheduling"].description == "打ち合わせの日時を決めている"


def test_what_is_marked_stays_word_for_word_and_nothing_else_does(outreach: Migration) -> None:
    every = [*outreach.agent.guidelines, *(g for stage in outreach.agent.flow for g in stage.guidelines)]

    assert [g.example for g in every if g.verbatim] == [
        "失礼いたしました。今後はお電話を控えます。",
        "大変申し訳ございません。お電話番号を登録から外し、今後一切ご連絡いたしません。",
    ]


def test_names_that_lead_nowhere_are_named(outreach: Migration) -> None:
    dangling = troubles(outreach, Trouble.DANGLING)

    for name in ("campaign_notice", "voicemail_message", "waiting_for_boss", "'waiting'", "greeting_words"):
        assert name in dangling
    assert row(outreach, "mapping", "INTENT_TO_TEMPLATE: campaign → campaign_notice").status is Status.CHECK
    assert row(outreach, "required", "REQUIRED_TEMPLATES: voicemail_message").status is Status.CHECK


def test_contradictions_and_duplicates_are_named(outreach: Migration) -> None:
    contradictions = troubles(outreach, Trouble.CONTRADICTION)
    duplicates = troubles(outreach, Trouble.DUPLICATE)

    assert "'trial_available' has another text at line" in contradictions
    assert "'website' leads to 'email_only'" in contradictions
    assert "'thanks_for_waiting' has the same text as 'wait_thanks'" in duplicates
    assert "'忙しい' stands twice" in duplicates
    assert "はい" not in contradictions


def test_the_later_of_two_entries_counts_and_the_earlier_is_in_the_report(outreach: Migration) -> None:
    earlier, later = (
        row for row in outreach.rows if row.kind == "template" and row.name == "trial_available"
    )

    assert earlier.status is Status.DROPPED
    assert later.became is not None
    assert "14日間" in outreach.toml
    assert "30日間" not in outreach.toml
    assert "30日間" in outreach.report


def test_two_templates_of_one_text_become_one_guideline(outreach: Migration) -> None:
    merged = row(outreach, "template", "thanks_for_waiting")

    assert merged.status is Status.MERGED
    assert merged.became == row(outreach, "template", "wait_thanks").became


def test_variables_stay_variables_and_take_their_values_from_the_file(outreach: Migration) -> None:
    variables = outreach.agent.variables

    assert variables["companyName"] == "株式会社みなと商事"
    assert variables["callbackNumber"] == "03-5550-0142"
    assert variables["customerName"] == "[customerName]"
    assert any("customerName has no value" in text for text in outreach.assumptions)
    assert "東京都港区海岸" in outreach.agent.instructions


def test_required_names_become_slots_and_endings_become_outcomes(outreach: Migration) -> None:
    slots = {slot.name: slot.type for slot in outreach.agent.goals[0].slots}

    assert slots == {
        "customer_name": "name",
        "phone_number": "phone",
        "date": "date",
        "time": "time",
        "count": "integer",
    }
    assert {"sales_rejection", "closing", "wrong_number"} <= {
        outcome.id for outcome in outreach.agent.outcomes
    }
    assert outreach.agent.tools == ["request_operator_handoff", "end_call"]


def test_what_is_out_of_use_is_dropped_with_its_text_in_the_report(outreach: Migration) -> None:
    old = row(outreach, "template", "closing_old")

    assert old.status is Status.DROPPED
    assert old.texts[0] not in outreach.toml
    assert old.texts[0] in outreach.report
    assert row(outreach, "state", "ON_HOLD").status is Status.DROPPED


def test_the_rendered_agent_shows_how_callers_put_it_in_the_stage(outreach: Migration) -> None:
    text = render(outreach.agent, now=NOW)

    assert 'Callers put it like this: "会議中", "打ち合わせ中".' in text
    assert "Stage 2, confirming_person: 担当者につないでもらえるか確認している" in text
    assert 'Say exactly: "失礼いたしました。今後はお電話を控えます。"' in text


# -- categories and plain rules --------------------------------------------------------------------------


def test_categories_comments_and_later_additions_are_kept(clinic: Migration) -> None:
    by_example = {g.example: g for g in clinic.agent.guidelines}

    assert clinic.agent.greeting == "Good morning, {{clinicName}}, how may I help you?"
    assert (
        by_example["I'm sorry, I did not catch that. Could you say it again?"].situation
        == "whenever the line is bad"
    )
    assert by_example["We speak English and Spanish."]
    assert by_example["We accept {{insurer}} and all major dental insurances."]
    assert by_example["So that is {{date}} at {{time}}. Is that right?"]
    assert by_example["You can pay cash or by card. We do not take cheques."]
    pain = next(g for g in clinic.agent.guidelines if "swollen" in g.callers_say)
    assert pain.verbatim
    assert "A cleaning costs 70 dollars." not in clinic.toml


def test_a_template_that_leads_to_another_says_so(clinic: Migration) -> None:
    first = next(g for g in clinic.agent.guidelines if "appointment" in g.callers_say)

    assert first.do.endswith("then go on with “new appointments: “booking ask time””")
    assert not clinic.agent.flow


def test_one_word_for_two_answers_is_a_contradiction(clinic: Migration, shop: Migration) -> None:
    assert "'cancel' stands for 'booking.reschedule'" in troubles(clinic, Trouble.CONTRADICTION)
    assert "'open' stands for 'rule 3'" in troubles(shop, Trouble.CONTRADICTION)
    assert "'hours' stands for" in troubles(shop, Trouble.DUPLICATE)


def test_rules_without_names_are_told_by_their_words(shop: Migration) -> None:
    situations = [g.situation for g in shop.agent.guidelines]

    assert situations[0] == "the caller speaks of “hello, hi, good morning” or the like"
    assert "people ask this ten times a day" in situations


def test_patterns_are_taken_apart_where_they_are_a_choice_of_words(shop: Migration) -> None:
    gift = next(g for g in shop.agent.guidelines if "voucher" in g.callers_say)

    assert gift.callers_say == ["gift card", "voucher"]
    assert row(shop, "keywords", "rule 10").status is Status.CHECK
    assert r"order\\s" in shop.report


def test_other_ways_of_writing_a_variable_are_made_one(shop: Migration) -> None:
    assert "{{order_number}}" in shop.toml
    assert shop.agent.variables == {"shop": "[shop]", "order_number": "[order_number]"}
    assert "%order_number%" in shop.report


def test_an_action_that_hands_over_becomes_the_tool(shop: Migration) -> None:
    angry = next(g for g in shop.agent.guidelines if "angry" in g.callers_say)

    assert "request_operator_handoff" in angry.do
    assert "request_operator_handoff" in shop.agent.tools


def test_json_says_the_same_as_javascript() -> None:
    rules = [{"keywords": ["open", "hours"], "response": "We are open from 9 to 5."}]
    js = migrate(f"module.exports = {json.dumps(rules)};", name="rules.js")
    plain = migrate(json.dumps(rules), name="rules.json")

    assert js.agent.guidelines == plain.agent.guidelines
    assert plain.agent.guidelines[0].callers_say == ["open", "hours"]


# -- other ways people write the same things -------------------------------------------------------------


def test_states_of_a_rule_are_not_an_enumeration_and_a_key_may_look_like_a_state() -> None:
    migration = migrate(
        """
        const templates = {
          waiting: { id: 'waiting', text: 'One moment, please.', keywords: ['wait'], next_states: ['asking'] },
        };
        const groups = { person: { keywords: ['yes'], activeStates: ['WAITING'], response: 'waiting' } };
        const ConversationState = { WAITING: 'WAITING', ASKING: 'asking' };
        module.exports = { templates, groups, shortcut: templates.waiting };
        """,
        name="t.js",
    )

    assert [row.name for row in migration.rows if row.kind == "state"] == ["WAITING", "ASKING"]
    assert migration.agent.guidelines[0].callers_say == ["wait"]
    assert [stage.name for stage in migration.agent.flow] == ["WAITING", "asking"]
    assert migration.agent.flow[0].guidelines[0].callers_say == ["yes"]
    assert not troubles(migration, Trouble.DANGLING)


def test_everything_may_stand_in_one_exported_object() -> None:
    migration = migrate(
        """module.exports = {
          states: ['idle', 'asking'],
          stateKeywords: { idle: { order: ['order'] }, asking: { yes: ['yes', 'sure'] } },
          stateResponses: { idle: { order: 'What would you like?' }, asking: { yes: 'Great, thank you.' } },
          transitions: [{ from: 'idle', to: 'asking', on: 'order' }],
        };""",
        name="t.js",
    )

    idle, asking = migration.agent.flow
    assert [(g.callers_say, g.example) for g in idle.guidelines] == [(["order"], "What would you like?")]
    assert [(g.callers_say, g.example) for g in asking.guidelines] == [(["yes", "sure"], "Great, thank you.")]
    assert idle.then == ["asking (order)"]
    assert not migration.findings


def test_words_may_be_one_string_and_patterns_may_be_strings() -> None:
    migration = migrate(
        '[{"keywords": "open, hours", "response": "At nine."}, {"pattern": "^(bye|later)$", "reply": "Bye."}]',
        name="t.json",
    )

    assert [g.callers_say for g in migration.agent.guidelines] == [["open", "hours"], ["bye", "later"]]
    assert [g.example for g in migration.agent.guidelines] == ["At nine.", "Bye."]


def test_one_answer_in_two_languages_is_reached_by_its_name() -> None:
    migration = migrate(
        """export const keywords = { cancel: ['cancel'] };
        export const responses = { cancel: { ja: 'キャンセルします。', en: 'I will cancel it.' } };""",
        name="t.mjs",
    )

    assert [g.callers_say for g in migration.agent.guidelines] == [["cancel"], ["cancel"]]
    assert not troubles(migration, Trouble.DANGLING)


# -- what goes wrong -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("templates.xml", "<a/>", "unknown kind of file"),
        ("templates", "{}", "unknown kind of file"),
        ("templates.js", "const x = 1;", "neither response texts nor keyword lists"),
        ("templates.json", "{}", "neither response texts nor keyword lists"),
        ("templates.js", "const x = {", "never closed"),
    ],
)
def test_a_file_that_holds_nothing_of_the_kind_is_refused(name: str, text: str, what: str) -> None:
    with pytest.raises(UnreadableSource, match=what) as caught:
        migrate(text, name=name)

    assert caught.value.fix


# -- any file --------------------------------------------------------------------------------------------

NAMES = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    [
        "greeting",
        "closing",
        "absent",
        "states",
        "yes",
        "keywords",
        "text",
        "next",
        "operator",
        "{{x}}",
        "__proto__",
    ]
)
SAID = st.text(max_size=60) | st.sampled_from(
    [
        "Hello {{name}}.",
        "Bye, {{#if x}}dear{{/if}}.",
        "a|b",
        "{x}",
        "{{ }}",
        "*_`",
        "お世話に\nなります。",
        '"""',
        "\\",
    ]
)
TABLES = st.dictionaries(
    NAMES,
    st.recursive(
        SAID | st.lists(SAID, max_size=3),
        lambda inner: st.dictionaries(NAMES, inner, max_size=4) | st.lists(inner, max_size=3),
        max_leaves=12,
    ),
    min_size=1,
    max_size=5,
)


@given(TABLES)
def test_any_tables_convert_with_every_string_accounted_for(tables: dict[str, object]) -> None:
    """Also what nobody would write: quotes, braces, control characters, Markdown, names that are hints."""
    text = (
        "\n".join(f"const t{number} = {json.dumps(table)};" for number, table in enumerate(tables.values()))
        + f"\nmodule.exports = {json.dumps({'templates': {'hello': 'Hello to you.'}, **tables})};"
    )

    migration = migrate(text, name="t.js")

    assert_everything_is_accounted_for(migration)
    assert parse_agent(migration.toml, source="again") == migration.agent
    assert tuple(parse_cases(migration.cases_toml, source="cases")) == migration.cases
    assert "{{" not in migration.agent.say(migration.agent.instructions)
