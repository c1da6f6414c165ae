"""What is looked at, and how long each answer took: one after the other, in rounds, so that nobody has a better hour."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles

import httpx

from bench.pages.rows import BUSIEST, USERS

OK = 200
PER_PAGE = 50
LAST_PAGE = USERS // PER_PAGE


@dataclass(slots=True)
class Look:
    """One page, by whom it is seen."""

    name: str
    browser: httpx.Client
    path: str
    took_ms: list[float] = field(default_factory=list)

    def take(self) -> None:
        began = time.perf_counter()
        reply = self.browser.get(self.path)
        self.took_ms.append((time.perf_counter() - began) * 1000)
        if reply.status_code != OK or "Not shown at the moment" in reply.text:
            raise RuntimeError(f"{self.name}: {reply.status_code}, or not the whole page")

    @property
    def median_ms(self) -> float:
        return median(self.took_ms)

    @property
    def p99_ms(self) -> float:
        return quantiles(self.took_ms, n=100)[98]


def customers_looks(browser: httpx.Client, who: str) -> list[Look]:
    return [
        Look(f"dashboard, {who}", browser, "/dashboard"),
        Look(f"all requests, {who}", browser, "/dashboard/requests"),
        Look(f"usage CSV, {who}", browser, "/dashboard/usage.csv?days=30"),
    ]


def operators_looks(browser: httpx.Client) -> list[Look]:
    paths = {
        "first page": "/admin",
        "deepest page": f"/admin?page={LAST_PAGE}",
        "middle page": f"/admin?page={LAST_PAGE // 2}",
        "by address, middle page": f"/admin?sort=email&page={LAST_PAGE // 2}",
        "by balance": "/admin?sort=balance",
        "by balance, deepest page": f"/admin?sort=balance&page={LAST_PAGE}",
        "by usage": "/admin?sort=usage",
        "search, one match": "/admin?q=user.54321@",
        "search, 100 matches": "/admin?q=@company-7.example",
        "search, all match": "/admin?q=company",
        "search, none matches": "/admin?q=nobody-at-all",
        "search, by usage": "/admin?q=@company-7.example&sort=usage",
        "one user": f"/admin/user?user_id={BUSIEST}",
        "audit log": "/admin/audit",
    }
    return [Look(f"admin, {name}", browser, path) for name, path in paths.items()]


def measure(looks: Sequence[Look], *, rounds: int, warm_up: int) -> None:
    for number in range(-warm_up, rounds):
        for look in looks:
            look.take()
            if number < 0:
                look.took_ms.clear()
