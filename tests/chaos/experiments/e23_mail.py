"""The mail server says try later, refuses a person, refuses a text, hangs up after it has taken a mail, and is gone
for a while."""

from tests.chaos.load.crowd import Size
from tests.chaos.mail_server import Unkindness
from tests.chaos.scene import Experiment, Scene

UNKIND = (
    Unkindness.TRY_LATER,
    Unkindness.NO_SUCH_PERSON,
    Unkindness.HANGS_UP_AFTER_DATA,
    Unkindness.CONTENT_REFUSED,
    Unkindness.HANGS_UP_AFTER_DATA,
)
SILENT_SECONDS = 3.0


async def be_unkind(scene: Scene) -> None:
    server = scene.chaos.mail_server
    for how in scene.random.sample(UNKIND, len(UNKIND)):
        async with scene.fault(f"SMTP {how}", "smtp"):
            server.unkind.append(how)
            await scene.pause(1, 2.5)
    await scene.silence(["notifier>smtp"], SILENT_SECONDS)


EXPERIMENT = Experiment(
    name="E23",
    title="SMTP: 451, 550, 554, hang-up after DATA, silence",
    nemesis=be_unkind,
    harms_serving=False,
    size=Size(clients=6),
    shown_by="a mail never accepted; a mail refused without a reason",
)
