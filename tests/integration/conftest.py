"""Every story has its own person at the public door of one running system."""

import pytest

from tests.integration.person import Person
from tests.support.stack import Stack


@pytest.fixture
def person(stack: Stack) -> Person:
    return Person(stack.base_url, stack.mail_folder)
