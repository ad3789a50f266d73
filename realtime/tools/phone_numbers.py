"""Telephone numbers as people say them, in E.164."""

from __future__ import annotations

import phonenumbers


def to_e164(text: str, region: str) -> str | None:
    """`text` as an E.164 number; None where it is none. `region` (ISO 3166) is for numbers without a +."""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    # "Possible", not "valid": a practice may well know a customer whose range the library does not.
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
