"""Late candidates: whatever is sent is either read or refused in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.errors import Problem
from signaling.web.trickle import MOST_CANDIDATES, parse_fragment


def test_candidates_belong_to_the_section_they_stand_in():
    fragment = (
        "a=ice-options:trickle\na=candidate:0 1 UDP 1 192.0.2.9 9 typ host\n"
        "m=audio 9 RTP/AVP 0\na=mid:a1\na=candidate:1 1 UDP 1 192.0.2.1 9 typ host\n"
        "m=audio 9 RTP/AVP 0\na=candidate:2 1 UDP 1 192.0.2.2 9 typ host\na=end-of-candidates\n"
    )

    assert [(c.candidate[:11], c.mid) for c in parse_fragment(fragment)] == [
        ("candidate:0", None),
        ("candidate:1", "a1"),
        ("candidate:2", None),
    ]


@given(st.text(max_size=300))
def test_no_text_makes_it_fail_in_any_other_way(text):
    try:
        count = len(parse_fragment(text))
    except Problem as problem:
        count, status = 0, problem.status
    else:
        status = 400

    assert count <= MOST_CANDIDATES
    assert status in (400, 413)


@pytest.mark.parametrize("count", [MOST_CANDIDATES, MOST_CANDIDATES + 1])
def test_the_limit_is_exact(count):
    fragment = "a=candidate:1 1 UDP 1 192.0.2.1 9 typ host\n" * count
    if count <= MOST_CANDIDATES:
        assert len(parse_fragment(fragment)) == count
    else:
        with pytest.raises(Problem):
            parse_fragment(fragment)
