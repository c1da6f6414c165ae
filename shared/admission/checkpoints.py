"""Packs many heartbeats into few scripts: one per shard, because a script stays within one slot."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from shared.admission.decisions import Checkpoint, CheckpointReply
from shared.admission.holds import packed_rest
from shared.admission.keys import keys_of, leases_of
from shared.admission.lua import Call
from shared.admission.replies import ms_of
from shared.admission.shards import shard_of
from shared.ids import RequestId

ENTRIES_PER_SCRIPT_MAX = 200
"""Redis does nothing else meanwhile: this keeps it below a few milliseconds."""
ARGS_PER_ENTRY = 7
REQUEST_ID_AT = 1


def checkpoint_calls(entries: Sequence[Checkpoint]) -> Iterator[Call]:
    by_shard: defaultdict[int, list[Checkpoint]] = defaultdict(list)
    for entry in entries:
        by_shard[shard_of(entry.account_id)].append(entry)
    for shard, members in by_shard.items():
        for start in range(0, len(members), ENTRIES_PER_SCRIPT_MAX):
            yield _call(shard, members[start : start + ENTRIES_PER_SCRIPT_MAX])


def checkpoint_reply(calls: Sequence[Call], replies: Sequence[Sequence[Sequence[int]]]) -> CheckpointReply:
    """The requests at the places that the scripts named."""
    lists: list[list[RequestId]] = [[], [], []]
    for call, places_of_lists in zip(calls, replies, strict=True):
        for found, places in zip(lists, places_of_lists, strict=True):
            found += (_request_at(call, place) for place in places)
    swept, revoked, key_missing = map(tuple, lists)
    return CheckpointReply(swept, revoked, key_missing)


def _call(shard: int, entries: Sequence[Checkpoint]) -> Call:
    keys = [leases_of(shard)]
    args: list[str | int | bytes] = []
    for entry in entries:
        keys += keys_of(entry.account_id).checkpoint(entry.request_id, entry.digest)
        args += _args_of(entry)
    return Call("checkpoint", keys, args)


def _args_of(entry: Checkpoint) -> list[str | int | bytes]:
    return [
        entry.account_id,
        entry.request_id,
        entry.tokens_prompt,
        entry.tokens_completion,
        entry.tokens_held,
        ms_of(entry.admitted_at),
        packed_rest(entry.kind, entry.key_id, entry.endpoint, entry.model),
    ]


def _request_at(call: Call, place: int) -> RequestId:
    return RequestId(str(call.args[place * ARGS_PER_ENTRY + REQUEST_ID_AT]))
