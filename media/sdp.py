"""An offer from anybody, made into one that aiortc can answer; and its answer, made whole again.

aiortc 1.16 raises a dozen kinds of exception on offers that other software sends, blocks for a minute on
14,000 candidates and waits a second for every `.local` name. So it never sees the caller's text: `read_offer`
counts, picks the first usable audio section, and writes a small offer of its own from the values it has checked.
`Offer.complete` then puts back what that offer left out: the refused sections, telephone-event, the Opus format
parameters. Pure text in, text out; whatever goes wrong is an OfferRejected.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field, replace
from typing import Final

MAX_BYTES: Final = 64 * 1024  # a browser's audio offer is 2-6 KB; 1 MB takes aiortc seconds
MAX_CANDIDATES: Final = 32  # a laptop with VPNs offers about 20
MAX_MEDIA: Final = 4
MAX_CODECS: Final = 64  # Chromium lists 10 for audio, about 50 with video

STATIC_CODECS: Final = {0: "PCMU/8000", 8: "PCMA/8000"}  # RFC 3551 table 4: no rtpmap needed
KNOWN_CODECS: Final = {"opus/48000/2": "opus", "pcmu/8000": "pcmu", "pcma/8000": "pcma"}
CLOCK_RATES: Final = {"opus": 48_000, "pcmu": 8_000, "pcma": 8_000}
TELEPHONE_EVENT: Final = re.compile(r"telephone-event/(\d{1,6})(?:/1)?", re.IGNORECASE)

# RFC 7587 section 6.1: ask the caller for forward error correction, and for no more bandwidth than we keep.
OPUS_PARAMETERS: Final = "minptime=10;useinbandfec=1;maxplaybackrate=24000;sprop-maxcapturerate=24000"

EVENTS_TYPE: Final = 101  # what telephones use for telephone-event
# Of aiortc's offer: extensions and identifiers that nothing here uses, and that trunks stumble over.
DROPPED_OF_OURS: Final = ("a=extmap:", "a=msid", "a=ssrc:", "a=end-of-candidates")

DIRECTIONS: Final = ("sendrecv", "sendonly", "recvonly", "inactive")
SETUPS: Final = ("actpass", "active", "passive")
HASHES: Final = {"sha-256": 32, "sha-384": 48, "sha-512": 64}  # what aiortc can check, and its length

TOKEN: Final = re.compile(r"[!-~]{1,64}")
ICE_CHARACTERS: Final = re.compile(r"[!-~]{4,256}")  # wider than RFC 8839's alphabet: some stacks use - and _
MEDIA_LINE: Final = re.compile(
    r"m=([a-z]{1,16}) (\d{1,5})(?:/\d{1,5})? ([A-Za-z/]{1,32}) ([!-~]+(?: [!-~]+)*)"
)
CANDIDATE: Final = re.compile(
    r"(?P<foundation>[!-~]{1,32}) 1 udp (?P<priority>\d{1,10}) (?P<host>[0-9A-Fa-f.:]{2,45}) (?P<port>\d{1,5})"
    r" typ (?P<type>host|srflx|prflx|relay)(?: .*)?",
    re.IGNORECASE,
)


class OfferRejected(Exception):
    """The offer cannot become a call.

    `code` is one word for programs: no_sdp, not_sdp, no_audio, no_codec, no_ice, no_dtls, no_rtcp_mux,
    too_large, too_many_candidates, too_many_media, too_many_codecs, not_answerable.
    `detail` is a sentence for people.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    name: str  # opus, pcmu, pcma
    payload_type: int
    clock_rate: int  # of its RTP timestamps, Hz


