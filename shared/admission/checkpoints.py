"""Packs many heartbeats into few scripts: one per shard, because a script stays within one slot."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from shared.admission.decisions import Checkpoint
from shared.admission.keys import AccountKeys, leases_of
from shared.admission.lua import Call
from shared.admission.shards import shard_of
from shared.ids import RequestId

ENTRIES_PER_SCRIPT_MAX = 200
"""Redis does nothing else meanwhile: this keeps it below a few milliseconds."""
ARGS_PER_ENTRY = 4
REQUEST_ID_AT = 1


def checkpoint_calls(entries: Sequence[Checkpoint]) -> Iterator[Call]:
    by_shard: defaultdict[int, list[Checkpoint]] = defaultdict(list)
    for entry in entries:
        by_shard[shard_of(entry.account_id)].append(entry)
    for shard, members in by_shard.items():
        for start in range(0, len(members), ENTRIES_PER_SCRIPT_MAX):
            yield _call(shard, members[start : start + ENTRIES_PER_SCRIPT_MAX])


def without_hold(calls: Sequence[Call], replies: Sequence[Sequence[int]]) -> list[RequestId]:
    """The requests at the places that the scripts named."""
    return [
        RequestId(str(call.args[place * ARGS_PER_ENTRY + REQUEST_ID_AT]))
        for call, places in zip(calls, replies, strict=True)
        for place in places
    ]


def _call(shard: int, entries: Sequence[Checkpoint]) -> Call:
    keys = [leases_of(shard)]
    args: list[str | int | bytes] = []
    for entry in entries:
        keys.append(AccountKeys(entry.account_id).holds)
        args += [entry.account_id, entry.request_id, entry.tokens_prompt, entry.tokens_completion]
    return Call("checkpoint", keys, args)
