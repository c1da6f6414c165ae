"""Forms of the dashboard's keys section. A new key is on the page that answers, and nowhere after it."""

from collections.abc import Mapping
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from services.accounts.domain.keys import BadTerms, read_grace, read_terms
from services.accounts.entrypoints.holders import Holders
from services.accounts.entrypoints.pages import HEADERS, Pages
from services.accounts.entrypoints.requests import read_form, wants_json
from services.accounts.use_cases.manage_keys import ManageKeys, NoSuchKey
from services.accounts.use_cases.new_keys import ShownKey
from shared.errors import Kind, PromptlyError
from shared.ids import KeyId

SEE_OTHER = 303


class BadKeyTerms(PromptlyError):
    """A name or a time that no key may have."""

    kind = Kind.INVALID
    code = "invalid_key_terms"


class Keys:
    def __init__(self, pages: Pages, holders: Holders, manage_keys: ManageKeys) -> None:
        self._pages = pages
        self._holders = holders
        self._manage_keys = manage_keys

    def routes(self) -> list[Route]:
        return [
            Route("/dashboard/keys", self.create, methods=["POST"]),
            Route("/dashboard/keys/{key_id}/revoke", self.revoke, methods=["POST"]),
            Route("/dashboard/keys/{key_id}/rotate", self.rotate, methods=["POST"]),
        ]

    async def create(self, request: Request) -> Response:
        form = await read_form(request)
        holder = await self._holders.sender_of(request, form)
        terms = read_terms(form.get("name", ""), form.get("days", ""))
        if isinstance(terms, BadTerms):
            raise BadKeyTerms(terms.reason, param=terms.field)
        return self._hand_over(request, await self._manage_keys.create(holder.account_id, terms))

    async def revoke(self, request: Request) -> Response:
        form = await read_form(request)
        holder = await self._holders.sender_of(request, form)
        await self._manage_keys.revoke(holder.account_id, _key_id(request.path_params))
        if wants_json(request):
            return JSONResponse({"revoked": request.path_params["key_id"]}, headers=HEADERS)
        return RedirectResponse("/dashboard#keys", SEE_OTHER)

    async def rotate(self, request: Request) -> Response:
        form = await read_form(request)
        holder = await self._holders.sender_of(request, form)
        grace = read_grace(form.get("hours", "24"))
        if isinstance(grace, BadTerms):
            raise BadKeyTerms(grace.reason, param=grace.field)
        made = await self._manage_keys.rotate(holder.account_id, _key_id(request.path_params), grace=grace)
        return self._hand_over(request, made)

    def _hand_over(self, request: Request, made: ShownKey) -> Response:
        if wants_json(request):
            body = {"key": made.text, "key_id": made.stored.key_id, "name": made.name}
            return JSONResponse(body, 201, headers=HEADERS)
        return self._pages.render("new_key.html", status=200, key=made.text, name=made.name)


def _key_id(path_params: Mapping[str, str]) -> KeyId:
    try:
        return KeyId(str(UUID(path_params["key_id"])))
    except ValueError as error:
        raise NoSuchKey("There is no such key.") from error
