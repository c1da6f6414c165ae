"""What the caller's account can spend, as Redis knows it; refilled when Redis does not."""

from services.gateway.adapters.refills_http import HttpRefills
from services.gateway.use_cases.open_account import not_ready, open_account
from services.gateway.use_cases.outage import REDIS_ERRORS, redis_failed
from shared.admission.balances import BalanceView
from shared.admission.desk import AdmissionDesk
from shared.ids import AccountId


class Balances:
    def __init__(self, desk: AdmissionDesk, refills: HttpRefills) -> None:
        self._desk = desk
        self._refills = refills

    async def get(self, account_id: AccountId) -> BalanceView:
        """Raises Overloaded when the ledger does not know the account yet, or nobody answers."""
        try:
            balance = await self._desk.balance(account_id)
            if balance is None:
                await open_account(self._refills, account_id)
                balance = await self._desk.balance(account_id)
        except REDIS_ERRORS as error:
            raise redis_failed("balance", error) from error
        if balance is None:
            raise not_ready("lost_again")
        return balance
