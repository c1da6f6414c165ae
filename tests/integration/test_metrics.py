"""What Prometheus reads of the running system: every service, nobody's secrets, bounded labels, and all that the
alerts and the dashboard ask for."""

import asyncio
import re
from urllib.parse import urlsplit

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.observability_files import queries, selectors_of
from tests.support.person import Person
from tests.support.stack import Stack

SERVICES = ("gateway", "accounts", "metering", "billing", "notifier")
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
FROM_PROMETHEUS = {"job", "service", "instance"}
PERSONAL = re.compile(r"sk-[0-9A-Za-z]{8}|[^\s\"]+@[^\s\"]+\.[a-z]+|\b\d{1,3}(\.\d{1,3}){3}\b")
SERIES_MAX = 1_500
"""Of one process, after everything that the stories did: most are histogram buckets."""
CANARY = "canary-hoatzin-2290"

Labels = dict[str, set[frozenset[str]]]


async def scrape(stack: Stack, service: str) -> str:
    async with httpx.AsyncClient() as client:
        reply = await client.get(f"{stack.private_url(service)}/metrics")
    assert reply.status_code == 200
    return reply.text


async def labels_by_metric(stack: Stack) -> Labels:
    """What is exposed, by every name that a query may use; without labels where nothing was counted yet."""
    found: Labels = {}
    for service in SERVICES:
        for family in text_string_to_metric_families(await scrape(stack, service)):
            for suffix in SUFFIXES.get(family.type, ()):
                found.setdefault(family.name + suffix, set())
            for sample in family.samples:
                found.setdefault(sample.name, set()).add(frozenset(sample.labels))
    return found


@pytest.mark.parametrize("service", SERVICES)
async def test_each_service_tells_its_version_its_requests_and_what_it_reaches(
    stack: Stack, person: Person, service: str
) -> None:
    families = {
        family.name: family for family in text_string_to_metric_families(await scrape(stack, service))
    }
    assert families["promptly_build_info"].samples[0].labels["service"] == service
    assert {"promptly_http_requests", "promptly_http_request_seconds"} <= families.keys()
    assert {sample.labels["part"]: sample.value for sample in families["promptly_part_up"].samples}.values()


async def test_the_metrics_are_never_public(stack: Stack) -> None:
    """In whatever spelling: written by hand, because a client would tidy it up."""
    edge = urlsplit(stack.base_url)
    assert edge.hostname is not None
    for path in (
        "/metrics",
        "/metrics/",
        "/METRICS",
        "//metrics",
        "/v1/../metrics",
        "/%6Detrics",
        "/./metrics?x",
    ):
        reader, writer = await asyncio.open_connection(edge.hostname, edge.port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        reply = await reader.read()
        writer.close()
        assert reply.startswith((b"HTTP/1.1 404 ", b"HTTP/1.1 400 ")), path
        assert b"promptly_" not in reply


async def test_what_the_alerts_and_the_dashboard_ask_for_is_there(stack: Stack, person: Person) -> None:
    await person.register()
    await person.ask(max_tokens=4)
    await person.dashboard()
    exposed = await labels_by_metric(stack)
    asked = {where: selectors_of(query) for where, query in queries().items()}
    assert {
        (where, each.metric) for where, found in asked.items() for each in found if each.metric not in exposed
    } == set()
    wrong = {
        (where, each.metric, label)
        for where, found in asked.items()
        for each in found
        for label in each.labels - FROM_PROMETHEUS
        if exposed[each.metric] and not any(label in labels for labels in exposed[each.metric])
    }
    assert wrong == set()


async def test_what_people_do_is_counted(stack: Stack, person: Person) -> None:
    """By this person, or by others of other stories at the same time: at least."""
    before = await figures(stack, "accounts") | await figures(stack, "notifier")
    await person.register()
    await person.register()
    after = await figures(stack, "accounts") | await figures(stack, "notifier")
    for name, grown in (
        ('promptly_accounts_registrations_total{outcome="sent"}', 2),
        ('promptly_accounts_key_changes_total{state="active"}', 2),
        ('promptly_accounts_key_changes_total{state="revoked"}', 1),
        ('promptly_notifier_attempts_total{kind="key_registered",outcome="sent"}', 1),
        ('promptly_http_requests_total{method="POST",route="/register",status="200"}', 2),
    ):
        assert after[name] - before.get(name, 0) >= grown, name


async def figures(stack: Stack, service: str) -> dict[str, float]:
    """As they are written."""
    lines = [line for line in (await scrape(stack, service)).splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


async def test_no_label_is_anybodys_and_their_number_does_not_grow_with_what_is_asked(
    stack: Stack, person: Person
) -> None:
    await person.register()
    await person.ask(messages=[{"role": "user", "content": CANARY}], max_tokens=4)
    await person.dashboard()
    before = {service: series_of(await scrape(stack, service)) for service in SERVICES}
    async with httpx.AsyncClient(base_url=stack.base_url) as outside:
        for number in range(20):
            await outside.get(f"/v1/{CANARY}-{number}", headers={"authorization": f"Bearer {person.key}"})
            await outside.get(f"/{CANARY}-{number}/{person.address}")
            await outside.get(f"/purchases/{CANARY}-{number}?key={person.key}")
    for service in SERVICES:
        text = await scrape(stack, service)
        assert series_of(text) - before[service] <= 40  # one more route and status each, with its buckets
        assert series_of(text) < SERIES_MAX
        for secret in (CANARY, person.key, person.key[3:11], person.address, stack.admin_key):
            assert secret not in text
        values = {
            value for line in text.splitlines() if not line.startswith("#") for value in label_values(line)
        }
        assert {value for value in values if PERSONAL.search(value)} == set()


def series_of(text: str) -> int:
    return sum(not line.startswith("#") for line in text.splitlines())


def label_values(line: str) -> list[str]:
    return re.findall(r'="((?:[^"\\]|\\.)*)"', line)
