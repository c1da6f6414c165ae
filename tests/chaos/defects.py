"""What chaos has found so far. Each was repaired and is held by the test that is named."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Defect:
    found_by: str
    what: str
    test: str


DEFECTS: tuple[Defect, ...] = (
    Defect(
        "E6",
        "What RabbitMQ had confirmed and then lost (a deleted queue, an emptied broker) was gone for ever, but for usage: "
        "outboxes kept their events for a day, and nothing could publish them again. Now `python -m services.<name> replay` does",
        "shared/tests/test_outbox.py::test_what_the_broker_lost_after_its_confirm_can_be_published_again",
    ),
    Defect(
        "E17D",
        "PostgreSQL restarted by its operator says goodbye on idle connections; a statement that began before the connection "
        "was closed failed with asyncpg's InternalClientError, which nobody counted as an outage: metering, billing and "
        "notifier ended, all three at once. It is an outage now, for every loop",
        "shared/tests/test_postgres_goodbye.py",
    ),
    Defect(
        "E8",
        "A binding that was removed from one of an event's two queues stayed removed until somebody reconnected: the other "
        "queue confirmed, and no alarm told. Publishers now declare everything anew every 30 s",
        "shared/bus/tests/test_publisher.py::"
        "test_a_binding_that_was_removed_from_one_of_two_queues_is_back_after_a_while",
    ),
    Defect(
        "E3",
        "A gateway that had stood still for 45 s published one record straight to RabbitMQ on a connection that closed in the same "
        "moment. The library's word for that is RuntimeError, which nobody counted as an outage: the batch's number was given and "
        "never sent, and no account that Redis lost later would have opened again before a day was over. It is an outage now, and tried again",
        "shared/bus/tests/test_connection.py::"
        "test_a_connection_that_closes_between_a_look_at_it_and_its_use_is_an_outage",
    ),
    Defect(
        "E5",
        "Something before a dead RabbitMQ took the connection and hung up before its greeting. The library's word for that is "
        "StopAsyncIteration, which nobody counted as an outage: accounts, billing and both gateways ended within five seconds. It is one now",
        "shared/bus/tests/test_connection.py::test_a_peer_that_hangs_up_in_the_middle_of_its_greeting_is_an_outage",
    ),
    Defect(
        "reading",
        "A gateway numbered a batch before its turn to be sent came. Killed while a lower number was unsent and a higher one confirmed "
        "(Redis and the broker both fail, and it dies within half a second) it left a gap for which, after a later loss of Redis, accounts "
        "would have stayed closed for up to a day; no money was at stake, and no run showed it. A number is now given in the order of sending, and "
        "a gateway claims none above one that is not confirmed",
        "services/gateway/tests/test_publishing.py::"
        "test_a_gateway_that_dies_between_two_attempts_has_claimed_no_batch_above_one_it_never_sent",
    ),
    Defect(
        "E3L",
        "A prompt longer than the model's context (an account's 2,273rd question, after minutes of load) is refused by the model server and costs nothing. "
        "Who hung up before the refusal came was charged the whole prompt, by the rule for who leaves before an answer begins. "
        "A prompt that does not fit is no longer charged",
        "services/gateway/tests/test_clients_that_leave.py::"
        "test_a_client_that_leaves_before_a_prompt_beyond_the_context_is_refused_pays_nothing",
    ),
    Defect(
        "E6",
        "A batch of usage was in RabbitMQ's queue when that was deleted. The replay brought its records back under another number; its own "
        "stayed missing, and every account that Redis lost later stayed closed, for a day: nothing but waiting opened them. No money was at "
        "stake. An operator may now say so, after the replay: `python -m services.metering give-up-batches`",
        "services/metering/tests/test_batches.py::test_what_the_broker_lost_is_given_up_when_the_operator_says_so",
    ),
)
