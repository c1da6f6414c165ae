"""To which part of the system a moment belongs."""

from bench.gateway.figures import Figures
from bench.gateway.profile import ELSEWHERE, area_of, shares_of
from bench.gateway.tables import PROFILE, of_profile

SERVED = "run (uvicorn/server.py:65)"
CHECKED = "parse_chat_request (/app/services/gateway/domain/chat_request.py:70)"
LIBRARY = "loads (json/__init__.py:346)"
SETTLED = "settle (/app/shared/admission/desk.py:120)"


def test_a_library_belongs_to_whoever_called_it() -> None:
    assert area_of([SERVED, CHECKED, LIBRARY]) == "checking and building bodies"
    assert area_of([SERVED, CHECKED, SETTLED]) == "holding and settling in Redis"


def test_what_no_part_called_is_the_loop() -> None:
    assert area_of([LIBRARY]) == ELSEWHERE


def test_shares_are_of_all_samples() -> None:
    shares = shares_of([f"{SERVED};{CHECKED} 3", f"{SERVED};{SETTLED} 1"])
    assert shares == {"checking and building bodies": 0.75, "holding and settling in Redis": 0.25}


def test_the_dearest_part_stands_first() -> None:
    figures = Figures(
        {PROFILE + "keys": {"gateway": [10.0]}, PROFILE + "the request log": {"gateway": [30.0]}}
    )
    assert of_profile(figures).splitlines()[2:] == ["| the request log | 30 | 75% |", "| keys | 10 | 25% |"]
    assert of_profile(Figures()) == ""
