"""Every Requirement and Scenario of the user's specification has a test that names it.

A test names a title with `@pytest.mark.spec("Scenario: …")`. All of them concern the conversation, so each is
named by a scenario over real audio: one that asks for `by_voice`, the calls held with the model that hears and
speaks (the fixture sees to that). Where the language matters another is `in_japanese`. What was removed is tested
to be gone.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.fakes.marks import MarkedTest, marked_in, marked_tests, named_by_tests

ROOT = Path(__file__).parent.parent

MODIFIED = (
    "Requirement: AI Conversation Management",
    "Scenario: Natural conversation flow",
    "Scenario: Agent personality and instructions",
    "Scenario: Goal-oriented conversation",
    "Requirement: Conversation State Tracking",
    "Scenario: Context persistence",
    "Scenario: State synchronization with backend",
)
REMOVED = (
    "Requirement: Template-Based Response Selection",
    "Scenario: Select response template based on keywords",
    "Requirement: Keyword Matching Logic",
)
ADDED = (
    "Requirement: Realtime Function Calling",
    "Scenario: Trigger operator handoff via function call",
    "Scenario: Database lookup during conversation",
    "Requirement: Conversation Quality Monitoring",
    "Scenario: Track conversation success rate",
)
TITLES = MODIFIED + REMOVED + ADDED
# Figures are figures in any language, and what was removed is gone in all of them.
LANGUAGE_MATTERS = (
    "Scenario: Natural conversation flow",
    "Scenario: Agent personality and instructions",
    "Scenario: Goal-oriented conversation",
    "Scenario: Context persistence",
    "Scenario: State synchronization with backend",
    "Scenario: Trigger operator handoff via function call",
    "Scenario: Database lookup during conversation",
)


def untold(titles: Sequence[str], named: Mapping[str, Sequence[MarkedTest]], fixture: str) -> list[str]:
    """The titles that no scenario with this fixture names."""
    return [
        title
        for title in titles
        if not any(test.folder == "scenarios" and fixture in test.fixtures for test in named.get(title, ()))
    ]


def test_every_title_of_the_specification_is_named_by_a_scenario_over_real_audio() -> None:
    assert untold(TITLES, marked_tests("spec"), "by_voice") == []


def test_every_title_where_the_language_matters_is_named_by_a_scenario_in_japanese() -> None:
    assert untold(LANGUAGE_MATTERS, marked_tests("spec"), "in_japanese") == []


SCENARIOS = ROOT / "tests" / "scenarios"


@pytest.mark.parametrize(
    ("title", "file", "fixture"),
    [
        *((title, "test_the_spec_of_the_conversation.py", "by_voice") for title in TITLES),
        *((title, "test_the_spec_in_japanese.py", "in_japanese") for title in LANGUAGE_MATTERS),
    ],
)
@pytest.mark.parametrize("lost", ["title", "fixture"])
def test_a_title_that_loses_its_scenario_is_missed(
    title: str, file: str, fixture: str, lost: str, tmp_path: Path
) -> None:
    """The check itself is checked: without the mark, or without the real audio, it fails for that title."""
    source = (SCENARIOS / file).read_text()
    assert f'"{title}"' in source
    damaged = source.replace(f'"{title}"', '"Scenario: Another"') if lost == "title" else _deaf(source, title)
    copy = tmp_path / "scenarios" / file
    copy.parent.mkdir()
    copy.write_text(damaged)

    assert title in untold([title], marked_in("spec", [copy]), fixture)


def _deaf(source: str, title: str) -> str:
    """Each test with this title asks for no fixture any more."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and any(
            title in ast.unparse(mark) for mark in node.decorator_list
        ):
            node.args.args.clear()
    return ast.unparse(tree)


def test_no_test_names_a_title_that_the_specification_does_not_have() -> None:
    assert set(named_by_tests("spec")) <= set(TITLES)


def product_sources() -> dict[Path, str]:
    """What answers a call; the migration of old files is a tool for authors and is not part of it."""
    found = [path for package in ("realtime", "signaling") for path in (ROOT / package).rglob("*.py")]
    return {
        path.relative_to(ROOT): path.read_text()
        for path in found
        if "node_modules" not in path.parts and "simulator" not in path.parts and "legacy" not in path.name
    }


@pytest.mark.spec(
    "Requirement: Template-Based Response Selection",
    "Scenario: Select response template based on keywords",
    "Requirement: Keyword Matching Logic",
)
def test_nothing_that_answers_a_call_matches_keywords_or_selects_templates() -> None:
    for path, text in product_sources().items():
        assert not re.search(r"match_keyword|keyword_match|select_template|response_template", text), path


@pytest.mark.spec("Requirement: Keyword Matching Logic")
def test_the_conversation_core_never_looks_at_what_the_caller_said_to_choose_an_answer() -> None:
    """The caller's words reach the transcript and the model, and nothing that branches on them."""
    core = (ROOT / "realtime" / "conversation.py").read_text()

    assert not re.search(r"\.transcript\.(lower|find|startswith|split)\(", core)
    assert "import re" not in core
