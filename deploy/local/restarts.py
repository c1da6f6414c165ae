"""When a process that crashed is started again: at once, then ever later, as long as it keeps crashing."""

from dataclasses import dataclass

FIRST_DELAY_SECONDS = 0.5
DELAY_SECONDS_MAX = 30.0
STABLE_AFTER_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Restarts:
    """How often it crashed, in all and since it last ran for a good while."""

    total: int = 0
    in_a_row: int = 0

    def after_crash(self, ran_seconds: float) -> "Restarts":
        in_a_row = 1 if ran_seconds >= STABLE_AFTER_SECONDS else self.in_a_row + 1
        return Restarts(self.total + 1, in_a_row)

    @property
    def delay_seconds(self) -> float:
        return (
            min(DELAY_SECONDS_MAX, FIRST_DELAY_SECONDS * 2.0 ** (self.in_a_row - 1)) if self.in_a_row else 0.0
        )
