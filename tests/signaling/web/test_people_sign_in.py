"""People sign in with a name and a password."""

from __future__ import annotations

import pytest

from signaling.web.passwords import PasswordCheck, hash_password
from storage.people import Person

PASSWORD = "correct horse battery"
SATO = Person(id="sato", name="佐藤", role="operator", queues=("default", "billing"), language="ja")


class FewPeople:
    """Implements `People`; `down` is a database that cannot be reached."""

    def __init__(self, *people: Person) -> None:
        password_hash = hash_password(PASSWORD)
        self._people = {person.id: (person, password_hash) for person in people}
        self.down = False

    async def find(self, id: str) -> tuple[Person, str] | None:
        if self.down:
            raise OSError("no route to host")
        return self._people.get(id)


@pytest.fixture(scope="module")
def people() -> FewPeople:
    return FewPeople(SATO, Person(id="boss", name="Boss", role="admin"))


async def sign_in(house, id: str, password: str = PASSWORD):
    return await house.client.post("/v1/session", json={"id": id, "password": password})


async def test_a_person_signs_in_and_is_who_they_are(build, people):
    house = await build(people=people)
    response = await sign_in(house, "sato")
    assert response.status == 201
    cookie = response.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    told = await (await house.client.get("/v1/session")).json()
    assert (told["role"], told["subject"], told["name"]) == ("operator", "sato", "佐藤")
    assert (told["queues"], told["language"]) == (["default", "billing"], "ja")


async def test_the_name_is_not_particular_about_case_or_spaces(build, people):
    house = await build(people=people)
    assert (await sign_in(house, " Sato ")).status == 201


async def test_nobody_and_a_wrong_password_look_alike(build, people):
    house = await build(people=people)
    wrong, nobody = await sign_in(house, "sato", "wrong horse battery"), await sign_in(house, "mori")
    assert wrong.status == nobody.status == 401
    assert await wrong.json() == await nobody.json()
    assert (await wrong.json())["code"] == "password_wrong"
    assert "Set-Cookie" not in wrong.headers


async def test_nobody_takes_as_long_to_check_as_somebody():
    """Not timed here: the same work is done, against a hash that nothing matches."""
    check = PasswordCheck()
    assert not await check.right("nobody has this password", None)
    assert await check.right(PASSWORD, hash_password(PASSWORD))


async def test_who_guesses_too_often_has_to_wait(build, people):
    house = await build(people=people)
    for _ in range(10):
        assert (await sign_in(house, "sato", "guess guess guess")).status == 401
    refused = await sign_in(house, "sato")
    assert refused.status == 429
    assert int(refused.headers["Retry-After"]) > 0


async def test_a_session_of_a_person_needs_the_csrf_value_to_change_anything(build, people):
    house = await build(people=people)
    csrf = (await (await sign_in(house, "boss")).json())["csrf"]
    ticket = {"json": {"name": "x"}}
    assert (await house.client.post("/v1/tickets", **ticket)).status == 403
    assert (await house.client.post("/v1/tickets", **ticket, headers={"X-CSRF": csrf})).status == 201


async def test_an_operator_may_not_do_what_only_admins_may(build, people):
    house = await build(people=people)
    csrf = (await (await sign_in(house, "sato")).json())["csrf"]
    response = await house.client.post("/v1/tickets", json={"name": "x"}, headers={"X-CSRF": csrf})
    assert response.status == 403


async def test_without_the_database_nobody_can_sign_in_and_is_told_why(build):
    people = FewPeople()
    people.down = True
    house = await build(people=people)
    assert (await sign_in(house, "sato")).status == 503


@pytest.mark.parametrize("body", [{}, {"id": "sato"}, {"password": PASSWORD}])
async def test_half_a_sign_in_is_said_to_be_half(build, people, body):
    house = await build(people=people)
    response = await house.client.post("/v1/session", json=body)
    assert response.status == 400
    assert "token" in (await response.json())["detail"]


@pytest.mark.parametrize("password", ["short", "x" * 201])
def test_a_password_has_a_sensible_length(password):
    with pytest.raises(ValueError, match="characters"):
        hash_password(password)
