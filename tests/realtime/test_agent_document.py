"""Documents as values: read, written back, and told apart."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.agent import InvalidAgent, parse_agent, read_agent
from realtime.agent_document import Difference, differences, document_of

SAMPLE = Path(__file__).parents[2] / "deploy" / "agents" / "dental-reception.toml"


def sample() -> dict[str, Any]:
    return tomllib.loads(SAMPLE.read_text())


def test_a_file_and_its_values_make_the_same_agent_of_another_version() -> None:
    from_file = parse_agent(SAMPLE.read_text(), source="sample")
    from_values = read_agent(sample(), source="sample", version="v3")

    assert from_values.version == "v3"
    assert from_values == from_file.model_copy(update={"version": "v3"})


def test_what_is_written_back_is_what_was_said_and_nothing_more() -> None:
    assert document_of(parse_agent(SAMPLE.read_text(), source="sample")) == sample()


def test_a_document_cannot_choose_its_version() -> None:
    agent = read_agent({"id": "a", "name": "A", "version": "v99"}, source="a", version="v1")

    assert agent.version == "v1"
    assert "version" not in document_of(agent)


def test_values_are_checked_as_strictly_as_a_file() -> None:
    with pytest.raises(InvalidAgent) as refused:
        read_agent({"id": "a", "name": "{{who}}", "greting": "x"}, source="draft", version="v1")

    assert refused.value.problems == [
        "greting: unknown key, did you mean 'greeting'?",
        "name: {{who}} is not in variables",
    ]


def test_equal_documents_do_not_differ() -> None:
    assert differences(sample(), sample()) == []


def test_a_change_is_named_by_its_place_and_not_by_its_position() -> None:
    changed = copy.deepcopy(sample())
    changed["voice"] = "cedar"
    changed["variables"]["practice"] = "Lake Dental"
    changed["guidelines"].insert(0, {"situation": "asked for prices", "do": "refuse"})
    changed["goals"][0]["slots"][1]["type"] = "datetime"
    del changed["goals"][0]["slots"][2]
    changed["timezone"] = changed.pop("timezone")

    assert differences(sample(), changed) == [
        Difference(path="voice", change="changed", before="marin", after="cedar"),
        Difference(path="variables.practice", change="changed", before="Harbour Dental", after="Lake Dental"),
        Difference(
            path="guidelines[asked for prices]",
            change="added",
            after={"situation": "asked for prices", "do": "refuse"},
        ),
        Difference(
            path="goals[appointment].slots[date].type", change="changed", before="date", after="datetime"
        ),
        Difference(
            path="goals[appointment].slots[time]", change="removed", before=sample()["goals"][0]["slots"][2]
        ),
    ]


def test_another_order_of_the_same_slots_is_said() -> None:
    changed = copy.deepcopy(sample())
    changed["goals"][0]["slots"].reverse()

    assert differences(sample(), changed) == [
        Difference(
            path="goals[appointment].slots",
            change="reordered",
            before=["name", "date", "time"],
            after=["time", "date", "name"],
        )
    ]


def test_lists_whose_members_share_a_name_are_compared_whole() -> None:
    one, two = {"situation": "x", "do": "a"}, {"situation": "x", "do": "b"}

    found = differences({"guidelines": [one, two]}, {"guidelines": [one]})

    assert [(difference.path, difference.change) for difference in found] == [("guidelines", "changed")]


SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
NAMED = st.lists(st.fixed_dictionaries({"name": st.sampled_from("abc"), "x": SCALARS}), max_size=4)
VALUES = st.recursive(
    SCALARS | NAMED,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=4),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(st.sampled_from("abcd"), VALUES, max_size=4)


@given(DOCUMENTS, DOCUMENTS)
def test_documents_differ_exactly_when_they_are_not_equal(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert (differences(before, after) == []) == (before == after)
    assert len(differences(before, after)) == len(differences(after, before))
