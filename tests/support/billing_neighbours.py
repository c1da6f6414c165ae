"""accounts and metering as billing sees them: who somebody is, and which grants the ledger has."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fastapi import FastAPI, HTTPException

from services.billing.domain.ledger import LedgerGrant
from shared.api_keys import new_account_id, new_api_key
from shared.ids import AccountId

ADMIN_KEY = "the admin key"


@dataclass(frozen=True, slots=True)
class Customer:
    """Signed in with `session`; `form_token` is in our pages' forms."""

    account_id: AccountId = field(default_factory=new_account_id)
    email: str = "ada@example.com"
    form_token: str = "the token of the form"

    @property
    def session(self) -> str:
        return f"session-of-{self.account_id}"


class Neighbours:
    """`grants` by account and purchase id. `is_down` makes both answer 503."""

    def __init__(self) -> None:
        self.customers: list[Customer] = []
        self.keys: dict[str, Customer] = {}
        self.grants: dict[str, dict[str, LedgerGrant]] = {}
        self.operators_asked: list[dict[str, str]] = []
        self.is_down = False

    def new_customer(self) -> tuple[Customer, str]:
        """With one key."""
        customer = Customer()
        key = new_api_key(customer.account_id)
        self.customers.append(customer)
        self.keys[key] = customer
        return customer, key

    def app(self) -> FastAPI:
        app = FastAPI()
        app.add_api_route("/internal/identify", self.identify, methods=["POST"])
        app.add_api_route("/internal/operator", self.admit_operator, methods=["POST"])
        app.add_api_route("/internal/accounts/{account_id}/grants", self.list_grants)
        return app

    async def identify(self, who: dict[str, Any]) -> dict[str, Any]:
        self._refuse_when_down()
        customer = self.keys.get(who.get("key") or "") or self._signed_in(who)
        if customer is None:
            raise HTTPException(404)
        token = customer.form_token if who.get("session") else None
        return {
            "account_id": customer.account_id,
            "email": customer.email,
            "key_display": "sk-Ab3dE5gH0…wxyz",
            "form_token": token,
        }

    async def admit_operator(self, who: dict[str, str]) -> dict[str, bool]:
        self._refuse_when_down()
        self.operators_asked.append(who)
        return {"admitted": who["key"] == ADMIN_KEY}

    async def list_grants(self, account_id: str) -> dict[str, Any]:
        self._refuse_when_down()
        if account_id not in self.grants:
            raise HTTPException(404)
        return {"grants": [_shown(*each) for each in self.grants[account_id].items()]}

    def _signed_in(self, who: dict[str, Any]) -> Customer | None:
        found = [each for each in self.customers if each.session == who.get("session")]
        right = [each for each in found if who.get("form_token") in (None, each.form_token)]
        return right[0] if right else None

    def _refuse_when_down(self) -> None:
        if self.is_down:
            raise HTTPException(503)


def _shown(purchase_id: str, grant: LedgerGrant) -> dict[str, Any]:
    return {
        "grant_id": str(UUID(purchase_id)),
        "kind": "purchase",
        "source": f"purchase:{purchase_id}",
        "tokens": grant.tokens,
        "remaining": grant.tokens - grant.tokens_reversed,
        "frozen": grant.is_frozen,
        "tokens_to_reverse": grant.tokens_reversed,
        "expires_at": None,
        "created_at": datetime.now(UTC).isoformat(),
        "closed_at": None,
    }
