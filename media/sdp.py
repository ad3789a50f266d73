"""An offer from anybody, made into one that aiortc can answer; and its answer, made whole again."""

from __future__ import annotations


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
