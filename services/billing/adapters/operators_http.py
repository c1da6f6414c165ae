"""Asks accounts whether this is the operator: one key, one place that looks at it, one count of wrong ones."""

from shared.contracts.internal.accounts import OperatorReply
from shared.errors import Unavailable
from shared.http.internal import InternalClient

OK = 200


class Operators:
    def __init__(self, client: InternalClient) -> None:
        self._client = client

    async def admit(self, key: str, *, client: str) -> bool:
        """Raises Unavailable when accounts does not answer: then nobody is the operator."""
        reply = await self._client.post("/internal/operator", json={"key": key, "client": client})
        if reply.status_code != OK:
            raise Unavailable("A part of the service does not answer as agreed. Please try again.")
        return OperatorReply.model_validate_json(reply.content).admitted
