"""Runs the scripts: by hash, several in one round trip, loaded again when Redis does not know them.

The epoch (the run_id of the Redis that answers) stands in each script's text, so its hash is unknown to
every other Redis: a restart forgets all scripts, and a call meant for the Redis before it can never run
on the one after it. That NOSCRIPT is where the new epoch is read. No time is spent on it per call.
"""

import asyncio
from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary, proxy

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from shared.errors import Unavailable
from shared.redis_client import RedisWithLine
from shared.redis_line import PACKED

SCRIPTS_FOLDER = Path(__file__).parent / "scripts"
LOAD_ATTEMPTS_MAX = 3
"""Redis would have to restart in the middle of each of them."""


@dataclass(frozen=True, slots=True)
class Call:
    """One script with what it is passed. All keys lie in one slot."""

    script: str
    keys: Sequence[str]
    args: Sequence[str | int | bytes] = ()


class Scripts:
    """The scripts of one client, as loaded into the Redis it is connected to. Does not keep the client."""

    def __init__(self, redis: Redis, folder: Path = SCRIPTS_FOLDER) -> None:
        self._redis: Redis = proxy(redis)
        self._line = redis.line if isinstance(redis, RedisWithLine) else None
        self._sources = dict(_read_sources(folder))
        self._hashes: dict[str, str] = {}
        self._loads = 0
        self._loading = asyncio.Lock()
        self.epoch: str | None = None

    async def run(self, *calls: Call) -> list[Any]:
        """Replies in order, in one round trip. Raises redis errors; re-sends only what did not run."""
        replies = await self.run_each(*calls)
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies

    async def run_each(self, *calls: Call) -> list[Any]:
        """The same, but what Redis refuses of one call is that call's reply."""
        loads = self._loads
        if not self._hashes:
            await self._load_after(loads)
        replies = await self._send(calls)
        if NoScriptError not in map(type, replies):
            return replies
        unknown = [at for at, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        await self._load_after(loads)
        again = await self._send([calls[at] for at in unknown])
        for at, reply in zip(unknown, again, strict=True):
            replies[at] = reply
        return replies

    def _send(self, calls: Sequence[Call]) -> Awaitable[list[Any]]:
        if self._line is None:
            return self._pipeline(calls)
        return self._line.ask(b"".join(map(self._packed, calls)), len(calls))

    async def _pipeline(self, calls: Sequence[Call]) -> list[Any]:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for call in calls:
                pipeline.evalsha(self._hashes[call.script], len(call.keys), *call.keys, *call.args)
            return await pipeline.execute(raise_on_error=False)

    def _packed(self, call: Call) -> bytes:
        return PACKED(("EVALSHA", self._hashes[call.script], len(call.keys), *call.keys, *call.args))

    async def _load_after(self, loads: int) -> None:
        """Loads once for all who found the scripts missing after load number `loads`."""
        async with self._loading:
            if self._loads == loads:
                await self._load()

    async def _load(self) -> None:
        """Loads under the epoch that was true before and after, so it was true in between."""
        for _ in range(LOAD_ATTEMPTS_MAX):
            epoch = _epoch_in(await self._redis.info("server"))
            texts = {name: f"local EPOCH = '{epoch}'\n{text}" for name, text in self._sources.items()}
            async with self._redis.pipeline(transaction=False) as pipeline:
                for text in texts.values():
                    pipeline.script_load(text)
                pipeline.info("server")
                replies = await pipeline.execute()
            if _epoch_in(replies[-1]) == epoch:
                self.epoch = epoch
                self._hashes = {name: _hash_of(text) for name, text in texts.items()}
                self._loads += 1
                return
        raise Unavailable("Redis restarts again and again; try again soon.", retry_after_seconds=1)


_scripts: WeakKeyDictionary[Redis, Scripts] = WeakKeyDictionary()


def run(redis: Redis, *calls: Call) -> Awaitable[list[Any]]:
    return scripts_of(redis).run(*calls)


def run_each(redis: Redis, *calls: Call) -> Awaitable[list[Any]]:
    return scripts_of(redis).run_each(*calls)


def scripts_of(redis: Redis) -> Scripts:
    """Made at the client's first use, gone with the client."""
    if redis not in _scripts:
        _scripts[redis] = Scripts(redis)
    return _scripts[redis]


def _read_sources(folder: Path) -> Iterator[tuple[str, str]]:
    prelude = (folder / "prelude.lua").read_text()
    for path in sorted(folder.glob("*.lua")):
        if path.stem != "prelude":
            yield path.stem, f"{prelude}\n{path.read_text()}"


def _epoch_in(server_info: Any) -> str:
    return str(server_info["run_id"])


def _hash_of(text: str) -> str:
    return sha1(text.encode(), usedforsecurity=False).hexdigest()
