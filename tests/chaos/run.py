"""One seed of one experiment: a crowd, a nemesis, then heal, wait for quiet, and the verdict."""

import asyncio
import random
import resource
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles

from deploy.local.fakes.delivery import HONEST
from deploy.local.identity import is_running
from deploy.local.servers.services import SERVICES
from tests.chaos.checker.collect import Seen, collect, remember_rows
from tests.chaos.checker.facts import Facts
from tests.chaos.checker.others import revocation_seconds
from tests.chaos.checker.verdict import Violation, figures, judge
from tests.chaos.history import History, now
from tests.chaos.lags import read_lags
from tests.chaos.load.crowd import crowd
from tests.chaos.quiet import until_quiet
from tests.chaos.rebuild import rebuild
from tests.chaos.reconcile import reconcile
from tests.chaos.results import Result
from tests.chaos.scene import Experiment, Scene
from tests.chaos.specs import GATEWAYS
from tests.chaos.system import Chaos
from tests.chaos.watching import watched


@dataclass(frozen=True, slots=True)
class Played:
    """A seed that is over and quiet, before its verdict."""

    scene: Scene
    seen: Seen
    quiet_seconds: float
    began_at: datetime


async def run_seed(
    chaos: Chaos, experiment: Experiment, seed: int, folder: Path, seconds: float = 0
) -> Result:
    """`seconds` 0: as long as the experiment wants."""
    began = now()
    played = await play(chaos, experiment, seed, folder, seconds)
    await experiment.after(played.scene)
    await until_quiet(chaos, played.scene.crowd.accounts)
    facts, violations = await verdict_on(played)
    await remember_rows(chaos)
    played.scene.history.file.close()
    result = _result(experiment, seed, now() - began, played, facts, violations)
    lag_ms = await read_lags(chaos, played.seen.accounts, played.began_at)
    return replace(result, lag_ms=lag_ms)


async def play(chaos: Chaos, experiment: Experiment, seed: int, folder: Path, seconds: float = 0) -> Played:
    await heal(chaos)  # of a seed before that came to no end
    began_at = datetime.now(UTC)
    history = History.at(folder / f"{experiment.name}-{seed}.jsonl")
    dice = random.Random(seed)  # noqa: S311 - not a secret
    async with crowd(chaos, history, seed, experiment.size) as gathered:
        scene = Scene(chaos, history, gathered, dice, seconds or experiment.seconds)
        accounts = [each.account_id for each in gathered.accounts]
        async with watched(chaos, accounts) as balances:
            loaded = now()
            await experiment.nemesis(scene)
            await asyncio.sleep(max(0.0, scene.seconds - (now() - loaded)))
            gathered.is_over.set()
    for name in await heal(chaos):
        scene.found("I10", f"{name} had ended by itself")
    quiet_seconds = await until_quiet(chaos, gathered.accounts)
    if not all(each.is_taken for each in chaos.fakes.engine.deliveries):
        await reconcile(chaos)
    spares = not experiment.harms_serving
    seen = Seen(history, accounts, balances, spares)
    return Played(scene, seen, quiet_seconds, began_at)


async def verdict_on(played: Played) -> tuple[Facts, list[Violation]]:
    """What is wrong is looked at once more when it is quiet again: a grant may end, or a webhook be told again, at the
    very moment of the verdict. Last of all Redis is emptied, and looked at once more."""
    chaos, gathered = played.scene.chaos, played.scene.crowd
    facts = await collect(chaos, played.seen)
    if judge(facts):
        await until_quiet(chaos, gathered.accounts)
        facts = await collect(chaos, played.seen)
    facts = replace(facts, after_rebuild=await rebuild(chaos, played.seen, gathered))
    return facts, [*judge(facts), *_own(played.scene)]


async def heal(chaos: Chaos) -> list[str]:
    """Every line is mended, every process runs, providers and mail server are kind. Returns what did not run."""
    for line in chaos.lines.values():
        line.mend()
    chaos.fakes.engine.manner = HONEST
    chaos.fakes.stripe_events.format = "snapshot"
    chaos.mail_server.unkind.clear()
    records = chaos.supervisor.records()
    ended = [each.name for each in records if each.identity is None or not is_running(each.identity)]
    for name in ended:
        await chaos.start(name)
    return ended


def _own(scene: Scene) -> list[Violation]:
    return [Violation(name, text) for name, texts in scene.findings.items() for text in texts]


def _result(
    experiment: Experiment,
    seed: int,
    seconds: float,
    played: Played,
    facts: Facts,
    violations: Sequence[Violation],
) -> Result:
    scene = played.scene
    return Result(
        experiment=experiment.name,
        seed=seed,
        seconds=round(seconds, 1),
        faults=scene.history.fault_kinds(),
        not_reached=scene.not_reached,
        statuses=scene.history.statuses(),
        figures=figures(facts),
        recovery_ms=recoveries_ms(scene.history),
        quiet_ms=round(played.quiet_seconds * 1000),
        revocation_ms=[round(each * 1000) for each in revocation_seconds(facts)],
        violations=[str(each) for each in violations],
        footprint=footprint(scene.chaos),
    )


def footprint(chaos: Chaos) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for name in (*SERVICES, GATEWAYS[1]):
        process = Path(f"/proc/{chaos.pid(name)}")
        pages = int((process / "statm").read_text().split()[1])
        found[name] = (pages * resource.getpagesize() >> 20, len(list((process / "fd").iterdir())))
    return found


def recoveries_ms(history: History) -> list[int]:
    """Per fault: from its mending to the first answer with 200 to a request that was sent after it."""
    good = sorted(
        ((each.sent_at, each.ended_at) for each in history.asked if each.status == 200),
        key=lambda each: each[1],
    )
    found: list[int] = []
    for fault in history.faults:
        first = next((ended for sent, ended in good if sent >= fault.mended_at), None)
        if first is not None:
            found.append(round((first - fault.mended_at) * 1000))
    return found


def percentile(values: Sequence[float], share: int) -> float:
    """0 of nothing."""
    if len(values) < 2:
        return values[0] if values else 0.0
    return quantiles(values, n=100, method="inclusive")[share - 1]
