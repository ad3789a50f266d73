"""The worker's figures in Postgres: each call once, however its events come."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.codec import encode
from storage.contribution import Key, Sum, contribution_of, counter, key_of
from storage.envelope import Envelope, Sequencer
from storage.events import CallAnnotated, CallAnswered, Event
from storage.metric_sums import Sums, Window
from storage.metrics import as_json, measure
from storage.postgres.call_metrics import metrics_of
from storage.postgres.metrics_hourly import day_of, rows_of_day, totals
from storage.postgres.pool import Pool, connect_pool
from storage.worker.intake import Entry
from storage.worker.recomputation import recompute
from storage.worker.store import store
from tests.conftest import TEMPLATE
from tests.fakes.call_story import NOON
from tests.fakes.measured_calls import begun, line, over, random_calls, recorded, used
from tests.fakes.servers import PostgresServer

DAY = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    made = await connect_pool(database_url, max_size=8)
    yield made
    await made.close()


async def put(pool: Pool, envelopes: Sequence[Envelope]) -> None:
    await store(pool, [Entry("s", f"{n}-0", encode(each)) for n, each in enumerate(envelopes)])


async def rolled_up(pool: Pool, grain: str = "hour") -> dict[Key, Sums]:
    async with pool.acquire() as connection, connection.transaction():
        return await rows_of_day(connection, grain, DAY)  # type: ignore[arg-type]  # parametrised


async def measured(pool: Pool, call_id: str) -> object:
    async with pool.acquire() as connection:
        return ((await metrics_of(connection, call_id)) or {}).get("measured")


def expected(calls: Sequence[Sequence[Envelope]]) -> dict[Key, Sum]:
    sums: dict[Key, Sum] = {}
    for call in calls:
        metrics = measure(call)
        key = key_of(metrics, "default")
        assert key is not None
        sums.setdefault(key, Sum()).add(contribution_of(metrics))
    return sums


def by_day(hours: dict[Key, Sum]) -> dict[Key, Sum]:
    days: dict[Key, Sum] = {}
    for key, each in hours.items():
        days.setdefault(msgspec.structs.replace(key, hour=day_of(key.hour)), Sum()).join(each)
    return days


def trimmed(counts: Sequence[int]) -> list[int]:
    found = list(counts)
    while found and found[-1] == 0:
        found.pop()
    return found


def plain(rows: dict[Key, Sums] | dict[Key, Sum]) -> dict[Key, dict[str, list[int]]]:
    found = {}
    for key, row in rows.items():
        histograms = row.dense_histograms() if isinstance(row, Sum) else row.histograms
        found[key] = {
            "counters": list(row.counters),
            **{name: trimmed(counts) for name, counts in histograms.items()},
        }
    return found


def a_call(agent: str = "dental", at: datetime = NOON, *, model: str = "gpt-realtime-2.1") -> list[Envelope]:
    story: list[tuple[int, Event]] = [
        (0, begun(agent)),
        (100, CallAnswered(setup_ms=100, codec="opus")),
        (3_000, line("agent", 500, 2_500, "Good morning")),
        (6_000, line("caller", 3_000, 5_000, "I need an appointment")),
        (6_100, used(model)),
        (30_000, over(30_000)),
    ]
    return recorded(story, at=at)


async def test_a_complete_call_has_its_figures_beside_those_of_its_end(pool: Pool) -> None:
    call = a_call()

    await put(pool, call)

    async with pool.acquire() as connection:
        stored = await metrics_of(connection, call[0].call_id)
    assert stored is not None
    assert stored["turns"] == 0  # what call.ended carried is still there
    assert stored["measured"] == as_json(measure(call))
    assert plain(await rolled_up(pool)) == plain(expected([call]))
    assert plain(await rolled_up(pool, "day")) == plain(by_day(expected([call])))


async def test_a_call_with_a_missing_number_has_no_figures_until_it_comes(pool: Pool) -> None:
    call = a_call()
    missing = call.pop(3)

    await put(pool, call)
    before = await measured(pool, missing.call_id)
    await put(pool, [missing])

    assert before is None
    assert await measured(pool, missing.call_id) == as_json(measure([*call, missing]))
    assert plain(await rolled_up(pool)) == plain(expected([[*call, missing]]))


async def test_a_later_judgement_takes_the_place_of_what_the_call_had_added(pool: Pool) -> None:
    call = a_call()
    await put(pool, call)
    later = Sequencer(call[0].call_id, next_seq=len(call))
    judgement = CallAnnotated(kind="judgement", value={"goal": "booking", "status": "achieved"}, by="anna")
    verdict = later.stamp(judgement, NOON + timedelta(hours=2))

    await put(pool, [verdict])
    await put(pool, [verdict])

    (row,) = (await rolled_up(pool)).values()
    assert plain(await rolled_up(pool)) == plain(expected([[*call, verdict]]))
    assert row.counters[0] == 1  # still one call


async def test_workers_that_store_parts_of_a_call_at_the_same_time_count_it_once(pool: Pool) -> None:
    calls = [a_call() for _ in range(12)]
    halves = [[event for call in calls for event in call[part::3]] for part in range(3)]

    await asyncio.gather(*(put(pool, half) for half in (*halves, *halves)))

    assert plain(await rolled_up(pool)) == plain(expected(calls))


async def test_workers_with_calls_of_many_agents_do_not_wait_for_each_other_crosswise(pool: Pool) -> None:
    calls = [a_call(f"agent{n % 7}", NOON + timedelta(hours=n % 5)) for n in range(60)]
    shares = [calls[part::4] for part in range(4)]
    random.Random(4).shuffle(shares)

    await asyncio.gather(*(put(pool, [event for call in share for event in call]) for share in shares))

    assert plain(await rolled_up(pool)) == plain(expected(calls))
    assert plain(await rolled_up(pool, "day")) == plain(by_day(expected(calls)))


@pytest.fixture
def fresh_database(_shared_postgres: PostgresServer) -> Callable[[], str]:
    """A fresh database for each example: a property must not see the one before."""
    return lambda: _shared_postgres.fresh_database(TEMPLATE)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)
@given(calls=st.lists(random_calls(), min_size=1, max_size=4), chance=st.randoms(use_true_random=False))
def test_any_order_cut_and_repetition_of_delivery_gives_the_same_figures_in_postgres(
    fresh_database: Callable[[], str], calls: list[list[Envelope]], chance: random.Random
) -> None:
    events = [event for call in calls for event in call]
    deliveries = [*events, *chance.sample(events, k=len(events) // 2)]
    chance.shuffle(deliveries)
    cuts = sorted(chance.sample(range(len(deliveries)), k=min(5, len(deliveries) - 1)))
    batches = [deliveries[a:b] for a, b in itertools.pairwise([0, *cuts, len(deliveries)])]

    async def delivered() -> None:
        pool = await connect_pool(fresh_database())
        try:
            for batch in batches:
                await put(pool, batch)
            assert plain(await rolled_up(pool)) == plain(expected(calls))
            assert plain(await rolled_up(pool, "day")) == plain(by_day(expected(calls)))
            for call in calls:
                assert await measured(pool, call[0].call_id) == as_json(measure(call))
            again = await recompute(pool, DAY)
            assert again.none, again
        finally:
            await pool.close()

    asyncio.run(delivered())


async def test_the_night_finds_nothing_to_say_about_figures_that_are_right(pool: Pool) -> None:
    for hour in range(3):
        await put(pool, a_call(at=NOON + timedelta(hours=hour)))

    found = await recompute(pool, DAY)

    assert found.none
    assert found.calls == 3


async def test_the_night_names_and_repairs_what_differs(pool: Pool) -> None:
    calls = [a_call(), a_call("sales")]
    for call in calls:
        await put(pool, call)
    async with pool.acquire() as connection:
        await connection.execute("UPDATE metrics_hourly SET counters[1] = 7 WHERE agent = 'sales'")
        await connection.execute("DELETE FROM metrics_daily WHERE agent = 'dental'")
        await connection.execute(
            "UPDATE call_metrics SET contributed = jsonb_set(contributed, '{counters,caller_speech_ms}', '5') "
            "WHERE agent = 'dental'"
        )

    found = await recompute(pool, DAY)

    assert (found.changed, found.unmeasured) == (1, 0)
    assert found.hours >= 1
    assert found.days >= 1
    assert {"caller_speech_ms", "calls"} <= set(found.figures)
    assert plain(await rolled_up(pool)) == plain(expected(calls))
    assert plain(await rolled_up(pool, "day")) == plain(by_day(expected(calls)))
    assert (await recompute(pool, DAY)).none


async def test_the_night_measures_calls_whose_log_never_became_complete(pool: Pool) -> None:
    call = a_call()
    del call[2]
    await put(pool, call)

    found = await recompute(pool, DAY)

    assert found.unmeasured == 1
    assert plain(await rolled_up(pool)) == plain(expected([call]))
    stored = await measured(pool, call[0].call_id)
    assert isinstance(stored, dict)
    assert stored["complete"] is False


@pytest.mark.parametrize(
    ("since", "until"), [(0, 24), (1, 24), (0, 47), (5, 9), (3, 60), (23, 25), (24, 48), (13, 72)]
)
async def test_a_window_is_the_sum_of_its_hours_wherever_it_begins_and_ends(
    pool: Pool, since: int, until: int
) -> None:
    calls = [a_call(at=DAY + timedelta(hours=hour)) for hour in range(0, 72, 5)]
    await put(pool, [event for call in calls for event in call])
    window = Window(since=DAY + timedelta(hours=since), until=DAY + timedelta(hours=until))

    async with pool.acquire() as connection:
        found = await totals(connection, "default", window)

    within = [hour for hour in range(0, 72, 5) if since <= hour < until]
    assert counter(found.counters, "calls") == len(within)


async def test_the_night_and_the_workers_do_not_get_in_each_others_way(pool: Pool) -> None:
    calls = [a_call(f"agent{n % 3}", NOON + timedelta(hours=n % 4)) for n in range(60)]
    for call in calls[:20]:
        await put(pool, call)

    async def at_work(share: list[list[Envelope]]) -> None:
        for call in share:
            await put(pool, call[:4])
            await put(pool, call[2:])

    nights = [recompute(pool, DAY) for _ in range(3)]
    await asyncio.gather(at_work(calls[20:40]), at_work(calls[40:]), *nights)

    assert plain(await rolled_up(pool)) == plain(expected(calls))
    assert plain(await rolled_up(pool, "day")) == plain(by_day(expected(calls)))
    assert (await recompute(pool, DAY)).none


async def test_an_erased_calls_numbers_stay_in_the_sums(pool: Pool) -> None:
    kept, erased = a_call(), a_call()
    for call in (kept, erased):
        await put(pool, call)
    async with pool.acquire() as connection:
        for table in ("events", "call_sessions"):
            await connection.execute(f"DELETE FROM {table} WHERE call_id = $1", erased[0].call_id)

    assert (await recompute(pool, DAY)).none
    assert plain(await rolled_up(pool)) == plain(expected([kept, erased]))
