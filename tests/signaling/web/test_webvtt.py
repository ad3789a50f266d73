"""Transcripts as subtitles: any words, any order of times, always a well-formed file."""

import re

from hypothesis import given
from hypothesis import strategies as st

from signaling.web.webvtt import to_webvtt
from storage.projection import TranscriptEntry

CUE = re.compile(r"(\d\d+:\d\d:\d\d\.\d{3}) --> (\d\d+:\d\d:\d\d\.\d{3})\n<v (caller|agent|operator)>(.+)\n")


def entry(position, text, second, heard_ms):
    return TranscriptEntry(
        item_id=f"item_{position}",
        position=position,
        speaker="caller" if heard_ms is None else "agent",
        text=text,
        heard_text=text,
        heard_ms=heard_ms,
        started_at=f"2026-11-22T12:00:{second:02}.000Z",
        interrupted=False,
    )


words = st.tuples(
    st.text(st.characters(codec="utf-8"), max_size=40),
    st.integers(0, 59),
    st.one_of(st.none(), st.integers(0, 90_000)),
)


@given(st.lists(words, max_size=6))
def test_every_utterance_is_one_cue_with_an_end_after_its_beginning(told):
    entries = [entry(n, text, second, heard) for n, (text, second, heard) in enumerate(told)]

    text = to_webvtt(entries, started_at="2026-11-22T12:00:10.000Z")

    assert text.startswith("WEBVTT\n")
    cues = CUE.findall(text)
    assert len(cues) == len(entries) == text.count(" --> ")
    assert all(begin < end for begin, end, _, _ in cues)
    assert all("<" not in spoken.replace("<v", "") for _, _, _, spoken in cues)


def test_a_callers_words_last_until_the_next_speaker_begins():
    text = to_webvtt([entry(0, "Hello", 1, None), entry(1, "Hi", 4, 700)], started_at="2026-11-22T12:00:00Z")

    assert [cue[:2] for cue in CUE.findall(text)] == [
        ("00:00:01.000", "00:00:04.000"),
        ("00:00:04.000", "00:00:05.000"),
    ]
