"""Erasing what is on record of a person: what is looked for, and what is said between those who have it.

The order goes to every media server on a channel of Redis, with the ids of calls; each forgets them and answers.
A server that does not hear it reads the same ids in Postgres when it starts or connects again.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TypeVar

import msgspec
import phonenumbers

from storage.codec import EnvelopeError

T = TypeVar("T")


class NotANumber(ValueError):
    """It cannot be anybody's telephone number."""


class EraseOrder(msgspec.Struct, frozen=True, kw_only=True):
    """To every media server of the tenant."""

    order: str  # a name for this order: answers carry it
    call_ids: list[str]
    count_only: bool = False  # say what there is, and leave it there


class EraseAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """From one of them."""

    order: str
    node: str
    events: int  # that were in its outbox
    running: list[str] = []  # calls that are not over: forgotten when they are
    problem: str | None = None  # why it could not


_orders = msgspec.json.Decoder(EraseOrder)
_answers = msgspec.json.Decoder(EraseAnswer)


def read_order(body: bytes) -> EraseOrder:
    """Raises EnvelopeError."""
    return _read(_orders, body)


def read_answer(body: bytes) -> EraseAnswer:
    """Raises EnvelopeError."""
    return _read(_answers, body)


def _read(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise EnvelopeError("neither an order to erase nor an answer to one") from error


def e164(text: str) -> str:
    """A number with its + and country, however it is spaced, as `+81312345678`. Raises NotANumber."""
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException as error:
        raise NotANumber(f"{text!r} is no number with its country: write it like +81312345678") from error
    if not phonenumbers.is_possible_number(number):
        raise NotANumber(f"{text!r} is too short or too long for a number of its country")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def number_pattern(number: str) -> str:
    """A regular expression for an E.164 number as people write it: with its country or without, in digits of
    three kinds, with spaces and dashes. Good for Python's `re` and for PostgreSQL's ~ alike.

    A longer row of digits that happens to hold it does not match. Raises NotANumber.
    """
    parsed = phonenumbers.parse(e164(number), None)
    country = str(parsed.country_code)
    own = phonenumbers.national_significant_number(parsed)
    prefix = f"(?:(?:[+＋]|0{_GAP}0{_GAP})?{_spaced(country)}{_GAP})?(?:{_DIGITS[0]}{_GAP})?"
    return f"(?<![0-9０-９]){prefix}{_spaced(own)}(?![0-9０-９])"


def _spaced(digits: str) -> str:
    return _GAP.join(_DIGITS[int(digit)] for digit in digits)


_DIGITS = [
    f"[{ascii}{wide}{kanji}]"
    for ascii, wide, kanji in zip("0123456789", "０１２３４５６７８９", "〇一二三四五六七八九", strict=True)
]
_GAP = "[ \u00a0\u3000.,()（）、。・_ー―–‐－の-]{0,3}"


def keyed_hash(number: str, key: bytes | None) -> str | None:
    """What stands in the audit log instead of a number: whoever has the key can tell whether it was this one, and
    nobody else can try all numbers there are. None without a key."""
    if key is None:
        return None
    return hmac.new(key, b"cordboard erase " + number.encode(), hashlib.sha256).hexdigest()[:32]
