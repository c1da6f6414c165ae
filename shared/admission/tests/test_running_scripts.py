"""How scripts reach Redis: one slot each, one round trip, loaded when missing, bound to one run of Redis."""

import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Connection, ConnectionPool, Redis
from redis.crc import key_slot

from shared.admission import lua
from shared.admission.confirmations import confirmed_by_the_ledger
from shared.admission.decisions import Admitted, Settled
from shared.admission.desk import AdmissionDesk
from shared.admission.epoch import read_epoch
from shared.admission.inspection import inspect
from shared.admission.lower import Held, lower, read_room
from shared.admission.lua import SCRIPTS_FOLDER, Call, Scripts, scripts_of
from shared.admission.mirror import begin_pass
from shared.admission.sequences import count_untold, write_sequence
from shared.admission.stream import SettlementStream
from shared.admission.sweep import Swept, stale_leases, sweep
from shared.admission.tests.building import (
    ACCOUNT,
    DIGEST,
    NAMES,
    checkpoint_for,
    open_account,
    record_for,
    request_for,
    stored_in,
)
from shared.ids import new_request_id, new_uuid7


class RecordingScripts(Scripts):
    """Remembers what is really passed."""

    def __init__(self, redis: Redis) -> None:
        super().__init__(redis)
        self.calls: list[Call] = []

    async def run(self, *calls: Call) -> list[Any]:
        self.calls += calls
        return await super().run(*calls)


class CountingConnection(Connection):
    """Counts what is sent at once: each is a round trip."""

    sent = 0

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        type(self).sent += 1
        await super().send_packed_command(command, check_health)


@pytest.fixture
async def counted(redis: Redis, redis_url: str) -> AsyncIterator[Redis]:
    """A client that has been used once: connected, scripts loaded."""
    await open_account(redis)
    client = Redis(connection_pool=ConnectionPool.from_url(redis_url, connection_class=CountingConnection))
    await AdmissionDesk(client).balance(ACCOUNT)
    yield client
    await client.aclose()
    await client.connection_pool.disconnect()


async def use_every_script(redis: Redis) -> None:
    desk = AdmissionDesk(redis)
    await open_account(redis)
    for ask in (desk.authenticate, desk.look):
        await ask(new_request_id(), DIGEST, ACCOUNT, ip_subject="2001:db8::/64", ip_limit=9)
    settled, released, lost = request_for(), request_for(), request_for()
    for request in (settled, released, lost):
        assert isinstance(await desk.admit(request, ip_subject="2001:db8::/64", ip_limit=9), Admitted)
    await desk.checkpoint([checkpoint_for(lost.request_id, 1, 1)])
    await desk.settle(ACCOUNT, record_for(settled.request_id, 1, 1), tokens_held=30)
    await desk.release_refused(ACCOUNT, released.request_id, DIGEST)
    await stale_leases(redis, 0, 0.0, 10)
    assert isinstance(await sweep(redis, ACCOUNT, lost.request_id, 0.0), Swept)
    assert await lower(redis, ACCOUNT, new_uuid7(), 1) == Held()
    await read_room(redis, ACCOUNT)
    await desk.balance(ACCOUNT)
    await SettlementStream(redis).trim()
    await begin_pass(redis, ACCOUNT)
    await confirmed_by_the_ledger(redis, {ACCOUNT: [settled.request_id]})
    await write_sequence(redis, "gateway-1", 1)
    await count_untold(redis)
    await inspect(redis, [ACCOUNT])
    await read_epoch(redis)
    await lua.run(redis, Call("limit_look", ["wrong-keys:192.0.2.1"], [new_request_id(), 20, 60_000]))


async def test_the_keys_of_every_script_share_a_slot(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = RecordingScripts(redis)
    monkeypatch.setitem(lua._scripts, redis, recording)
    await use_every_script(redis)
    assert {call.script for call in recording.calls} == {
        path.stem for path in SCRIPTS_FOLDER.glob("*.lua") if path.stem != "prelude"
    }
    for call in recording.calls:
        assert len({key_slot(key.encode()) for key in call.keys}) == 1, call


async def test_every_name_in_redis_was_passed_to_a_script(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = RecordingScripts(redis)
    monkeypatch.setitem(lua._scripts, redis, recording)
    await use_every_script(redis)
    passed = {key for call in recording.calls for key in call.keys}
    names: Any = await redis.keys("*")
    assert {name.decode() for name in names} <= passed


async def test_to_admit_and_to_settle_take_one_round_trip_each(counted: Redis) -> None:
    desk, request = AdmissionDesk(counted), request_for()
    CountingConnection.sent = 0
    assert isinstance(await desk.admit(request, ip_subject="192.0.2.1", ip_limit=9), Admitted)
    assert CountingConnection.sent == 1
    record = record_for(request.request_id, 1, 1)
    assert await desk.settle(ACCOUNT, record, tokens_held=30) == Settled(2)
    assert CountingConnection.sent == 2


async def test_forgotten_scripts_are_loaded_again_and_run_once(desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis)
    request = request_for()
    await redis.script_flush()
    assert isinstance(await desk.admit(request, ip_subject="192.0.2.1", ip_limit=1), Admitted)
    await redis.script_flush()
    assert await desk.settle(ACCOUNT, record_for(request.request_id, 1, 1), tokens_held=30) == Settled(2)
    assert (await stored_in(redis)).published == 1


async def test_only_the_forgotten_script_is_sent_again(redis: Redis) -> None:
    """One of two in a pipeline is known; both run once."""
    scripts = scripts_of(redis)
    await open_account(redis)
    await redis.script_flush()
    text = f"local EPOCH = '{scripts.epoch}'\n{scripts._sources['settle']}"
    await redis.script_load(text)
    record = record_for(new_request_id(), 1, 1)
    keys = NAMES.settlement(new_request_id())
    settle = Call("settle", keys, [ACCOUNT, str(record.request_id), 2, 2, record.model_dump_json(), 1000])
    replies = await lua.run(redis, settle, Call("balance", [NAMES.account]))
    assert replies[0] == 2
    assert (await stored_in(redis)).journalled == 2


async def test_the_epoch_is_the_run_of_the_redis_that_answers(desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis)
    run_id = (await redis.info("server"))["run_id"]
    assert scripts_of(redis).epoch == run_id
    assert await redis.hget(NAMES.account, "epoch") == run_id.encode()
    assert await redis.hget(NAMES.key(DIGEST), "epoch") == run_id.encode()


async def test_a_script_of_another_epoch_is_unknown_to_this_redis(redis: Redis) -> None:
    """So a call prepared before a restart cannot run after it: its text, and its hash, differ."""
    scripts = scripts_of(redis)
    await open_account(redis)
    other = lua._hash_of(f"local EPOCH = 'the run before'\n{scripts._sources['balance']}")
    known = scripts._hashes["balance"]
    assert await redis.script_exists(known, other) == [True, False]


async def test_the_scripts_of_a_client_go_with_it(redis_url: str) -> None:
    client = Redis.from_url(redis_url)
    await AdmissionDesk(client).balance(ACCOUNT)
    await client.aclose()
    assert client in lua._scripts
    before = len(lua._scripts)
    del client
    gc.collect()
    assert len(lua._scripts) < before
