"""Slots at the upstream under cancellation: none is lost, none is given twice."""

import asyncio

import pytest

from services.gateway.domain.errors import Overloaded
from services.gateway.use_cases.slots import UpstreamSlots


class Room:
    """Who is inside, and a door that keeps them there."""

    def __init__(self, slots: UpstreamSlots) -> None:
        self._slots = slots
        self.inside: list[str] = []
        self.may_leave = asyncio.Event()

    async def _stay(self, name: str) -> None:
        async with self._slots.slot(name):
            self.inside.append(name)
            try:
                await self.may_leave.wait()
            finally:
                self.inside.remove(name)

    async def enter(self, name: str) -> "asyncio.Task[None]":
        task = asyncio.create_task(self._stay(name))
        await settle()
        return task


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def room(timeout_seconds: float = 10) -> Room:
    return Room(UpstreamSlots(slots=1, length_max=10, timeout_seconds=timeout_seconds))


async def finish(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait({task})


@pytest.mark.parametrize("leaving_first", [True, False])
async def test_a_waiter_that_gives_up_just_as_a_slot_is_freed_neither_keeps_nor_doubles_it(
    leaving_first: bool,
) -> None:
    place = room()
    tasks = [await place.enter(name) for name in "abcd"]
    first, second = (tasks[0], tasks[1]) if leaving_first else (tasks[1], tasks[0])
    first.cancel()
    second.cancel()
    await settle()
    assert place.inside == ["c"]
    await finish(tasks[2])
    await settle()
    assert place.inside == ["d"]
    await finish(tasks[3])


async def test_who_waits_too_long_leaves_the_queue_and_the_slot_goes_on() -> None:
    place = room(timeout_seconds=0.02)
    holder, waiter = [await place.enter(name) for name in "ab"]
    with pytest.raises(Overloaded):
        await waiter
    place.may_leave.set()
    await holder
    await (await place.enter("c"))


async def test_more_slots_let_those_in_who_wait_and_fewer_send_nobody_away() -> None:
    slots = UpstreamSlots(slots=1, length_max=10, timeout_seconds=10)
    place = Room(slots)
    tasks = {name: await place.enter(name) for name in "abcd"}
    slots.resize(3)
    await settle()
    assert (place.inside, slots.waiting) == (["a", "b", "c"], 1)
    slots.resize(1)
    assert (place.inside, slots.running) == (["a", "b", "c"], 3)
    for name, inside in (("a", ["b", "c"]), ("b", ["c"]), ("c", ["d"])):
        await finish(tasks[name])
        await settle()
        assert place.inside == inside
    await finish(tasks["d"])
    assert slots.running == 0


async def test_when_thousands_stop_waiting_at_once_the_slot_is_free() -> None:
    """A proxy in front that restarts drops all its connections in one moment."""
    slots = UpstreamSlots(slots=1, length_max=2000, timeout_seconds=10)
    await slots.enter("holder")
    waiting = [asyncio.create_task(slots.enter("a")) for _ in range(2000)]
    await settle()
    for task in waiting:
        task.cancel()
    slots.leave()
    await asyncio.wait(waiting)
    assert (slots.running, slots.waiting) == (0, 0)
