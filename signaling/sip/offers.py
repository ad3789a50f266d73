"""What a later offer changes about a call that stands (RFC 3264 section 8): nothing, who is heard, or the whole leg.

The media leg is ICE and DTLS. As long as an offer names the same credentials, keys and codec, the leg goes on and
only the direction may change: hold is that. Another ufrag is an ICE restart (RFC 8839 section 4.4.1), another
fingerprint or codec another stream: then the leg is built anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from email import policy
from email.parser import BytesParser
from typing import Final

from media.sdp import Offer, read_offer
from signaling.sip.message import Request, Response

ANSWERED_WITH: Final = {
    "sendrecv": "sendrecv", "sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive",
}  # fmt: skip
DISCARD_PORT: Final = (
    "9"  # RFC 8840 section 4.1.1: an offer whose candidates come later has 0.0.0.0 and this port
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """What of an offer decides whether the leg can stay."""

    credentials: tuple[str, ...]
    codec: str
    direction: str  # theirs

    @property
    def held(self) -> bool:
        """They do not listen: RFC 3264 section 8.4."""
        return self.direction in ("sendonly", "inactive")


def sound_of(text: str) -> tuple[Sound, Offer]:
    """Raises media.sdp.OfferRejected."""
    offer = read_offer(text)
    lines = offer.sdp.split("\r\n")
    credentials = sorted(
        line for line in lines if line.startswith(("a=ice-ufrag", "a=ice-pwd", "a=fingerprint"))
    )
    direction = next(line[2:] for line in lines if line[2:] in ANSWERED_WITH)
    if _old_hold(text, offer):
        direction = {"sendrecv": "sendonly", "recvonly": "inactive"}.get(direction, direction)
    return (
        Sound(
            credentials=tuple(credentials),
            codec=f"{offer.codec.name} {offer.codec.payload_type}",
            direction=direction,
        ),
        offer,
    )


def same_leg(before: Sound, now: Sound) -> bool:
    return (before.credentials, before.codec) == (now.credentials, now.codec)


def answer_again(answer: str, offer: Offer, direction: str) -> str:
    """The answer given before, to a later offer of the same leg in which they have this direction."""
    session, audio = _session_and_audio(answer)
    kept = [line for line in audio if not line.startswith(("a=ptime:",)) and line[2:] not in ANSWERED_WITH]
    if offer.events is not None:
        # `complete` puts it there itself.
        kept = [line for line in kept if not line.startswith(f"a=rtpmap:{offer.events.payload_type} ")]
    made = "\r\n".join([*session, kept[0], f"a={ANSWERED_WITH[direction]}", *kept[1:]]) + "\r\n"
    completed = offer.complete(made)
    return completed if completed == answer else _next_version(completed)


def offer_again(answer: str) -> str:
    """Our side of a standing leg, as an offer of ours: for a request of theirs without one, or to refresh."""
    # RFC 8842 section 5.2: an offer within an association says actpass.
    return answer.replace("a=setup:active", "a=setup:actpass").replace("a=setup:passive", "a=setup:actpass")


def sdp_of(message: Request | Response) -> str | None:
    """The message's SDP, also out of a multipart body (RFC 5621); None: there is none."""
    if not message.body:
        return None
    content_type = message.get("Content-Type") or "application/sdp"
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/sdp":
        return message.body.decode("utf-8", "replace")
    if kind.startswith("multipart/"):
        head = f"Content-Type: {content_type}\r\n\r\n".encode("utf-8", "surrogateescape")
        whole = BytesParser(policy=policy.compat32).parsebytes(head + message.body)
        for part in whole.walk():
            payload = part.get_payload(decode=True)
            if part.get_content_type() == "application/sdp" and isinstance(payload, bytes):
                return payload.decode("utf-8", "replace")
    return None


def has_foreign_body(request: Request) -> bool:
    """A body that we can make nothing of and must not ignore (RFC 3261 section 8.2.3): 415."""
    if not request.body or (request.get("Content-Disposition") or "").replace(" ", "").endswith(
        "handling=optional"
    ):
        return False
    encoding = (request.get("Content-Encoding") or "identity").strip().lower()
    return encoding != "identity" or sdp_of(request) is None


def _old_hold(text: str, offer: Offer) -> bool:
    """RFC 2543's hold: a connection address of zeros; an offer that waits for its candidates looks alike."""
    section = offer.sections[offer.audio]
    if section.port == int(DISCARD_PORT) or section.port == 0:
        return False
    lines = text.replace("\r\n", "\n").split("\n")
    starts = [index for index, line in enumerate(lines) if line.startswith("m=")]
    ends = [*starts[1:], len(lines)]
    own = lines[starts[offer.audio] : ends[offer.audio]]
    named = [line for line in own if line.startswith("c=")] or [
        line for line in lines[: starts[0]] if line.startswith("c=")
    ]
    return bool(named) and named[0].split(" ")[-1].strip() in ("0.0.0.0", "::")


def _session_and_audio(answer: str) -> tuple[list[str], list[str]]:
    lines = [line for line in answer.split("\r\n") if line]
    starts = [index for index, line in enumerate(lines) if line.startswith("m=")]
    ends = [*starts[1:], len(lines)]
    audio = next(
        lines[start:end]
        for start, end in zip(starts, ends, strict=True)
        if lines[start].startswith("m=audio") and not lines[start].startswith("m=audio 0 ")
    )
    return lines[: starts[0]], audio


def _next_version(sdp: str) -> str:
    """RFC 3264 section 8: what has changed has a higher version in its o= line."""
    lines = sdp.split("\r\n")
    for index, line in enumerate(lines):
        if line.startswith("o="):
            words = line.split(" ")
            words[2] = str(int(words[2]) + 1)
            lines[index] = " ".join(words)
    return "\r\n".join(lines)
