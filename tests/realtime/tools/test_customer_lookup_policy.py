"""Whose record may be read: whatever a model is talked into asking, no row of anybody else comes up."""

from __future__ import annotations

import string
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from realtime.agent import Agent, Lookup
from realtime.tool_spec import ToolOutcome
from realtime.tools import CallContext
from realtime.tools.context import CustomerCard, Customers
from realtime.tools.customer_info import get_customer_info
from realtime.tools.runner import run_tool
from signaling.server.practice import KnownCustomers
from storage.postgres.audit import AuditLog
from storage.postgres.customers import CustomerBook
from storage.postgres.demo_practice import seed_demo
from storage.postgres.pool import Database
from tests.fakes.record_dump import rows

OWN = "+12065550123"  # John Smith
FOREIGN = ("+12065550142", "+12065550101", "+12065550188")  # Mary Johnson, Anna Berg, Hanako Sato
FOREIGN_NAMES = ("Mary", "Johnson", "Anna", "Berg", "Hanako", "Sato", "mary@example.com")
SEATTLE = ZoneInfo("America/Los_Angeles")


class Watched:
    """Implements Customers over another; remembers what was asked and who came up."""

    def __init__(self, customers: Customers) -> None:
        self._customers = customers
        self.asked: list[str] = []
        self.read: list[CustomerCard] = []

    async def find_by_phone(self, phone: str) -> CustomerCard | None:
        self.asked.append(phone)
        found = await self._customers.find_by_phone(phone)
        if found is not None:
            self.read.append(found)
        return found


class InMemory:
    """Implements Customers as the book does: whole numbers, or the last digits."""

    cards = (
        CustomerCard(id="1", name="John Smith", phone=OWN),
        *(
            CustomerCard(id=phone, name=name, phone=phone, email="mary@example.com", notes="Mary owes money")
            for phone, name in zip(FOREIGN, ("Mary Johnson", "Anna Berg", "Hanako Sato"), strict=True)
        ),
    )

    async def find_by_phone(self, phone: str) -> CustomerCard | None:
        digits = "".join(sign for sign in phone if sign.isdigit())
        return next((card for card in self.cards if digits and card.phone.endswith(digits)), None)


class Rows:
    """Implements AuditTrail."""

    def __init__(self) -> None:
        self.rows: list[tuple[str | None, Any]] = []

    async def write(
        self, *, actor: str, action: str, subject: str | None = None, data: Mapping[str, Any] | None = None
    ) -> None:
        self.rows.append((subject, (data or {}).get("code")))


def context(customers: Customers, audit: Any, *, verified: bool, lookup: Lookup | None = None) -> CallContext:
    return CallContext(
        call_id="c",
        call_item_id="i",
        agent=Agent(id="a", name="A", lookup=lookup or Lookup()),
        caller_number=OWN,
        caller_verified=verified,
        started_at=datetime(2026, 11, 23, tzinfo=UTC),
        customers=customers,
        appointments=None,
        audit=audit,
    )


def as_said(number: str) -> st.SearchStrategy[str]:
    national = number.removeprefix("+1")
    shapes = (
        number,
        national,
        f"({national[:3]}) {national[3:6]}-{national[6:]}",
        national[3:],
        f" {number} ",
        f"tel:{number}",
        f"00{number[1:]}",
        f"{number};ext=5",
        f"{OWN} or {number}",
        f"{number}\x00",
        number.translate(str.maketrans(string.digits, "０１２３４５６７８９")),
    )
    return st.sampled_from(shapes)


