"""Tokens: who somebody is and what for, signed (JWT, HS256) and readable without any store.

Four uses, never interchangeable: `token` (a person's or program's key), `session` (the same in a browser's
cookie), `ticket` (one call, once, within a minute) and `resume` (one running call). The time is an argument;
a clock that is a minute off on another machine must not lock anybody out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import jwt

Role = Literal["caller", "operator", "admin", "service"]
Use = Literal["token", "session", "ticket", "resume"]

ALGORITHM = "HS256"
AUDIENCE = "cordboard"
LEEWAY_S = 60
"""Clock difference between machines that is forgiven; tickets get none, their whole life is that long."""
TICKET_TTL_S = 60
"""Longest life of a call ticket (the contract)."""


class BadToken(ValueError):
    """A token that opens nothing. `reason`: "expired", "used" or "invalid"; never quotes the token."""

    def __init__(self, reason: Literal["expired", "used", "invalid"]) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a token says. Times are Unix seconds."""

    use: Use
    role: Role
    subject: str  # a name for logs and the call list; never a secret
    issued_at: int
    expires_at: int
    id: str = ""  # tickets: what makes it usable once
    call_id: str | None = None  # resume: the one call
    csrf: str | None = None  # session: what X-CSRF must repeat
    agent: str | None = None  # ticket: the only agent it may call
    caller_number: str | None = None  # ticket: E.164, vouched for by who asked for the ticket
    metadata: Mapping[str, str] = field(default_factory=dict)


class TokenSigner:
    """Makes and reads tokens with one secret."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def __repr__(self) -> str:
        return "TokenSigner(…)"

    def sign(self, claims: Claims) -> str:
        body: dict[str, Any] = {
            "aud": AUDIENCE,
            "use": claims.use,
            "role": claims.role,
            "sub": claims.subject,
            "iat": claims.issued_at,
            "exp": claims.expires_at,
        }
        optional = {
            "jti": claims.id,
            "call": claims.call_id,
            "csrf": claims.csrf,
            "agent": claims.agent,
            "number": claims.caller_number,
            "meta": dict(claims.metadata),
        }
        return jwt.encode(body | {k: v for k, v in optional.items() if v}, self._secret, algorithm=ALGORITHM)

    def read(self, token: str, *, now: float) -> Claims:
        """Check signature, audience, shape and life.

        Raises:
            BadToken: for anything else than a live token of ours; `alg: none` is just another forgery.
        """
        try:
            body = jwt.decode(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                # Life is checked below, against the time that was given.
                options={
                    "require": ["exp", "iat", "aud", "use", "role", "sub"],
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except (jwt.PyJWTError, ValueError):
            raise BadToken("invalid") from None
        claims = _claims(body)
        leeway = 0 if claims.use == "ticket" else LEEWAY_S
        if now >= claims.expires_at + leeway:
            raise BadToken("expired")
        return claims


def _claims(body: Mapping[str, Any]) -> Claims:
    """Shape first: a signed token from another version may still be nonsense here."""
    use, role, metadata = body["use"], body["role"], body.get("meta", {})
    times = (body["iat"], body["exp"])
    texts = (body["sub"], body.get("jti", ""))
    if (
        use not in get_args(Use)
        or role not in get_args(Role)
        or not all(isinstance(t, int | float) for t in times)
        or not all(isinstance(t, str) for t in texts)
        or not isinstance(metadata, dict)
        or (use == "resume" and not body.get("call"))
        or (use == "session" and not body.get("csrf"))
        or (use == "ticket" and (not texts[1] or times[1] - times[0] > TICKET_TTL_S))
    ):
        raise BadToken("invalid")
    return Claims(
        use=use,
        role=role,
        subject=texts[0],
        issued_at=int(times[0]),
        expires_at=int(times[1]),
        id=texts[1],
        call_id=body.get("call"),
        csrf=body.get("csrf"),
        agent=body.get("agent"),
        caller_number=body.get("number"),
        metadata={str(k): str(v) for k, v in metadata.items()},
    )
