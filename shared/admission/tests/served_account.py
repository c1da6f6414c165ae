"""What several gateways and metering do for one account, and what must be true whatever happens to them."""

from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from shared.admission.decisions import CallKind, HoldRequest
from shared.admission.sweep import Swept, sweep
from shared.admission.tests.building import ACCOUNT, NAMES, request_for
from shared.admission.tests.fleet import Gateway, Served
from shared.admission.tests.plain_metering import PassOnItsWay, PlainMetering
from shared.admission.tests.plain_model import Ledger
from shared.admission.tests.world import File, World
from shared.contracts.gateway import REVISION_SERVED
from shared.ids import RequestId

DUTIES = frozenset(
    {
        "dedup",
        "one snapshot",
        "drain before opening",
        "re-assert the journal",
        "wait for who is still telling",
        "cut when swept",
        "deliver nothing after standing still",
        "remember what was announced",
        "lower by hold",
        "expiry waits for what was admitted before",
        "sweep only after a lease of listening",
    }
)
which = st.integers(0, 5)


class ServedAccount(RuleBasedStateMachine):
    """Subclassed with the `world` it runs in, and the duties that are done there."""

    world: ClassVar[World]
    duties: ClassVar[frozenset[str]] = DUTIES

    @initialize(paid=st.integers(0, 150), trial=st.integers(0, 60))
    def begin(self, paid: int, trial: int) -> None:
        self.world.begin()
        self.granted = paid + trial
        self.metering = PlainMetering(self.world.redis, Ledger(paid, trial), self.duties)
        self.gateways: list[Gateway] = []
        self.served: list[tuple[Gateway, Served]] = []
        self.passes: list[PassOnItsWay] = []
        self.files: list[File] = []
        self.asked: list[HoldRequest] = []
        self.deducted: set[RequestId] = set()
        self.is_open = self.is_from_a_file = False
        self.new_gateway()
        self.new_gateway()
        self.mirror()

    def new_gateway(self) -> None:
        name = f"gateway-{len(self.gateways)}"
        self.gateways.append(Gateway(name, self.world.redis, self.duties, is_fresh=True))

    def gateway(self, number: int) -> Gateway:
        """One of those that work; a new one when there is none."""
        if not any(gateway.works for gateway in self.gateways):
            self.new_gateway()
        working = [gateway for gateway in self.gateways if gateway.works]
        return working[number % len(working)]

    def running(self) -> list[tuple[Gateway, Served]]:
        return [(gateway, one) for gateway, one in self.served if gateway.works and one.id in gateway.running]

    @rule(
        number=which,
        tokens=st.integers(1, 60),
        kind=st.sampled_from(CallKind),
        is_answered=st.sampled_from([True, True, True, False]),
    )
    def admit(self, number: int, tokens: int, kind: CallKind, is_answered: bool) -> None:
        """Whoever gets no answer releases, should there be a hold; if he is not killed before."""
        gateway, request = self.gateway(number), request_for(0, tokens, kind=kind)
        self.asked.append(request)
        admitted = self.world.run(gateway.admit(request))
        if admitted and is_answered:
            gateway.running[admitted.id] = admitted
            self.served.append((gateway, admitted))
            assert sum(self.known(*one) for one in self.served) <= self.granted
        elif admitted:
            self.world.run(gateway.desk.release(ACCOUNT, request.request_id))

    def known(self, gateway: Gateway, served: Served) -> int:
        """What whoever is admitted now may not spend, too; a bound excuses only what nobody has told."""
        if served.floor is not None:
            return max(served.in_redis, served.delivered - served.excused)
        is_running = gateway.is_alive and served.id in gateway.running
        return served.held if is_running else served.delivered

    @precondition(lambda self: self.asked)
    @rule(number=which)
    def an_old_admission_arrives_again(self, number: int) -> None:
        self.world.run(self.gateway(0).admit(self.asked[-1 - number % len(self.asked)]))

    @precondition(lambda self: self.running())
    @rule(number=which, share=st.floats(0, 1))
    def deliver(self, number: int, share: float) -> None:
        """A stream, and never more than was held."""
        gateway, served = self.running()[number % len(self.running())]
        if self.waits(gateway):
            return
        if served.asked.kind is CallKind.STREAM:
            served.delivered += int((served.held - served.delivered) * share)

    @precondition(lambda self: self.running())
    @rule(number=which, share=st.floats(0, 1), redis_answers=st.sampled_from([True, True, True, False]))
    def end(self, number: int, share: float, redis_answers: bool) -> None:
        """A whole answer is settled before it is delivered."""
        gateway, served = self.running()[number % len(self.running())]
        if served.asked.kind is CallKind.WHOLE:
            if self.waits(gateway):
                return
            served.delivered = int(served.held * share)
        if redis_answers or served.delivered == 0:
            self.world.run(gateway.end(served))
        else:
            self.metering.published.append(gateway.end_past_redis(served))

    def waits(self, gateway: Gateway) -> bool:
        """For a checkpoint's answer, before it delivers another token."""
        return gateway.stood_still and "deliver nothing after standing still" in self.duties

    @rule(number=which, is_answered=st.sampled_from([True, True, True, False]))
    def tick(self, number: int, is_answered: bool) -> None:
        gateway = self.gateway(number)
        swept = self.world.run(gateway.tick())
        if is_answered:
            for served in swept:
                served.is_told()
            self.world.run(gateway.learn(swept))
            gateway.stood_still = False

    @precondition(lambda self: self.served)
    @rule(number=which)
    def an_old_checkpoint_arrives_again(self, number: int) -> None:
        gateway, served = self.served[-1 - number % len(self.served)]
        if served.last_sent is None:
            return
        reply = self.world.run(gateway.desk.checkpoint([served.last_sent]))
        if not reply.swept and not served.has_ended:
            served.in_redis = max(served.in_redis, served.last_sent.tokens_completion)

    @precondition(lambda self: any(one.has_ended and one.delivered for _, one in self.served))
    @rule(number=which)
    def an_old_settlement_arrives_again(self, number: int) -> None:
        ended = [(gateway, one) for gateway, one in self.served if one.has_ended and one.delivered]
        gateway, served = ended[-1 - number % len(ended)]
        self.world.run(gateway.settle(served))

    @rule(number=which, is_confirmed=st.sampled_from([True, True, False]))
    def publish(self, number: int, is_confirmed: bool) -> None:
        self.publish_next(number, is_confirmed=is_confirmed)

    def publish_next(self, number: int, *, is_confirmed: bool) -> bool:
        batch = self.world.run(self.gateway(number).read_stream(is_confirmed=is_confirmed))
        if batch is not None:
            self.metering.published.append(batch)
        return batch is not None

    @precondition(lambda self: self.metering.published)
    @rule(number=which)
    def post(self, number: int) -> None:
        """In any order, again and again."""
        self.metering.post(self.metering.published[-1 - number % len(self.metering.published)])

    @rule(number=which)
    def forget_what_the_ledger_has(self, number: int) -> None:
        self.world.run(self.gateway(number).forget_confirmed())

    @rule()
    def mirror(self) -> None:
        self.begin_mirror(reads_ledger=True)
        self.arrive(0)

    @rule(reads_ledger=st.booleans())
    def begin_mirror(self, reads_ledger: bool) -> None:
        this = self.world.run(self.metering.begin())
        if reads_ledger:
            self.metering.read_ledger(this)
        self.passes.append(this)

    @precondition(lambda self: self.passes)
    @rule(number=which)
    def arrive(self, number: int) -> None:
        if self.world.run(self.metering.write(self.passes[-1 - number % len(self.passes)])):
            if not self.is_open:
                self.opened()
            self.is_open = True

    @rule(tokens=st.integers(1, 60))
    def deduct(self, tokens: int) -> None:
        """Takes a hold under its own id, is posted, and leaves by a mirror pass within the lease."""
        request, ledger = request_for(tokens, 0), self.metering.ledger
        if "lower by hold" in self.duties and not self.world.run(self.gateway(0).admit(request)):
            return
        if tokens <= ledger.paid:
            ledger.post(request.request_id, REVISION_SERVED, tokens, may_burn_trial=False)
            self.granted -= tokens
            self.deducted.add(request.request_id)

    def opened(self) -> None:
        """The account opens after a loss."""

    @rule(number=which)
    def sweep(self, number: int) -> None:
        """A hold that nobody has spoken of for a lease; a lease is longer than any wait."""
        listening = all(gateway.is_fresh for gateway in self.gateways if gateway.works)
        if not listening and "sweep only after a lease of listening" in self.duties:
            return
        alive = {one.id for owner, one in self.served if owner.works and owner.looks_after(one)}
        alive = alive if listening else set()
        if stale := sorted(request_id for request_id in self.held() if request_id not in alive):
            self.sweep_one(stale[number % len(stale)])

    def held(self) -> list[RequestId]:
        names: Any = self.world.run(self.world.redis.hkeys(NAMES.holds))
        return [RequestId(name.decode()) for name in names if name.decode() not in self.deducted]

    def sweep_one(self, request_id: RequestId) -> None:
        swept = self.world.run(sweep(self.world.redis, ACCOUNT, request_id, 0.0))
        assert isinstance(swept, Swept)
        for gateway, served in self.served:
            if served.id == request_id and gateway.looks_after(served):
                assert not gateway.works
                assert self.is_from_a_file or swept.record.tokens == served.in_redis
                served.excuse_above(swept.record.tokens)
                if gateway.stood_still:
                    served.is_told()
