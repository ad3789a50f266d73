"""Telephone numbers and mail addresses as callers say them.  Input is plain text (`plain_text`)."""

import re

from realtime.simulator.mind.choice import Mention

# Shorter sequences of digits are dates, times or house numbers.
SHORTEST_NUMBER = 7
_DIGITS = re.compile(r"\+?(?:\d|\boh?\b(?=[ ,-]*\d))(?:[\s,.()-]*(?:\d|\boh?\b(?=[ ,-]*\d)))+")
_EMAIL = re.compile(r"\b[\w.+-]+(?: dot [\w-]+)*(?:@| at )[\w-]+(?:(?:\.| dot )[\w-]+)+\b")


def find_phone(text: str) -> Mention | None:
    """A telephone number: digits, with a leading + if it was said."""
    text = re.sub(r"\bplus (?=\d)", "    +", text)  # same length: positions stay
    for match in _DIGITS.finditer(text):
        digits = re.sub(r"\boh?\b", "0", match[0])
        digits = re.sub(r"[^\d+]", "", digits)
        is_date = re.fullmatch(r"20\d\d-\d\d-\d\d", match[0].strip())
        if len(digits.lstrip("+")) >= SHORTEST_NUMBER and not is_date:
            return Mention(digits, match.start(), match.end())
    return None


def find_email(text: str) -> Mention | None:
    """A mail address, also when "at" and "dot" were spoken."""
    match = _EMAIL.search(text)
    if match is None or ("@" not in match[0] and " dot " not in match[0]):
        return None
    address = match[0].replace(" at ", "@").replace(" dot ", ".")
    return Mention(address, match.start(), match.end())
