"""What becomes of a message that failed: the decision, without a broker."""

import importlib

import asyncpg
import httpx
import pytest
import redis
from pydantic import ValidationError

from shared.bus.failures import DEPENDENCY_DOWN, Park, Pause, Retry, judge
from shared.contracts.catalogue import UnknownEvent
from shared.contracts.envelope import Envelope
from shared.errors import NotYet, Poison, Unavailable

RUNGS = 3


def validation_error(body: bytes) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        Envelope.from_json(body)
    return caught.value


@pytest.mark.parametrize("name", sorted(DEPENDENCY_DOWN))
def test_every_listed_error_exists_under_this_name(name: str) -> None:
    module, _, class_name = name.rpartition(".")
    kind = getattr(importlib.import_module(module), class_name)
    assert f"{kind.__module__}.{kind.__qualname__}" == name


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(),
        TimeoutError(),
        Unavailable("the ledger does not answer"),
        asyncpg.ConnectionDoesNotExistError(),
        asyncpg.CannotConnectNowError(),
        asyncpg.TooManyConnectionsError(),
        redis.ConnectionError(),
        redis.TimeoutError(),
        httpx.ConnectError("refused"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_dependency_that_is_down_pauses_however_often(error: Exception) -> None:
    assert isinstance(judge(error, attempts=99, rungs=RUNGS), Pause)


def test_a_lost_connection_behind_another_error_is_still_a_lost_connection() -> None:
    error = asyncpg.InterfaceError("cannot call Transaction.rollback(): the connection is closed")
    error.__context__ = asyncpg.ConnectionDoesNotExistError()
    assert isinstance(judge(error, attempts=0, rungs=RUNGS), Pause)


@pytest.mark.parametrize(
    "error",
    [Poison("older than the retention"), UnknownEvent("x.v9"), validation_error(b"{}")],
    ids=lambda error: type(error).__name__,
)
def test_what_no_retry_can_mend_is_parked_at_once(error: Exception) -> None:
    assert isinstance(judge(error, attempts=0, rungs=RUNGS), Park)


@pytest.mark.parametrize(
    "error", [NotYet("no such account yet"), KeyError("x"), asyncpg.DeadlockDetectedError()]
)
def test_anything_else_climbs_the_ladder_and_is_parked_at_its_end(error: Exception) -> None:
    verdicts = [judge(error, attempts=attempts, rungs=RUNGS) for attempts in range(RUNGS + 1)]
    assert [verdict.rung for verdict in verdicts if isinstance(verdict, Retry)] == [0, 1, 2]
    assert isinstance(verdicts[-1], Park)
    assert verdicts[-1].reason.startswith("gave up after 4 attempts")


def test_a_reason_never_repeats_what_the_message_said() -> None:
    verdict = judge(validation_error(b'{"id": "swordfish"}'), attempts=0, rungs=RUNGS)
    assert "swordfish" not in verdict.reason
    assert "swordfish" not in judge(KeyError("swordfish"), attempts=0, rungs=RUNGS).reason


def test_a_reason_of_ours_is_told() -> None:
    assert judge(Poison("older than the retention"), attempts=0, rungs=RUNGS) == Park(
        "poison: older than the retention"
    )
