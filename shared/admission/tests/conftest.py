"""A desk on an emptied Redis."""

import pytest
from redis.asyncio import Redis

from shared.admission.desk import AdmissionDesk


@pytest.fixture
def desk(redis: Redis) -> AdmissionDesk:
    return AdmissionDesk(redis)
