"""The operator's forms, for the panel and for scripts: form fields in, a page or (by Accept) JSON out.

200 done      400 a number that cannot be, with the reason      403 not the operator      404 no such user
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.accounts.domain.operators import (
    GRANT_DAYS_MAX,
    TOKENS_MAX,
    Action,
    BadNumber,
    Facts,
    read_delta,
    read_positive,
)
from services.accounts.domain.users import User
from services.accounts.entrypoints.admin_door import AdminDoor, Admitted
from services.accounts.entrypoints.admin_pages import AdminPages
from services.accounts.entrypoints.email_form import Address, read_address
from services.accounts.entrypoints.pages import HEADERS, Pages
from services.accounts.entrypoints.requests import FormTooLarge, NotAForm, read_form, wants_json
from services.accounts.use_cases.change_users import ChangeUsers
from services.accounts.use_cases.read_overview import ReadOverview
from services.accounts.use_cases.read_user import NoSuchUser, ReadUser
from shared.errors import Kind, PromptlyError
from shared.ids import new_uuid7

REASON_LENGTH_MAX = 500
REASON = "by the operator"
DONE_BEFORE = "This was done before; it is not done again."
ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
"""Of something that another service has: it becomes part of an address there."""


class BadField(PromptlyError):
    """A field of the form cannot be what was given."""

    kind = Kind.INVALID
    code = "invalid_value"


@dataclass(frozen=True, slots=True)
class Order:
    """A form that was let in: who sent it, and what it says."""

    request: Request
    admitted: Admitted
    form: Mapping[str, str]

    def action(self, name: str, user: User | None, what: Facts) -> Action:
        """A form of the panel carries its id, so that sending it twice is one action; a script's is new each time."""
        return Action(self._id(), name, self.admitted.operator, user.account_id if user else None, what)

    def _id(self) -> UUID:
        try:
            return UUID(self.form["action_id"]) if "action_id" in self.form else new_uuid7()
        except ValueError as error:
            raise BadField("action_id is a UUID.", param="action_id") from error

    def text(self, name: str) -> str:
        return self.form.get(name, "").strip()

    def id_of(self, name: str) -> str:
        value = self.text(name)
        if not ID.fullmatch(value):
            raise BadField(f"{name} is missing, or none of ours.", param=name)
        return value

    def reason_about(self, user: User) -> str:
        """Without the user's address: it stands in the books and in the audit log, which outlive the person."""
        typed = re.sub(
            re.escape(user.email), f"user {user.user_id}", self.text("reason"), flags=re.IGNORECASE
        )
        return (typed.replace("\0", "") or REASON)[:REASON_LENGTH_MAX]

    def number(self, read: Callable[[], int | BadNumber]) -> int:
        value = read()
        if isinstance(value, BadNumber):
            raise BadField(value.reason, param=value.field)
        return value


