"""A broker that has lost its messages gets again what the settlement streams keep, confirmed once or not."""

import httpx

from services.gateway.app import replay
from services.gateway.tests.conftest import SettingsFactory
from services.gateway.tests.support.accounts import Account
from services.gateway.tests.support.chat import CHAT, QUESTION
from services.gateway.tests.support.usage import UsageListener
from tests.support.eventually import eventually


async def test_what_was_published_and_lost_is_published_again(
    gateway: httpx.AsyncClient, account: Account, usage: UsageListener, settings_with: SettingsFactory
) -> None:
    replies = [await gateway.post(CHAT, json=QUESTION, headers=account.headers) for _ in range(3)]
    ids = {reply.headers["x-request-id"] for reply in replies}
    for request_id in ids:
        await usage.record_of(request_id)
    before = len(usage.events)
    assert await replay(settings_with()) >= 3

    async def all_are_heard_again() -> bool:
        again = usage.events[before:]
        return ids <= {str(record.request_id) for event in again for record in event.records}

    await eventually(all_are_heard_again)
