"""How a model is served: what can be set, what cannot, and what is kept on every database."""

from dataclasses import replace

import pytest
from canalgate.proxy.manage.models import checked
from canalgate.proxy.manage.refused import Refused
from canalgate.proxy.records import ChannelRow, Event, KeyFault, ModelRoute
from canalgate.proxy.store import StoreError

CHANNELS = [ChannelRow(1, "openai", "c", "http://h/v1", "k", ("a", "b", "c"), 1)]
SET = {
    name: ModelRoute(name, "", tuple(others))
    for name, others in {"a": "b", "alias": "a", "deep": ["alias"]}.items()
}


@pytest.mark.parametrize(
    "route",
    [
        ModelRoute("a", "latency"),
        ModelRoute("a", "", ("b", "c")),
        ModelRoute("smart", "", ("a",)),
        ModelRoute("smart", "sticky", ("alias", "deep")),
        ModelRoute("b", "", ("c",)),
    ],
)
def test_a_route_that_can_work_is_kept_as_it_is(route):
    assert checked(route, SET, CHANNELS) == route


@pytest.mark.parametrize(
    ("route", "field", "words"),
    [
        (ModelRoute("a", "fastest"), "mode", "there are: priority, weight, least_busy"),
        (ModelRoute("a", "", ("gone",)), "fallbacks", "no channel offers 'gone'"),
        (ModelRoute("a", "", ("a",)), "fallbacks", "'a' leads back to 'a'"),
        (ModelRoute("b", "", ("a",)), "fallbacks", "'a' leads back to 'b'"),
        (ModelRoute("b", "", ("deep",)), "fallbacks", "'deep' leads back to 'b'"),
        (ModelRoute("nobody", "weight"), "model", "no channel offers 'nobody', and nothing stands in for it"),
        (ModelRoute("", "", ("a",)), "model", "1 to 191"),
        (ModelRoute("x" * 192, "", ("a",)), "model", "1 to 191"),
        (ModelRoute("x\n", "", ("a",)), "model", "printable"),
        (ModelRoute("a", "", tuple(f"m{n}" for n in range(21))), "fallbacks", "at most 20"),
    ],
)
def test_a_route_that_cannot_work_is_refused_by_name(route, field, words):
    with pytest.raises(Refused, match=words) as caught:
        checked(route, SET, CHANNELS)
    assert caught.value.field == field


async def test_routes_come_back_as_they_were_set(store):
    route = ModelRoute("模型", "sticky", ("b", "c"))
    before = await store.generation()
    await store.routes.set(route)
    await store.routes.set(replace(route, mode=""))
    assert await store.routes.all() == {"模型": replace(route, mode="")}
    await store.routes.unset("模型")
    assert (await store.routes.all(), await store.generation()) == ({}, before + 3)
    with pytest.raises(StoreError, match="nothing is set"):
        await store.routes.unset("模型")


async def test_the_first_fault_of_a_key_stays_until_it_is_cleared(store):
    fault = KeyFault(3, "hash", "credential", "no such key", 100)
    assert await store.faults.add(fault)
    assert not await store.faults.add(replace(fault, reason="again", at=200))
    assert await store.faults.add(replace(fault, key_hash="other", reason="x" * 5000))
    assert [len(one.reason) for one in await store.faults.all()] == [11, 500]
    assert await store.faults.clear(3, "hash")
    assert not await store.faults.clear(3, "hash")
    assert await store.faults.clear(3)
    assert await store.faults.all() == []


async def test_events_come_newest_first_and_page_by_page(store):
    for number in range(5):
        await store.events.add(Event(0, number, "key_refused", f"channel:{number}", {"reason": "模型"}))
    first = await store.events.latest(2)
    rest = await store.events.latest(9, before=first[-1].id)
    assert [event.at for event in (*first, *rest)] == [4, 3, 2, 1, 0]
    assert first[0].detail == {"reason": "模型"}
