"""A spreadsheet of templates as static values: one row an entry, the header's names as keys.

A file without a header that says which column is the answer is refused: guessing would swap what callers say
with what the agent says.
"""

from __future__ import annotations

import csv
import io
import re

from realtime.legacy_names import KEYWORDS, TEXTS, same
from realtime.legacy_values import Entry, Group, Place, Source, Text, UnreadableSource, Value

_DELIMITERS = ",;\t|"
_BETWEEN_WORDS = re.compile(r"[;；|｜、\n/]|,(?!\d)|，")


def read_csv(text: str, *, name: str) -> Source:
    """Raises UnreadableSource where there is no header or no column of answers."""
    text = text.removeprefix("\ufeff").encode("utf-8", "replace").decode()
    head = text.split("\n", 1)[0]
    delimiter = max(_DELIMITERS, key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        before = 0
        for row in reader:
            rows.append((before + 1, row))
            before = reader.line_num
    except csv.Error as error:
        raise UnreadableSource(
            name,
            max(1, reader.line_num),
            1,
            f"not CSV: {error}",
            "mend the quotes of that row and save it as UTF-8",
        ) from None
    header = [cell.strip() for cell in rows[0][1]] if rows else []
    if not any(same(cell) in TEXTS for cell in header):
        raise UnreadableSource(
            name, 1, 1, f"no column of answers in the header ({', '.join(header)[:80] or 'empty'})",
            "name the columns in the first row, for example: name,keywords,response,state,category",
        )  # fmt: skip
    entries: list[Entry] = []
    literals = [Text(value=cell, at=Place(1, 1)) for cell in header if cell]
    for line, row in rows[1:]:
        at = Place(line, 1)
        literals += [Text(value=cell, at=at) for cell in row if cell.strip()]
        members = [
            Entry(key=key, value=_cell(key, cell, at), at=at)
            for key, cell in zip(
                [*header, *(f"column {n}" for n in range(len(header) + 1, 100))], row, strict=False
            )
            if cell.strip()
        ]
        if members:
            number = str(len(entries) + 1)
            entries.append(Entry(key=number, value=Group(entries=tuple(members), at=at), at=at))
    table = Group(entries=tuple(entries), at=Place(1, 1), is_list=True)
    return Source(name=name, tables=(Entry(key="", value=table, at=table.at),), literals=tuple(literals))


def _cell(key: str, cell: str, at: Place) -> Value:
    if same(key) not in KEYWORDS:
        return Text(value=cell.strip(), at=at)
    words = [word.strip() for word in _BETWEEN_WORDS.split(cell)]
    found = [
        Entry(key=str(n), value=Text(value=word, at=at), at=at) for n, word in enumerate(words, 1) if word
    ]
    return Group(entries=tuple(found), at=at, is_list=True)
