"""A browser at the pages: keeps cookies, and sends what browsers send about where a form comes from."""

import re
from typing import Any

import httpx

from services.accounts.tests.accounts_process import Accounts

ORIGIN = "https://promptly.test"
FORM_TOKEN = re.compile(r'name="form_token" value="([0-9a-f]{64})"')
OWN_FORM = {"origin": ORIGIN, "sec-fetch-site": "same-origin"}
FOREIGN_FORM = {"origin": "https://evil.test", "sec-fetch-site": "cross-site"}
SESSION = "promptly_session"


class Browser:
    """The one cookie jar of `accounts.http`. `submit` sends a form as our own page would."""

    def __init__(self, accounts: Accounts) -> None:
        self.http = accounts.http

    async def sign_in(self, key: str) -> httpx.Response:
        page = await self.http.post("/dashboard", data={"key": key}, headers=OWN_FORM)
        assert page.status_code == 303, page.text
        return await self.dashboard()

    async def dashboard(self) -> httpx.Response:
        return await self.http.get("/dashboard", headers={"sec-fetch-site": "same-origin"})

    async def form_token(self) -> str:
        found = FORM_TOKEN.search((await self.dashboard()).text)
        assert found is not None
        return found[1]

    async def submit(self, path: str, *, headers: dict[str, str] = OWN_FORM, **fields: Any) -> httpx.Response:
        form = {"form_token": await self.form_token(), **fields}
        return await self.http.post(path, data=form, headers=headers)

    @property
    def session(self) -> str | None:
        return self.http.cookies.get(SESSION)

    async def is_signed_in_as(self, email: str) -> bool:
        page = await self.dashboard()
        return "<title>Dashboard</title>" in page.text and email in page.text
