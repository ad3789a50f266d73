"""Who calls, whom, and by which way, as an INVITE says it. Nothing is believed here yet: that is a setting's.

P-Asserted-Identity (RFC 3325) is the trunk's own word and stands over From, which is the caller's. Privacy (RFC
3323) is honoured: who asks not to be shown has no number and no name here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from signaling.sip.addresses import Address, Uri, read_address, read_uri, split_list
from signaling.sip.message import Request

SEPARATORS: Final = re.compile(r"[-.()\s]")
NUMBER: Final = re.compile(r"\+?\d{2,20}")
HIDING: Final = frozenset({"id", "user", "header", "critical"})
ANONYMOUS: Final = frozenset({"anonymous", "unavailable", "restricted", "unknown"})
PASSED: Final = "tn-validation-passed"  # 3GPP TS 24.229 section 7.2A.20.3
FULL: Final = "a"  # RFC 8588: the provider knows the caller, and their right to the number


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Numbers as they came, without separators: with a + they are E.164."""

    number: str | None
    name: str | None
    asserted: bool  # the number is the trunk's word
    attested: bool  # and STIR/SHAKEN says that it may be theirs
    private: bool
    called: str | None
    diverted_from: str | None  # the number that was called first


def read_identity(invite: Request) -> Identity:
    """What cannot be read is not there. Raises nothing."""
    asserted = _addresses(invite, "P-Asserted-Identity")
    shown = _addresses(invite, "From")
    private = bool(
        {word.strip().lower() for line in invite.every("Privacy") for word in re.split("[;,]", line)} & HIDING
    )
    private = private or any(_is_anonymous(address.uri) for address in shown[:1])
    told = [(address, True) for address in asserted] + [(address, False) for address in shown]
    # A trunk may assert two, a sip: and a tel: one: the first that is a number.
    found = next(((address, by_trunk) for address, by_trunk in told if number_of(address.uri)), None)
    name = next((address.name for address, _ in told if address.name and not _is_word(address.name)), None)
    number = None if found is None or private else number_of(found[0].uri)
    return Identity(
        number=number,
        name=None if private else name,
        asserted=number is not None and found is not None and found[1],
        attested=number is not None and _is_attested(invite, [address for address, _ in told]),
        private=private,
        called=_called(invite),
        diverted_from=_diverted(invite),
    )


def number_of(uri: Uri) -> str | None:
    """The telephone number in a tel: URI or in the user part of a sip: one (RFC 3261 section 19.1.6)."""
    if uri.user is None:
        return None
    number = SEPARATORS.sub("", uri.user.partition(";")[0])
    return number if NUMBER.fullmatch(number) else None


def _called(invite: Request) -> str | None:
    uri = read_uri(invite.uri)
    return number_of(uri) or uri.user


def _diverted(invite: Request) -> str | None:
    """RFC 5806: the last Diversion is the first diversion. RFC 7044: History-Info begins with the first target."""
    diversions = _addresses(invite, "Diversion")
    if diversions:
        return number_of(diversions[-1].uri)
    history = _addresses(invite, "History-Info")
    return number_of(history[0].uri) if len(history) > 1 else None


def _is_attested(invite: Request, addresses: list[Address]) -> bool:
    """The verdict of whoever has checked the Identity header (RFC 8224): a parameter, or a header of the bridge's."""
    for address in addresses:
        verdict = address.uri.parameters.get("verstat") or address.parameters.get("verstat")
        if verdict is None and address.uri.user is not None and ";" in address.uri.user:
            verdict = re.sub(r".*;verstat=([^;]*).*", r"\1", address.uri.user, flags=re.I)
        if verdict is not None:
            level = (
                (invite.get("Attestation-Info") or invite.get("P-Attestation-Indicator") or FULL)
                .strip()
                .lower()
            )
            return verdict.lower() == PASSED and level == FULL
    return False


def _is_anonymous(uri: Uri) -> bool:
    return uri.host.lower().endswith("anonymous.invalid") or (uri.user or "").lower() in ANONYMOUS


def _is_word(name: str) -> bool:
    """Not a name: a number again, or a word for "none"."""
    return bool(NUMBER.fullmatch(SEPARATORS.sub("", name))) or name.lower() in ANONYMOUS


def _addresses(invite: Request, name: str) -> list[Address]:
    found = []
    for line in invite.every(name):
        try:
            found += [read_address(value) for value in split_list(line)]
        except ValueError:
            continue
    return found
