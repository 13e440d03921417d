"""Every adapter gets out of the recorded traffic of its providers what an independent reader got."""

from pathlib import Path

import pytest
from canalgate.adapters import BUILTIN
from canalgate.plugins.manager import PluginManager
from canalgate.proxy.conformance import SPLITS, cases, channel_for, differences, kit, replay
from canalgate.proxy.conformance.subject import subject
from recorded_providers import APIS, PROVIDERS, cases_of

WIRE = Path(__file__).resolve().parents[1] / "wire"

ADAPTERS = PluginManager(BUILTIN).adapters
PAIRS = [(name, case) for name in sorted(ADAPTERS) for case in cases_of(name)]


def test_every_built_in_adapter_is_in_the_table():
    assert set(ADAPTERS) == set(PROVIDERS)


@pytest.mark.parametrize("include_usage", [True, False], ids=["usage", "no-usage"])
@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize(("name", "case"), PAIRS, ids=[f"{name}-{case.title}" for name, case in PAIRS])
def test_a_recorded_answer_is_understood(recordings, name, case, split, include_usage):
    replayed = replay(ADAPTERS[name], case, split, include_usage=include_usage)
    assert differences(case, replayed) == []


@pytest.mark.parametrize("name", sorted(ADAPTERS))
def test_a_built_in_adapter_passes_the_kit(name):
    """With what was recorded of its providers, where that is at hand, and what was written of them here."""
    written = [
        case
        for case in cases(WIRE, PROVIDERS[name])
        if case.api != "models" and case.api in APIS.get(name, {case.api})
    ]
    recorded = [case for other, case in PAIRS if other == name]
    made = subject(ADAPTERS[name], channel_for(ADAPTERS[name]), [*recorded, *written])
    if made.wire == "own" and not made.cases:
        pytest.skip("a wire of its own needs recorded traffic")
    found = kit.run(made)
    assert [failure for section in found.sections for failure in section.failures] == []
