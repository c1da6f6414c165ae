"""Who is behind a request: a key in its form, or the session cookie that accounts has set.

A form with a key ignores cookies. A form by cookie needs an Origin whose host is the request's, and the token
that our page put into it: else another site could buy, or look, in somebody's name.
"""

from collections.abc import Mapping

from fastapi import Request

from services.billing.domain.buyers import Buyer, ForeignForm, NotSignedIn
from services.billing.use_cases.identify_buyer import IdentifyBuyer
from shared.http.own_page import is_from_our_page
from shared.http.request_log import tell_account
from shared.http.session_cookie import SESSION_COOKIE


async def find_reader(request: Request, identify: IdentifyBuyer) -> Buyer | None:
    """For a page that is only read."""
    reader = await identify.find_by_session(request.cookies.get(SESSION_COOKIE, ""))
    return None if reader is None else _told(request, reader)


async def get_sender(request: Request, form: Mapping[str, str], identify: IdentifyBuyer) -> Buyer:
    """Raises NotSignedIn or ForeignForm."""
    if form.get("key"):
        return _told(request, await identify.by_key(form["key"]))
    session = request.cookies.get(SESSION_COOKIE, "")
    if not session:
        raise NotSignedIn("Please give your API key, or open the dashboard first.")
    if not is_from_our_page(request):
        raise ForeignForm("This form was not sent from a page of ours. Please open the page and try again.")
    return _told(request, await identify.by_form(session, form.get("form_token", "")))


def _told(request: Request, buyer: Buyer) -> Buyer:
    tell_account(request.scope, buyer.account_id)
    return buyer
