"""Publishes again what the settlement streams still keep, for a broker that has lost its messages.

Under a name and numbers of its own. The ledger counts a request once, so that doing it in vain does no harm.
"""

from services.gateway.use_cases.publish_usage import UsageBus
from shared.admission.stream import SettlementStream


async def replay_settlements(stream: SettlementStream, bus: UsageBus) -> int:
    """How many records. Returns when the broker has all of them; nothing is acknowledged in the streams."""
    count = 0
    async for entries in stream.kept():
        await bus.publish([entry.record for entry in entries])
        count += len(entries)
    return count
