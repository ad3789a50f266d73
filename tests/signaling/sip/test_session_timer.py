"""Who refreshes a session, when, and when it is over: RFC 4028."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.sip.session_timer import Act, Agreed, SessionTimer, agree_as_server, headers_for, too_small
from tests.signaling.sip.wire import request


@pytest.mark.parametrize(
    ("headers", "agreed"),
    [
        ({}, None),
        ({"Supported": "timer"}, Agreed(interval_s=1800, refresher="uac")),
        ({"Supported": "timer", "Session_Expires": "600"}, Agreed(interval_s=600, refresher="uac")),
        (
            {"Supported": "timer", "Session_Expires": "600;refresher=uas"},
            Agreed(interval_s=600, refresher="uas"),
        ),
        # A proxy has put it there: the caller knows nothing of it, so we refresh.
        ({"Session_Expires": "600"}, Agreed(interval_s=600, refresher="uas")),
        ({"Session_Expires": "30"}, Agreed(interval_s=90, refresher="uas")),
        (
            {"Supported": "timer", "Session_Expires": "600", "Min_SE": "900"},
            Agreed(interval_s=900, refresher="uac"),
        ),
        ({"Supported": "timer", "Session_Expires": "soon"}, Agreed(interval_s=1800, refresher="uac")),
    ],
)
def test_what_is_agreed(headers: dict[str, str], agreed: Agreed | None) -> None:
    assert agree_as_server(request(**headers)) == agreed


def test_an_interval_below_90_s_is_refused_of_those_who_understand_why() -> None:
    assert too_small(request(Supported="timer", Session_Expires="89"))
    assert not too_small(request(Supported="timer", Session_Expires="90"))
    assert not too_small(request(Session_Expires="30"))


def test_whoever_must_refresh_is_told_so() -> None:
    assert headers_for(Agreed(interval_s=90, refresher="uac")) == (
        ("Session-Expires", "90;refresher=uac"),
        ("Require", "timer"),
    )
    assert headers_for(Agreed(interval_s=90, refresher="uas")) == (("Session-Expires", "90;refresher=uas"),)


@given(st.integers(90, 100_000), st.booleans(), st.booleans(), st.lists(st.floats(0.1, 60_000), max_size=8))
def test_it_refreshes_at_half_time_if_that_is_ours_and_expires_once(
    interval: int, we_asked: bool, uac: bool, pauses: list[float]
) -> None:
    timer = SessionTimer()
    now = 1000.0
    timer.agreed(Agreed(interval_s=interval, refresher="uac" if uac else "uas"), we_asked=we_asked, now=now)
    ours = uac == we_asked
    first = timer.next_at
    acts = []
    for pause in [*pauses, float(2 * interval)]:
        now += pause
        due = timer.next_at
        act = timer.wake(now)
        assert act is Act.NOTHING or (due is not None and due <= now)
        acts.append(act)

    assert first == 1000.0 + (interval / 2 if ours else interval - min(32.0, interval / 3))
    assert acts.count(Act.EXPIRED) == 1
    assert acts.count(Act.REFRESH) <= (1 if ours else 0)
    assert timer.next_at is None


def test_a_refresh_begins_a_new_interval() -> None:
    timer = SessionTimer()
    timer.agreed(Agreed(interval_s=90, refresher="uac"), we_asked=False, now=0.0)
    timer.agreed(Agreed(interval_s=90, refresher="uac"), we_asked=False, now=50.0)

    assert timer.wake(61.0) is Act.NOTHING
    assert timer.wake(110.0) is Act.EXPIRED
