"""Which of the 64 shards an account lives in.

A shard is a Redis Cluster hash tag: all keys of an account, its shard's leases and settlement stream
share a slot, so that one admission or settlement is one script on one node.
"""

from zlib import crc32

from shared.ids import AccountId

SHARDS = 64
"""Enough to spread over a cluster; few enough to read all settlement streams in one command."""


def shard_of(account_id: AccountId) -> int:
    return crc32(account_id.encode()) % SHARDS


def tag_of(shard: int) -> str:
    return f"{{s{shard:02d}}}"
