"""The matrix as a table: a row a case, for the terminal and for the README."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One case. The names of the fields are the headings."""

    fault: str
    servers: str
    rounds: int
    emitted: int
    lost: int
    doubled: int
    out_of_place: int
    tail: str  # events, and how long before the kill the oldest of them was emitted
    recovered: int  # calls that the restarted media server ended
    recovered_s: float  # at most; from the start of its process, Python's own included
    sent_again: int  # events that Redis had lost, or whose acknowledgement was lost
    heard_live: int  # by the outsider, without fetching
    settled_s: float  # after the last fault: calls ended, everything in Postgres, outbox empty


def total(rows: Sequence[Row]) -> Row:
    """All cases together."""
    return Row(
        fault="**sum**",
        servers="",
        rounds=sum(row.rounds for row in rows),
        emitted=sum(row.emitted for row in rows),
        lost=sum(row.lost for row in rows),
        doubled=sum(row.doubled for row in rows),
        out_of_place=sum(row.out_of_place for row in rows),
        tail=str(sum(int(row.tail.split()[0]) for row in rows)),
        recovered=sum(row.recovered for row in rows),
        recovered_s=max((row.recovered_s for row in rows), default=0.0),
        sent_again=sum(row.sent_again for row in rows),
        heard_live=sum(row.heard_live for row in rows),
        settled_s=max((row.settled_s for row in rows), default=0.0),
    )


def markdown(rows: Sequence[Row]) -> str:
    """A Markdown table that is also readable as it stands."""
    heads = [field.name.replace("_", " ") for field in fields(Row)]
    lines = [heads, *([str(value) for value in astuple(row)] for row in [*rows, total(rows)])]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    texts = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in lines
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([texts[0], rule, *texts[1:]])
