"""The SIP bridge's configuration files, from the [bridge] settings.

`deploy/bridge/kamailio.cfg` is the same everywhere and is not made here. What differs from place to place is five
small files beside it: bridge.cfg (which kamailio.cfg includes), dispatcher.list, address.list, tls.cfg and
rtpengine.conf. None of the five formats can quote everything, so a value that would need quoting is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from signaling.settings import BridgeSettings

BRIDGE_CFG: Final = "bridge.cfg"
DISPATCHER_LIST: Final = "dispatcher.list"
ADDRESS_LIST: Final = "address.list"
TLS_CFG: Final = "tls.cfg"
RTPENGINE_CONF: Final = "rtpengine.conf"

PORTS_A_CALL: Final = 6  # RTP and RTCP for the trunk, one port for the server, and a re-offer's second set
WIDEST_SOURCE: Final = 8  # bits; a wider network than that is not one provider's
CA_BUNDLE: Final = "/etc/ssl/certs/ca-certificates.crt"  # Debian's, of the package ca-certificates

PATH: Final = re.compile(r"/[A-Za-z0-9._/+@-]{1,254}")  # what needs no quotes in any of the five formats
TRUNK_URI: Final = re.compile(
    r"sip:(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?)(?::(?P<port>\d{1,5}))?"
    r"(?:;transport=(?P<transport>udp|tcp|tls))?"
)


class BridgeNotSet(ValueError):
    """The [bridge] settings do not make a bridge; `problems` has a line for each thing that is wrong."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n  ".join(["the [bridge] settings do not make a bridge:", *self.problems])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """An IPv4 address with a port."""

    host: IPv4Address
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def render(bridge: BridgeSettings, *, folder: str) -> Mapping[str, str]:
    """File name to contents. `folder` is where the files will be when Kamailio reads them (absolute).

    Without a certificate there is no tls.cfg. Raises BridgeNotSet with every problem at once.
    """
    problems = tuple(_problems(bridge, folder))
    if problems:
        raise BridgeNotSet(problems)
    files = {
        BRIDGE_CFG: _bridge_cfg(bridge, folder),
        DISPATCHER_LIST: _dispatcher_list(bridge),
        ADDRESS_LIST: _address_list(bridge),
        RTPENGINE_CONF: _rtpengine_conf(bridge),
    }
    if bridge.certificate is not None:
        files[TLS_CFG] = _tls_cfg(bridge)
    return files


def _problems(bridge: BridgeSettings, folder: str) -> Iterator[str]:
    for name in ("trunk_address", "media_address", "trunk_public_address"):
        value = getattr(bridge, name)
        if value is None and name != "trunk_public_address":
            yield f"bridge.{name} is missing: an IPv4 address of the bridge's machine"
        elif value is not None and (problem := _address_problem(value)):
            yield f"bridge.{name}: {problem}"
    yield from _port_problems(bridge)
    yield from _source_problems(bridge)
    yield from _tls_problems(bridge)
    control = _place(bridge.rtpengine)
    if control is None or control.port == 65535:
        yield f"bridge.rtpengine: {bridge.rtpengine!r} is not ADDRESS:PORT, e.g. 127.0.0.1:2223"
    for name, path in (("control_socket", bridge.control_socket), ("folder of the files", folder)):
        if PATH.fullmatch(path) is None:
            yield f"{name}: {path!r} is not an absolute path of letters, digits and . _ + @ -"


def _address_problem(value: str) -> str | None:
    address = _address(value)
    if address is None:
        return f"{value!r} is not an IPv4 address (the bridge has not been tried with IPv6)"
    if address.is_unspecified or address.is_multicast:
        return f"{value} is not an address of one machine; SDP has to name one that can be reached"
    return None


def _port_problems(bridge: BridgeSettings) -> Iterator[str]:
    if bridge.trunk_address == bridge.media_address and bridge.media_port in _trunk_ports(bridge):
        yield (
            f"bridge.media_port: {bridge.media_port} is the trunk's port too; one machine with one address "
            "needs two ports, e.g. media_port = 5070"
        )
    if bridge.certificate is not None and bridge.trunk_port == bridge.trunk_tls_port:
        yield f"bridge.trunk_tls_port: {bridge.trunk_tls_port} is also trunk_port"
    if bridge.rtp_last_port - bridge.rtp_first_port + 1 < PORTS_A_CALL:
        yield (
            f"bridge.rtp_last_port: {bridge.rtp_first_port} to {bridge.rtp_last_port} is no room for one call, "
            f"which takes {PORTS_A_CALL} ports"
        )


