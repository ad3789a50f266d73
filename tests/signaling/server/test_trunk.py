"""What the [sip] settings mean, and whose number is believed."""

from __future__ import annotations

from typing import Any

import pytest

from signaling.errors import NoCapacity, OfferRefused, UnknownAgent
from signaling.server.trunk import BadSipSettings, Trunk, agent_config
from signaling.settings import SipSettings
from signaling.sip.message import with_header
from signaling.sip.ports import Declined, Invitation
from tests.signaling.sip.wire import request

ASSERTED = with_header(
    with_header(request(), "P-Asserted-Identity", "<tel:0312345678;verstat=TN-Validation-Passed>"),
    "Diversion",
    "<tel:0300000001>",
)


class Board:
    """As much of a switchboard as a trunk asks for."""

    def __init__(self, refusal: Exception | None = None) -> None:
        self.refusal = refusal
        self.asked: dict[str, Any] = {}
        self.closed_for_s = None

    async def answer_line(self, **asked: Any) -> tuple[None, str]:
        self.asked = asked
        if self.refusal is not None:
            raise self.refusal
        return None, "v=0"


class Quiet:
    def media_connected(self) -> None: ...

    def hung_up(self) -> None: ...


async def taken(settings: SipSettings, invite: Any = ASSERTED, board: Board | None = None) -> dict[str, Any]:
    board = board or Board()
    trunk = Trunk(board, settings, lambda: "desk")  # type: ignore[arg-type]  # all that is asked of it
    await trunk.take(Invitation(request=invite, offer_sdp="v=0", line=Quiet()))
    return board.asked


@pytest.mark.parametrize(
    ("wanted", "invite", "verified"),
    [
        ("asserted", ASSERTED, True),
        ("asserted", request(), False),
        ("attested", ASSERTED, True),
        ("attested", with_header(ASSERTED, "Attestation-Info", "C"), False),
        ("never", ASSERTED, False),
    ],
)
async def test_whose_number_is_believed_is_a_setting(wanted: Any, invite: Any, verified: bool) -> None:
    asked = await taken(SipSettings(verified=wanted), invite)

    assert asked["caller"].verified is verified
    assert asked["caller"].source == "trunk"


async def test_numbers_without_a_plus_get_their_country() -> None:
    asked = await taken(SipSettings(region="JP", routes=("+8131234*=reception",)))

    assert asked["caller"].number == "+81312345678"
    assert asked["caller"].diverted_from == "+81300000001"
    assert asked["line"].called == "+81312345678"
    assert asked["agent_id"] == "reception"


async def test_without_routes_the_default_agent_answers() -> None:
    assert (await taken(SipSettings()))["agent_id"] == "desk"


@pytest.mark.parametrize(
    ("settings", "refusal", "status"),
    [
        (SipSettings(routes=("+1*=x",)), None, 404),
        (SipSettings(), UnknownAgent("gone"), 404),
        (SipSettings(), OfferRefused("no", code="no_codec"), 488),
        (SipSettings(), NoCapacity("full", retry_after_s=15), 503),
    ],
)
async def test_why_a_call_is_not_taken(settings: SipSettings, refusal: Exception | None, status: int) -> None:
    with pytest.raises(Declined) as declined:
        await taken(settings, board=Board(refusal))

    assert declined.value.status == status
    assert declined.value.retry_after_s == (15 if status == 503 else None)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"listen": "10.0.0.1:5060"}, "sip.listen"),
        ({"listen": "sctp:10.0.0.1"}, "sip.listen"),
        ({"listen": "tls:10.0.0.1"}, "sip.certificate"),
        ({"sources": "10.0.0.300"}, "sip.sources"),
        ({"username": "x"}, "sip.password"),
    ],
)
def test_what_cannot_be_set_is_named(settings: dict[str, str], named: str) -> None:
    with pytest.raises(BadSipSettings, match=named):
        agent_config(SipSettings.model_validate(settings))


def test_a_bad_route_is_named_when_the_server_starts() -> None:
    with pytest.raises(BadSipSettings, match=r"sip\.routes"):
        Trunk(Board(), SipSettings(routes=("x",)), lambda: None)  # type: ignore[arg-type]


def test_doors_and_sources_are_what_was_set() -> None:
    config = agent_config(
        SipSettings.model_validate({"listen": "tcp:10.0.0.1,udp:[::1]:5080", "sources": "10.0.0.0/24"})
    )

    assert [(each.transport, each.host, each.port) for each in config.listen] == [
        ("tcp", "10.0.0.1", 5060),
        ("udp", "::1", 5080),
    ]
    assert [str(each) for each in config.sources] == ["10.0.0.0/24"]
    assert [str(each) for each in agent_config(SipSettings()).sources] == ["127.0.0.0/8", "::1/128"]
