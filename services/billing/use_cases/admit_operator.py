"""Is this the operator? accounts looks at the key; what is no key at all is not carried there."""

from dataclasses import dataclass

from services.billing.adapters.operators_http import Operators

KEY_LENGTH_MAX = 1000


@dataclass(frozen=True, slots=True)
class AdmitOperator:
    operators: Operators

    async def has_key(self, given: str, *, client: str) -> bool:
        """`client` is what wrong keys are counted by. Raises Unavailable while nobody can say."""
        return 0 < len(given) <= KEY_LENGTH_MAX and await self.operators.admit(given, client=client)
