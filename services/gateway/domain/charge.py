"""Who pays for what: one decision for every way a request can end (ARCHITECTURE.md, "Who pays")."""

from dataclasses import dataclass
from enum import Enum
from typing import assert_never

from services.gateway.domain.counts import Counts


class Ending(Enum):
    COMPLETED = "completed"
    NOT_ANSWERED = "not_answered"
    """Refused, still waiting, or the upstream failed before it delivered anything."""
    CLIENT_LEFT = "client_left"
    UPSTREAM_BROKE = "upstream_broke"
    """In the middle of an answer."""
    CUT = "cut"
    """By us: the hold had been swept, or this process is stopping."""
    REVOKED = "revoked"
    """Its key was revoked meanwhile: a stream is ended, a whole answer withheld."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """Release the hold: no charge, no usage."""


@dataclass(frozen=True, slots=True)
class Charge:
    counts: Counts


@dataclass(frozen=True, slots=True)
class ChargePrompt:
    """The upstream worked on the prompt and nothing is known of tokens: ask it for the prompt's exact count."""


Due = Nothing | Charge | ChargePrompt


def who_pays(ending: Ending, counts: Counts | None) -> Due:
    """`counts`: what was received, None when nothing that tells tokens."""
    match ending:
        case Ending.NOT_ANSWERED:
            return Nothing()
        case Ending.COMPLETED | Ending.CLIENT_LEFT:
            return Charge(counts) if counts else ChargePrompt()
        case Ending.UPSTREAM_BROKE | Ending.CUT | Ending.REVOKED:
            return Charge(counts) if counts else Nothing()
    assert_never(ending)


def within_hold(counts: Counts, tokens_held: int) -> tuple[int, int]:
    """Prompt and completion as charged: never above the hold; the answer's end gives way first."""
    prompt = min(counts.prompt, tokens_held)
    return prompt, min(counts.completion, tokens_held - prompt)
