"""Who calls: the trunk's word over the caller's, and nobody who asks not to be shown."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.sip.identity import read_identity
from signaling.sip.message import with_header
from signaling.sip.routing import BadRoute, Routes
from tests.signaling.sip.wire import request


def test_the_trunks_word_stands_over_the_callers() -> None:
    told = read_identity(
        with_header(
            request(), "P-Asserted-Identity", '"Tanaka" <sip:tanaka@trunk.example>, <tel:+81-3-1234-5678>'
        )
    )

    assert (told.number, told.name, told.asserted, told.called) == (
        "+81312345678",
        "Tanaka",
        True,
        "+81312345678",
    )
    assert not told.attested


def test_without_it_the_number_is_only_what_they_say() -> None:
    told = read_identity(request())

    assert (told.number, told.name, told.asserted) == ("+819012345678", "Hanako", False)


@pytest.mark.parametrize(
    "headers",
    [
        {"Privacy": "id", "P_Asserted_Identity": "<tel:+81312345678>"},
        {"Privacy": "critical;user", "P_Asserted_Identity": "<tel:+81312345678>"},
        {
            "From": '"Anonymous" <sip:anonymous@anonymous.invalid>;tag=x',
            "P_Asserted_Identity": "<tel:+8131234>",
        },
    ],
)
def test_who_asks_not_to_be_shown_has_no_number_and_no_name(headers: dict[str, str]) -> None:
    told = read_identity(request(**headers))

    assert (told.number, told.name, told.private, told.asserted) == (None, None, True, False)


@pytest.mark.parametrize(
    ("identity", "level", "attested"),
    [
        ("<tel:+81312345678;verstat=TN-Validation-Passed>", None, True),
        ("<sip:+81312345678;verstat=TN-Validation-Passed@trunk.example;user=phone>", "A", True),
        ("<tel:+81312345678;verstat=TN-Validation-Passed>", "B", False),
        ("<tel:+81312345678;verstat=TN-Validation-Failed>", None, False),
        ("<tel:+81312345678>", "A", False),
    ],
)
def test_a_number_is_attested_by_a_passed_check_of_level_a(
    identity: str, level: str | None, attested: bool
) -> None:
    headers = {"P_Asserted_Identity": identity} | ({"Attestation_Info": level} if level else {})

    assert read_identity(request(**headers)).attested is attested


def test_the_number_that_was_called_first() -> None:
    diverted = with_header(request(), "Diversion", "<tel:+81300000002>;reason=busy", "<tel:+81300000001>")
    history = with_header(
        request(), "History-Info", "<sip:+81300000001@a>;index=1, <sip:+81312345678@b>;index=1.1"
    )

    assert read_identity(diverted).diverted_from == "+81300000001"
    assert read_identity(history).diverted_from == "+81300000001"
    assert read_identity(request()).diverted_from is None


@given(st.text(max_size=80), st.sampled_from(["P-Asserted-Identity", "Privacy", "Diversion", "History-Info"]))
def test_noise_is_nobody(text: str, name: str) -> None:
    read_identity(with_header(request(), name, text))


def test_the_longest_match_answers() -> None:
    routes = Routes(["+81312345678=reception", "+8131*=sales", "*=desk"])

    assert routes.agent_for("+81312345678") == "reception"
    assert routes.agent_for("+81319999999") == "sales"
    assert routes.agent_for("alice") == routes.agent_for(None) == "desk"
    assert Routes(["+81*=x"]).agent_for("+1555") is None


@pytest.mark.parametrize("route", ["reception", "=x", "+81=", "+8*1=x"])
def test_a_route_that_is_none_is_named(route: str) -> None:
    with pytest.raises(BadRoute, match=r"number=agent"):
        Routes([route])


def test_a_number_is_read_from_whatever_uri_was_called() -> None:
    assert read_identity(replace(request(), uri="tel:+81-3-1234")).called == "+8131234"
    assert read_identity(replace(request(), uri="sip:desk@here")).called == "desk"
