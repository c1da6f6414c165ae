"""A provider that takes calls and does not answer holds up its own orders, and nobody else's."""

import asyncio
import socket

import pytest

from services.billing.adapters import provider_btcpay
from services.billing.adapters.provider_btcpay import BTCPayProvider
from services.billing.domain.checkouts import ProviderFailing
from tests.support.eventually import eventually
from tests.support.shop import HONEST, Bought, Manner, Shop


async def is_paid(shop: Shop, bought: Bought) -> None:
    async def has_come() -> bool:
        return bool((await shop.purchase(bought))["state"] == "paid")

    await eventually(has_come, 5.0)


async def test_who_pays_by_the_other_provider_does_not_wait(shop: Shop) -> None:
    stuck, told, lost = [await shop.order(method) for method in ("btcpay", "stripe", "stripe")]
    await shop.becomes(stuck, "open")
    shop.fakes.btcpay_api.answers_reads.clear()
    shop.fakes.btcpay.pay(shop.invoice(stuck))
    await eventually(lambda: _waits(shop), 5.0)
    shop.fakes.stripe.pay(shop.session(told))
    shop.fakes.engine.manner = Manner(drops=True)
    shop.fakes.stripe.pay(shop.session(lost))
    shop.fakes.engine.manner = HONEST
    await shop.database.execute(
        """
        UPDATE orders SET next_check_at = CASE method WHEN 'btcpay' THEN now() - interval '1 hour' ELSE now() END
        WHERE state = 'open'
        """
    )
    await is_paid(shop, told)
    await is_paid(shop, lost)
    shop.fakes.btcpay_api.answers_reads.set()
    await shop.becomes(stuck, "processing")


async def _waits(shop: Shop) -> bool:
    return await shop.count_waiting() > 0


async def test_an_answer_that_drips_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_btcpay, "TIMEOUT_SECONDS", 0.5)

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await asyncio.wait([asyncio.create_task(reader.read())], timeout=0.1)

    listening = socket.create_server(("127.0.0.1", 0))
    server = await asyncio.start_server(drip, sock=listening)
    provider = BTCPayProvider(
        f"http://127.0.0.1:{listening.getsockname()[1]}",
        public_url="https://btcpay.example.com",
        api_key="key",
        store_id="store",
        return_url="https://promptly.test",
    )
    async with asyncio.timeout(5):
        with pytest.raises(ProviderFailing):
            await provider.get_truth("invoice")
    await provider.close()
    server.close()
