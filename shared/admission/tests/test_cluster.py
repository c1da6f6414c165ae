"""On a Redis Cluster of three masters, the scripts do what they do on one Redis: each stays within one slot."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from redis.exceptions import ResponseError

from shared.admission import lua
from shared.admission.decisions import Admitted, HoldRequest, Settled
from shared.admission.desk import AdmissionDesk
from shared.admission.key_records import put_key
from shared.admission.keys import AccountKeys, ip_window_of
from shared.admission.lua import Call
from shared.admission.mirror import Snapshot, begin_pass, write_mirror
from shared.admission.shards import SHARDS, shard_of
from shared.admission.sweep import StaleLease, Swept, stale_leases, sweep
from shared.admission.tests.building import checkpoint_for, key_record, record_for, request_for
from shared.ids import AccountId, RequestId
from tests.support.admission import open_in_redis
from tests.support.redis_cluster import MASTERS, Cluster, open_cluster, running_masters

POSTED = 1000


@pytest.fixture(scope="module")
async def cluster() -> AsyncIterator[Cluster]:
    with running_masters() as urls:
        async with open_cluster(urls) as cluster:
            await cluster.meet()
            yield cluster


@pytest.fixture
async def accounts(cluster: Cluster) -> list[AccountId]:
    """One in each shard, known and open."""
    for master in cluster.masters:
        await master.flushall()
    accounts = one_account_per_shard()
    for account in accounts:
        await put_key(cluster, replace(key_record(), account_id=account))
        await open_in_redis(cluster, account, Snapshot(1, POSTED, ()))
    return accounts


async def test_the_accounts_are_spread_over_all_masters(cluster: Cluster, accounts: list[AccountId]) -> None:
    homes = Counter(cluster.masters.index(cluster.master_of(AccountKeys(each).account)) for each in accounts)
    assert homes.keys() == set(range(MASTERS))
    assert min(homes.values()) >= SHARDS // MASTERS // 2


async def test_a_request_is_admitted_followed_settled_and_mirrored_wherever_its_account_lives(
    cluster: Cluster, accounts: list[AccountId]
) -> None:
    desk = AdmissionDesk(cluster)
    for account in accounts:
        request = await admitted(desk, account)
        await desk.checkpoint([checkpoint_for(request, 3, 4, account_id=account)])
        record = record_for(request, 3, 5).model_copy(update={"account_id": account})
        assert await desk.settle(account, record, tokens_held=30) == Settled(8)
        await write_mirror(cluster, account, Snapshot(2, POSTED - 8, ()), {request: record.revision})
        view = await desk.balance(account)
        assert view is not None
        assert (view.available, view.held) == (POSTED - 8, 0)
        assert (await begin_pass(cluster, account)).request_ids == frozenset()


async def test_one_batch_of_checkpoints_reaches_every_master(
    cluster: Cluster, accounts: list[AccountId]
) -> None:
    desk = AdmissionDesk(cluster)
    running = {account: await admitted(desk, account) for account in accounts}
    batch = [checkpoint_for(request, 2, 2, account_id=account) for account, request in running.items()]
    await desk.checkpoint(batch)
    for account, request in running.items():
        swept = await sweep(cluster, account, request, 0.0)
        assert isinstance(swept, Swept)
        assert swept.record.tokens == 4


async def test_a_gateway_that_is_gone_is_swept_in_every_shard(
    cluster: Cluster, accounts: list[AccountId]
) -> None:
    desk = AdmissionDesk(cluster)
    running = {account: await admitted(desk, account) for account in accounts}
    found = [lease for shard in range(SHARDS) for lease in await stale_leases(cluster, shard, 0.0, 10)]
    assert set(found) == {StaleLease(account, request) for account, request in running.items()}


async def test_a_master_refuses_what_belongs_to_another(cluster: Cluster, accounts: list[AccountId]) -> None:
    names = AccountKeys(accounts[0])
    home = cluster.master_of(names.account)
    stranger = next(master for master in cluster.masters if master is not home)
    with pytest.raises(ResponseError, match="MOVED"):
        await lua.run(stranger, Call("balance", [names.account]))


async def test_a_script_over_two_accounts_of_one_master_is_refused(
    cluster: Cluster, accounts: list[AccountId]
) -> None:
    """What the 64 tags forbid, a cluster refuses even where both slots lie on the same master."""
    home = cluster.masters[0]
    first, second = [
        names for names in map(AccountKeys, accounts) if cluster.master_of(names.account) is home
    ][:2]
    with pytest.raises(ResponseError, match="slot"):
        await lua.run(home, Call("begin_pass", [first.account, first.holds, second.journal]))


async def test_an_address_is_counted_where_its_own_name_lives(cluster: Cluster) -> None:
    desk = AdmissionDesk(cluster)
    for number in range(20):
        subject = f"203.0.113.{number}"
        await desk.admit_address(request_for().request_id, ip_subject=subject, ip_limit=9)
        assert await cluster.master_of(ip_window_of(subject)).exists(ip_window_of(subject))


async def admitted(desk: AdmissionDesk, account: AccountId) -> RequestId:
    request: HoldRequest = replace(request_for(), account_id=account)
    assert isinstance(await desk.admit(request, ip_subject="203.0.113.9", ip_limit=10_000), Admitted)
    return request.request_id


def one_account_per_shard() -> list[AccountId]:
    by_shard: dict[int, AccountId] = {}
    number = 0
    while len(by_shard) < SHARDS:
        account = AccountId(f"{number:08d}")
        by_shard.setdefault(shard_of(account), account)
        number += 1
    return [by_shard[shard] for shard in range(SHARDS)]
