"""Every service is restarted in turn as an upgrade does, with its grace: no answer that has begun is cut off."""

from tests.chaos.scene import Experiment, Scene

ROLLED = ("accounts", "metering", "billing", "notifier", "gateway", "gateway-2")


async def roll(scene: Scene) -> None:
    for service in ROLLED:
        await scene.pause(0.5, 1.5)
        async with scene.fault("rolling restart", service):
            await scene.chaos.start(service)


async def no_answer_was_cut(scene: Scene) -> None:
    for asked in scene.history.asked:
        if asked.status == 200 and asked.end == "broken":
            scene.found(
                "I9", f"{asked.name} had begun, and was cut off after {asked.ended_at - asked.sent_at:.1f} s"
            )


EXPERIMENT = Experiment(
    name="E22",
    title="rolling restart of everything under load",
    nemesis=roll,
    after=no_answer_was_cut,
    shown_by="an answer that the ledger does not know",
)
