"""Work that becomes a task only if it has to wait."""

import asyncio

import pytest
from canalgate.proxy.tasks import Owner


@pytest.fixture
async def owner():
    made = Owner()
    yield made
    await made.close()


async def test_work_that_need_not_wait_is_done_at_once(owner):
    done = []

    async def work():
        done.append(1)

    assert owner.run(work(), "w") is None
    assert done == [1]


async def test_work_that_waits_goes_on_as_a_task(owner):
    ready, done = asyncio.get_running_loop().create_future(), []

    async def work():
        done.append(await ready)
        await asyncio.sleep(0)
        done.append("end")

    task = owner.run(work(), "w")
    assert done == []
    ready.set_result("begun")
    await task
    assert done == ["begun", "end"]


async def test_a_failure_at_once_is_raised(owner):
    async def work():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        owner.run(work(), "w")


async def test_a_failure_after_a_wait_is_the_tasks(owner):
    async def work():
        await asyncio.sleep(0)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await owner.run(work(), "w")


async def test_a_failure_awaited_can_be_caught_inside(owner):
    failing, caught = asyncio.get_running_loop().create_future(), []

    async def work():
        try:
            await failing
        except ValueError as exc:
            caught.append(str(exc))
            await asyncio.sleep(0)
            caught.append("went on")

    task = owner.run(work(), "w")
    failing.set_exception(ValueError("no"))
    await task
    assert caught == ["no", "went on"]


@pytest.mark.parametrize("waits", [1, 3])
async def test_cancelling_reaches_the_place_where_it_waits(owner, waits):
    ended = []

    async def work():
        try:
            for _ in range(waits - 1):
                await asyncio.sleep(0)
            await asyncio.Event().wait()
        finally:
            ended.append(asyncio.current_task().cancelling())

    task = owner.run(work(), "w")
    for _ in range(waits):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [1]


async def test_a_time_limit_works_once_it_is_a_task(owner):
    async def work():
        await asyncio.sleep(0)
        async with asyncio.timeout(0.01):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await owner.run(work(), "w")


async def test_closing_ends_what_waits():
    owner, ended = Owner(), []

    async def work():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    owner.run(work(), "w")
    await owner.close()
    assert ended == [True]