class AdminForms:
    def __init__(
        self,
        pages: Pages,
        door: AdminDoor,
        admin_pages: AdminPages,
        read_user: ReadUser,
        change_users: ChangeUsers,
        overview: ReadOverview,
    ) -> None:
        self._pages = pages
        self._door = door
        self._admin_pages = admin_pages
        self._read_user = read_user
        self._change_users = change_users
        self._overview = overview

    def routes(self) -> list[Route]:
        forms = {
            "adjust": self.adjust,
            "grant": self.grant,
            "delete": self.delete,
            "block": self.block,
            "unblock": self.unblock,
            "new-key": self.new_key,
            "reviews/decide": self.decide,
            "mails/resend": self.resend,
        }
        return [
            Route(f"/admin/{path}", self._behind_the_door(submit), methods=["POST"])
            for path, submit in forms.items()
        ]

    def _behind_the_door(
        self, submit: Callable[[Order], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            self._door.require_network(request)
            try:
                form = await read_form(request)
            except (NotAForm, FormTooLarge):
                await self._door.admit_sender(request, {})
                raise
            return await submit(Order(request, await self._door.admit_sender(request, form), form))

        return handle

    async def adjust(self, order: Order) -> Response:
        user = await self._user_of(order)
        delta = order.number(lambda: read_delta(order.text("delta")))
        reason = order.reason_about(user)
        action = order.action("adjust", user, {"delta": delta, "reason": reason})
        is_new = await self._change_users.adjust(action, user, delta=delta, reason=reason)
        return await self._answer(order, user, f"{delta:+,} tokens on the paid balance.", is_new=is_new)

    async def grant(self, order: Order) -> Response:
        user = await self._user_of(order)
        tokens = order.number(lambda: read_positive("tokens", order.text("tokens"), at_most=TOKENS_MAX))
        days = order.number(lambda: read_positive("days", order.text("days"), at_most=GRANT_DAYS_MAX))
        reason = order.reason_about(user)
        action = order.action("grant", user, {"tokens": tokens, "days": days, "reason": reason})
        is_new = await self._change_users.grant(action, user, tokens=tokens, days=days, reason=reason)
        return await self._answer(order, user, f"{tokens:,} tokens for {days} days.", is_new=is_new)

    async def delete(self, order: Order) -> Response:
        user = await self._user_of(order)
        await self._change_users.erase(order.action("delete", user, {}), user)
        if wants_json(order.request):
            return JSONResponse({"user_id": user.user_id, "deleted": True}, headers=HEADERS)
        return self._pages.render("admin_deleted.html", admitted=order.admitted, user_id=user.user_id)

    async def block(self, order: Order) -> Response:
        user = await self._user_of(order)
        is_new = await self._change_users.block(order.action("block", user, {}), user)
        return await self._answer(order, user, "Blocked: all keys are refused.", is_new=is_new)

    async def unblock(self, order: Order) -> Response:
        user = await self._user_of(order)
        is_new = await self._change_users.unblock(order.action("unblock", user, {}), user)
        return await self._answer(order, user, "Unblocked: the keys work again.", is_new=is_new)

    async def new_key(self, order: Order) -> Response:
        user = await self._user_of(order)
        if order.text("delivery") == "show":
            return await self._show_key(order, user)
        is_new = await self._change_users.mail_key(order.action("mail_key", user, {}), user)
        return await self._answer(order, user, "A new key is on its way by mail.", is_new=is_new)

    async def _show_key(self, order: Order, user: User) -> Response:
        key = await self._change_users.show_key(order.action("show_key", user, {}), user)
        if key is None:
            return await self._answer(order, user, "", is_new=False)
        if wants_json(order.request):
            return JSONResponse({"user_id": user.user_id, "key": key}, headers=HEADERS)
        return self._pages.render("admin_new_key.html", admitted=order.admitted, user=user, key=key)

    async def decide(self, order: Order) -> Response:
        review_id, decision = order.id_of("review_id"), order.id_of("decision")
        action = order.action("decide_review", None, {"review_id": review_id, "decision": decision})
        is_new = await self._overview.decide(action, review_id=review_id, decision=decision)
        notice = f"Decided: {decision}." if is_new else DONE_BEFORE
        if wants_json(order.request):
            return JSONResponse({"review_id": review_id, "decision": decision}, headers=HEADERS)
        return await self._admin_pages.reviews(order.request, order.admitted, notice=notice)

    async def resend(self, order: Order) -> Response:
        mail_id = order.id_of("mail_id")
        is_new = await self._overview.resend(
            order.action("resend_mail", None, {"mail_id": mail_id}), mail_id=mail_id
        )
        if wants_json(order.request):
            return JSONResponse({"mail_id": mail_id, "resent": True}, headers=HEADERS)
        notice = "The mail is sent again." if is_new else DONE_BEFORE
        return await self._admin_pages.mails(order.request, order.admitted, notice=notice)

    async def _user_of(self, order: Order) -> User:
        """By number where one is given, else by address. Raises NoSuchUser."""
        number, email = order.text("user_id"), order.text("email")
        if number:
            most = 10**18
            return await self._read_user.by_number(
                order.number(lambda: read_positive("user_id", number, at_most=most))
            )
        if not email:
            raise BadField("Give the user's email or user_id.", param="email")
        address = read_address(email)
        if not isinstance(address, Address):
            raise NoSuchUser("There is no such user.")
        return await self._read_user.by_address(address.email)

    async def _answer(self, order: Order, user: User, sentence: str, *, is_new: bool) -> Response:
        notice = sentence if is_new else DONE_BEFORE
        if wants_json(order.request):
            return JSONResponse(await self._facts(user, notice), headers=HEADERS)
        return await self._admin_pages.user_page(user.user_id, order.admitted, notice=notice)

    async def _facts(self, user: User, notice: str) -> dict[str, object]:
        contents = await self._read_user.page(user)
        balance = contents.balance
        return {
            "user_id": user.user_id,
            "account_id": user.account_id,
            "email": user.email,
            "result": notice,
            "balance": None
            if balance is None
            else {"available": balance.available, "paid": balance.paid, "trial": balance.trial},
        }
