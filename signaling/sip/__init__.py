"""The telephone side: a SIP user agent (RFC 3261) for calls that a bridge hands over.

Read in this order: `message` and `reader` (what comes over the wire), `transactions` (retransmission and timers),
`dialogs`, `session_timer`, `digest`, `offers` (state without a socket or a clock: time is an argument, effects come
out); then `udp`, `streams`, `agent`, which have the sockets; then `inbound` and `outbound`, one call each.
What a call means to the rest of the house is `ports`; `signaling/server/trunk.py` joins the two.
"""