def _trunk_ports(bridge: BridgeSettings) -> set[int]:
    return {bridge.trunk_port} | ({bridge.trunk_tls_port} if bridge.certificate is not None else set())


def _source_problems(bridge: BridgeSettings) -> Iterator[str]:
    if not bridge.trunk_sources:
        yield "bridge.trunk_sources is missing: the provider's addresses; nobody else is answered"
    if not bridge.servers:
        yield "bridge.servers is missing: at least one media server, e.g. 10.0.0.11:5060"
    for source in bridge.trunk_sources:
        network = _network(source)
        if network is None:
            yield f"bridge.trunk_sources: {source!r} is not an IPv4 address or network, e.g. 203.0.113.0/28"
        elif network.prefixlen < WIDEST_SOURCE:
            yield f"bridge.trunk_sources: {source} lets half the world in; name the provider's networks"
    for server in bridge.servers:
        place = _place(server)
        if place is None:
            yield f"bridge.servers: {server!r} is not ADDRESS:PORT, e.g. 10.0.0.11:5060"
            continue
        if bridge.servers.count(server) > 1:
            yield f"bridge.servers: {server} is named twice"
        if str(place) in (
            f"{bridge.trunk_address}:{bridge.trunk_port}",
            f"{bridge.media_address}:{bridge.media_port}",
        ):
            yield f"bridge.servers: {server} is the bridge itself; calls would go round in circles"
        for source in bridge.trunk_sources:
            network = _network(source)
            if network is not None and place.host in network:
                yield (
                    f"bridge.trunk_sources: {source} has the media server {server} in it; "
                    "the bridge tells trunk and servers apart by their addresses"
                )


def _tls_problems(bridge: BridgeSettings) -> Iterator[str]:
    for name in ("certificate", "private_key", "trunk_ca"):
        path = getattr(bridge, name)
        if path is not None and PATH.fullmatch(path) is None:
            yield f"bridge.{name}: {path!r} is not an absolute path of letters, digits and . _ + @ -"
    if (bridge.certificate is None) != (bridge.private_key is None):
        yield "bridge.certificate and bridge.private_key go together; one of them is missing"
    if bridge.trunk_client_certificates and (bridge.trunk_ca is None or bridge.certificate is None):
        yield "bridge.trunk_client_certificates needs bridge.trunk_ca and bridge.certificate"
    if bridge.trunk_uri is None:
        return
    uri = TRUNK_URI.fullmatch(bridge.trunk_uri)
    if uri is None or not 0 < int(uri["port"] or 5060) < 65536:
        yield (
            f"bridge.trunk_uri: {bridge.trunk_uri!r} is not sip:HOST[:PORT][;transport=udp|tcp|tls], "
            "without a user"
        )
    elif _calls_over_tls(bridge) and bridge.certificate is None:
        yield "bridge.trunk_uri goes over TLS, which needs bridge.certificate and bridge.private_key"


def _bridge_cfg(bridge: BridgeSettings, folder: str) -> str:
    defines = {
        "MEDIA_IP": bridge.media_address,  # a bare word: compared with dst_ip, which a string never equals
        "MEDIA_SOCKET": f'"tcp:{bridge.media_address}:{bridge.media_port}"',
        "RTPENGINE": f'"udp:{bridge.rtpengine}"',
        "CALLS_PER_SECOND": f'"{bridge.calls_per_second}"',
        "CONTROL_SOCKET": f'"unix:{bridge.control_socket}"',
        "DISPATCHER_LIST": f'"{folder}/{DISPATCHER_LIST}"',
        "ADDRESS_LIST": f'"{folder}/{ADDRESS_LIST}"',
    }
    if bridge.law != "as offered":
        defines["LAW"] = f'"{bridge.law}"'
    if bridge.trunk_uri is not None:
        defines["TRUNK_URI"] = f'"{bridge.trunk_uri}"'
    flags = []
    if bridge.certificate is not None:
        defines["TLS_CONFIG"] = f'"{folder}/{TLS_CFG}"'
        flags.append("WITH_TLS")
    if bridge.trunk_srtp == "required":
        flags += ["SRTP_REQUIRED", "SRTP_OUT"]
    lines = [f"#!define {flag}" for flag in flags]
    lines += [f"#!define {name} {value}" for name, value in defines.items()]
    if bridge.certificate is not None:
        lines.append("enable_tls=yes")
    return _text(lines + list(_listens(bridge)))


