"""Is the record what was emitted? Counted by SQL and by comparing, after everything has come to rest.

lost          emitted, and not in `events`
doubled       in `events` once more than it was emitted
out of place  with other content than it was emitted with, or out of the order of its call
tail          emitted so shortly before a kill -9 of the media server that its group was not committed yet: the one
              thing that is not promised. Its events are the last of their calls, and nobody has seen them
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from storage.envelope import Envelope
from tests.faults.ledger import Kill, Line

# 20 ms of group commit, and what a busy machine keeps the committing thread waiting.
TAIL_S = 0.020
STALL_S = 0.080

Key = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """All zero but `emitted`, `stored`, `recovered`, `tail` and `tail_ms`: nothing is wrong."""

    emitted: int  # lines of the ledger
    stored: int  # rows in `events`
    lost: int
    doubled: int
    out_of_place: int
    unexplained: int  # rows that nobody emitted
    recovered: int  # call.ended that the restarted media server wrote for its predecessor's calls
    tail: int
    tail_ms: float  # age of the oldest of the tail at the kill


def compare(ledger: Sequence[Line], events: Sequence[Envelope], kills: Sequence[Kill]) -> Verdict:
    """`events`: the rows of the table, in any order; `kills`: of the media server."""
    stored = {_key(envelope): envelope for envelope in events}
    missing = [line for line in ledger if stored.get(_key(line.envelope)) != line.envelope]
    tail = _tail(ledger, missing, kills)
    tail_keys = {_key(line.envelope) for line in tail}
    broken = {_key(line.envelope) for line in missing} - tail_keys
    expected = {_key(line.envelope) for line in ledger} - tail_keys
    recovered = [envelope for envelope in events if _is_recovered(envelope)]
    others = [envelope for key, envelope in stored.items() if key not in expected]
    return Verdict(
        emitted=len(ledger),
        stored=len(events),
        lost=len(broken - stored.keys()),
        doubled=len(events) - len(stored) + _repeated(stored.values()),
        out_of_place=len(broken & stored.keys()) + _out_of_order(events),
        # A media server that is killed may have emitted one event that it had not written down yet.
        unexplained=max(0, sum(not _is_recovered(each) for each in others) - len(kills)),
        recovered=len(recovered),
        tail=len(tail),
        tail_ms=round(max((_before_kill(line, kills) for line in tail), default=0.0) * 1000, 1),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """What an outsider made of the public channels by the contract's rule."""

    heard: int  # new to him
    ignored: int  # seq <= last
    fetched: int  # seq > last + 1: taken from the record
    wrong: int  # heard what the record does not have, or has otherwise


def hearing(heard: Iterable[Envelope], events: Iterable[Envelope]) -> Hearing:
    """Follow the rule: seq <= last → ignore; seq > last + 1 → fetch the gap; at the end, fetch what is left."""
    record = {_key(envelope): envelope for envelope in events}
    last: dict[str, int] = {}
    new = ignored = fetched = wrong = 0
    for envelope in heard:
        assert envelope.seq is not None
        wrong += record.get(_key(envelope)) != envelope
        before = last.get(envelope.call_id, -1)
        if envelope.seq <= before:
            ignored += 1
            continue
        fetched += envelope.seq - before - 1
        new += 1
        last[envelope.call_id] = envelope.seq
    for call_id, top in _tops(record).items():
        fetched += max(0, top - last.get(call_id, -1))
    return Hearing(heard=new, ignored=ignored, fetched=fetched, wrong=wrong)


def differences(
    found: Mapping[str, Sequence[tuple[object, ...]]], undisturbed: Mapping[str, Sequence[tuple[object, ...]]]
) -> dict[str, int]:
    """Rows of each table that only one of the two has; tables that are the same are left out."""
    counts = {}
    for table in found.keys() | undisturbed.keys():
        ours, theirs = (
            Counter(map(repr, found.get(table, ()))),
            Counter(map(repr, undisturbed.get(table, ()))),
        )
        if ours != theirs:
            counts[table] = max(sum((ours - theirs).values()), sum((theirs - ours).values()))
    return counts


def _key(envelope: Envelope) -> Key:
    assert envelope.seq is not None
    return envelope.call_id, envelope.seq


def _is_recovered(envelope: Envelope) -> bool:
    return envelope.type == "call.ended" and envelope.data["reason"] == "node_lost"


def _before_kill(line: Line, kills: Sequence[Kill]) -> float:
    """Seconds from the emission to the kill of its process; infinite where it was not killed."""
    later = [max(0.0, kill.asked_at - line.emitted_at) for kill in kills if kill.gone_at >= line.emitted_at]
    return min(later, default=float("inf"))


def _tail(ledger: Sequence[Line], missing: Sequence[Line], kills: Sequence[Kill]) -> list[Line]:
    """Of what is missing: emitted just before a kill, and nothing after it on its call is there."""
    gone = {_key(line.envelope) for line in missing}
    last_kept: dict[str, int] = defaultdict(lambda: -1)
    for line in ledger:
        call_id, seq = _key(line.envelope)
        if (call_id, seq) not in gone:
            last_kept[call_id] = max(last_kept[call_id], seq)
    return [
        line
        for line in missing
        if _before_kill(line, kills) <= TAIL_S + STALL_S
        and _key(line.envelope)[1] > last_kept[line.envelope.call_id]
    ]


def _repeated(events: Iterable[Envelope]) -> int:
    """The same content under two numbers. Every event with a body of its own carries a number of its own."""
    contents = Counter(
        (envelope.call_id, envelope.type, repr(envelope.data))
        for envelope in events
        if envelope.type
        in ("call.started", "call.answered", "transcript.final", "tool.called", "tool.finished")
    )
    return sum(count - 1 for count in contents.values())


def _out_of_order(events: Iterable[Envelope]) -> int:
    """Events that happened before the one with the number below theirs."""
    calls: dict[str, list[Envelope]] = defaultdict(list)
    for envelope in events:
        calls[envelope.call_id].append(envelope)
    found = 0
    for call in calls.values():
        call.sort(key=_key)
        found += sum(later.at < earlier.at for earlier, later in pairwise(call))
    return found


def _tops(record: Iterable[Key]) -> dict[str, int]:
    tops: dict[str, int] = {}
    for call_id, seq in record:
        tops[call_id] = max(seq, tops.get(call_id, -1))
    return tops
