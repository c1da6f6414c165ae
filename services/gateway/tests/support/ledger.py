"""One account's ledger, as metering would keep it: a balance less what the bus has carried, each request once."""

from collections.abc import Collection

from services.gateway.tests.support.usage import UsageListener
from shared.admission.mirror import Snapshot
from shared.contracts.gateway import UsageRecord
from shared.ids import AccountId, RequestId


class Ledger:
    def __init__(self, account_id: AccountId, tokens: int, usage: UsageListener) -> None:
        self.account_id = account_id
        self._tokens = tokens
        self._usage = usage
        self._was_opened = False

    def is_opened_first(self) -> bool:
        """Asked twice, the account was lost in between."""
        was_opened, self._was_opened = self._was_opened, True
        return not was_opened

    def posted(self) -> int:
        return self._tokens - sum(record.tokens for record in self._latest().values())

    def snapshot(self) -> Snapshot:
        version = 1 + sum(record.revision for record in self._latest().values())
        return Snapshot(version, self.posted(), grants=())

    def revisions_among(self, request_ids: Collection[RequestId]) -> dict[RequestId, int]:
        latest = self._latest()
        return {known: latest[known].revision for known in request_ids if known in latest}

    def _latest(self) -> dict[RequestId, UsageRecord]:
        """Of each request the highest revision."""
        latest: dict[RequestId, UsageRecord] = {}
        for record in self._usage.records():
            known = latest.get(request_id := RequestId(str(record.request_id)))
            if record.account_id == self.account_id and (known is None or known.revision < record.revision):
                latest[request_id] = record
        return latest
