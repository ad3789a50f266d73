from __future__ import annotations

import configparser
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from signaling.bridge_config import (
    ADDRESS_LIST,
    BRIDGE_CFG,
    DISPATCHER_LIST,
    RTPENGINE_CONF,
    TLS_CFG,
    BridgeNotSet,
    render,
)
from signaling.settings import BridgeSettings

FOLDER = "/etc/cordboard-bridge"
GOOD: dict[str, Any] = {
    "trunk_address": "198.51.100.20",
    "media_address": "10.0.0.5",
    "trunk_sources": ("203.0.113.0/28", "203.0.113.77"),
    "servers": ("10.0.0.11:5060", "10.0.0.12:5060"),
}
TLS = {"certificate": "/etc/ssl/bridge.pem", "private_key": "/etc/ssl/private/bridge.pem"}


def files(**changes: Any) -> dict[str, str]:
    return dict(render(BridgeSettings(**GOOD | changes), folder=FOLDER))


def problems(**changes: Any) -> str:
    with pytest.raises(BridgeNotSet) as caught:
        files(**changes)
    return "\n".join(caught.value.problems)


def values(text: str) -> list[str]:
    """The lines that a program reads."""
    return [line for line in text.splitlines() if line and not re.match(r"#(?!!)", line)]


def test_servers_are_called_over_tcp_from_the_side_that_faces_them() -> None:
    assert values(files()[DISPATCHER_LIST]) == [
        "1 sip:10.0.0.11:5060;transport=tcp 0 0 socket=tcp:10.0.0.5:5060",
        "1 sip:10.0.0.12:5060;transport=tcp 0 0 socket=tcp:10.0.0.5:5060",
    ]


def test_only_the_trunk_and_the_servers_are_let_in() -> None:
    assert values(files(servers=("10.0.0.11:5060", "10.0.0.11:5062"))[ADDRESS_LIST]) == [
        "1 203.0.113.0 28 0 trunk",
        "1 203.0.113.77 32 0 trunk",
        "2 10.0.0.11 32 0 server",
    ]


def test_a_network_written_by_one_of_its_hosts_is_the_network() -> None:
    assert "1 203.0.113.0 24 0 trunk" in files(trunk_sources=("203.0.113.9/24",))[ADDRESS_LIST]


def test_without_a_certificate_there_is_no_tls_anywhere() -> None:
    made = files()

    assert TLS_CFG not in made
    assert "tls" not in made[BRIDGE_CFG].lower()


def test_with_a_certificate_tls_is_on() -> None:
    made = files(**TLS)
    tls = configparser.ConfigParser()
    tls.read_string(made[TLS_CFG])

    assert "listen=tls:198.51.100.20:5061" in values(made[BRIDGE_CFG])
    assert "enable_tls=yes" in values(made[BRIDGE_CFG])
    assert tls["server:default"]["certificate"] == TLS["certificate"]
    assert tls["server:default"]["method"] == "TLSv1.2+"
    assert tls["server:default"]["require_certificate"] == "no"
    assert "ca_list" not in tls["client:default"]


@pytest.mark.parametrize(
    ("ca", "used"), [(None, "/etc/ssl/certs/ca-certificates.crt"), ("/etc/ssl/ca.pem", "/etc/ssl/ca.pem")]
)
def test_a_trunk_that_is_called_over_tls_has_to_show_who_it_is(ca: str | None, used: str) -> None:
    tls = configparser.ConfigParser()
    tls.read_string(files(**TLS, trunk_uri="sip:trunk.example.com;transport=tls", trunk_ca=ca)[TLS_CFG])

    assert tls["client:default"]["verify_certificate"] == "yes"
    assert tls["client:default"]["require_certificate"] == "yes"
    assert tls["client:default"]["ca_list"] == used
    assert tls["server:default"]["require_certificate"] == "no"


def test_a_trunk_with_client_certificates_is_asked_for_them() -> None:
    tls = configparser.ConfigParser()
    tls.read_string(files(**TLS, trunk_ca="/etc/ssl/trunk-ca.pem", trunk_client_certificates=True)[TLS_CFG])

    assert tls["server:default"]["require_certificate"] == "yes"
    assert tls["server:default"]["ca_list"] == "/etc/ssl/trunk-ca.pem"


def test_behind_a_nat_the_trunk_is_told_the_public_address_and_the_servers_are_not() -> None:
    made = files(trunk_public_address="192.0.2.7")

    listens = [line for line in values(made[BRIDGE_CFG]) if line.startswith("listen=")]
    assert listens == [
        "listen=udp:198.51.100.20:5060 advertise 192.0.2.7:5060",
        "listen=tcp:198.51.100.20:5060 advertise 192.0.2.7:5060",
        "listen=udp:10.0.0.5:5060",
        "listen=tcp:10.0.0.5:5060",
    ]
    assert "interface = pub/198.51.100.20!192.0.2.7;priv/10.0.0.5" in values(made[RTPENGINE_CONF])


def test_rtpengine_reads_its_file_as_it_was_meant() -> None:
    conf = configparser.ConfigParser()
    conf.read_string(
        files(rtp_first_port=30_000, rtp_last_port=30_099, rtpengine="127.0.0.9:4000")[RTPENGINE_CONF]
    )

    assert conf["rtpengine"]["port-min"] == "30000"
    assert conf["rtpengine"]["port-max"] == "30099"
    assert conf["rtpengine"]["listen-ng"] == "127.0.0.9:4000"
    assert conf["rtpengine"]["listen-cli"] == "127.0.0.9:4001"


