"""EMAIL_DELIVERABILITY=on: an address whose domain takes no mail is refused, whoever is known there."""

from typing import Any

import pytest
from dns.resolver import NXDOMAIN, LifetimeTimeout, NoAnswer, Resolver
from redis.asyncio import Redis

from services.accounts.adapters import mail_domains_dns
from services.accounts.adapters.mail_domains_dns import MailDomains
from services.accounts.tests.accounts_process import serving
from services.accounts.tests.conftest import SettingsFactory


class Exchange:
    def __init__(self, exchange: str) -> None:
        self.preference, self.exchange = 10, exchange


class StandIn(Resolver):
    """A DNS that knows a few domains."""

    def __init__(self) -> None:
        super().__init__(configure=False)
        self.asked: list[str] = []

    def resolve(self, qname: Any, rdtype: Any = "A", *_: Any, **__: Any) -> Any:
        self.asked.append(str(qname))
        if qname == "slow.example.com":
            raise LifetimeTimeout
        if qname == "odd.example.com":
            raise RuntimeError("an answer that nobody foresaw")
        if qname == "nowhere.example.com":
            raise NXDOMAIN
        if rdtype != "MX" or qname == "empty.example.com":
            raise NoAnswer
        return [Exchange("." if qname == "null.example.com" else "mx.example.com.")]


@pytest.mark.parametrize(
    ("domain", "named"),
    [
        ("mx.example.com", None),
        ("slow.example.com", None),
        ("odd.example.com", None),
        ("nowhere.example.com", "does not exist"),
        ("empty.example.com", "does not accept email"),
        ("null.example.com", "does not accept email"),
    ],
)
async def test_a_domain_that_takes_no_mail_is_refused_and_a_failing_dns_refuses_nobody(
    domain: str, named: str | None
) -> None:
    refusal = await MailDomains(StandIn()).refusal(f"ada@{domain}")
    assert (refusal is None) if named is None else (refusal is not None and named in refusal)


async def test_the_form_says_what_is_wrong_with_the_domain_and_stores_nothing(
    settings_with: SettingsFactory, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    dns = StandIn()
    monkeypatch.setattr(mail_domains_dns, "caching_resolver", lambda **_: dns)
    async with serving(settings_with(email_deliverability="on"), redis) as accounts:
        page = await accounts.register("ada@nowhere.example.com")
        assert (page.status_code, "does not exist" in page.text) == (400, True)
        assert await accounts.keys_issued("ada@nowhere.example.com") == []
        assert (await accounts.register("ada@mx.example.com")).status_code == 200
        for reserved in ("ada@host.invalid", "ada@host.test"):
            assert (await accounts.register(reserved)).status_code == 200
        assert dns.asked == ["nowhere.example.com", "mx.example.com"]


async def test_usually_nobody_asks_dns(
    settings_with: SettingsFactory, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    dns = StandIn()
    monkeypatch.setattr(mail_domains_dns, "caching_resolver", lambda **_: dns)
    async with serving(settings_with(), redis) as accounts:
        assert (await accounts.register("ada@nowhere.example.com")).status_code == 200
        assert dns.asked == []
