"""Short histories, one for each rule of the protocol: without the rule, each of them goes wrong.

The account begins with 100 tokens, open, with two gateways.
"""

from collections.abc import Callable

from shared.admission.decisions import CallKind
from shared.admission.tests.lost_redis import LostRedis

History = Callable[[LostRedis], None]


def start(account: LostRedis, tokens: int = 100, *, delivered: float = 0.0, gateway: int = 0) -> None:
    """A stream on a gateway that works."""
    account.admit(gateway, tokens, CallKind.STREAM, is_answered=True)
    if delivered and account.running():
        account.deliver(len(account.running()) - 1, delivered)


def serve(account: LostRedis, tokens: int = 60) -> None:
    start(account, tokens, delivered=1)
    account.end(0, 1, redis_answers=True)


def tick_all(account: LostRedis) -> None:
    for number in range(2):
        account.tick(number, is_answered=True)


def post_all(account: LostRedis) -> None:
    account.publish(1, is_confirmed=True)
    account.post(0)


def reopen(account: LostRedis) -> None:
    account.time_passes(ticks=True)


def stop_in_the_middle(account: LostRedis, *, delivers_more: float = 0.0) -> None:
    """Ten of fifty tokens are delivered and checkpointed; then its gateway stands still, and is swept."""
    start(account, 50, delivered=0.2)
    account.tick(0, is_answered=True)
    account.deliver(0, delivers_more)
    account.stop(0)
    account.sweep(0)


def a_batch_is_posted_twice(account: LostRedis) -> None:
    serve(account)
    post_all(account)
    account.post(0)


def a_mirror_write_comes_late(account: LostRedis) -> None:
    serve(account)
    account.begin_mirror(reads_ledger=True)
    post_all(account)
    account.mirror()
    account.arrive(1)
    start(account)


def a_request_is_posted_between_snapshot_and_write(account: LostRedis) -> None:
    serve(account)
    account.publish(1, is_confirmed=True)
    account.begin_mirror(reads_ledger=True)
    account.post(0)
    account.arrive(0)
    start(account)


def an_operator_deducts_what_a_request_holds(account: LostRedis) -> None:
    start(account, delivered=1)
    account.deduct(60)


def a_trial_ends_while_a_request_spends_it(account: LostRedis) -> None:
    account.begin(paid=0, trial=100)
    start(account, delivered=1)
    account.trial_ends()
    account.close_trial()


def a_stopped_gateway_corrects_what_was_swept(account: LostRedis) -> None:
    """It had delivered more than its last checkpoint says."""
    stop_in_the_middle(account, delivers_more=1)
    post_all(account)
    account.come_back(0)
    account.end(0, 1, redis_answers=True)
    account.mirror()
    start(account)


def redis_restarts_from_an_older_file(account: LostRedis) -> None:
    account.save_file()
    serve(account)
    account.restart_from_file(0)
    start(account)


def a_stream_runs_while_redis_is_emptied(account: LostRedis) -> None:
    start(account)
    account.empty_redis()
    account.mirror()
    for number in range(2):
        account.tick(number, is_answered=False)
    account.the_wait_is_over()
    account.mirror()
    start(account)


def a_settlement_is_lost_with_redis(account: LostRedis) -> None:
    serve(account)
    account.tick(0, is_answered=True)
    account.empty_redis()
    reopen(account)
    start(account)


def telling_takes_longer_than_the_wait(account: LostRedis) -> None:
    serve(account, 30)
    serve(account, 60)
    account.tick(0, is_answered=True)
    account.empty_redis()
    account.slow_down(0, is_slow=True)
    reopen(account)
    start(account, 40, delivered=1)


def an_account_is_asked_for_at_once_after_a_loss(account: LostRedis) -> None:
    start(account)
    account.empty_redis()
    account.mirror()
    account.mirror()
    start(account)


def a_closed_account_is_asked_for(account: LostRedis) -> None:
    start(account)
    account.empty_redis()
    account.mirror()
    start(account)


def a_batch_is_on_its_way_when_redis_is_lost(account: LostRedis) -> None:
    """Published by a gateway that lives; the one that served it is dead."""
    serve(account)
    account.publish(1, is_confirmed=True)
    account.kill(0)
    account.empty_redis()
    reopen(account)
    start(account)


def the_publisher_of_a_batch_dies_before_redis_is_lost(account: LostRedis) -> None:
    serve(account)
    account.publish(0, is_confirmed=True)
    account.tick(0, is_answered=True)
    account.follow()
    account.kill(0)
    account.empty_redis()
    reopen(account)
    start(account)


def a_stream_goes_on_after_it_was_swept(account: LostRedis) -> None:
    stop_in_the_middle(account)
    start(account, 90, delivered=1)
    account.come_back(0)
    account.tick(0, is_answered=True)
    if len(account.running()) > 1:
        account.deliver(0, 1)


def a_gateway_delivers_before_it_knows_what_it_lost(account: LostRedis) -> None:
    stop_in_the_middle(account)
    start(account, 90, delivered=1)
    account.come_back(0)
    account.deliver(0, 1)


def a_stream_comes_back_when_its_account_is_open_again(account: LostRedis) -> None:
    start(account, 50, delivered=0.2)
    account.stop(0)
    account.empty_redis()
    reopen(account)
    start(account, delivered=1)
    account.come_back(0)
    account.tick(0, is_answered=True)
    assert len(account.running()) == 1


def a_swept_stream_comes_back_before_the_account_opens(account: LostRedis) -> None:
    stop_in_the_middle(account)
    account.publish(0, is_confirmed=True)
    account.post(0)
    account.empty_redis()
    account.mirror()
    account.come_back(0)
    tick_all(account)
    account.mirror()
    tick_all(account)
    assert not account.running()


def a_hold_in_an_older_file_looks_stale(account: LostRedis) -> None:
    start(account, 50, delivered=1)
    account.save_file()
    account.restart_from_file(0)
    account.sweep(0)


def a_pass_from_before_a_second_loss_arrives(account: LostRedis) -> None:
    start(account)
    account.empty_redis()
    account.mirror()
    tick_all(account)
    account.the_wait_is_over()
    account.begin_mirror(reads_ledger=True)
    account.empty_redis()
    account.mirror()
    account.arrive(1)
    start(account)


def a_lost_settlement_is_asked_about(account: LostRedis) -> None:
    serve(account)
    account.tick(0, is_answered=True)
    account.empty_redis()
    account.forget_what_the_ledger_has(0)
    reopen(account)
    start(account)
