"""Every story has its own person at the public door of one running system."""

from collections.abc import Iterator

import pytest

from deploy.local.environments import BackingUrls
from tests.support.person import Person
from tests.support.stack import Stack, run_stack

TRIAL_TOKENS = 600
"""Enough for a few short answers; spent within seconds where a story is about the end of it."""


@pytest.fixture(scope="session")
def stack(backing: BackingUrls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with run_stack(tmp_path_factory.mktemp("stack"), backing, {"TRIAL_TOKENS": str(TRIAL_TOKENS)}) as running:
        yield running


@pytest.fixture
def person(stack: Stack) -> Person:
    return Person(stack.base_url, stack.mails)
