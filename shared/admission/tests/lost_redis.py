"""Gateways stop, come back or are killed; Redis is emptied, or restarts from an older file; a trial ends.

What the protocol promises all the same: nothing is generated that was not granted, apart from three bounds.
"""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from shared.admission.keys import SEQUENCES
from shared.admission.sequences import HEARD_WITHIN_MS, read_sequences
from shared.admission.tests.building import ACCOUNT, LONG_AGO_MS, NAMES, open_ids, stored_in
from shared.admission.tests.fleet import Batch, Gateway, Served
from shared.admission.tests.served_account import ServedAccount, which
from shared.ids import RequestId

ROUNDS_MAX = 6
FILES_MAX = 4


class LostRedis(ServedAccount):
    @rule(number=which)
    def stop(self, number: int) -> None:
        """For longer than a lease, or not: it stops, and what it runs may be swept."""
        gateway = self.gateway(number)
        gateway.is_stopped = gateway.stood_still = True

    @rule(number=which)
    def come_back(self, number: int) -> None:
        stopped = [gateway for gateway in self.gateways if gateway.is_alive and gateway.is_stopped]
        if stopped:
            stopped[number % len(stopped)].is_stopped = False

    @rule(number=which)
    def kill(self, number: int) -> None:
        """Bound 1: what its streams delivered since their last checkpoint is not charged."""
        gateway = self.gateway(number)
        gateway.is_alive = False
        for served in gateway.running.values():
            served.excuse_above(served.in_redis)

    @rule(number=which, is_slow=st.booleans())
    def slow_down(self, number: int, is_slow: bool) -> None:
        """What it has to tell again after a loss takes it longer than the wait."""
        self.gateway(number).is_slow = is_slow

    @rule()
    def empty_redis(self) -> None:
        self.world.empty()
        self.is_from_a_file = False
        self._lost()

    @rule()
    def save_file(self) -> None:
        self.files = [*self.files[1 - FILES_MAX :], self.world.save()]

    @precondition(lambda self: self.files)
    @rule(number=which)
    def restart_from_file(self, number: int) -> None:
        self.world.restart_from(self.files[-1 - number % len(self.files)])
        self.is_from_a_file = True
        self._lost()

    def _lost(self) -> None:
        self.is_open = False
        for gateway in self.gateways:
            gateway.is_fresh = gateway.missed_the_wait = False
        for _, served in self.served:
            served.in_redis = 0

    @rule()
    def the_wait_is_over(self) -> None:
        """It is longer than several checkpoint intervals: every gateway that works has ticked."""
        if all(gateway.is_fresh for gateway in self.gateways if gateway.works):
            self.end_wait()

    def end_wait(self) -> None:
        """Time is the test's. The new instant names the closing as well as the old one did."""
        if self.world.run(self.world.redis.hget(NAMES.account, "state")) == b"closed":
            self.world.run(self.world.redis.hincrby(NAMES.account, "opens_at", -10_000_000))
            for gateway in self.gateways:
                gateway.missed_the_wait = not gateway.is_fresh
                self._fall_silent(gateway)

    def _fall_silent(self, gateway: Gateway) -> None:
        """One that does not work was last heard of before the wait."""
        said: Any = self.world.run(self.world.redis.hget(SEQUENCES, gateway.name))
        if said and not gateway.works:
            sequence, at_ms, untold = map(int, said.split(b":"))
            long_ago = f"{sequence}:{at_ms - HEARD_WITHIN_MS}:{untold}"
            self.world.run(self.world.redis.hset(SEQUENCES, gateway.name, long_ago))

    @rule(ticks=st.booleans())
    def time_passes(self, ticks: bool) -> None:
        """Enough of it for a lost account to open, if only all gateways that work are heard."""
        self.mirror()
        for number in range(len(self.gateways) if ticks else 0):
            self.tick(number, is_answered=True)
        self.the_wait_is_over()
        self.mirror()

    @rule()
    def follow(self) -> None:
        self.world.run(self.metering.follow())

    def opened(self) -> None:
        """Bound 3: what only the memory of a killed gateway held is lost with Redis. And bound 2 for a gateway
        that stood still for the whole wait: what it will tell comes too late."""
        for gateway, served in self.served:
            has_told = gateway.is_fresh and not gateway.untold
            comes_too_late = not has_told and (gateway.missed_the_wait or gateway.is_stopped)
            if comes_too_late or not gateway.is_alive:
                served.excuse_above(max(served.in_redis, self._told_of(served)))
                if gateway.stood_still:
                    served.is_told()

    def _told_of(self, served: Served) -> int:
        """What metering must have posted of it by now."""
        said = self.world.run(read_sequences(self.world.redis))
        counts = [
            record.tokens
            for batch in self.metering.published
            if self._is_known_to_metering(batch, said)
            for record in batch.records
            if str(record.request_id) == served.id
        ]
        return max(counts, default=0)

    def _is_known_to_metering(self, batch: Batch, said: dict[str, int]) -> bool:
        last = max(said.get(batch.gateway, 0), self.metering.announced.get(batch.gateway, 0))
        posted = (batch.gateway, batch.sequence) in self.metering.posted_batches
        return posted or batch.sequence <= last

    @precondition(lambda self: not self.metering.trial_ended)
    @rule()
    def trial_ends(self) -> None:
        self.metering.trial_ended = True
        self.metering.before_the_end = {request.request_id for request in self.asked}
        if self.world.run(self.world.redis.hexists(NAMES.account, "grant:trial")):
            ended = f"{self.metering.ledger.trial}:{LONG_AGO_MS}"
            self.world.run(self.world.redis.hset(NAMES.account, "grant:trial", ended))

    @precondition(lambda self: self.metering.trial_ended and self.is_open)
    @rule()
    def close_trial(self) -> None:
        """Posted when nothing admitted before the end is held or journalled, on an open account."""
        ledger = self.metering.ledger
        waits = "expiry waits for what was admitted before" in self.duties
        if not ledger.trial_closed and not (waits and self.metering.before_the_end & self._open_ids()):
            self.granted -= ledger.trial
            ledger.close_trial()

    def _open_ids(self) -> frozenset[RequestId]:
        return self.world.run(open_ids(self.world.redis))

    @invariant()
    def nothing_is_generated_that_was_not_granted(self) -> None:
        """What is delivered, and what running requests may still deliver."""
        assert sum(served.delivered - served.excused for _, served in self.served) <= self.granted

    @invariant()
    def counters_are_sums(self) -> None:
        if self.is_open:
            self.world.run(stored_in(self.world.redis)).assert_counters_are_sums()

    def teardown(self) -> None:
        """When all gateways are heard and all is posted, nothing is stuck, and the books agree."""
        if not hasattr(self, "metering"):
            return
        rounds = 0
        while not self._is_healed() and rounds < ROUNDS_MAX:
            self._heal()
            rounds += 1
        assert self._is_healed()
        view = self.world.run(self.gateway(0).desk.balance(ACCOUNT))
        ledger = self.metering.ledger
        trial = 0 if self.metering.trial_ended else ledger.trial
        assert view is not None
        assert (view.available, view.held) == (ledger.paid + trial, 0)
        assert ledger.uncollected <= sum(served.excused for _, served in self.served)
        for _, served in self.served:
            self._is_charged_as_delivered(served)

    def _is_healed(self) -> bool:
        has_kept = any(gateway.kept for gateway in self.gateways if gateway.is_alive)
        return self.is_open and not has_kept and not self.running() and not self._open_ids()

    def _heal(self) -> None:
        for gateway in self.gateways:
            gateway.is_stopped = gateway.is_slow = False
        for number in range(len(self.gateways)):
            self.tick(number, is_answered=True)
        while self.running():
            self.end(0, share=0.5, redis_answers=True)
        while self.publish_next(0, is_confirmed=True):
            pass
        for batch in self.metering.published:
            self.metering.post(batch)
        for request_id in self.held():
            self.sweep_one(request_id)
        self.mirror()
        self.end_wait()
        self.mirror()
        for number in range(len(self.gateways)):
            self.forget_what_the_ledger_has(number)

    def _is_charged_as_delivered(self, served: Served) -> None:
        posted = self.metering.ledger.posted.get(served.id)
        charged = posted.tokens if posted else 0
        assert charged <= served.delivered
        assert charged == served.delivered or (served.floor is not None and charged >= served.floor)
