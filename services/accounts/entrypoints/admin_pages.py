"""The operator's pages: the users, one user, reviews, failed mails, the audit log."""

import asyncio
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from services.accounts.domain.dashboard import UsageDay, chart_of
from services.accounts.domain.users import SortBy, UserList, UserQuery, read_query
from services.accounts.entrypoints.admin_door import AdminDoor, Admitted, NotSignedIn
from services.accounts.entrypoints.pages import Pages
from services.accounts.entrypoints.requests import FormTooLarge, NotAForm, read_form, wants_json
from services.accounts.use_cases.find_users import FindUsers
from services.accounts.use_cases.read_overview import ACTIONS_PER_PAGE, ReadOverview
from services.accounts.use_cases.read_user import NoSuchUser, ReadUser
from services.accounts.use_cases.replace_key import ReplaceKey
from shared.clock import utc_now
from shared.ids import new_uuid7

SEE_OTHER = 303
NUMBER_LENGTH_MAX = 18

Show = Callable[[Request, Admitted], Awaitable[Response]]


class AdminPages:
    def __init__(
        self,
        pages: Pages,
        door: AdminDoor,
        find_users: FindUsers,
        read_user: ReadUser,
        read_overview: ReadOverview,
        replace_key: ReplaceKey,
    ) -> None:
        self._pages = pages
        self._door = door
        self._find_users = find_users
        self._read_user = read_user
        self._read_overview = read_overview
        self._replace_key = replace_key

    def routes(self) -> list[Route]:
        shown: dict[str, Show] = {
            "": self.users,
            "/user": self.user,
            "/reviews": self.reviews,
            "/mails": self.mails,
            "/audit": self.audit,
        }
        return [
            *(
                Route(f"/admin{path}", self._behind_the_door(show), methods=["GET"])
                for path, show in shown.items()
            ),
            Route("/admin", self.sign_in, methods=["POST"]),
            Route("/admin/sign-out", self.sign_out, methods=["POST"]),
        ]

    def _behind_the_door(self, show: Show) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            try:
                admitted = await self._door.admit_visitor(request)
            except NotSignedIn as error:
                return self._ask_for_key(request, error)
            return self._door.keep(request, await show(request, admitted), admitted)

        return handle

    async def sign_in(self, request: Request) -> Response:
        """A browser goes on to the page, so that reloading it sends no key again."""
        self._door.require_network(request)
        try:
            key = (await read_form(request)).get("key", "")
            admitted = await self._door.admit_visitor(request, key=key)
        except (NotAForm, FormTooLarge):
            return self._ask_for_key(request, NotSignedIn("This needs the admin key."))
        except NotSignedIn as error:
            return self._ask_for_key(request, error)
        if request.headers.get("sec-fetch-site") == "same-origin" and admitted.new_session:
            return self._door.keep(request, RedirectResponse("/admin", SEE_OTHER), admitted)
        return self._door.keep(request, await self.users(request, admitted), admitted)

    async def sign_out(self, request: Request) -> Response:
        await self._door.admit_sender(request, await read_form(request))
        response = RedirectResponse("/admin", SEE_OTHER)
        await self._door.sign_out(request, response)
        return response

    async def users(self, request: Request, admitted: Admitted) -> Response:
        asked = request.query_params
        query = read_query(*(asked.get(name, "") for name in ("q", "sort", "direction", "page")))
        now = utc_now()
        (users, found), overview = await asyncio.gather(
            self._count_and_find(query), self._read_overview.overview(now)
        )
        days = overview.totals.days if overview.totals else ()
        usage = [
            UsageDay(each.day, each.requests, each.tokens_prompt, each.tokens_completion) for each in days
        ]
        return self._pages.render(
            "admin_users.html",
            admitted=admitted,
            users=users,
            found=found,
            overview=overview,
            chart=chart_of(usage, today=now.date()),
            sorts=tuple(SortBy),
            now=now,
        )

    async def _count_and_find(self, query: UserQuery) -> tuple[int, UserList]:
        count = await self._find_users.count()
        return count, await self._find_users(query, users_in_all=count)

    async def user(self, request: Request, admitted: Admitted) -> Response:
        text = request.query_params.get("user_id", "")
        if not (text.isascii() and text.isdigit() and len(text) <= NUMBER_LENGTH_MAX):
            raise NoSuchUser("There is no such user.")
        user = await self._read_user.by_number(int(text))
        return await self.user_page(user.user_id, admitted, notice=None)

    async def user_page(self, user_id: int, admitted: Admitted, *, notice: str | None) -> Response:
        now = utc_now()
        contents = await self._read_user.page(await self._read_user.by_number(user_id))
        return self._pages.render(
            "admin_user.html",
            admitted=admitted,
            contents=contents,
            notice=notice,
            chart=chart_of(contents.usage or (), today=now.date()),
            trial_state=contents.balance.trial_state(now).value if contents.balance else None,
            may_be_shown=await self._replace_key.may_be_shown(),
            new_action_id=new_uuid7,
        )

    async def reviews(self, _: Request, admitted: Admitted, *, notice: str | None = None) -> Response:
        reviews = await self._read_overview.reviews()
        return self._pages.render(
            "admin_reviews.html",
            admitted=admitted,
            reviews=reviews,
            notice=notice,
            new_action_id=new_uuid7,
        )

    async def mails(self, _: Request, admitted: Admitted, *, notice: str | None = None) -> Response:
        mails = await self._read_overview.refused_mails()
        return self._pages.render(
            "admin_mails.html",
            admitted=admitted,
            mails=mails,
            mail_door=await self._read_overview.mail_door(),
            notice=notice,
            new_action_id=new_uuid7,
        )

    async def audit(self, request: Request, admitted: Admitted) -> Response:
        page = read_query("", "", "", request.query_params.get("page", "")).page
        actions = await self._read_overview.actions(page=page)
        return self._pages.render(
            "admin_audit.html",
            admitted=admitted,
            actions=actions[:ACTIONS_PER_PAGE],
            page=page,
            has_more=len(actions) > ACTIONS_PER_PAGE,
        )

    def _ask_for_key(self, request: Request, error: NotSignedIn) -> Response:
        if wants_json(request):
            raise error
        return self._pages.render("admin_sign_in.html", status=403, tried=_gave_a_key(request))


def _gave_a_key(request: Request) -> bool:
    return "key" in request.query_params or request.method == "POST"
