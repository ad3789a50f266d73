"""Search without a database: what is indexed, what is asked, and where a hit is shown."""

import string

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from storage.clean_text import clean_text
from storage.search import (
    LONGEST_QUERY,
    SEPARATOR,
    SNIPPET,
    QueryTooLong,
    QueryTooShort,
    bigrams,
    normalise,
    packed_bigrams,
    parse_query,
    snippet,
)

SPOKEN = st.text(
    st.one_of(
        st.sampled_from(
            "予約会議室の歯が痛いアイウｱｲｳｶﾞ゛ﾞパ한국어 　ÄäßẞÉe\u0301ΑΣσς\x00\x1f\t\n'\\%_:*&|!<>()…😀"
        ),
        st.sampled_from(string.printable),
        st.characters(),
    ),
    max_size=40,
).map(clean_text)


def is_hit(text: str, query: str) -> bool:
    """What the database does: the pairs first, then letter by letter."""
    asked, stored = parse_query(query), normalise(text)
    indexed = set(packed_bigrams(stored).split(SEPARATOR))
    pairs = {pair for term in asked.terms for pair in bigrams(term)}
    return pairs <= indexed and all(term in stored for term in asked.terms)


@given(text=SPOKEN, data=st.data())
def test_an_utterance_is_found_by_every_piece_of_it(text, data):
    """Pieces that cut a character from its accent are no pieces of the text."""
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    piece = text[start:end]
    assume(normalise(text[:start]) + normalise(piece) + normalise(text[end:]) == normalise(text))
    assume(len(normalise(piece).strip(" ")) >= 2)

    assert is_hit(text, piece)


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("来週の会議を予約したい", "会議"),
        ("ﾖﾔｸをお願いします", "ヨヤク"),
        ("ガス会社です", "ｶﾞｽ"),
        ("Call me at ０９０", "090"),
        ("I want a CHECK-up", "check-UP"),
        ("Große Straße", "STRASSE"),
        ("a new appointment on Tuesday", "tuesday appointment"),
        ("a new   appointment", "new appointment"),
        ("100%_sure", "%_"),
        ("drop table'; --", "'; --"),
        ("林です", "林"),
        ("お名前は林", "林"),
        ("林", "林"),
    ],
)
def test_what_a_person_would_call_the_same_is_found(text, query):
    assert is_hit(text, query)


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("会って議論する", "会議"),
        ("I want a check-up", "check_up"),
        ("anything at all", "%%"),
        ("a new appointment", "new wednesday"),
        ("abca", "ca ab bc abcab"),
        ("会議室", "会議中"),
    ],
)
def test_what_was_not_said_is_not_found(text, query):
    assert not is_hit(text, query)


@pytest.mark.parametrize("query", ["", " ", "　", "\x00", "a", "の", "?", "\u0301"])
def test_a_query_that_nearly_everything_would_answer_is_refused(query):
    with pytest.raises(QueryTooShort):
        parse_query(query)


def test_a_query_longer_than_an_utterance_is_refused():
    parse_query("x" * LONGEST_QUERY)
    with pytest.raises(QueryTooLong):
        parse_query("x" * (LONGEST_QUERY + 1))


def test_single_letters_with_a_space_between_are_looked_for_together():
    assert parse_query("a b").terms == ("a b",)


@given(text=SPOKEN)
@example("ｶﾞｽ")
@example("e\u0301\u0323")
def test_a_snippet_of_a_short_utterance_is_the_utterance(text):
    assert snippet(text, ()).text == text


@given(before=SPOKEN, text=SPOKEN, after=SPOKEN)
def test_what_a_snippet_marks_is_what_was_asked(before, text, after):
    whole = before * 8 + text + after * 8
    assume(normalise(before * 8) + normalise(text) + normalise(after * 8) == normalise(whole))
    try:
        terms = parse_query(text).terms
    except QueryTooShort:
        assume(False)

    shown = snippet(whole, terms)

    assert len(shown.text) <= SNIPPET + 2
    assert shown.matches
    assert all(0 <= start < end <= len(shown.text) for start, end in shown.matches)
    if len(whole) <= SNIPPET:
        marked = [normalise(shown.text[start:end]) for start, end in shown.matches]
        assert all(any(term in mark for mark in marked) for term in terms)


def test_offsets_count_in_the_text_as_it_was_written():
    shown = snippet("これはｶﾞｽと電気、ガスの話", ("ガス",))

    assert [shown.text[start:end] for start, end in shown.matches] == ["ｶﾞｽ", "ガス"]


def test_a_hit_deep_in_a_long_utterance_stands_in_the_snippet():
    shown = snippet("x" * 500 + "会議" + "y" * 500, ("会議",))

    ((start, end),) = shown.matches
    assert shown.text[start:end] == "会議"
    assert shown.text[0] == shown.text[-1] == "…"
