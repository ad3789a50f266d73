"""Numbering: from 0, without gaps, and nothing after the end but annotations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.call_ids import is_call_id, new_call_id
from storage.codec import decode, encode
from storage.envelope import CallOverError, Sequencer, rfc3339
from storage.events import CallAnnotated, DtmfReceived, ToolFinished, TranscriptPartial
from tests.fakes.call_story import NOON, ended, said, started

CALL = "0193a0b0-0000-7000-8000-00000000000a"


@given(st.lists(st.sampled_from(["stored", "live"]), max_size=40))
def test_numbers_have_no_gaps_whatever_live_events_come_between(kinds: list[str]) -> None:
    sequencer = Sequencer(CALL)
    stored = DtmfReceived(digit="1", duration_ms=90)
    live = TranscriptPartial(item_id="i", speaker="caller", text="he")

    envelopes = [sequencer.stamp(stored if kind == "stored" else live, NOON) for kind in kinds]

    numbers = [envelope.seq for envelope in envelopes if envelope.seq is not None]
    assert numbers == list(range(kinds.count("stored")))
    assert sequencer.last_seq == kinds.count("stored") - 1
    assert [envelope.live_only for envelope in envelopes] == [kind == "live" for kind in kinds]


def test_an_envelope_is_what_the_contract_says() -> None:
    sequencer = Sequencer(CALL)
    sequencer.stamp(started(), NOON)

    raw = encode(sequencer.stamp(DtmfReceived(digit="5", duration_ms=120), NOON))

    assert raw == (
        b'{"v":1,"id":"'
        + CALL.encode()
        + b':1","tenant":"default","call_id":"'
        + CALL.encode()
        + b'","seq":1,'
        b'"at":"2026-11-22T12:00:00.000Z","type":"dtmf.received","data":{"digit":"5","duration_ms":120}}'
    )


def test_a_live_event_has_neither_number_nor_id_on_the_wire() -> None:
    raw = encode(Sequencer(CALL).stamp(TranscriptPartial(item_id="i", speaker="caller", text="he"), NOON))

    assert b'"seq"' not in raw
    assert b'"id"' not in raw


def test_the_end_carries_its_own_number() -> None:
    sequencer = Sequencer(CALL)
    for event in (started(), said(0, "hello")):
        sequencer.stamp(event, NOON)

    end = sequencer.stamp(ended(), NOON)

    assert end.seq == end.data["last_seq"] == sequencer.last_seq == 2


def test_only_annotations_follow_the_end_and_the_numbers_go_on() -> None:
    sequencer = Sequencer(CALL)
    sequencer.stamp(started(), NOON)
    sequencer.stamp(ended(), NOON)

    with pytest.raises(CallOverError):
        sequencer.stamp(said(0, "too late"), NOON)

    assert sequencer.stamp(CallAnnotated(kind="rating", value=5), NOON).seq == 2


def test_a_number_is_not_used_up_by_data_that_is_not_json() -> None:
    sequencer = Sequencer(CALL)
    odd = ToolFinished(name="t", call_item_id="f", ok=True, duration_ms=1, output=object(), error=None)

    with pytest.raises(TypeError):
        sequencer.stamp(odd, NOON)

    assert sequencer.stamp(started(), NOON).seq == 0


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters()), inner, max_size=4),
    max_leaves=12,
)


@given(json_values)
def test_whatever_a_tool_returns_can_be_sent_read_and_stored(output: object) -> None:
    event = ToolFinished(name="t", call_item_id="f", ok=True, duration_ms=1, output=output, error=None)

    envelope = Sequencer(CALL).stamp(event, NOON)

    raw = encode(envelope)
    assert decode(raw) == envelope
    assert b"\\u0000" not in raw
    raw.decode("utf-8")


def test_nul_and_lone_surrogates_are_gone_and_the_words_are_kept() -> None:
    envelope = Sequencer(CALL).stamp(said(0, "a\x00b\ud83dc é 会議"), NOON)

    assert envelope.data["text"] == "abc é 会議"


def test_times_are_written_in_utc_with_milliseconds() -> None:
    tokyo = timezone(timedelta(hours=9))

    assert rfc3339(datetime(2026, 11, 22, 18, 30, 1, 120_999, tzinfo=tokyo)) == "2026-11-22T09:30:01.120Z"
    assert rfc3339(datetime(2026, 11, 22, tzinfo=UTC)) == "2026-11-22T00:00:00.000Z"


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="without a zone"):
        rfc3339(datetime(2026, 11, 22))  # noqa: DTZ001 - the point of the test


def test_call_ids_sort_by_start() -> None:
    ids = [new_call_id() for _ in range(500)]

    assert ids == sorted(ids)
    assert all(is_call_id(call_id) for call_id in ids)
    assert not is_call_id("not-a-call")
    assert not is_call_id(ids[0].upper())
