"""Digest access authentication, both ways (RFC 3261 section 22, RFC 7616, RFC 8760).

Ours are stateless nonces: a time, signed; how often each was used is remembered, so that a request that somebody
has listened to cannot be sent once more. Passwords are compared as hashes, in constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from signaling.sip.addresses import quoted, split_outside_quotes, unquoted
from signaling.sip.message import Headers

# RFC 8760 section 2.2: the strongest first. MD5 is last, because many a trunk knows nothing else.
ALGORITHMS: Final[Mapping[str, str]] = {"SHA-512-256": "sha512_256", "SHA-256": "sha256", "MD5": "md5"}
CHALLENGED: Final = ("SHA-256", "MD5")
NONCE_LIVES_S: Final = 300.0
MAX_NONCES: Final = 10_000
SCHEME: Final = re.compile(r"Digest[ \t]+(.*)", re.I | re.S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    username: str
    password: str


class Challenger:
    """Asks whoever calls for a password. `key` signs nonces: 32 random bytes of this process."""

    def __init__(self, credentials: Credentials, *, realm: str, key: bytes) -> None:
        self._credentials = credentials
        self._realm = realm
        self._key = key
        self._used: OrderedDict[str, int] = OrderedDict()  # nonce → highest count; the oldest goes first

    def challenge(self, now: float, *, stale: bool = False) -> Headers:
        """The WWW-Authenticate lines of a 401, one for each algorithm."""
        nonce = self._nonce(now)
        return tuple(
            (
                "WWW-Authenticate",
                f'Digest realm={quoted(self._realm)}, nonce="{nonce}", algorithm={name}, qop="auth"'
                + (", stale=true" if stale else ""),
            )
            for name in CHALLENGED
        )

    def check(self, authorization: str | None, method: str, now: float) -> bool | None:
        """True: it is them. False: it is not. None: the password is right and the nonce is not (stale)."""
        given = read_parameters(authorization) if authorization is not None else None
        if given is None or given.get("realm") != self._realm:
            return False
        if not hmac.compare_digest(
            given.get("username", "").encode("utf-8", "surrogateescape"), self._credentials.username.encode()
        ):
            return False
        algorithm = next((each for each in CHALLENGED if each == given.get("algorithm", "MD5").upper()), None)
        if (
            algorithm is None
            or given.get("qop") != "auth"
            or not re.fullmatch(r"[0-9a-f]{8}", given.get("nc", ""))
        ):
            return False
        expected = response_of(algorithm, self._credentials, self._realm, given, method, given.get("uri", ""))
        if not hmac.compare_digest(
            expected.encode(), given.get("response", "").encode("utf-8", "surrogateescape")
        ):
            return False
        return True if self._fresh(given.get("nonce", ""), int(given["nc"], 16), now) else None

    def _nonce(self, now: float) -> str:
        made = f"{now:.3f}"
        return f"{made}-{self._signature(made)}"

    def _signature(self, made: str) -> str:
        return hmac.new(self._key, made.encode(), hashlib.sha256).hexdigest()

    def _fresh(self, nonce: str, count: int, now: float) -> bool:
        made, _, signature = nonce.partition("-")
        if not hmac.compare_digest(
            signature.encode("utf-8", "surrogateescape"), self._signature(made).encode()
        ):
            return False
        if not 0 <= now - float(made) <= NONCE_LIVES_S or count <= self._used.get(nonce, 0):
            return False
        self._used[nonce] = count
        while len(self._used) > MAX_NONCES:
            self._used.popitem(last=False)
        return True


def authorize(
    challenges: list[str], credentials: Credentials, method: str, uri: str, *, new_word: Callable[[], str]
) -> str | None:
    """The Authorization value for the strongest challenge we can meet; None: we can meet none."""
    for algorithm in ALGORITHMS:
        for challenge in challenges:
            asked = read_parameters(challenge)
            if asked is None or asked.get("algorithm", "MD5").upper() != algorithm:
                continue
            offered = [word.strip() for word in asked.get("qop", "").split(",") if word.strip()]
            if offered and "auth" not in offered:
                continue
            given = {"nonce": asked.get("nonce", ""), "nc": "00000001", "cnonce": new_word()}
            if offered:
                given["qop"] = "auth"
            realm = asked.get("realm", "")
            answer = response_of(algorithm, credentials, realm, given, method, uri)
            parts = [
                f"username={quoted(credentials.username)}",
                f"realm={quoted(realm)}",
                f"nonce={quoted(given['nonce'])}",
                f"uri={quoted(uri)}",
                f'response="{answer}"',
                f"algorithm={algorithm}",
            ]
            if "opaque" in asked:
                parts.append(f"opaque={quoted(asked['opaque'])}")
            if offered:
                parts += [f'cnonce="{given["cnonce"]}"', "qop=auth", "nc=00000001"]
            return "Digest " + ", ".join(parts)
    return None


def response_of(
    algorithm: str,
    credentials: Credentials,
    realm: str,
    given: Mapping[str, str],
    method: str,
    uri: str,
) -> str:
    """RFC 7616 section 3.4.1; without qop, RFC 2069's."""

    def digest(*parts: str) -> str:
        data = ":".join(parts).encode("utf-8", "surrogateescape")
        return hashlib.new(ALGORITHMS[algorithm], data, usedforsecurity=False).hexdigest()

    secret = digest(credentials.username, realm, credentials.password)
    asked = digest(method, uri)
    if "qop" not in given:
        return digest(secret, given["nonce"], asked)
    return digest(secret, given.get("nonce", ""), given["nc"], given.get("cnonce", ""), given["qop"], asked)


def read_parameters(text: str) -> dict[str, str] | None:
    """Of a Digest challenge or answer; None for another scheme or what cannot be read."""
    match = SCHEME.fullmatch(text.strip())
    if match is None:
        return None
    found: dict[str, str] = {}
    try:
        for part in split_outside_quotes(match.group(1), ","):
            name, equals, value = part.partition("=")
            if not equals:
                return None
            found.setdefault(name.strip().lower(), unquoted(value.strip()))
    except ValueError:
        return None
    return found
