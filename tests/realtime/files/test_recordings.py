"""The recorded sentences are there, and as long as is said of them."""

from __future__ import annotations

import pytest

from realtime.files.recordings import recorded_pcm
from realtime.recorded_words import BUNDLED, CANNOT_GO_ON, ONE_MOMENT, RecordedWords, filler, last_notice


@pytest.mark.parametrize("words", BUNDLED, ids=lambda words: words.name)
def test_a_recording_has_the_length_that_is_on_record_and_is_speech(words: RecordedWords) -> None:
    pcm = recorded_pcm(words)

    assert len(pcm) == words.ms * 48
    loudest = max(
        abs(int.from_bytes(pcm[at : at + 2], "little", signed=True)) for at in range(0, len(pcm), 2)
    )
    assert 3000 < loudest < 32_000


def test_a_filler_is_only_said_in_the_callers_language_and_the_last_notice_in_any_case() -> None:
    assert filler("en-GB") is ONE_MOMENT
    assert filler("ja") is None
    assert last_notice("ja") is CANNOT_GO_ON
