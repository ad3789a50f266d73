"""SDP offers in request bodies: the cheap half of checking; the media leg does the rest."""

from __future__ import annotations

from aiohttp import web

from signaling.errors import NotAcceptable, OfferRefused, UnsupportedMediaType
from signaling.web.bodies import accepts, read_body

SDP = "application/sdp"


async def read_offer(request: web.Request) -> str:
    """The offer of a request. Raises UnsupportedMediaType, NotAcceptable, OfferRefused, BodyTooLarge, TooSlow."""
    if request.content_type != SDP:
        raise UnsupportedMediaType(
            f"{request.content_type} is not read here.", fix="Send the offer as application/sdp."
        )
    if accepts(request, SDP) is None:
        raise NotAcceptable("The answer is SDP.", fix="Accept: application/sdp")
    return offer_of(await read_body(request))


def offer_of(body: bytes) -> str:
    """A body as an offer. Raises OfferRefused."""
    if not body.strip():
        raise OfferRefused("The body is empty.", code="no_sdp", fix="Send the browser's offer as it is.")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise OfferRefused("The body is not text.", code="not_sdp") from None
    if not text.lstrip().startswith("v=0"):  # RFC 8866 §5.1: every description begins with it
        raise OfferRefused(
            "The body is not a session description (it does not begin with v=0).", code="not_sdp"
        )
    return text
