"""`make bench-pages`: how long the dashboard and the operator's pages take in a system of 100,000 users and 10 million
usage rows. Real servers, real services; the goal is a median of 50 ms."""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import httpx

from bench.pages.looks import Look, customers_looks, measure, operators_looks
from bench.pages.rows import BUSIEST, KNOWN, REQUESTS, USERS, Filling
from bench.pages.system import Running, choose_system, pass_niceness_on, servers_of, services_of

GOAL_MS = 50
FILLED = "filled"
SUMMED_UP_WITHIN_SECONDS = 300


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.pages")
    parser.add_argument("--folder", type=Path, help="keeps the rows there, for the next run")
    parser.add_argument("--rounds", type=int, default=100)
    given = parser.parse_args()
    pass_niceness_on(os.getpid())
    with _folder(given.folder) as folder:
        running = choose_system(folder)
        with servers_of(running):
            keys = asyncio.run(_prepare(running, folder))
            with services_of(running):
                asyncio.run(_until_summed_up(running))
                print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {given.rounds} rounds\n")
                _print(_measured(running, keys, rounds=given.rounds))


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    if kept:
        yield kept.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="promptly-bench-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


async def _prepare(running: Running, folder: Path) -> dict[int, str]:
    connection = await asyncpg.connect(running.postgres_url)
    try:
        filling = Filling(connection, running.secret("KEY_PEPPER").encode())
        if not (folder / FILLED).exists():
            began = time.monotonic()
            await filling.fill(datetime.now(UTC))
            (folder / FILLED).touch()
            print(f"{USERS:,} users and {REQUESTS:,} usage rows in {time.monotonic() - began:.0f} s")
        return await filling.open_keys()
    finally:
        await connection.close()


async def _until_summed_up(running: Running) -> None:
    """The ledger ranks its accounts in the background; before that, it lists none."""
    connection = await asyncpg.connect(running.postgres_url)
    try:
        async with asyncio.timeout(SUMMED_UP_WITHIN_SECONDS):
            while await connection.fetchval("SELECT accounts FROM metering.system_sums") < USERS:  # noqa: ASYNC110
                await asyncio.sleep(1)
    finally:
        await connection.close()


def _measured(running: Running, keys: dict[int, str], *, rounds: int) -> list[Look]:
    with ExitStack() as stack:
        usual, busiest, operator = (
            stack.enter_context(httpx.Client(base_url=running.url, trust_env=False, timeout=30))
            for _ in range(3)
        )
        usual.get("/dashboard", params={"key": keys[KNOWN[0]]}).raise_for_status()
        busiest.get("/dashboard", params={"key": keys[BUSIEST]}).raise_for_status()
        operator.get("/admin", params={"key": running.secret("ADMIN_KEY")}).raise_for_status()
        looks = [
            *customers_looks(usual, "100 requests"),
            *customers_looks(busiest, "the busiest user"),
            *operators_looks(operator),
        ]
        measure(looks, rounds=rounds, warm_up=5)
    return looks


def _print(looks: Sequence[Look]) -> None:
    print("| page | median, ms | p99, ms | |\n|---|---:|---:|---|")
    for look in looks:
        over = "" if look.median_ms <= GOAL_MS else f"over {GOAL_MS} ms"
        print(f"| {look.name} | {look.median_ms:.1f} | {look.p99_ms:.1f} | {over} |")


if __name__ == "__main__":
    main()
