"""Receipts: one request as it is posted, plain or signed, so that whoever holds it can prove it without us."""

from uuid import UUID

from services.metering.adapters.receipts_postgres import find_receipt
from services.metering.adapters.signing_key_nacl import SigningKey
from services.metering.domain.receipts import ReceiptsNotSigned, ReceiptUnknown, canonical
from shared.contracts.internal.metering import Receipt, ReceiptKey, ReceiptReply
from shared.ids import AccountId
from shared.postgres import Pool


class Receipts:
    """Without a key receipts are given, but not signed."""

    def __init__(self, pool: Pool, key: SigningKey | None) -> None:
        self._pool = pool
        self._key = key

    async def read(self, account_id: AccountId, request_id: UUID) -> ReceiptReply:
        """Raises ReceiptUnknown."""
        return ReceiptReply(receipt=await self._get(account_id, request_id))

    async def read_signed(self, account_id: AccountId, request_id: UUID) -> ReceiptReply:
        """Raises ReceiptsNotSigned, ReceiptUnknown."""
        key = self._get_key()
        receipt = await self._get(account_id, request_id)
        payload = canonical(receipt)
        return ReceiptReply(
            receipt=receipt, payload=payload, signature=key.sign(payload), public_key_id=key.public_key_id
        )

    def public_key(self) -> ReceiptKey:
        """Raises ReceiptsNotSigned."""
        key = self._get_key()
        return ReceiptKey(public_key_id=key.public_key_id, public_key_pem=key.public_key_pem)

    async def _get(self, account_id: AccountId, request_id: UUID) -> Receipt:
        receipt = await find_receipt(self._pool, account_id, request_id)
        if receipt is None:
            raise ReceiptUnknown(request_id)
        return receipt

    def _get_key(self) -> SigningKey:
        if self._key is None:
            raise ReceiptsNotSigned
        return self._key