@dataclass(slots=True)
class _Section:
    """One m= line and the attributes under it."""

    kind: str
    port: int
    protocol: str
    formats: list[str]
    attributes: list[tuple[str, str]] = field(default_factory=list)

    def first(self, name: str) -> str | None:
        return next((value for key, value in self.attributes if key == name), None)

    def every(self, name: str) -> list[str]:
        return [value for key, value in self.attributes if key == name]

    @property
    def refused(self) -> bool:
        """RFC 8829 section 5.2.1: port 0 means refused, unless the section only waits for its bundle."""
        return self.port == 0 and self.first("bundle-only") is None

    @property
    def mid(self) -> str | None:
        mid = self.first("mid")
        return mid if mid is not None and TOKEN.fullmatch(mid) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A checked offer: what aiortc is given, and what its answer has to be completed with."""

    sdp: str
    codec: Codec
    events: Codec | None  # telephone-event at the codec's clock, or at 8000 Hz
    sends: bool  # the caller means to send audio
    receives: bool
    sections: tuple[_Section, ...]  # as offered, for the refusals
    audio: int  # which of them is answered

    def complete(self, answer: str) -> str:
        """The answer for the caller, from the answer to our own small offer (RFC 3264 section 6)."""
        lines = answer.replace("\r\n", "\n").split("\n")
        start = next(index for index, line in enumerate(lines) if line.startswith("m="))
        session, audio = lines[:start], [line for line in lines[start:] if line]
        mid = self.sections[self.audio].mid
        session = [line for line in session if line and not line.startswith("a=group:")]
        if mid is not None:
            session.append(f"a=group:BUNDLE {mid}")
        answered = "\r\n".join(self._completed_audio(audio))
        media = [
            answered if index == self.audio else _refusal(section)
            for index, section in enumerate(self.sections)
        ]
        return "\r\n".join([*session, *media]) + "\r\n"

    def _completed_audio(self, lines: list[str]) -> list[str]:
        port = lines[0].split(" ")[1]
        formats = [self.codec.payload_type] + ([self.events.payload_type] if self.events else [])
        protocol = self.sections[self.audio].protocol
        completed = [f"m=audio {port} {protocol} {' '.join(map(str, formats))}"]
        completed += [line for line in lines[1:] if not line.startswith(("a=fmtp:", "a=rtcp-fb:"))]
        if self.codec.name == "opus":
            completed.append(f"a=fmtp:{self.codec.payload_type} {OPUS_PARAMETERS}")
        if self.events is not None:
            completed.append(f"a=rtpmap:{self.events.payload_type} telephone-event/{self.events.clock_rate}")
            completed.append(f"a=fmtp:{self.events.payload_type} 0-15")
        completed.append("a=ptime:20")
        return completed


def read_offer(text: str, allowed: tuple[str, ...] = ("opus", "pcmu", "pcma")) -> Offer:
    """Checks an offer and rewrites it. Raises OfferRejected, and nothing else, for any text whatever."""
    if not text.strip():
        raise OfferRejected("no_sdp", "The request had no SDP; send the browser's offer as its body.")
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise OfferRejected("too_large", f"The SDP is larger than {MAX_BYTES // 1024} KiB.")
    session, sections = _split(text)
    _count(session, sections)

    index = next((i for i, s in enumerate(sections) if s.kind == "audio" and not s.refused), None)
    if index is None:
        raise OfferRejected("no_audio", "The offer has no audio section; a call needs one.")
    audio = sections[index]
    codec, events = _codecs(audio, allowed)
    direction = _direction(session, audio)
    return Offer(
        sdp=_minimal_offer(session, sections[0], audio, codec, direction),
        codec=codec,
        events=events,
        sends=direction in ("sendrecv", "sendonly"),
        receives=direction in ("sendrecv", "recvonly"),
        sections=tuple(sections),
        audio=index,
    )


def own_offer(codec: str) -> Offer:
    """What stands for their offer while it is we who offer: one G.711 codec, and keys (RFC 4733)."""
    payload_type = next(pt for pt, name in STATIC_CODECS.items() if name.lower() == f"{codec}/8000")
    return Offer(
        sdp="",
        codec=Codec(name=codec, payload_type=payload_type, clock_rate=CLOCK_RATES[codec]),
        events=Codec(name="telephone-event", payload_type=EVENTS_TYPE, clock_rate=CLOCK_RATES[codec]),
        sends=True,
        receives=True,
        sections=(),
        audio=0,
    )


def offered(sdp: str, offer: Offer) -> str:
    """aiortc's offer as it goes out: with keys, and without what nothing here uses."""
    assert offer.events is not None
    lines = [
        line
        for line in sdp.replace("\r\n", "\n").split("\n")
        if line and not line.startswith(DROPPED_OF_OURS)
    ]
    keys = offer.events
    lines = [f"{line} {keys.payload_type}" if line.startswith("m=audio ") else line for line in lines]
    lines += [
        f"a=rtpmap:{keys.payload_type} telephone-event/{keys.clock_rate}",
        f"a=fmtp:{keys.payload_type} 0-15",
        "a=ptime:20",
    ]
    return "\r\n".join(lines) + "\r\n"


