"""Named points at which a process can be told to die, to see what survives. Off, a point is an empty function.

`FAULT_POINTS` names a folder, and a file in it with the name of a point is an order to whoever gets there first:
it takes the file away and dies as of SIGKILL. Only tests/chaos sets it."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Literal

Point = Literal[
    "admitted",  # the hold is in Redis, and the upstream has heard nothing
    "answered",  # the upstream has said everything, and nothing is settled
    "settled",  # the charge is in Redis, and nobody has been told
    "published",  # the broker has confirmed, and that is not noted
    "committed",  # the effect of a message is in the database, and the message is not acknowledged
    "mirrored",  # Redis has the new balance, and that is not noted
    "held_to_lower",  # a deduction is held in Redis, and not posted
    "webhook_kept",  # an event of a provider is in the database, and not answered
    "checkout_made",  # the provider has made a checkout, and we do not know it
    "key_stored",  # a new key is in the database, and Redis has not heard of it
    "mail_accepted",  # the mail server has taken a mail, and that is not noted
]


def _free(_: Point) -> None:
    """Nothing was ordered."""


def _obeying(folder: Path) -> Callable[[Point], None]:
    def die_if_told(point: Point) -> None:
        try:
            (folder / point).unlink()
        except FileNotFoundError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

    return die_if_told


def _chosen(folder: str) -> Callable[[Point], None]:
    return _obeying(Path(folder)) if folder else _free


reached = _chosen(os.environ.get("FAULT_POINTS", ""))
