"""Every setting, typed and documented: the table in the README is made from here.

Pure: values in, a frozen `Settings` out. Where the values come from (files, environment, flags) and how
their problems are worded is `signaling/cli/environment.py`'s business.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator

from storage.prices import PriceTable, with_own_prices

DEFAULT_MODEL = "gpt-realtime-2.1"
"""The current GPT Realtime model; the GPT-4o realtime previews have been withdrawn by OpenAI."""

SHORTEST_SECRET = 32
"""Bytes. RFC 7518 §3.2: a key for HS256 must be at least as long as the hash, 256 bits."""


def _listed(value: Any) -> Any:
    """An environment variable holds one string: JSON if it looks like it, else names between commas."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except ValueError as error:
            raise ValueError(f"neither JSON nor a list separated by commas ({error})") from None
    return [part.strip() for part in value.split(",") if part.strip()]


Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class ServerSettings(_Section):
    """Where the server listens and how many calls it takes."""

    host: str = Field(
        default="127.0.0.1", description="Address to listen on; `0.0.0.0` for all (put TLS in front)."
    )
    port: int = Field(default=8080, ge=0, le=65535, description="HTTP port; 0 takes any free one.")
    node: str = Field(
        default="node", min_length=1, description="This process's name among others; the host's name."
    )
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^/\s]+$",
        description="What browsers type, e.g. `https://calls.example.com`; https makes cookies Secure.",
    )
    public_ip: str | None = Field(
        default=None, description="Address put into SDP when the machine is behind a one-to-one NAT."
    )
    addresses: Names = Field(default=(), description="Local addresses for media; empty means all.")
    allowed_origins: Names = Field(
        default=(),
        description="Other web origins whose pages may open the live feed, e.g. `https://desk.example.com`.",
    )
    max_calls: int = Field(default=200, ge=1, description="Concurrent calls; the next one is answered 503.")
    calls_per_minute: int = Field(
        default=60,
        ge=0,
        description="New calls per minute and address for browsers and tickets; 0 means no limit.",
    )
    drain_limit_s: float = Field(
        default=900.0, ge=0, description="Seconds that running calls may go on after SIGTERM, then a goodbye."
    )


class RealtimeSettings(_Section):
    """The Realtime API that talks."""

    url: str = Field(
        default="wss://api.openai.com/v1",
        pattern=r"^wss?://\S+$",
        description="Any Realtime-compatible server.",
    )
    model: str = Field(
        default=DEFAULT_MODEL, min_length=1, description="Model of agents that name none themselves."
    )
    api_key: SecretStr | None = Field(default=None, description="Also read from `OPENAI_API_KEY`.")
    connect_timeout_s: float = Field(default=10.0, gt=0, le=60, description="Seconds to open a session.")
    session_max_s: float = Field(
        default=3600.0, ge=10, description="Seconds the provider lets a session live; calls may last longer."
    )
    rotate_before_s: float = Field(
        default=600.0,
        ge=1,
        description="Seconds before that from which on a session is renewed in the next silence.",
    )


