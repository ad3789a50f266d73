"""How long a search takes among 300,000 utterances, and what the search columns cost the worker.

    .venv/bin/python -m tests.benchmarks.search [--rows 300000]

Real PostgreSQL (Debian's), fsync on, 32 MB of shared buffers; the worker's own statement writes the rows, 500 a
transaction, and the archive's own query reads them. Prints one line a figure: median and worst of the runs.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from storage.batch import Batch
from storage.postgres.migrate import migrate
from storage.postgres.pool import Pool, connect_pool
from storage.postgres.record import save_batch
from storage.postgres.search import find
from storage.records import CallRow, TranscriptRow
from storage.search import normalise, packed_bigrams, parse_query
from tests.fakes.servers import PostgresServer


class DurablePostgres(PostgresServer):
    """With fsync, which tests do without."""

    def command(self) -> list[str]:
        return [part.replace("fsync=off", "fsync=on") for part in super().command()]


LINES_PER_CALL = 30
BATCH = 500
RUNS = 9
DAYS = 80  # within the default window of 90

# Lines of Japanese and English with slots for words, so that pairs of letters are as varied as in speech.
JAPANESE = (
    "お電話ありがとうございます、{a}の件でございますね",
    "{a}の{b}を{n}日に変更したいのですが、空いていますか",
    "かしこまりました、{n}時に{b}で承ります",
    "はい、それでお願いします",
    "{a}について担当の{c}から折り返しご連絡いたします",
    "すみません、{b}の料金はいくらですか",
)
ENGLISH = (
    "Thank you for calling, you would like to talk about {d}",
    "I would like to move my {d} to the {n}th, is that possible",
    "Certainly, {n} o'clock with {c} is free",
    "Yes please, that would be fine",
    "Could you tell me how much the {d} costs",
)
WORDS = {
    "a": ["予約", "診察", "配達", "修理", "契約", "解約", "見積", "請求", "会員", "登録", "保険", "検診"],
    "b": ["歯科", "内科", "東京", "大阪", "本店", "支店", "午前", "午後", "来週", "今月", "車検", "点検"],
    "c": [
        "佐藤",
        "鈴木",
        "高橋",
        "田中",
        "伊藤",
        "渡辺",
        "山本",
        "中村",
        "Smith",
        "Jones",
        "Miller",
        "Brown",
    ],
    "d": ["appointment", "delivery", "repair", "contract", "invoice", "membership", "insurance", "check-up"],
}
RARE = "会議"  # in 30 of the lines


def utterances(rows: int, chance: random.Random) -> list[str]:
    lines = []
    for n in range(rows):
        words = {slot: chance.choice(words) for slot, words in WORDS.items()}
        text = chance.choice(JAPANESE + ENGLISH).format(n=chance.randint(1, 28), **words)
        lines.append(f"{text}、{RARE}室で" if n % (rows // 30) == 7 else text)
    return lines


def call_id_at(at: datetime, chance: random.Random) -> str:
    """A UUIDv7 of that moment (RFC 9562, 5.7)."""
    number = int(at.timestamp() * 1000) << 80 | 7 << 76 | chance.getrandbits(12) << 64
    return str(UUID(int=number | 2 << 62 | chance.getrandbits(62)))


def batches(lines: Sequence[str], chance: random.Random, now: datetime) -> list[Batch]:
    made, batch = [], Batch()
    calls = -(-len(lines) // LINES_PER_CALL)
    for call in range(calls):
        at = now - timedelta(days=DAYS) * (1 - call / calls)
        call_id = call_id_at(at, chance)
        batch.calls[call_id] = CallRow(
            call_id=call_id, tenant="default", last_seq=99, state="ended", state_seq=99, started_at=at,
            agent=chance.choice(("dental", "sales")), outcome=chance.choice(("booked", "declined")), outcome_seq=99,
        )  # fmt: skip
        for position, text in enumerate(lines[call * LINES_PER_CALL : (call + 1) * LINES_PER_CALL]):
            row = TranscriptRow(
                call_id=call_id, item_id=f"item_{position}", position=position,
                speaker="caller" if position % 2 else "agent", text=text, heard_text=text, heard_ms=None,
                started_at=at + timedelta(seconds=5 * position), interrupted=False, seq=position,
            )  # fmt: skip
            batch.transcripts[call_id, row.item_id] = row
        if len(batch.transcripts) + LINES_PER_CALL > BATCH:
            made.append(batch)
            batch = Batch()
    return [*made, batch]


async def write(pool: Pool, made: Sequence[Batch]) -> float:
    started = time.perf_counter()
    for batch in made:
        async with pool.acquire() as connection, connection.transaction():
            await save_batch(connection, replace(batch))
    return time.perf_counter() - started


async def ask(
    pool: Pool, name: str, text: str, now: datetime, *, agent: str | None = None, outcome: str | None = None
) -> None:
    query, took, found = parse_query(text), [], 0
    async with pool.acquire() as connection:
        for _ in range(RUNS):
            started = time.perf_counter()
            hits = await find(
                connection,
                "default",
                query,
                since=now - timedelta(days=90),
                until=now,
                limit=51,
                agent=agent,
                outcome=outcome,
            )
            took.append((time.perf_counter() - started) * 1000)
            found = len(hits)
        total = await connection.fetchval(
            "SELECT count(*) FROM transcripts WHERE strpos(search_text, $1) > 0", query.terms[0]
        )
    print(
        f"{name:34} {text:18} {total:7} rows hold it, {found:3} returned: "
        f"median {statistics.median(took):8.2f} ms, worst {max(took):8.2f} ms"
    )


async def measure(rows: int, url: str) -> None:
    await migrate(url)
    chance, now = random.Random(1), datetime.now(UTC)
    lines = utterances(rows, chance)
    started = time.perf_counter()
    for text in lines[:20_000]:
        packed_bigrams(normalise(text))
    print(f"pairs of letters in Python: {(time.perf_counter() - started) / 20_000 * 1e6:.1f} us an utterance")
    made = batches(lines, chance, now)
    pool = await connect_pool(url)
    async with pool.acquire() as connection:
        months = -(-DAYS // 28) + 1
        await connection.execute("SELECT make_months($1, $2)", (now - timedelta(days=DAYS)).date(), months)
    took = await write(pool, made)
    print(f"insert, {BATCH} a transaction, one connection: {rows / took:.0f} utterances/s with their calls")
    async with pool.acquire() as connection:
        await connection.execute("VACUUM ANALYZE")
        for what in ("transcripts_by_grams", "transcripts_pkey"):
            size = await connection.fetchval(
                "SELECT sum(pg_relation_size(relid)) FROM pg_partition_tree($1::regclass)", what
            )
            print(f"{what}: {float(size) / 1e6:.0f} MB")
        size = await connection.fetchval(
            "SELECT sum(pg_relation_size(relid)) FROM pg_partition_tree('transcripts')"
        )
        print(f"transcripts: {float(size) / 1e6:.0f} MB")
    await ask(pool, "rare, two characters", RARE, now)
    await ask(pool, "rare, one agent", RARE, now, agent="dental")
    await ask(pool, "nowhere", "宇宙", now)
    await ask(pool, "frequent, two characters", "予約", now)
    await ask(pool, "in every seventh line", "お願い", now)
    await ask(pool, "frequent, one outcome", "予約", now, outcome="booked")
    await ask(pool, "two words", "予約 大阪", now)
    await ask(pool, "an English word", "insurance", now)
    await ask(pool, "pairs everywhere, word nowhere", "that thanks", now)
    await ask(pool, "one ideograph", "藤", now)
    await pool.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=300_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cordboard-search-") as folder:
        server = DurablePostgres(Path(folder) / "postgres")
        server.start()
        try:
            server.sql("CREATE DATABASE search")
            asyncio.run(measure(arguments.rows, server.url("search")))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
