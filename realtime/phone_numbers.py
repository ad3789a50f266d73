"""Telephone numbers as people say them."""

from __future__ import annotations

import phonenumbers


def dialled(text: str, region: str) -> str | None:
    """`text` in E.164, or its digits where it is a local number without an area code; None where it is none.

    `region` (ISO 3166) is for numbers without a +.
    """
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    # "Possible", not "valid": a practice may well know a customer whose range the library does not.
    possible = phonenumbers.is_possible_number_with_reason(number)
    if possible == phonenumbers.ValidationResult.IS_POSSIBLE_LOCAL_ONLY:
        return str(number.national_number)
    if possible != phonenumbers.ValidationResult.IS_POSSIBLE:
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