class AuthSettings(_Section):
    """Who may use the doors."""

    secret: SecretStr | None = Field(
        default=None, description="Signs tokens (HS256), at least 32 bytes: `openssl rand -hex 32`."
    )
    session_ttl_s: int = Field(default=8 * 3600, ge=60, description="Seconds a browser stays signed in.")
    resume_ttl_s: int = Field(
        default=4 * 3600, ge=60, description="Seconds a caller's `X-Resume` token is good for their one call."
    )

    @field_validator("secret")
    @classmethod
    def _long_enough(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and len(secret.get_secret_value().encode()) < SHORTEST_SECRET:
            raise ValueError(f"must be at least {SHORTEST_SECRET} bytes; make one with: openssl rand -hex 32")
        return secret


class OutboxSettings(_Section):
    """Where events wait until they are in Postgres."""

    path: str | None = Field(
        default=None,
        description="File on a local disk, one per server; else `outbox.sqlite` in the user's state folder "
        "(`$XDG_STATE_HOME/cordboard`) or in `.cordboard`.",
    )
    fsync: Literal["normal", "full"] = Field(
        default="normal",
        description="`full` also survives a power cut; each group of events then waits for the disk.",
    )
    max_bytes: int = Field(
        default=2 * 1024**3,
        ge=1024**2,
        description="Bytes that may wait; at 80 % new calls are answered 503, running ones go on.",
    )
    max_age_s: float = Field(
        default=24 * 3600.0, gt=0, description="Seconds an event may wait; at 80 % the same."
    )


class AgentSettings(_Section):
    """Where the agents are."""

    path: str = Field(default="deploy/agents", description="Folder of agent files (TOML), or one file.")
    default: str | None = Field(
        default=None, description="Agent of a call that names none; else the first by name."
    )


class IceServer(_Section):
    """A STUN or TURN server handed to browsers and used by the media leg."""

    urls: Names
    username: str | None = None
    credential: SecretStr | None = None


class MediaSettings(_Section):
    """Audio between caller and server."""

    ice_servers: Annotated[tuple[IceServer, ...], BeforeValidator(_listed)] = Field(
        default=(), description='STUN and TURN servers: `[{"urls": ["stun:stun.example.com"]}]`.'
    )
    opus_bitrate: int = Field(
        default=32_000, ge=6_000, le=128_000, description="Bits per second towards the caller."
    )
    opus_complexity: int = Field(default=5, ge=0, le=10, description="Opus encoder effort; more costs CPU.")
    lost_after_s: float = Field(
        default=8.0, gt=0, description="Seconds of silence on the wire: the agent pauses."
    )
    gone_after_s: float = Field(
        default=30.0, gt=0, description="Seconds of silence on the wire: the call ends."
    )
    resume_s: float = Field(
        default=5.0,
        ge=0,
        description="Seconds for a caller whose page closed its connection to come back (a reload).",
    )
    ice_timeout_s: float = Field(default=12.0, gt=0, description="Seconds a new call may take to connect.")
    allow_loopback: bool = Field(
        default=True, description="Use 127.0.0.1 when the machine has no other address."
    )


class RecordingSettings(_Section):
    """Where recordings go; whether a call is recorded is its agent's to say."""

    folder: str = Field(
        default=".cordboard/recordings",
        min_length=1,
        description="Folder on this machine; with a store, where recordings wait for it.",
    )
    store: str | None = Field(
        default=None,
        pattern=r"^s3://[^/\s]+(/\S*)?$",
        description="Object store for finished recordings, e.g. `s3://bucket/prefix`; needs the extra `s3`.",
    )
    endpoint: str | None = Field(
        default=None, pattern=r"^https?://\S+$", description="Of a store that is not Amazon's, e.g. MinIO."
    )
    region: str | None = Field(default=None, description="Of the store; `us-east-1` when it does not matter.")
    access_key: SecretStr | None = Field(
        default=None, description="Empty: as AWS tools find it (environment, role)."
    )
    secret_key: SecretStr | None = Field(default=None, description="Belongs to the access key.")


class ToolSettings(_Section):
    """Functions the model may call, beyond the built-in ones."""

    modules: Names = Field(
        default=(), description="Python modules with `@tool` functions, e.g. `myshop.tools`."
    )


class MetricsSettings(_Section):
    """How calls are measured."""

    prices: Annotated[tuple[dict[str, Any], ...], BeforeValidator(_listed)] = Field(
        default=(),
        description="Own prices of models, USD per million tokens: `[{model, since, text_input, text_cached, "
        "text_output, audio_input, audio_cached, audio_output}]`; they replace the built-in ones of that model.",
    )

    @field_validator("prices")
    @classmethod
    def _readable(cls, prices: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
        with_own_prices(prices)
        return prices

    @property
    def price_table(self) -> PriceTable:
        """The built-in prices, with these before them."""
        return with_own_prices(self.prices)


class BridgeSettings(_Section):
    """The SIP bridge: Kamailio and rtpengine between a telephone trunk and the media servers.

    Read by `cordboard bridge` only; what a value must be is held by signaling/bridge_config.py, all at once.
    """

    trunk_address: str | None = Field(
        default=None, description="The bridge's own IPv4 address that faces the trunk; SIP and RTP."
    )
    trunk_public_address: str | None = Field(
        default=None, description="What the trunk sees instead, where the bridge is behind a one-to-one NAT."
    )
    trunk_port: int = Field(default=5060, ge=1, le=65535, description="SIP from the trunk over UDP and TCP.")
    trunk_tls_port: int = Field(default=5061, ge=1, le=65535, description="The same over TLS.")
    trunk_sources: Names = Field(
        default=(),
        description="Addresses and networks of the provider, e.g. `203.0.113.0/28`; others get no answer.",
    )
    trunk_uri: str | None = Field(
        default=None,
        description="Where calls to the outside go, e.g. `sip:trunk.example.com:5061;transport=tls`.",
    )
    trunk_srtp: Literal["as offered", "required"] = Field(
        default="as offered",
        description="`required` refuses calls whose audio is not encrypted, and offers only SRTP outside.",
    )
    certificate: str | None = Field(
        default=None, description="PEM file with the bridge's TLS certificate and chain; with it TLS is on."
    )
    private_key: str | None = Field(default=None, description="PEM file; belongs to the certificate.")
    trunk_ca: str | None = Field(
        default=None,
        description="PEM file of who signs the trunk's certificates; else Debian's list, which starts slowly.",
    )
    trunk_client_certificates: bool = Field(
        default=False, description="Refuse TLS from a trunk without a certificate signed by `trunk_ca`."
    )
    media_address: str | None = Field(
        default=None, description="The bridge's own IPv4 address that faces the media servers."
    )
    media_port: int = Field(default=5060, ge=1, le=65535, description="SIP towards the media servers.")
    servers: Names = Field(
        default=(), description="Media servers' SIP doors, e.g. `10.0.0.11:5060,10.0.0.12:5060` (TCP)."
    )
    law: Literal["as offered", "PCMA", "PCMU"] = Field(
        default="as offered",
        description="G.711 law towards the servers; the first one offered saves a conversion.",
    )
    calls_per_second: int = Field(
        default=10, ge=1, le=10_000, description="New calls from the trunk; more are answered 503."
    )
    rtp_first_port: int = Field(default=23_000, ge=1024, le=65535, description="First UDP port for audio.")
    rtp_last_port: int = Field(
        default=26_999, ge=1024, le=65535, description="Last one; a call takes up to six ports."
    )
    rtpengine: str = Field(
        default="127.0.0.1:2223",
        description="rtpengine's control address; UDP, and the next port TCP for `rtpengine-ctl`.",
    )
    control_socket: str = Field(
        default="/run/kamailio/cordboard_ctl", description="Socket for `kamcmd`, in a folder of Kamailio's."
    )


class SipSettings(_Section):
    """Telephone calls that a bridge hands over by SIP; off while `listen` is empty."""

    listen: Names = Field(
        default=(), description="Doors for SIP, e.g. `tcp:10.0.0.11:5060,udp:10.0.0.11:5060`; also `tls:`."
    )
    sources: Names = Field(
        default=(),
        description="Addresses and networks that may speak SIP to us: the bridges. Empty: this machine only.",
    )
    advertised: str | None = Field(
        default=None, description="Host that bridges reach us by, where it is not the one listened on."
    )
    routes: Names = Field(
        default=(),
        description="Which agent answers which number: `+81312345678=reception,+8150*=sales,*=desk`; the longest "
        "match wins. Empty: `agents.default` answers all.",
    )
    region: str | None = Field(
        default=None,
        pattern=r"^[A-Z]{2}$",
        description="Country of numbers that come without a +, e.g. `JP`; else they stay as they come.",
    )
    verified: Literal["asserted", "attested", "never"] = Field(
        default="asserted",
        description="When a caller's number counts as verified: the bridge asserts it (P-Asserted-Identity), it is "
        "also attested by STIR/SHAKEN, or never.",
    )
    username: str | None = Field(
        default=None, description="Asked of whoever calls (digest), with `password`."
    )
    password: SecretStr | None = Field(default=None, description="Belongs to the user name.")
    realm: str = Field(default="cordboard", min_length=1, description="Named when a password is asked for.")
    certificate: str | None = Field(default=None, description="PEM file, certificate and chain, for `tls:`.")
    private_key: str | None = Field(default=None, description="PEM file; belongs to the certificate.")
    authorities: str | None = Field(
        default=None, description="PEM file of who signs the bridges' certificates, which are then required."
    )
    max_pending: int = Field(
        default=32, ge=1, description="Calls being set up at once; the next one is answered 503."
    )
    max_header_bytes: int = Field(
        default=32 * 1024, ge=1024, le=65_535, description="Start line and headers of one message."
    )
    max_body_bytes: int = Field(default=64 * 1024, ge=1024, le=1024**2, description="Body of one message.")


class ClientSettings(_Section):
    """How the command's client verbs find a running server."""

    url: str = Field(
        default="http://localhost:8080", pattern=r"^https?://\S+$", description="Also `CORDBOARD_URL`."
    )
    token: SecretStr | None = Field(
        default=None, description="Also `CORDBOARD_TOKEN`; see `cordboard token create`."
    )


class Settings(_Section):
    """All settings of one process."""

    server: ServerSettings = ServerSettings()
    realtime: RealtimeSettings = RealtimeSettings()
    auth: AuthSettings = AuthSettings()
    outbox: OutboxSettings = OutboxSettings()
    agents: AgentSettings = AgentSettings()
    media: MediaSettings = MediaSettings()
    recording: RecordingSettings = RecordingSettings()
    tools: ToolSettings = ToolSettings()
    metrics: MetricsSettings = MetricsSettings()
    bridge: BridgeSettings = BridgeSettings()
    sip: SipSettings = SipSettings()
    client: ClientSettings = ClientSettings()
    redis_url: str | None = Field(
        default=None,
        pattern=r"^(redis|rediss|unix)://\S+$",
        repr=False,
        description="Also read from `REDIS_URL`.",
    )
    database_url: str | None = Field(
        default=None,
        pattern=r"^postgres(ql)?://\S+$",
        repr=False,
        description="Also read from `DATABASE_URL`.",
    )
    tenant: str = Field(
        default="default", pattern=r"^[a-z0-9-]+$", description="Name in channels and events."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="What is logged."
    )
    demo: bool = Field(
        default=False, description="Set by `cordboard demo`: calls from this machine need no token."
    )