def _listens(bridge: BridgeSettings) -> Iterator[str]:
    doors = [("udp", bridge.trunk_port), ("tcp", bridge.trunk_port)]
    if bridge.certificate is not None:
        doors.append(("tls", bridge.trunk_tls_port))
    for transport, port in doors:
        public = bridge.trunk_public_address
        advertise = "" if public is None else f" advertise {public}:{port}"
        yield f"listen={transport}:{bridge.trunk_address}:{port}{advertise}"
    for transport in ("udp", "tcp"):
        yield f"listen={transport}:{bridge.media_address}:{bridge.media_port}"


def _dispatcher_list(bridge: BridgeSettings) -> str:
    """Set 1, the media servers. Over TCP: the server's 200 with its fingerprints does not fit into one datagram.

    Kamailio 5.6 opens TCP from its first address, whichever way the server is (issue 3124): hence `socket=`.
    """
    socket = f"socket=tcp:{bridge.media_address}:{bridge.media_port}"
    return _text([f"1 sip:{server};transport=tcp 0 0 {socket}" for server in bridge.servers])


def _address_list(bridge: BridgeSettings) -> str:
    """Group 1: the trunk. Group 2: the media servers, from whatever port they call."""
    lines = []
    for source in bridge.trunk_sources:
        network = _network(source)
        assert network is not None
        lines.append(f"1 {network.network_address} {network.prefixlen} 0 trunk")
    hosts = dict.fromkeys(server.rpartition(":")[0] for server in bridge.servers)
    return _text([*lines, *(f"2 {host} 32 0 server" for host in hosts)])


def _tls_cfg(bridge: BridgeSettings) -> str:
    """The authorities only where somebody is called over TLS: each of Kamailio's 20 processes reads its own copy,

    and Debian's list has 140 of them.
    """
    pair = [f"certificate = {bridge.certificate}", f"private_key = {bridge.private_key}"]
    asked = "yes" if bridge.trunk_client_certificates else "no"
    lines = [
        "[server:default]",
        "method = TLSv1.2+",
        *pair,
        f"verify_certificate = {asked}",
        f"require_certificate = {asked}",
    ]
    if bridge.trunk_client_certificates:
        lines.append(f"ca_list = {bridge.trunk_ca}")
    lines += ["", "[client:default]", "method = TLSv1.2+", *pair]
    if _calls_over_tls(bridge):
        lines += [
            "verify_certificate = yes",
            "require_certificate = yes",
            f"ca_list = {bridge.trunk_ca or CA_BUNDLE}",
        ]
    return _text(lines)


def _calls_over_tls(bridge: BridgeSettings) -> bool:
    uri = TRUNK_URI.fullmatch(bridge.trunk_uri or "")
    return uri is not None and uri["transport"] == "tls"


def _rtpengine_conf(bridge: BridgeSettings) -> str:
    public = bridge.trunk_public_address
    control = _place(bridge.rtpengine)
    assert control is not None
    trunk = f"pub/{bridge.trunk_address}" + ("" if public is None else f"!{public}")
    return _text(
        [
            "[rtpengine]",
            "table = -1",  # in user space: 0.2 % of a core a call, and no kernel module to build
            f"interface = {trunk};priv/{bridge.media_address}",
            f"listen-ng = {bridge.rtpengine}",
            f"listen-cli = {control.host}:{control.port + 1}",  # for rtpengine-ctl: what a call's audio does
            f"port-min = {bridge.rtp_first_port}",
            f"port-max = {bridge.rtp_last_port}",
            "timeout = 60",  # seconds without a packet
            "silent-timeout = 3600",  # the same on hold
            "delete-delay = 0",
            "tos = 184",  # expedited forwarding (RFC 3246), what voice is sent with
            "log-level = 5",  # notices and worse: no line for every command
        ]
    )


def _text(lines: list[str]) -> str:
    head = "# Written by `cordboard bridge render` from the [bridge] settings; edit those and render again."
    return "\n".join([head, *lines]) + "\n"


def _address(text: str) -> IPv4Address | None:
    try:
        return IPv4Address(text)
    except ValueError:
        return None


def _network(text: str) -> IPv4Network | None:
    try:
        return IPv4Network(text, strict=False)
    except ValueError:
        return None


def _place(text: str) -> _Place | None:
    host, _, port = text.rpartition(":")
    address = _address(host)
    if address is None or not re.fullmatch(r"[1-9][0-9]{0,4}", port) or int(port) > 65535:
        return None
    return _Place(host=address, port=int(port))
