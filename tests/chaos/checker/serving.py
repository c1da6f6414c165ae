"""What was generated, what was received, what was charged: request by request, by account and prompt length.

The rules are ARCHITECTURE.md's table of who pays, without a clock: charged is never less than what the client received and
never more than what was generated. What the stated bounds leave uncharged is counted apart."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.chaos.checker.facts import Facts, Usage
from tests.chaos.history import Asked
from tests.chaos.upstream import Generated

Identity = tuple[str, int]
LOST = "lost"


def each_generation_is_charged_once(facts: Facts) -> Iterator[str]:
    rows, asked, spare = _rows(facts), _asked(facts), _lost_without_tokens(facts)
    for generated in facts.generations:
        found, client = rows.get(_identity(generated), []), asked.get(generated.name)
        if len(found) > 1:
            yield f"{generated.name} is charged {len(found)} times"
        elif found:
            yield from _wrong_amount(generated, found[0], client)
        elif _must_have_a_row(generated, client, facts):
            if spare[generated.account_id] <= 0 or (client is not None and client.end == "done"):
                yield f"{generated.name} was generated, {_received(client)} tokens of it received, and not charged"
            else:
                spare[generated.account_id] -= 1


def nothing_is_charged_that_was_not_generated(facts: Facts) -> Iterator[str]:
    known = {_identity(each) for each in facts.generations}
    for row in facts.usage:
        if row.tokens and (row.account_id, row.tokens_prompt) not in known:
            yield f"request {row.request_id} of {row.account_id} is charged {row.tokens}, and was never generated"


def answers_are_in_the_ledger(facts: Facts) -> Iterator[str]:
    """I9: a whole answer with 200, and a stream that came to its end, are acknowledged."""
    rows = {row.request_id for row in facts.usage}
    for asked in facts.asked:
        if asked.end == "done" and asked.request_id not in rows:
            yield f"{asked.name} was answered as {asked.request_id}, and the ledger has nothing of it"


def count_doubled(facts: Facts) -> int:
    return sum(len(found) - 1 for found in _rows(facts).values() if len(found) > 1)


def tokens_uncharged_within_bounds(facts: Facts) -> int:
    """Received and not charged, of requests whose gateway died or stood still."""
    rows, total = _rows(facts), 0
    for asked in facts.asked:
        found = rows.get((asked.account_id, asked.tokens_prompt))
        if asked.delivered and found is None:
            total += asked.delivered
        elif found and found[0].outcome == LOST:
            total += max(0, asked.delivered - found[0].tokens_completion)
    return total


def count_undelivered(facts: Facts) -> int:
    """Generated, and neither received by anybody nor charged."""
    rows, asked = _rows(facts), _asked(facts)
    return sum(
        1
        for each in facts.generations
        if each.tokens_completion and _identity(each) not in rows and not _received(asked.get(each.name))
    )


def _wrong_amount(generated: Generated, row: Usage, client: Asked | None) -> Iterator[str]:
    charged, received = row.tokens_completion, _received(client)
    if row.outcome == "completed":
        said = generated.tokens_completion if generated.said is None else generated.said
        is_right = charged == said or (said > generated.tokens_completion and charged <= said)
        if not is_right:
            yield f"{generated.name}: {said} tokens said, {charged} charged"
    elif charged > max(generated.tokens_completion, generated.said or 0):
        yield f"{generated.name}: {generated.tokens_completion} tokens generated, {charged} charged"
    elif row.outcome != LOST and charged < received:
        yield f"{generated.name}: {received} tokens received, {charged} charged ({row.outcome})"


def _must_have_a_row(generated: Generated, client: Asked | None, facts: Facts) -> bool:
    if _received(client):
        return True
    if not facts.spares_gateways or client is None or not generated.is_whole:
        return False
    was_refused = client.status not in (0, 200)
    return generated.tokens_completion > 0 and not was_refused and client.end in ("done", "left")


def _rows(facts: Facts) -> dict[Identity, list[Usage]]:
    found: defaultdict[Identity, list[Usage]] = defaultdict(list)
    for row in facts.usage:
        if row.tokens:
            found[row.account_id, row.tokens_prompt].append(row)
    return dict(found)


def _lost_without_tokens(facts: Facts) -> Counter[str]:
    """Swept before their first checkpoint: they name no prompt, but there is one row for each."""
    return Counter(row.account_id for row in facts.usage if row.outcome == LOST and not row.tokens)


def _asked(facts: Facts) -> dict[str, Asked]:
    return {each.name: each for each in facts.asked}


def _identity(generated: Generated) -> Identity:
    return generated.account_id, generated.tokens_prompt


def _received(client: Asked | None) -> int:
    return client.delivered if client else 0