def read_answer(text: str, offer: Offer, mid: str) -> Offer:
    """Their answer to `offered`, checked and rewritten like an offer; `mid` is what our section is called.

    Raises OfferRejected, and nothing else.
    """
    answer = read_offer(text, (offer.codec.name,))
    if answer.codec.payload_type != offer.codec.payload_type:
        raise OfferRejected("no_codec", "The answer gives our codec another number.")
    lines = [line for line in answer.sdp.split("\r\n") if not line.startswith(("a=mid:", "a=group:"))]
    place = next(index for index, line in enumerate(lines) if line.startswith("m="))
    lines[place:place] = [f"a=group:BUNDLE {mid}"]
    lines[-1:] = [f"a=mid:{mid}", ""]
    if "a=setup:actpass" in lines:  # RFC 5763 section 5: not in an answer
        raise OfferRejected("no_dtls", "The answer leaves open who begins DTLS (a=setup:actpass).")
    return replace(answer, sdp="\r\n".join(lines))


def _split(text: str) -> tuple[_Section, list[_Section]]:
    lines = [line.rstrip() for line in text.replace("\r", "\n").split("\n")]
    lines = [line for line in lines if line]
    if lines[0] != "v=0":
        raise OfferRejected("not_sdp", "The body is not SDP: its first line is not v=0.")
    session = _Section("session", 0, "", [])
    sections: list[_Section] = []
    for line in lines:
        if line.startswith("m="):
            match = MEDIA_LINE.fullmatch(line)
            if match is None:
                raise OfferRejected("not_sdp", "The SDP has an m= line that cannot be read.")
            kind, port, protocol, formats = match.groups()
            sections.append(_Section(kind, int(port), protocol, formats.split(" ")))
        elif line.startswith("a="):
            name, _, value = line[2:].partition(":")
            (sections[-1] if sections else session).attributes.append((name, value.strip()))
    return session, sections


def _count(session: _Section, sections: list[_Section]) -> None:
    if len(sections) > MAX_MEDIA:
        raise OfferRejected("too_many_media", f"The offer has more than {MAX_MEDIA} media sections.")
    everything = [*sections, session]
    if sum(len(section.every("candidate")) for section in everything) > MAX_CANDIDATES:
        raise OfferRejected("too_many_candidates", f"The offer has more than {MAX_CANDIDATES} candidates.")
    codecs = sum(max(len(section.formats), len(section.every("rtpmap"))) for section in everything)
    if codecs > MAX_CODECS:
        raise OfferRejected("too_many_codecs", f"The offer has more than {MAX_CODECS} codecs.")


def _codecs(audio: _Section, allowed: tuple[str, ...]) -> tuple[Codec, Codec | None]:
    """The first codec of the offer's own order that we speak, and telephone-event to go with it.

    RFC 4733 section 2.5.1.2 ties an event's timestamps to the audio's, so the same clock is preferred.
    """
    names = {str(pt): name for pt, name in STATIC_CODECS.items()}
    for value in audio.every("rtpmap"):
        payload_type, _, name = value.partition(" ")
        names[payload_type] = name.strip()
    codec: Codec | None = None
    events: list[Codec] = []
    for payload_type in audio.formats:
        if not _is_payload_type(payload_type):
            continue
        name = names.get(payload_type, "")
        known = KNOWN_CODECS.get(name.lower().removesuffix("/1"))
        if codec is None and known in allowed and known is not None:
            codec = Codec(name=known, payload_type=int(payload_type), clock_rate=CLOCK_RATES[known])
        event = TELEPHONE_EVENT.fullmatch(name)
        if event is not None and int(event.group(1)) in (8_000, 48_000):
            events.append(
                Codec(name="telephone-event", payload_type=int(payload_type), clock_rate=int(event.group(1)))
            )
    if codec is None:
        raise OfferRejected(
            "no_codec", f"The offer has none of the codecs that are spoken here: {', '.join(allowed)}."
        )
    rate = codec.clock_rate
    events.sort(key=lambda event: event.clock_rate != rate)
    return codec, (events[0] if events else None)


def _is_payload_type(text: str) -> bool:
    """RFC 5761 section 4: 64-95 would be taken for RTCP on a shared port."""
    return (
        text.isascii() and text.isdigit() and len(text) <= 3 and int(text) < 128 and not 64 <= int(text) < 96
    )


def _direction(session: _Section, audio: _Section) -> str:
    for section in (audio, session):
        for name, _ in section.attributes:
            if name in DIRECTIONS:
                return name
    return "sendrecv"  # RFC 8866 section 6.7: the default


