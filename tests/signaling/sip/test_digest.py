"""Passwords asked for and given: the RFCs' own examples, what an eavesdropper may not do, and noise."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from signaling.sip.digest import (
    NONCE_LIVES_S,
    Challenger,
    Credentials,
    authorize,
    read_parameters,
    response_of,
)

MUFASA = Credentials(username="Mufasa", password="Circle of Life")  # RFC 7616's
KEY = b"k" * 32


def challenger() -> Challenger:
    return Challenger(MUFASA, realm="cordboard", key=KEY)


def answer(challenges: list[str], credentials: Credentials = MUFASA, method: str = "INVITE") -> str | None:
    return authorize(challenges, credentials, method, "sip:x@y", new_word=lambda: "abc")


def asked(now: float = 0.0) -> list[str]:
    return [value for _, value in challenger().challenge(now)]


def test_the_examples_of_rfc_7616() -> None:
    """Section 3.9.1."""
    given_ = {
        "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        "nc": "00000001",
        "cnonce": "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        "qop": "auth",
    }
    for algorithm, expected in [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ]:
        answered = response_of(algorithm, MUFASA, "http-auth@example.org", given_, "GET", "/dir/index.html")
        assert answered == expected


def test_the_right_password_is_right_once() -> None:
    door = challenger()
    given_ = answer([value for _, value in door.challenge(0.0)])

    assert given_ is not None
    assert "algorithm=SHA-256" in given_
    assert door.check(given_, "INVITE", 1.0) is True
    assert door.check(given_, "INVITE", 2.0) is None  # heard by somebody and sent again


def test_an_old_or_foreign_nonce_is_stale_and_a_wrong_password_is_wrong() -> None:
    door = challenger()
    right = answer(asked())
    wrong = answer(asked(), Credentials(username="Mufasa", password="Scar"))
    other = answer(['Digest realm="cordboard", nonce="0.000-forged", qop="auth", algorithm=MD5'])

    assert door.check(right, "INVITE", NONCE_LIVES_S + 1) is None
    assert door.check(other, "INVITE", 1.0) is None
    assert door.check(wrong, "INVITE", 1.0) is False
    assert door.check(right, "BYE", 1.0) is False
    assert door.check(None, "INVITE", 1.0) is False


def test_the_strongest_challenge_that_can_be_met_is_met() -> None:
    md5 = 'Digest realm="r", nonce="n", algorithm=MD5, qop="auth,auth-int", opaque="o\\"p"'
    sha = 'Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth"'
    unknown = 'Digest realm="r", nonce="n", algorithm=SHA3-512'

    assert "algorithm=SHA-256" in (answer([md5, sha, unknown]) or "")
    assert 'opaque="o\\"p"' in (answer([md5]) or "")
    assert answer([unknown, "Basic realm=r", 'Digest realm="r", nonce="n", qop="auth-int"']) is None


@given(st.text(max_size=200))
def test_noise_is_no_password(text: str) -> None:
    assert challenger().check(text, "INVITE", 0.0) is False
    assert challenger().check("Digest " + text, "INVITE", 0.0) is False
    read_parameters(text)
