"""Exactly one reply is lost: the server has done it, and who asked does not know."""

from tests.chaos.scene import Experiment, Scene

PUBLISH = b"\x00\x3c\x00\x28"
"""basic.publish, as its method frame begins."""
LOST: tuple[tuple[str, bytes], ...] = (
    *(("gateway>redis", b"EVALSHA"),) * 4,
    ("gateway>rabbitmq", PUBLISH),
    ("metering>redis", b"EVALSHA"),
    ("metering>redis", b"EVALSHA"),
    ("metering>postgres", b"COMMIT"),
    ("metering>postgres", b"COMMIT"),
    ("metering>rabbitmq", b"\x00\x3c\x00\x50"),
    ("accounts>postgres", b"COMMIT"),
    ("accounts>postgres", b"COMMIT"),
    ("accounts>redis", b"EVALSHA"),
    ("accounts>rabbitmq", PUBLISH),
    ("billing>postgres", b"COMMIT"),
    ("billing>payments", b"POST /v1/checkout/sessions"),
    ("billing>payments", b"POST /api/v1/stores"),
    ("billing>rabbitmq", PUBLISH),
    ("notifier>postgres", b"COMMIT"),
    ("notifier>smtp", b"\r\n.\r\n"),
)


async def lose_replies(scene: Scene) -> None:
    losses = list(LOST)
    scene.random.shuffle(losses)
    for line, question in losses:
        await scene.lose_reply(line, question)
        await scene.pause(0, 0.5)


EXPERIMENT = Experiment(
    name="E11",
    title="one reply lost: Redis script, COMMIT, confirm, Stripe POST, SMTP 250",
    nemesis=lose_replies,
    shown_by="a generation charged twice; an order credited twice",
)