def _minimal_offer(
    session: _Section, bundle_head: _Section, audio: _Section, codec: Codec, direction: str
) -> str:
    """A small offer with the same meaning, from checked values only.

    Left out on purpose: `a=end-of-candidates`, because aioice then gives up on callers whose address it has to
    learn from their checks; header extensions and feedback, because nothing here uses them.
    """
    sources = (audio, bundle_head, session) if audio.first("bundle-only") is not None else (audio, session)

    def attribute(name: str) -> str | None:
        return next((value for source in sources if (value := source.first(name)) is not None), None)

    user, password = attribute("ice-ufrag") or "", attribute("ice-pwd") or ""
    if not ICE_CHARACTERS.fullmatch(user) or not ICE_CHARACTERS.fullmatch(password):
        raise OfferRejected("no_ice", "The offer has no usable a=ice-ufrag and a=ice-pwd; WebRTC needs ICE.")
    fingerprints = [
        fingerprint
        for source in sources
        for value in source.every("fingerprint")
        if (fingerprint := _fingerprint(value)) is not None
    ]
    setup = attribute("setup") or "actpass"
    if not fingerprints or setup not in SETUPS:
        raise OfferRejected(
            "no_dtls", "The offer has no usable a=fingerprint (sha-256 or better); WebRTC needs DTLS-SRTP."
        )
    if all(source.first("rtcp-mux") is None for source in sources):
        raise OfferRejected("no_rtcp_mux", "The offer has no a=rtcp-mux; RTP and RTCP have to share a port.")

    names = {"opus": "opus/48000/2", "pcmu": "PCMU/8000", "pcma": "PCMA/8000"}
    lines = ["v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=-", "t=0 0"]
    if any(source.first("ice-lite") is not None for source in (session, *sources)):
        lines.append("a=ice-lite")
    if audio.mid is not None:
        lines.append(f"a=group:BUNDLE {audio.mid}")
    lines += [
        f"m=audio 9 UDP/TLS/RTP/SAVPF {codec.payload_type}",
        "c=IN IP4 0.0.0.0",
        f"a={direction}",
        "a=rtcp-mux",
        f"a=rtpmap:{codec.payload_type} {names[codec.name]}",
        f"a=ice-ufrag:{user}",
        f"a=ice-pwd:{password}",
        f"a=setup:{setup}",
    ]
    if audio.mid is not None:
        lines.append(f"a=mid:{audio.mid}")
    lines += [f"a=fingerprint:{fingerprint}" for fingerprint in dict.fromkeys(fingerprints)]
    for source in dict.fromkeys(map(id, sources)):
        section = next(s for s in sources if id(s) == source)
        lines += [f"a=candidate:{c}" for value in section.every("candidate") if (c := _candidate(value))]
    return "\r\n".join(lines) + "\r\n"


def _fingerprint(value: str) -> str | None:
    algorithm, _, digest = value.partition(" ")
    octets = digest.strip().split(":")
    size = HASHES.get(algorithm.lower())
    if size != len(octets) or not all(re.fullmatch(r"[0-9A-Fa-f]{2}", octet) for octet in octets):
        return None
    return f"{algorithm.lower()} {':'.join(octets).upper()}"


def _candidate(value: str) -> str | None:
    """One candidate with a literal address, component 1, UDP. Names (`.local`), TCP and the rest are left out:

    a caller behind them is still found by its own connectivity checks (RFC 8445 section 7.3.1.3).
    """
    match = CANDIDATE.fullmatch(value)
    if match is None:
        return None
    host, port, priority = match["host"], int(match["port"]), int(match["priority"])
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    if not 0 < port < 65_536 or not 0 < priority < 2**32 or address.is_multicast or address.is_unspecified:
        return None
    kind = match["type"].lower()
    kind = "srflx" if kind == "prflx" else kind  # aioice knows no other kinds in an offer
    return f"{match['foundation']} 1 udp {priority} {address} {port} typ {kind}"


def _refusal(section: _Section) -> str:
    """RFC 3264 section 6: a refused section keeps its kind, protocol and formats, with port 0."""
    lines = [f"m={section.kind} 0 {section.protocol} {section.formats[0]}", "c=IN IP4 0.0.0.0", "a=inactive"]
    if section.mid is not None:
        lines.append(f"a=mid:{section.mid}")
    return "\r\n".join(lines)


def behind_nat(answer: str, public_address: str | None) -> str:
    """The answer of a machine behind a one-to-one NAT: its IPv4 host candidates under the public address.

    The NAT keeps ports, so the caller's checks arrive where we listen (RFC 8445 sees a peer-reflexive pair).
    IPv6 and other kinds of candidate stay as they are.
    """
    if public_address is None:
        return answer
    lines = answer.split("\r\n")
    for number, line in enumerate(lines):
        words = line.split(" ")
        if line.startswith("a=candidate:") and words[6:8] == ["typ", "host"] and "." in words[4]:
            words[4] = public_address
            lines[number] = " ".join(words)
    return "\r\n".join(lines)
