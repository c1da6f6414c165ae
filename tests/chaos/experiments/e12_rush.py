"""Two hundred requests at once on a balance that pays for a few dozen, twice: once in peace, once while Redis is
emptied and every gateway fetches the account anew."""

import asyncio

from tests.chaos.experiments.e10_lose_redis import flush
from tests.chaos.load.asking import Account, Question, ask
from tests.chaos.load.crowd import Size
from tests.chaos.scene import Experiment, Scene
from tests.chaos.specs import GATEWAYS
from tests.chaos.upstream import Order

REQUESTS = 200
WANTED_TOKENS = 30
FLUSH_AFTER_SECONDS = (0.1, 0.6)


async def rush(scene: Scene) -> None:
    poor, poorer, *_ = scene.crowd.accounts
    await _rush(scene, poor)
    rushing = asyncio.create_task(_rush(scene, poorer))
    await scene.pause(*FLUSH_AFTER_SECONDS)
    await flush(scene)
    await rushing


async def _rush(scene: Scene, account: Account) -> None:
    lengths = [scene.random.randint(1, 2 * WANTED_TOKENS) for _ in range(REQUESTS)]
    await asyncio.gather(*(_ask(scene, account, number, tokens) for number, tokens in enumerate(lengths)))


async def _ask(scene: Scene, account: Account, number: int, tokens: int) -> None:
    gateway, words = GATEWAYS[number % len(GATEWAYS)], account.next_number()
    order = Order(f"{account.account_id}-{words}", tokens=tokens)
    question = Question(order, words, is_stream=number % 2 == 0, max_tokens=WANTED_TOKENS)
    await ask(scene.history, gateway, scene.chaos.url(gateway), account, question)


EXPERIMENT = Experiment(
    name="E12",
    title="200 requests at once on a balance for a few dozen",
    nemesis=rush,
    size=Size(accounts=4, poor=2, clients=4, sells=False),
    shown_by="tokens without cover",
)
