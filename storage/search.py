"""How words are found in what was said, in any language: by pairs of neighbouring characters.

Japanese has no spaces between words and its words are often two characters long, so an index of words finds
nothing and one of three-letter groups too little. Every pair of neighbouring characters ("bigram") of an
utterance is indexed; a query is found where all of its pairs are, and then looked for letter by letter.
Pure: what a worker writes into the search columns, what a query asks of them, and where a hit is shown.
"""

from __future__ import annotations

import base64
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from storage.call_ids import is_call_id
from storage.clean_text import clean_text

SEPARATOR = "\x1f"
"""Between bigrams on their way to Postgres. It is a control character, so no normalised text holds it."""
MOST_BIGRAMS = 50_000
"""Different pairs of one utterance. A tsvector holds 1 MB, a pair takes 12 bytes of it at most; the longest
utterance ever heard had some hundreds."""
LONGEST_QUERY = 200
"""Characters; a longer query is a whole utterance, whose first half finds it as well."""
SNIPPET = 160
"""Characters shown of a hit: two lines of a list."""

_GAPS = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


class QueryTooShort(ValueError):
    """A query that nearly every utterance would answer."""


class QueryTooLong(ValueError):
    """A query of more than LONGEST_QUERY characters."""


class SearchTooSlow(Exception):
    """The hits were not found in the time that a search may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A search as the tables can answer it. An utterance is a hit when it holds all `terms`."""

    terms: tuple[str, ...]  # normalised; each must occur
    tsquery: str  # the pairs of all terms, as text that Postgres casts to tsquery
    pairs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a page of hits ended."""

    call_id: str
    position: int
    item_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """An utterance that holds what was asked for."""

    call_id: str
    item_id: str
    position: int
    speaker: str
    started_at: datetime
    heard_text: str
    agent: str | None
    outcome: str | None

    @property
    def place(self) -> Place:
        return Place(call_id=self.call_id, position=self.position, item_id=self.item_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snippet:
    """A piece of an utterance around its first hit."""

    text: str
    matches: tuple[tuple[int, int], ...]  # [from, to) in characters (code points) of `text`, in order


def normalise(text: str) -> str:
    """The form in which utterances and queries are compared.

    Full-width and half-width forms are the same (NFKC), upper and lower case too (Unicode case folding), and
    any run of spaces and control characters is one space.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return _GAPS.sub(" ", folded)


def bigrams(normalised: str) -> list[str]:
    """Each pair of neighbouring characters once, in order; none for a single character."""
    pairs = dict.fromkeys(map(str.__add__, normalised, normalised[1:]))
    return list(pairs)[:MOST_BIGRAMS]


def packed_bigrams(normalised: str) -> str:
    """What is indexed of an utterance, in one string, for `array_to_tsvector(string_to_array(…, SEPARATOR))`.

    A space is put to its end: so that its last character, too, begins a pair, and can be found by itself.
    """
    return SEPARATOR.join(bigrams(f"{normalised} ")) if normalised else ""


def parse_query(text: str) -> Query:
    """What is asked for: every word, wherever it stands in an utterance; case and width do not matter.

    No character is special: `%`, `_`, `*` and quotes are looked for like letters. A single Chinese character
    (a name such as 林) is a query; any other single character is not.

    Raises:
        QueryTooShort: for nothing, or one character.
        QueryTooLong: beyond LONGEST_QUERY.
    """
    if len(text) > LONGEST_QUERY:
        raise QueryTooLong(f"a query has at most {LONGEST_QUERY} characters")
    whole = normalise(clean_text(text)).strip(" ")
    terms = tuple(dict.fromkeys(whole.split(" ")))
    if all(len(term) < 2 for term in terms):
        if len(whole) < 2 and not _is_ideograph(whole):
            raise QueryTooShort("a query has at least two characters")
        terms = (whole,)  # "a b": too little in each, enough in all of it
    pairs = dict.fromkeys(pair for term in terms for pair in bigrams(term))
    asked = [_quoted(pair) for pair in pairs] or [f"{_quoted(whole)}:*"]
    return Query(terms=terms, tsquery=" & ".join(asked), pairs=len(asked))


def write_place(place: Place) -> str:
    """A page's cursor: opaque, safe in a URL."""
    text = f"{place.call_id}:{place.position}:{place.item_id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_place(cursor: str) -> Place:
    """Raises ValueError for anything that `write_place` did not write."""
    text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    call_id, position, item_id = text.split(":", 2)
    if not is_call_id(call_id) or not 0 <= int(position) < 2**31 or "\x00" in item_id:
        raise ValueError("not the place of a hit")
    return Place(call_id=call_id, position=int(position), item_id=item_id)


def snippet(text: str, terms: Sequence[str]) -> Snippet:
    """The piece of `text` around the first hit, as it was written, with all hits in it."""
    spans = _spans(text, terms)
    first = spans[0][0] if spans else 0
    start = max(0, min(first - SNIPPET // 4, len(text) - SNIPPET))
    end = min(len(text), start + SNIPPET)
    head, tail = ("…" if start else ""), ("…" if end < len(text) else "")
    moved = len(head) - start
    matches = tuple((max(a, start) + moved, min(b, end) + moved) for a, b in spans if a < end and b > start)
    return Snippet(text=f"{head}{text[start:end]}{tail}", matches=matches)


def _spans(text: str, terms: Sequence[str]) -> list[tuple[int, int]]:
    """Where the terms stand in the text as it was written: [from, to), in order, none touching another."""
    normalised, origins = _traced(text)
    found = []
    for term in terms:
        at = normalised.find(term)
        while at >= 0:
            found.append((origins[at][0], origins[at + len(term) - 1][1]))
            at = normalised.find(term, at + len(term))
    joined: list[tuple[int, int]] = []
    for start, end in sorted(found):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _traced(text: str) -> tuple[str, list[tuple[int, int]]]:
    """The normalised text, and for each of its characters the piece of `text` that it came from."""
    pieces: list[tuple[int, int]] = []
    for at, character in enumerate(text):
        if pieces and _belongs(text[pieces[-1][0] : at], character):
            pieces[-1] = (pieces[-1][0], at + 1)
        else:
            pieces.append((at, at + 1))
    normalised, origins = "", []
    for start, end in pieces:
        form = normalise(text[start:end])
        normalised += form
        origins += [(start, end)] * len(form)
    return normalised, origins


def _belongs(before: str, character: str) -> bool:
    """The character changes what stands before it: an accent, a voicing mark, a further space."""
    form = normalise(character)
    if not form or unicodedata.combining(form[0]):
        return True
    return normalise(before + character) != normalise(before) + form


def _quoted(lexeme: str) -> str:
    """As Postgres reads it in a tsquery, whatever it holds (8.11.2: quotes and backslashes are doubled)."""
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"


def _is_ideograph(text: str) -> bool:
    return len(text) == 1 and unicodedata.name(text, "").startswith("CJK ")