NUMBERS = st.one_of(
    *(as_said(number) for number in (*FOREIGN, OWN)),
    st.sampled_from(["*", "%", "_", "' OR 1=1 --", "+1206555____", "me", "the caller", "", "0"]),
    st.text(max_size=20),
    st.text(alphabet="+0123456789 ()-;,x", max_size=24),
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | NUMBERS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)
INVENTED = st.sampled_from(
    [
        "call",
        "context",
        "scope",
        "lookup",
        "caller_number",
        "caller_verified",
        "fields",
        "admin",
        "self",
        "name",
        "id",
    ]
)
HOSTILE = st.builds(
    lambda number, more: {**more, **number},
    st.one_of(
        st.builds(lambda number: {"phone_number": number}, NUMBERS),
        st.builds(lambda number: {"phone_number": number}, ANYTHING),
        st.just({}),
    ),
    st.one_of(st.just({}), st.dictionaries(INVENTED, ANYTHING, max_size=2)),
)


async def ask(call: CallContext, arguments: Mapping[str, Any]) -> ToolOutcome:
    return await run_tool(get_customer_info, arguments, call)


@settings(max_examples=1000, deadline=None)
@given(arguments=HOSTILE, verified=st.booleans())
async def test_no_arguments_open_anybody_elses_record(arguments: dict[str, Any], verified: bool) -> None:
    customers, audit = Watched(InMemory()), Rows()

    outcome = await ask(context(customers, audit, verified=verified), arguments)

    assert customers.asked in ([], [OWN])
    assert {card.phone for card in customers.read} <= ({OWN} if verified else set())
    if outcome.output.get("found"):
        assert set(outcome.output) == {"found", "name", "next_appointment"}
    assert set(arguments) == {"phone_number"} or customers.asked == [], "an invented argument was let through"
    assert not any(name in str(outcome.output) for name in FOREIGN_NAMES if name not in str(arguments))
    refused = outcome.error == "not_verified" or bool(set(arguments) - {"phone_number"})
    assert bool(audit.rows) is refused
    assert outcome.ok or outcome.output["message"]


@settings(max_examples=300, deadline=None)
@given(arguments=HOSTILE, fields=st.sets(st.sampled_from(["name", "next_appointment"])))
async def test_where_any_number_may_be_asked_for_only_the_listed_fields_come_out(
    arguments: dict[str, Any], fields: set[Any]
) -> None:
    customers = Watched(InMemory())
    lookup = Lookup(scope="stated", fields=sorted(fields))

    outcome = await ask(context(customers, Rows(), verified=False, lookup=lookup), arguments)

    if outcome.ok and outcome.output["found"]:
        assert set(outcome.output) == {"found", *fields}
    assert "mary@example.com" not in str(outcome.output)
    assert "owes money" not in str(outcome.output)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arguments=HOSTILE, verified=st.booleans())
async def test_nothing_of_others_comes_out_of_the_real_book_either(
    database_of_the_demo: Database, arguments: dict[str, Any], verified: bool
) -> None:
    customers = Watched(KnownCustomers(CustomerBook(database_of_the_demo)))

    await ask(context(customers, Rows(), verified=verified), arguments)

    assert {card.phone for card in customers.read} <= ({OWN} if verified else set())


@pytest.fixture
async def database_of_the_demo(database_url: str):  # type: ignore[no-untyped-def]
    await seed_demo(database_url, today=datetime.now(SEATTLE).date(), zone=SEATTLE)
    database = Database(database_url)
    yield database
    await database.close()


async def test_their_own_record_is_read_to_them_and_a_strangers_is_refused_on_record(
    database_of_the_demo: Database, database_url: str
) -> None:
    customers = KnownCustomers(CustomerBook(database_of_the_demo))
    call = context(customers, AuditLog(database_of_the_demo), verified=True)

    own = await ask(call, {"phone_number": "206 555 0123"})
    foreign = await ask(call, {"phone_number": "206 555 0142"})

    assert own.output["name"] == "John Smith"
    assert foreign.error == "not_verified"
    assert "only be read to its owner" in foreign.output["message"]
    assert await rows(database_url, "SELECT actor, action, subject, data->>'code' FROM audit_log") == [
        ("call:c", "tool.refused", "+12065550142", "not_verified")
    ]
