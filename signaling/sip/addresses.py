"""URIs and addresses as they stand in SIP headers (RFC 3261 section 25.1), read strictly enough to be safe.

Unknown schemes are read too (RFC 4475 section 3.3.2): whoever needs a SIP URI looks at `scheme`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final
from urllib.parse import unquote

SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
# Hosts of containers have underscores and end in digits, against the letter of the grammar.
HOST: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.\-]*[A-Za-z0-9_])?\.?")
# Never inside a URI: white space, controls, quotes, angle brackets.
FORBIDDEN: Final = re.compile(r'[\x00-\x20\x7f"<>]')
BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
TOKEN: Final = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")
# A display name without quotes: tokens and spaces. Letters beyond ASCII are let by: phones send them.
PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9\-.!%*_+`'~ \t\u0080-\U0010ffff]*")
PHONE: Final = re.compile(r"\+?[0-9A-Fa-f*#().\-]+")

NOTHING: Final[Mapping[str, str | None]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Uri:
    """`text` is the URI as it came; the rest is what it says. Of an unknown scheme only `scheme` and `text`."""

    text: str
    scheme: str
    user: str | None = None  # unescaped; of a tel URI the number as written
    host: str = ""  # IPv6 without its brackets
    port: int | None = None
    parameters: Mapping[str, str | None] = field(default_factory=lambda: NOTHING)  # names in lower case
    headers: str = ""  # behind the question mark

    @property
    def is_sip(self) -> bool:
        return self.scheme in ("sip", "sips")

    @property
    def transport(self) -> str | None:
        """The transport parameter in lower case; `tls` for sips (RFC 3261 section 26.2.2)."""
        named = self.parameters.get("transport")
        if self.scheme == "sips":
            return "tls"
        return named.lower() if named else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """`"Name" <uri>;parameters` or a bare URI with parameters behind it."""

    uri: Uri
    name: str = ""  # without quotes
    parameters: Mapping[str, str | None] = field(default_factory=lambda: NOTHING)

    @property
    def tag(self) -> str | None:
        return self.parameters.get("tag")


def read_uri(text: str) -> Uri:
    """Raises ValueError."""
    match = SCHEME.match(text)
    if match is None or FORBIDDEN.search(text):
        raise ValueError("not a URI")
    scheme, rest = match.group(1).lower(), text[match.end() :]
    if scheme == "tel":
        number, _, parameters = rest.partition(";")
        if not PHONE.fullmatch(number):
            raise ValueError("not a telephone number")
        return Uri(text=text, scheme=scheme, user=number, parameters=read_parameters(parameters))
    if scheme not in ("sip", "sips"):
        return Uri(text=text, scheme=scheme)
    if BAD_ESCAPE.search(text) or rest.count("@") > 1:
        raise ValueError("not a SIP URI")
    before, at, after = rest.rpartition("@")
    after, _, headers = after.partition("?")
    hostport, _, parameters = after.partition(";")
    host, port = read_host(hostport)
    user = unquote(before.partition(":")[0]) if at else None
    if user == "":
        raise ValueError("a URI with @ has a user")
    return Uri(
        text=text,
        scheme=scheme,
        user=user,
        host=host,
        port=port,
        parameters=read_parameters(parameters),
        headers=headers,
    )


def read_host(text: str) -> tuple[str, int | None]:
    """Host and port of `host[:port]`; IPv6 in brackets, given back without them. Raises ValueError."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        ipaddress.IPv6Address(host)
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError("not a host")
        port_text = rest[1:] if rest else ""
        colon = ":" if rest else ""
    else:
        host, colon, port_text = text.partition(":")
        if not HOST.fullmatch(host) or ".." in host:
            raise ValueError("not a host")
    if not colon:
        return host, None
    if not (
        port_text.isascii() and port_text.isdigit() and len(port_text) <= 5 and 0 < int(port_text) < 65_536
    ):
        raise ValueError("not a port")
    return host, int(port_text)


def read_parameters(text: str) -> Mapping[str, str | None]:
    """`a=b;c;d="e;f"` as a mapping, names in lower case, quotes taken off. Raises ValueError."""
    found: dict[str, str | None] = {}
    if not text.strip():
        return NOTHING
    for part in split_outside_quotes(text, ";"):
        name, equals, value = part.partition("=")
        name, value = name.strip(), value.strip()
        if not name or (equals and not value):
            raise ValueError("an empty parameter")
        found.setdefault(unquote(name).lower(), unquoted(value) if equals else None)
    return MappingProxyType(found)


def read_address(text: str) -> Address:
    """One From, To, Contact, Route, Refer-To … value. Raises ValueError."""
    text = text.strip()
    opening = _first_outside_quotes(text, "<")
    if opening < 0:
        # RFC 3261 section 20: without brackets, what follows a semicolon belongs to the header, and a URI with a
        # question mark or comma must be in brackets.
        uri, _, parameters = text.partition(";")
        if "?" in uri or "," in uri:
            raise ValueError("this URI has to stand in angle brackets")
        return Address(uri=read_uri(uri.strip()), parameters=read_parameters(parameters))
    closing = text.find(">", opening)
    if closing < 0:
        raise ValueError("an angle bracket is not closed")
    rest = text[closing + 1 :].strip()
    if rest and not rest.startswith(";"):
        raise ValueError("something stands behind the address")
    return Address(
        uri=read_uri(text[opening + 1 : closing]),
        name=_display_name(text[:opening].strip()),
        parameters=read_parameters(rest[1:]) if rest else NOTHING,
    )


def _display_name(text: str) -> str:
    if text.startswith('"'):
        if len(text) < 2 or not text.endswith('"') or _first_outside_quotes(text, '"') >= 0:
            raise ValueError("the quotes of the display name do not match")
        return unquoted(text)
    if not PLAIN_NAME.fullmatch(text):
        raise ValueError("a display name of this kind has to stand in quotes")
    return text


def unquoted(text: str) -> str:
    """Without quotes and backslashes, if it has quotes."""
    if len(text) >= 2 and text.startswith('"') and text.endswith('"'):
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return text


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def split_list(text: str) -> list[str]:
    """The values of a header that may have several, split at commas outside quotes and brackets.

    Raises ValueError for an empty one or for quotes that do not match.
    """
    parts = [part.strip() for part in split_outside_quotes(text, ",", brackets=True)]
    if not all(parts):
        raise ValueError("an empty value")
    return parts


def split_outside_quotes(text: str, separator: str, *, brackets: bool = False) -> list[str]:
    """Raises ValueError where a quote is not closed."""
    parts, start, quoted_, depth, escaped = [], 0, False, 0, False
    for index, character in enumerate(text):
        if escaped:
            escaped = False
        elif quoted_:
            if character == "\\":
                escaped = True
            elif character == '"':
                quoted_ = False
        elif character == '"' and depth == 0:
            quoted_ = True
        elif brackets and character == "<":
            depth = 1
        elif brackets and character == ">":
            depth = 0
        elif character == separator and depth == 0:
            parts.append(text[start:index])
            start = index + 1
    if quoted_:
        raise ValueError("a quote is not closed")
    return [*parts, text[start:]]


def _first_outside_quotes(text: str, wanted: str) -> int:
    """Where `wanted` first stands outside quotes; -1: nowhere. A lone quote is outside of itself."""
    inside = escaped = False
    for index, character in enumerate(text):
        if escaped:
            escaped = False
        elif inside and character == "\\":
            escaped = True
        elif character == '"':
            inside = not inside
            if wanted == '"' and not inside and index != len(text) - 1:
                return index
        elif not inside and character == wanted:
            return index
    return len(text) if wanted == '"' and inside else -1
