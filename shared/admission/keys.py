"""The names of everything admission keeps in Redis. Nothing else writes them down."""

from functools import lru_cache

from shared.admission.shards import shard_of, tag_of
from shared.ids import AccountId, KeyDigest, RequestId

EPOCH_MARKER = "{epoch}:marker"
SEQUENCES = "{published}:sequences"


class AccountKeys:
    """The names under one account's hash tag. `keys_of` makes them."""

    __slots__ = ("_tag", "account", "holds", "journal", "leases", "settled")

    def __init__(self, account_id: AccountId) -> None:
        shard = shard_of(account_id)
        self._tag = tag_of(shard)
        self.account = f"{self._tag}:account:{account_id}"
        self.holds = f"{self._tag}:holds:{account_id}"
        self.journal = f"{self._tag}:journal:{account_id}"
        self.leases = leases_of(shard)
        self.settled = settled_of(shard)

    def key(self, digest: KeyDigest) -> str:
        return f"{self._tag}:key:{digest}"

    def rate(self, digest: KeyDigest) -> str:
        """By digest, not by key id: a script may touch only what it is passed, and passes come first."""
        return f"{self._tag}:rate:{digest}"

    def done(self, request_id: RequestId) -> str:
        return f"{self._tag}:done:{request_id}"

    def hold(self, request_id: RequestId) -> list[str]:
        """What a hold's beginning and end touch, in the order of the scripts."""
        return [self.account, self.holds, self.leases, self.done(request_id)]

    def settlement(self, request_id: RequestId) -> list[str]:
        """What a settlement touches, in the order of the scripts."""
        return [*self.hold(request_id), self.journal, self.settled]

    def checkpoint(self, request_id: RequestId, digest: KeyDigest) -> list[str]:
        """What a checkpoint touches beside the leases, in the order of its script."""
        return [self.account, self.holds, self.done(request_id), self.key(digest)]


def leases_of(shard: int) -> str:
    return f"{tag_of(shard)}:leases"


def settled_of(shard: int) -> str:
    return f"{tag_of(shard)}:settled"


def ip_window_of(subject: str) -> str:
    return f"ip:{subject}"


@lru_cache(maxsize=4096)
def keys_of(account_id: AccountId) -> AccountKeys:
    """The same for all requests of an account that come close together."""
    return AccountKeys(account_id)
