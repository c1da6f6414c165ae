"""Each service dies at each named point: between any two stores that must agree (shared/faults.py)."""

from shared.faults import Point
from tests.chaos.scene import Experiment, Scene

POINTS: tuple[tuple[str, Point], ...] = (
    ("gateway", "admitted"),
    ("gateway", "answered"),
    ("gateway-2", "settled"),
    ("gateway-2", "published"),
    ("accounts", "key_stored"),
    ("accounts", "published"),
    ("metering", "committed"),
    ("metering", "mirrored"),
    ("metering", "held_to_lower"),
    ("metering", "published"),
    ("billing", "checkout_made"),
    ("billing", "webhook_kept"),
    ("billing", "published"),
    ("notifier", "committed"),
    ("notifier", "mail_accepted"),
)


async def die_at_each(scene: Scene) -> None:
    points = list(POINTS)
    scene.random.shuffle(points)
    for process, point in points:
        await scene.crash_at(process, point)
        await scene.pause(0, 1)


EXPERIMENT = Experiment(
    name="E2",
    title="death at each named fault point",
    nemesis=die_at_each,
    shown_by="a generation charged twice; a mail never accepted",
)
