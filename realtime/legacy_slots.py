"""A name from a list of required names as a slot: what kind of thing it is, by its words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from realtime.legacy_names import same, words

# The first that fits counts: "company_name" before "name", "phone_number" before "number".
_TYPES = (
    (re.compile(r"phone|tel(?:_|$)|mobile|電話|携帯|連絡先"), "phone", "phone_number"),
    (re.compile(r"e?_?mail|メール"), "email", "email"),
    (re.compile(r"date_?time|日時"), "datetime", "date_and_time"),
    (re.compile(r"date|(?:^|_)day|日付|希望日|来店日|予約日|生年月日|日程"), "date", "date"),
    (re.compile(r"(?:^|_)time|時刻|時間|何時"), "time", "time"),
    (re.compile(r"count|number_of|quantity|people|party|人数|個数|件数|台数|名様"), "integer", "count"),
    (re.compile(r"company|business|会社|社名|店名"), "text", "company"),
    (re.compile(r"(?:^|_)name|caller|氏名|名前|お名前|担当者名"), "name", "name"),
)


def slot_of(name: str, *, taken: Iterable[str], notes: Sequence[str]) -> dict[str, str]:
    """A slot of an agent document, with a name that is not taken."""
    wanted = same(name)
    kind, fallback = next(
        ((kind, known) for pattern, kind, known in _TYPES if pattern.search(wanted)), ("text", "item")
    )
    plain = re.sub(r"[^a-z0-9_]+", "_", wanted).strip("_")[:58]
    stem = plain if re.fullmatch(r"[a-z][a-z0-9_]*", plain) and wanted.isascii() else fallback
    used = set(taken)
    free = next(found for n in range(1, 10_000) if (found := stem if n == 1 else f"{stem}_{n}") not in used)
    description = words(name) + (f" ({'; '.join(notes)})" if notes else "")
    return {"name": free, "type": kind, "description": description}