def test_what_is_required_or_pinned_is_switched_on_in_the_routes() -> None:
    plain = values(files()[BRIDGE_CFG])
    strict = values(files(trunk_srtp="required", law="PCMU", trunk_uri="sip:trunk.example.com")[BRIDGE_CFG])

    assert not {"#!define SRTP_REQUIRED", "#!define SRTP_OUT", '#!define LAW "PCMU"'} & set(plain)
    assert {"#!define SRTP_REQUIRED", "#!define SRTP_OUT", '#!define LAW "PCMU"'} <= set(strict)
    assert '#!define TRUNK_URI "sip:trunk.example.com"' in strict


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(BridgeNotSet) as caught:
        render(BridgeSettings(), folder=FOLDER)

    told = str(caught.value)
    for name in ("trunk_address", "media_address", "trunk_sources", "servers"):
        assert f"bridge.{name} is missing" in told


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"trunk_address": "bridge.example.com"}, "not an IPv4 address"),
        ({"trunk_address": "2001:db8::1"}, "not been tried with IPv6"),
        ({"trunk_address": "0.0.0.0"}, "SDP has to name one"),
        ({"trunk_sources": ("0.0.0.0/0",)}, "half the world"),
        ({"trunk_sources": ("trunk.example.com",)}, "not an IPv4 address or network"),
        ({"trunk_sources": ("10.0.0.0/8",)}, "has the media server 10.0.0.11:5060 in it"),
        ({"servers": ("10.0.0.11",)}, "is not ADDRESS:PORT"),
        ({"servers": ("10.0.0.11:70000",)}, "is not ADDRESS:PORT"),
        ({"servers": ("10.0.0.11:5060", "10.0.0.11:5060")}, "named twice"),
        ({"servers": ("10.0.0.5:5060",)}, "round in circles"),
        ({"media_address": "198.51.100.20"}, "needs two ports"),
        ({"media_address": "198.51.100.20", "media_port": 5061, **TLS}, "needs two ports"),
        ({"certificate": "/a.pem"}, "go together"),
        ({"trunk_ca": "/a.pem", "trunk_client_certificates": True}, "needs bridge.trunk_ca and"),
        ({**TLS, "trunk_client_certificates": True}, "needs bridge.trunk_ca and"),
        ({**TLS, "trunk_tls_port": 5060}, "is also trunk_port"),
        ({"trunk_uri": "sip:trunk.example.com;transport=tls"}, "needs bridge.certificate"),
        ({"trunk_uri": "sip:+15551234567@trunk.example.com"}, "without a user"),
        ({"trunk_uri": "sip:trunk.example.com:99999"}, "is not sip:HOST"),
        ({"rtp_first_port": 30_000, "rtp_last_port": 30_003}, "no room for one call"),
        ({"rtp_first_port": 30_000, "rtp_last_port": 20_000}, "no room for one call"),
        ({"rtpengine": "localhost:2223"}, "is not ADDRESS:PORT"),
        ({"control_socket": 'run/ctl"'}, "absolute path"),
    ],
)
def test_nonsense_is_refused_with_its_reason(changes: dict[str, Any], told: str) -> None:
    assert told in problems(**changes)


def test_one_machine_with_one_address_works_with_two_ports() -> None:
    made = files(media_address="198.51.100.20", media_port=5070)

    assert "listen=tcp:198.51.100.20:5070" in values(made[BRIDGE_CFG])


ANY_TEXT = st.text(st.characters(codec="utf-8"), max_size=40) | st.sampled_from(
    [
        "10.0.0.9:5060\n2 0.0.0.0 0",
        'sip:a";exec("x',
        "/tmp/a\n[client:default]",
        "1.2.3.4#",
        "1.2.3.4 !5.6.7.8",
        "/a;b",
    ]
)


@given(
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            (
                "trunk_address", "trunk_public_address", "media_address", "trunk_uri", "certificate",
                "private_key", "trunk_ca", "rtpengine", "control_socket",
            ),
            ANY_TEXT,
        )
        | {"servers": st.tuples(ANY_TEXT), "trunk_sources": st.tuples(ANY_TEXT)},
    )
)  # fmt: skip
def test_no_value_writes_a_line_of_its_own(changes: dict[str, Any]) -> None:
    """Whatever the settings hold: refused, or every line is one that the formats know."""
    try:
        made = files(**changes)
    except (BridgeNotSet, ValidationError):
        return
    for line in values("\n".join(made.values())):
        assert re.fullmatch(
            r"#!define [A-Z_]+( [A-Za-z0-9.]+| \"[^\"\\]*\")?"
            r"|enable_tls=yes|listen=(udp|tcp|tls):[\d.:]+( advertise [\d.:]+)?"
            r"|1 sip:[\d.:]+;transport=tcp 0 0 socket=tcp:[\d.:]+"
            r"|[12] [\d.]+ \d+ 0 (trunk|server)"
            r"|\[(rtpengine|server:default|client:default)\]|[a-z_-]+ = [A-Za-z0-9./:;!_+@-]+",
            line,
        ), line
