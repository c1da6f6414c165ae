"""`python -m services.billing reconcile`, as `make reconcile` runs it."""

import asyncio
import os
import sys

from tests.support.shop import HONEST, Manner, Shop

UNUSED = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:9/nothing", "AMQP_URL": "amqp://nobody@127.0.0.1:9/"}


async def reconcile(**environment: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.billing", "reconcile"),
        env={"PATH": os.environ["PATH"], **UNUSED, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def test_it_says_what_it_found_and_repaired(shop: Shop) -> None:
    bought = await shop.order("btcpay")
    await shop.becomes(bought, "open")
    shop.fakes.engine.manner = Manner(drops=True)
    shop.fakes.btcpay.pay(shop.invoice(bought))
    shop.fakes.engine.manner = HONEST
    port = shop.url.rsplit(":", 1)[-1]
    internal = {
        "ACCOUNTS_URL": "http://unused",
        "METERING_URL": "http://unused",
        "INTERNAL_TOKEN": "an-internal-token",
    }
    code, output = await reconcile(LISTEN_PORT=port, **internal)
    assert "1    of them changed: a provider knew more" in output
    assert code == 0, output
    await shop.becomes(bought, "processing")


async def test_without_a_running_billing_it_says_so() -> None:
    internal = {
        "ACCOUNTS_URL": "http://unused",
        "METERING_URL": "http://unused",
        "INTERNAL_TOKEN": "an-internal-token",
    }
    code, output = await reconcile(LISTEN_PORT="9", **internal)
    assert (code, "billing does not answer" in output) == (1, True)
