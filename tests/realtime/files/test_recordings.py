"""The recorded sentences are there, and as long as is said of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from realtime.files import recordings
from realtime.files.recordings import recorded_pcm
from realtime.phase import NOTICE_S
from realtime.recorded_words import (
    BUNDLED,
    CANNOT_GO_ON,
    CANNOT_GO_ON_JA,
    GOODBYE,
    GOODBYE_JA,
    ONE_MOMENT,
    ONE_MOMENT_JA,
    RecordedWords,
    filler,
    last_goodbye,
    last_notice,
)


@pytest.mark.parametrize("words", BUNDLED, ids=lambda words: f"{words.name}.{words.language}")
def test_a_recording_has_the_length_that_is_on_record_and_is_speech(words: RecordedWords) -> None:
    pcm = recorded_pcm(words)

    assert len(pcm) == words.ms * 48
    loudest = max(
        abs(int.from_bytes(pcm[at : at + 2], "little", signed=True)) for at in range(0, len(pcm), 2)
    )
    assert 3000 < loudest < 32_000
    assert words.ms < NOTICE_S * 1000, "it would be cut by the hang-up"


def test_each_sentence_is_said_in_the_callers_language_where_it_is_recorded() -> None:
    assert (filler("en-GB"), last_notice("en"), last_goodbye("en-US")) == (ONE_MOMENT, CANNOT_GO_ON, GOODBYE)
    assert (filler("ja"), last_notice("ja-JP"), last_goodbye("ja")) == (
        ONE_MOMENT_JA,
        CANNOT_GO_ON_JA,
        GOODBYE_JA,
    )


def test_in_a_language_that_is_not_recorded_only_what_must_be_said_is() -> None:
    assert filler("fr") is None
    assert (last_notice("fr"), last_goodbye("fr")) == (CANNOT_GO_ON, GOODBYE)


def test_the_licence_of_the_recordings_stands_beside_them() -> None:
    notice = (Path(recordings.__file__).parent / "NOTICE.md").read_text()

    assert "Nagoya Institute of Technology" in notice
    assert "creativecommons.org/licenses/by/3.0" in notice
